"""
Compiled engines on disk, verified before anything loads them.

An engine is executable code. Each one lies in a folder that only its user can
write, with a sidecar that holds its SHA-256 and the key it was built for. Both
are checked against the bytes in memory that will be loaded; what fails is set
aside (renamed to ``*.refused``) and never deserialised.

The file's name comes from what may rightly stand side by side (model, flavour,
GPU, shapes, options); versions of TensorRT and driver are only in the key, so
that an upgrade replaces the engine and says why.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_ros.engine.cache_folder import checked_folder
from alexnet_ros.errors import EngineBuildError, EngineCacheError, FileWriteError
from alexnet_ros.files import remove_drafts, replacing

FORMAT = 1
MAX_SIDECAR_BYTES = 1 << 16
VERSION_COMPATIBLE = 'version_compatible=True'  # stands in the flags of such engines
VERSIONS = ('tensorrt', 'driver', 'platform')  # in the key, not in the file's name
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineKey:
    """
    Everything that an engine depends on.

    :param kind: ``engine``, or what else is kept beside it.
    :param gpu: the GPU's name, ``any`` for an engine built ahead of time.
    :param driver: driver release and CUDA version, ``any`` likewise.
    :param shapes: the input's name and its smallest, tuned and largest shape.
    :param flags: builder options that change the result.
    """

    model: str
    onnx_sha256: str
    flavour: str
    tensorrt: str
    gpu: str
    compute_capability: str
    driver: str
    platform: str
    precision: str
    shapes: str
    flags: str
    kind: str = 'engine'

    @property
    def name(self) -> str:
        """File name without suffix: readable parts and a digest of the rest."""
        parts = dataclasses.asdict(self)
        lasting = {k: v for k, v in parts.items() if k not in VERSIONS}
        digest = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:16]
        model = ''.join(c if c.isalnum() or c in '_-' else '_' for c in self.model)[:40]
        sm = self.compute_capability.replace('.', '')
        return f'{model}-{self.precision}-{self.flavour}-sm{sm}-{digest}'

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """
        Say what of another key is different, in words.

        A version-compatible engine may come from an earlier TensorRT, and so from
        an earlier driver.
        """
        mine = dataclasses.asdict(self)
        different = {name for name in {*mine, *other} if mine.get(name) != other.get(name)}
        if VERSION_COMPATIBLE in self.flags and self._is_later_than(other):
            different -= {'tensorrt', 'driver'}
        return [f'{n} was {other.get(n)!r}, is {mine.get(n)!r}' for n in sorted(different)]

    def _is_later_than(self, other: Mapping[str, Any]) -> bool:
        """Compare the numbers of two TensorRT versions; unreadable ones are not earlier."""
        numbers = [re.findall(r'\d+', str(one)) for one in (other.get('tensorrt'), self.tensorrt)]
        earlier, mine = ([int(n) for n in one] for one in numbers)
        return bool(earlier) and earlier <= mine


@dataclass(frozen=True)
class CacheEntry:
    """One file of the cache as ``doctor`` shows it; ``state`` is ``ok`` or why it is refused."""

    path: Path
    bytes: int
    state: str


class EngineCache:
    """
    A folder of engines.

    :param folder: None for the user's; made with mode 0700.
    :raises EngineCacheError: it cannot be made or written, is not the user's
        own, or others can write to it.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = checked_folder(folder)
        for name in remove_drafts(self.folder):
            log.info('removed %s, left half written by a killed process', name)

    def path(self, key: EngineKey) -> Path:
        """Return where the file of a key lies or would lie."""
        return self.folder / f'{key.name}.{key.kind}'

    def load(self, key: EngineKey) -> bytes | None:
        """
        Read a verified file into memory.

        :returns: its bytes, or None if there is none or if it was refused; a
            refused one is set aside with a warning that says why.
        """
        path = self.path(key)
        if not path.exists() and not path.is_symlink():
            return None
        data, problem = _verified(path, key)
        if problem:
            self.set_aside(path, problem)
            return None
        return data

    def set_aside(self, path: Path, problem: str) -> None:
        """Rename a file that must not be loaded, and its sidecar."""
        log.warning(
            'engine %s is not loaded: %s; set aside as %s and rebuilt',
            path,
            problem,
            f'{path.name}.refused',
        )
        for file in (path, sidecar(path)):
            with contextlib.suppress(FileNotFoundError):
                file.rename(file.with_name(f'{file.name}.refused'))

    def store(self, key: EngineKey, data: bytes, build_s: float) -> Path:
        """Keep a file, whole or not at all; EngineCacheError on a full disk or lost folder."""
        path = self.path(key)
        facts = {
            'format': FORMAT,
            'sha256': hashlib.sha256(data).hexdigest(),
            'bytes': len(data),
            'key': dataclasses.asdict(key),
            'build_s': round(build_s, 3),
            'built': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        }
        try:
            # Both are on the disk before either gets its name: they belong together.
            with (
                replacing(path, mode=0o600) as engine,
                replacing(sidecar(path), mode=0o600) as file,
            ):
                engine.write(data)
                engine.flush()
                os.fsync(engine.fileno())
                file.write(json.dumps(facts, indent=1, sort_keys=True).encode())
        except FileWriteError as error:
            raise EngineCacheError(f'{error}, or set cache_dir') from error
        return path

    @contextlib.contextmanager
    def lock(
        self, key: EngineKey, limit_s: float, waiting: Callable[[float], None] | None = None
    ) -> Iterator[None]:
        """
        Hold a key against other processes and threads.

        :param limit_s: longest wait in seconds.
        :param waiting: called about twice a second with the seconds waited.
        :raises EngineBuildError: another process held it for longer.
        """
        path = self.folder / f'{key.name}.lock'
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise EngineCacheError(f'{path} cannot be opened ({error.strerror})') from error
        began = time.monotonic()
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waited = time.monotonic() - began
                    if waited > limit_s:
                        raise EngineBuildError(
                            f'another process has been building {key.name} for more than '
                            f'{limit_s:.0f} s; end it, or raise build_limit_s'
                        ) from None
                    if waiting is not None:
                        waiting(waited)
                    time.sleep(0.4)
            yield
        finally:
            os.close(handle)  # gives the lock back too

    def entries(self) -> list[CacheEntry]:
        """Verify and list everything in the cache; nothing is changed."""
        found = []
        for path in sorted(self.folder.iterdir()):
            if path.suffix == '.refused' and '.json' not in path.suffixes:
                state = 'set aside; delete it when it is no longer wanted'
            elif path.suffix in {'.engine', '.kernels', '.timing'}:
                state = _verified(path, None)[1] or 'ok'
            else:
                continue
            found.append(CacheEntry(path, path.lstat().st_size, state))
        return found


def sidecar(path: Path) -> Path:
    """Return where the facts about a file lie."""
    return path.with_name(f'{path.name}.json')


def _verified(path: Path, key: EngineKey | None) -> tuple[bytes, str]:
    """
    Read a file and its sidecar and compare them.

    :param key: what it must have been built for, None for anything.
    :returns: bytes, and what is wrong, empty if nothing.
    """
    try:
        facts = json.loads(_read(sidecar(path), MAX_SIDECAR_BYTES))
    except FileNotFoundError:
        return b'', 'its sidecar file is missing'
    except (OSError, ValueError, RecursionError) as error:
        return b'', f'its sidecar file cannot be read ({error})'
    if not isinstance(facts, dict) or facts.get('format') != FORMAT:
        return b'', 'its sidecar file has another format'
    stored = facts.get('key')
    if not isinstance(stored, dict):
        return b'', 'its sidecar file has no key'
    if key is not None and (differences := key.differences(stored)):
        return b'', 'it was built for something else: ' + ', '.join(differences)
    size = facts.get('bytes')
    if type(size) is not int or size < 1:
        return b'', 'its sidecar file has no size'
    try:
        data = _read(path, size)
    except OSError as error:
        return b'', f'it cannot be read ({error})'
    if len(data) != size:
        return b'', f'it has {len(data)} bytes, {size} were written'
    if hashlib.sha256(data).hexdigest() != facts.get('sha256'):
        return b'', 'its SHA-256 is not the one noted when it was built'
    return data, ''


def _read(path: Path, limit: int) -> bytes:
    """Read a plain file that only its user can write, one byte past the limit."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, 'rb') as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(f'{path.name} is not a regular file')
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise OSError(f'{path.name} belongs to or can be written by another user')
        return file.read(limit + 1)
