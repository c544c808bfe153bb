"""
A page in the browser where a key or a button labels the picture that is shown.

The server is the standard library's, on the loopback interface alone: it reads
and writes pictures of this machine, so requests of other sites are refused.
"""

import itertools
import json
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.dataset.collection import folder_of
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.files import write_file
from alexnet_ros.pictures import jpeg_from_rgb

Image = NDArray[np.uint8]
KEPT = 16  # shown pictures that can still be labelled
LARGEST_BODY = 4096
PAGE = Path(__file__).with_name('label.html')


@dataclass(frozen=True)
class Shown:
    """One picture to label; ``path`` is its file, to be moved when labelled, None for a frame."""

    number: int
    image_rgb: Image
    path: Path | None = None


class Source:
    """Pictures in a row, from a video, a bag or a folder, read as they are needed."""

    def __init__(self, pictures: Iterator[tuple[Image, Path | None]]) -> None:
        self._pictures, self._numbers = pictures, itertools.count(1)
        self._shown: Shown | None = None
        self.advance()

    def current(self) -> Shown | None:
        """Return the picture to show, None at the end."""
        return self._shown

    def advance(self) -> None:
        """Go on to the next one."""
        pair = next(self._pictures, None)
        self._shown = None if pair is None else Shown(next(self._numbers), *pair)


@dataclass
class Labelling:
    """
    What is labelled, and where it goes.

    With ``val_every`` pictures go to ``train/CLASS`` and ``val/CLASS`` of the
    folder, whole scenes to one of them; else to ``CLASS``. A scene is what was
    labelled within ``scene_s``, or until somebody begins another.

    :param scene_s: seconds after which a new scene begins by itself; 0 for never.
    :param val_every: one scene in so many goes to ``val``; 0 makes no parts.
    """

    folder: Path
    classes: Sequence[str]
    source: Source
    scene_s: float = 10.0
    val_every: int = 5
    clock: Any = time.monotonic
    scene: int = 0
    done: list[tuple[Path, str, Path | None, int]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Count what is there already, and begin a scene after the last one."""
        self._lock = threading.Lock()
        self._recent: OrderedDict[int, Shown] = OrderedDict()
        self._since: float | None = None
        for name in self.classes:
            for part in ('train/', 'val/') if self.val_every else ('',):
                place = self.folder / f'{part}{folder_of(name)}'
                place.mkdir(parents=True, exist_ok=True)
                files = [path.stem for path in place.iterdir() if path.is_file()]
                self.counts[name] += len(files)
                numbers = [int(stem.split('_')[0]) for stem in files if stem[:4].isdecimal()]
                self.scene = max([self.scene, *(number + 1 for number in numbers)])

    @property
    def part(self) -> str:
        """Where the present scene goes: ``train``, ``val``, or nothing."""
        if not self.val_every:
            return ''
        return 'val' if self.scene % self.val_every == self.val_every - 1 else 'train'

    def show(self) -> Shown | None:
        """Return the picture to show now, and remember it."""
        with self._lock:
            shown = self.source.current()
            if shown is not None:
                self._recent[shown.number] = shown
                while len(self._recent) > KEPT:
                    self._recent.popitem(last=False)
            return shown

    def recent(self, number: int) -> Shown | None:
        """Return a picture that was shown a short while ago, None when it is gone."""
        with self._lock:
            return self._recent.get(number)

    def label(self, number: int, name: str) -> str:
        """Store the picture of that number in a class; return what went wrong, if it did."""
        with self._lock:
            shown = self._recent.get(number)
            if name not in self.classes:
                return f'unknown class {name!r}'
            if shown is None:
                return 'this picture is gone; label the one shown now'
            if any(number == given for *_, given in self.done[-KEPT:]):
                return 'this picture has its label; undo it, or wait for the next one'
            now = self.clock()
            if self._since is None:
                self._since = now
            elif self.scene_s and now - self._since >= self.scene_s:
                self.scene, self._since = self.scene + 1, now
            place = self.folder / self.part / folder_of(name)
            if shown.path is not None:
                target = place / shown.path.name
                shown.path.replace(target)
            else:
                target = place / f'{self.scene:04}_{time.time_ns()}.jpg'
                write_file(target, jpeg_from_rgb(shown.image_rgb, 95))
            self.done.append((target, name, shown.path, number))
            self.counts[name] += 1
            self.source.advance()
            return ''

    def undo(self) -> None:
        """Take the last label back."""
        with self._lock:
            if not self.done:
                return
            target, name, origin, _ = self.done.pop()
            if origin is None:
                target.unlink(missing_ok=True)
            elif target.exists():
                target.replace(origin)
            self.counts[name] -= 1

    def skip(self) -> None:
        """Go on without a label."""
        with self._lock:
            self.source.advance()

    def new_scene(self) -> None:
        """Begin another scene."""
        with self._lock:
            self.scene, self._since = self.scene + 1, None

    def state(self) -> dict[str, Any]:
        """Return what the page shows beside the picture."""
        shown = self.show()
        return {
            'classes': list(self.classes),
            'counts': [self.counts[name] for name in self.classes],
            'scene': self.scene,
            'part': self.part,
            'frame': None if shown is None else shown.number,
        }


def page_server(labelling: Labelling, port: int) -> ThreadingHTTPServer:
    """
    Return a server of the page on 127.0.0.1; call ``serve_forever``.

    :param port: 0 takes a free one.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers the page's requests."""

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header('Content-Type', kind)
            self.send_header('Content-Length', str(len(body)))
            self.send_header('Cache-Control', 'no-store')
            self.send_header('Content-Security-Policy', "default-src 'self' 'unsafe-inline'")
            self.end_headers()
            self.wfile.write(body)

        def _json(self, values: dict[str, Any], status: int = 200) -> None:
            self._send(status, 'application/json', json.dumps(values).encode())

        def _ours(self) -> bool:
            """Refuse what another site makes a browser send (DNS rebinding, forms)."""
            own = {f'{host}:{self.server.server_port}' for host in ('127.0.0.1', 'localhost')}  # type: ignore[attr-defined]
            origin = self.headers.get('Origin')
            return self.headers.get('Host') in own and (
                origin is None or origin.removeprefix('http://') in own
            )

        def do_GET(self) -> None:
            """Send the page, its state or the picture."""
            path, _, number = self.path.partition('?')
            if not self._ours():
                self._send(403, 'text/plain', b'only for this machine')
            elif path == '/':
                self._send(200, 'text/html; charset=utf-8', PAGE.read_bytes())
            elif path == '/state':
                self._json(labelling.state())
            elif path == '/frame.jpg':
                known = number.isdecimal() and len(number) < 10
                shown = labelling.recent(int(number)) if known else labelling.show()
                if shown is None:
                    self._send(404, 'text/plain', b'no picture')
                else:
                    self._send(200, 'image/jpeg', jpeg_from_rgb(shown.image_rgb, 85))
            else:
                self._send(404, 'text/plain', b'not found')

        def do_POST(self) -> None:
            """Label, undo, skip, or begin a scene."""
            size = self.headers.get('Content-Length', '')
            plain = size.isdecimal() and int(size) <= LARGEST_BODY
            if not self._ours() or self.headers.get('Content-Type') != 'application/json':
                self._send(403, 'text/plain', b'only for this machine')
                return
            try:
                values = json.loads(self.rfile.read(int(size))) if plain else None
                self._json(*self._done(values))
            except (AlexnetRosError, ValueError, KeyError, TypeError, OSError) as error:
                self._json({'error': f'cannot do that: {error}'}, 400)

        def _done(self, values: Any) -> tuple[dict[str, Any], int]:
            action = self.path.strip('/')
            if action == 'label':
                trouble = labelling.label(int(values['frame']), str(values['class']))
                if trouble:
                    return {'error': trouble}, 409
            elif action in {'undo', 'skip', 'scene'}:
                act = {'undo': labelling.undo, 'skip': labelling.skip}
                act.get(action, labelling.new_scene)()
            else:
                return {'error': f'no action {action!r}'}, 404
            return labelling.state(), 200

    server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
    server.daemon_threads = True
    return server
