"""
Run what README and docs tell people to type: ``python -m tests.doc_commands``.

Every line of a ``bash`` block that calls ``alexnet_ros`` is run, in order, in a folder that
holds small files of the names that the pages use, and ends in a result or in one line. A
block that no machine of ours can run says why in a comment above it::

    <!-- not run: needs a Jetson -->

It needs what the commands need and no pytest, so that any environment can be tried.
"""

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]
BLOCK = re.compile(
    r'(?:^ *<!-- not run: (?P<why>[^\n]+) -->\n)?^ *```bash\n(?P<text>.*?)^ *```',
    re.MULTILINE | re.DOTALL,
)
HERE = ('alexnet_ros', 'make', 'python', '.', 'git', 'cd')  # what blocks without a reason may call
ABSENT = {  # part of a command: what it needs that is not there, so that it ends in one line
    '/dev/video0': 'a camera',
    'signs 0 --json': 'a camera',
    'rtsp://': 'a camera',
    '.pth': 'weights from elsewhere',
    'model.onnx': 'a network from elsewhere',
    'annotations.json': 'a data set',
    'alexnet-features': 'what is made of such weights',
    'run/checkpoint': 'a run that starts from them',
    'models/mine': 'a model of that run',
    'backend tensorrt': 'TensorRT',
    'doctor': 'ROS 2, where there is none',
}


class Command(NamedTuple):
    """One line of a block, without comments and continuations."""

    place: str
    words: list[str]
    why_not: str


class Absent(MetaPathFinder):
    """Makes modules look as if they were not installed."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse the modules that are to be absent."""
        if name.partition('.')[0] in self._names:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)


def commands() -> Iterator[Command]:
    """Yield every command line of the blocks."""
    for page in PAGES:
        text = page.read_text(encoding='utf-8')
        for block in BLOCK.finditer(text):
            first = text.count('\n', 0, block.start('text')) + 1
            lines = block['text'].replace('\\\n', ' ').splitlines()
            for number, line in enumerate(lines, first):
                for part in line.split('&&'):
                    try:
                        words = shlex.split(part, comments=True)
                    except ValueError:  # a quotation over several lines
                        words = part.split()
                    while words and re.match(r'^\w+=\S*$', words[0]):
                        words.pop(0)
                    if words:
                        place = f'{page.relative_to(ROOT)}:{number}'
                        yield Command(place, words, block['why'] or '')


def make_files(folder: Path) -> None:
    """Make small files of the names that the pages use."""
    import cv2

    from alexnet_ros.pictures import jpeg_from_rgb
    from alexnet_ros.synthetic.drive import drive_frames, write_drive_bag
    from alexnet_ros.video import VideoFile

    write_drive_bag(folder / 'drive_bag', rate_hz=10.0, duration_s=2.5)
    shutil.copy(folder / 'drive_bag/truth.csv', folder)
    for name in ('bags/one', 'more/2026-1'):
        shutil.copytree(folder / 'drive_bag', folder / name)
    frames = [one for one in drive_frames(rate_hz=10.0, duration_s=2.5) if one.boxes]
    for name in ('photo.jpg', 'street.jpg', 'frames/1.png', 'frames/2.png'):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), frames[-1].image_rgb[..., ::-1])
    video = VideoFile(folder / 'drive.mp4', 10.0)
    for frame in frames:
        video.write(frame.image_rgb)
    video.close()
    video.path.rename(folder / 'drive.mp4')  # a WebM where PyAV is missing
    rows = ['file,class_id']
    for split in ('pictures/free', 'pictures/blocked', 'test/free', 'test/blocked', 'crops'):
        (folder / split).mkdir(parents=True)
        for number, frame in enumerate(frames[-8:]):
            x, y, width, height = (round(value) for value in frame.boxes[0].bbox_xywh)
            cut = jpeg_from_rgb(frame.image_rgb[y : y + height, x : x + width])
            (folder / split / f'{number}.jpg').write_bytes(cut)
            rows += [f'{number}.jpg,{frame.boxes[0].class_id}'] if split == 'crops' else []
    (folder / 'labels.csv').write_text('\n'.join(rows) + '\n')
    (folder / 'sign.jpg').write_bytes((folder / 'crops/7.jpg').read_bytes())
    for name in ('before', 'after'):
        run(['replay', 'drive_bag', '--output', name, '--truth', 'truth.csv'])


def run(words: list[str]) -> tuple[int, str]:
    """Run one command in this process; return its exit status and standard error."""
    main = importlib.import_module('alexnet_ros.cli.main').main
    if '--steps' in words:
        words[words.index('--steps') + 1] = '2'
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except Exception:  # noqa: BLE001 - this is what is looked for
            code = 70
            traceback.print_exc()
    return code, errors.getvalue()


def fault(words: list[str], code: int, errors: str, missing: list[str]) -> str:
    """Return what is wrong with how a command ended, empty if nothing is."""
    text = shlex.join(words)
    lines = [line for line in errors.splitlines() if line.startswith(f'alexnet_ros {words[0]}:')]
    if 'Traceback' in errors:
        return 'a traceback'
    if code == 0:
        return ''
    if code != 1 or (len(lines) != 1 and words[0] != 'doctor'):
        return f'status {code} with {len(lines)} lines'
    lacks = any(f'module {name})' in lines[0] for name in missing) if lines else False
    if lacks or any(part in text for part in ABSENT):
        return ''
    return 'it should have done its work'


def main() -> int:
    """Run them all; print one JSON object a command; 1 if one ended badly."""
    missing = sys.argv[1].split(',') if len(sys.argv) > 1 else []
    sys.meta_path.insert(0, Absent(missing))
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)  # contextlib.chdir is new in Python 3.11
        make_files(Path(name))
        for command in commands():
            if command.why_not or command.words[0] != 'alexnet_ros':
                continue
            code, errors = run(list(command.words[1:]))
            wrong = fault(command.words[1:], code, errors, missing)
            bad += bool(wrong)
            told: dict[str, Any] = {'place': command.place, 'command': shlex.join(command.words)}
            told |= {'status': code, 'fault': wrong, 'errors': errors[-600:] if code else ''}
            print(json.dumps(told), flush=True)
    return int(bad > 0)


if __name__ == '__main__':
    sys.exit(main())
