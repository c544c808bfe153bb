"""
Files: read within a limit, written whole or not at all, YAML kept strict.

Everything that a stranger may have written is read through :func:`read_file`
and :func:`yaml_mapping`; everything that this package writes and somebody may
rely on goes through :func:`write_file` or :func:`replacing`.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import re
import reprlib
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from alexnet_ros.errors import AlexnetRosError, FileWriteError, printable

DRAFT = re.compile(r'^\..+\.\d+-\d+\.part$')
MAX_YAML_BYTES = 256 << 10
MAX_YAML_NODES = 20_000  # the largest file here has about 400
MAX_YAML_DEPTH = 16
MAX_KEY_LENGTH = 256
REMEDIES = {
    errno.ENOSPC: 'make room on the disk and run it again',
    errno.EDQUOT: 'make room in your quota and run it again',
    errno.EFBIG: 'raise the limit on file sizes (ulimit -f) and run it again',
    **dict.fromkeys((errno.EACCES, errno.EPERM), 'choose another folder, or let it be written'),
    errno.EROFS: 'choose a folder that is not read-only',
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), 'a file stands where a folder should be'),
    errno.EISDIR: 'a folder stands where the file should be; remove it or choose another place',
}
# Plain scalars of YAML 1.2's core schema. YAML 1.1, PyYAML's own, also reads 1:30 as a
# number of base 60 (in quadratic time), `off` as false and 010 as 8.
_INTEGER = re.compile(r'[-+]?[0-9]{1,19}\Z')
_FLOAT = re.compile(r'[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?\Z')
_WORDS = {
    **dict.fromkeys(('', '~', 'null', 'Null', 'NULL')),
    **dict.fromkeys(('true', 'True', 'TRUE'), True),
    **dict.fromkeys(('false', 'False', 'FALSE'), False),
    **dict.fromkeys(('.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'), float('inf')),
    **dict.fromkeys(('-.inf', '-.Inf', '-.INF'), float('-inf')),
    **dict.fromkeys(('.nan', '.NaN', '.NAN'), float('nan')),
}
_counter = itertools.count()
_Parser = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # ten times as fast


def one_line(error: object) -> str:
    """Return what an error or any other text says, in one printable line."""
    return printable(' '.join(str(error).split()))[:300]


def read_file(
    path: Path, limit: int, error: type[AlexnetRosError], *, links: bool = True
) -> bytes:
    """
    Read a plain file of at most so many bytes; never waits on a FIFO or device.

    :param error: class of the error that is raised.
    :raises error: missing, unreadable, no plain file, or too large.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    try:
        with os.fdopen(os.open(path, flags), 'rb') as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise error(
                    f'{printable(str(path))}: is not a regular file; put the file itself there'
                )
            # So much is allocated beforehand; what lies in /proc says that it has no size.
            data = file.read(min(limit, max(found.st_size, 1 << 16)) + 1)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the name
        link = getattr(problem, 'errno', 0) == errno.ELOOP
        why = 'is a link; put the file itself there' if link else _cause(problem)
        raise error(f'{printable(str(path))}: cannot be read: {why}') from problem
    if len(data) > limit:
        raise error(f'{printable(str(path))}: has more than {limit} bytes')
    return data


def _cause(problem: Exception) -> str:
    return one_line(getattr(problem, 'strerror', None) or problem)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """
    Open a draft that takes the place of a file once all of it is on the disk.

    Whatever happens before that (an error, a full disk, a kill) leaves the
    file as it was. A draft that a killed process left behind is removed by the
    next :func:`remove_drafts` of its folder.

    :param mode: permissions, narrowed by the umask.
    :raises FileWriteError: it cannot be written.
    """
    try:
        draft, file = _draft(path, mode)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                draft.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        sync_folder(path.parent)
    except (OSError, ValueError) as problem:
        raise write_error(path, problem) from problem


def write_file(path: Path, data: bytes | str, *, mode: int = 0o666) -> None:
    """
    Write a file whole or not at all; see :func:`replacing`.

    :param data: a text is written as UTF-8.
    :raises FileWriteError: it cannot be written; what was there stands.
    """
    with replacing(path, mode=mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def append_lines(path: Path, data: str) -> None:
    """Append whole lines to a text file, or raise FileWriteError and leave it as it was."""
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), 'r+b') as file:
            end = _end_of_lines(file)
            try:
                file.truncate(end)
                file.seek(end)
                file.write(data.encode())
                file.flush()
            except OSError:
                with contextlib.suppress(OSError):  # from closing what could not be flushed
                    os.ftruncate(file.fileno(), end)
                raise
    except (OSError, ValueError) as problem:
        raise write_error(path, problem) from problem


def mend_lines(path: Path) -> None:
    """Remove the part of a line that a killed process left at the end of a text file."""
    if path.exists():
        append_lines(path, '')


def _end_of_lines(file: IO[bytes]) -> int:
    """Return where the last whole line of a file ends."""
    at = file.seek(0, os.SEEK_END)
    while at:
        start = max(at - (64 << 10), 0)
        file.seek(start)
        place = file.read(at - start).rfind(b'\n')
        if place >= 0:
            return start + place + 1
        at = start
    return 0


def share_folders() -> list[Path]:
    """
    Return where the package's own files may lie, the first to be asked first.

    Beside the source, then in ``share/alexnet_ros`` of every installed prefix.
    """
    source = Path(__file__).resolve().parent
    ament = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    prefixes = [
        *(Path(word) for word in ament if word),
        *source.parents[3:4],  # of PREFIX/lib/pythonX.Y/site-packages/alexnet_ros
        Path(sys.prefix),
    ]
    shares = (prefix / 'share' / 'alexnet_ros' for prefix in prefixes)
    return list(dict.fromkeys([source.parent, *shares]))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, or say why not (FileWriteError)."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:
        raise write_error(path, problem) from problem


def write_error(path: Path, problem: Exception) -> FileWriteError:
    """Return what a failed write comes to: which file, why, what to do."""
    remedy = REMEDIES.get(getattr(problem, 'errno', None) or 0, 'choose another place')
    return FileWriteError(f'{printable(str(path))} cannot be written: {_cause(problem)}; {remedy}')


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder; some file systems cannot."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _draft(path: Path, mode: int) -> tuple[Path, IO[bytes]]:
    """Make a draft that is locked for as long as its writer lives."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        name = f'.{path.name[:180]}.{os.getpid()}-{next(_counter)}.part'
        draft = path.with_name(name)
        try:
            file = os.fdopen(os.open(draft, flags, mode), 'wb')
        except FileExistsError:
            continue  # of an earlier process with this number
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(FileNotFoundError):
            if draft.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return draft, file
        file.close()  # taken for a left one between being made and being locked


def remove_drafts(folder: Path) -> list[str]:
    """Remove what killed processes left half written, not what is in work; return the names."""
    removed = []
    with contextlib.suppress(OSError):
        for place in sorted(folder.iterdir()):
            if not DRAFT.match(place.name) or place.is_symlink() or not place.is_file():
                continue
            with contextlib.suppress(OSError), place.open('rb') as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                place.unlink()
                removed.append(place.name)
    return removed


class _PlainDumper(yaml.SafeDumper):  # type: ignore[misc] # yaml has no types
    """Writes shared objects twice rather than as aliases, and quotes what looks like a number."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def represent_text(self, text: str) -> Any:
        style = "'" if not isinstance(_plain_value(text), str) else None
        style = style if text.isprintable() else '"'  # other styles fold a lone NEL
        return self.represent_scalar('tag:yaml.org,2002:str', text, style=style)


_PlainDumper.add_representer(str, _PlainDumper.represent_text)


def yaml_from_mapping(values: Mapping[str, Any], error: type[AlexnetRosError]) -> bytes:
    """Write plain values as YAML in the given order; ``error`` if one is not plain."""
    try:
        text: str = yaml.dump(
            dict(values), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=99
        )
    except (yaml.YAMLError, RecursionError) as problem:
        raise error(f'cannot be written as YAML: {one_line(problem)}') from problem
    return text.encode()


def yaml_mapping(
    data: bytes, source: str, error: type[AlexnetRosError], *, scale: int = 1
) -> dict[Any, Any]:
    """
    Parse a YAML file whose top level is a mapping, in time linear in its bytes.

    Plain values only: no aliases (they multiply), no tags, no repeated keys, no
    merging, keys of one line, scalars as in YAML 1.2's core schema.

    :param source: how messages call the file.
    :param error: class of the error that is raised.
    :param scale: how often the usual limits are allowed.
    :raises error: too large, no YAML, or anything of the above.
    """
    if len(data) > MAX_YAML_BYTES * scale:
        raise error(f'{source}: has more than {MAX_YAML_BYTES * scale} bytes')
    try:
        found = _built(data, MAX_YAML_NODES * scale)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as problem:
        raise error(f'{source}: is not valid YAML: {one_line(problem)}') from problem
    if not isinstance(found, dict):
        raise error(f'{source}: expected a mapping of fields, got {reprlib.repr(found)}')
    return found


def _built(data: bytes, nodes_left: int) -> Any:
    """Build the one document of a text from the parser's events, without recursion."""
    done: list[Any] = []
    # What is open: its items (of a mapping keys and values) and the keys so far.
    stack: list[tuple[list[Any], set[Any] | None]] = [(done, None)]
    for event in yaml.parse(data, Loader=_Parser):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError('aliases (*name) are not allowed')
        items, keys = stack[-1]
        is_key = keys is not None and len(items) % 2 == 0
        if isinstance(event, yaml.NodeEvent):
            nodes_left -= 1
            if nodes_left < 0:
                raise yaml.YAMLError('has too many values')
            if event.tag not in {None, '!'}:
                raise yaml.YAMLError('tags (!name) are not allowed')
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0] and not event.style
            items.append(_plain_value(event.value) if plain else event.value)
            if is_key and keys is not None:
                _check_key(items[-1], keys, event.start_mark.line + 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            if is_key:
                raise yaml.YAMLError('a key must be a text or a number')
            if len(stack) > MAX_YAML_DEPTH:
                raise yaml.YAMLError(f'is nested more than {MAX_YAML_DEPTH} deep')
            stack.append(([], set() if isinstance(event, yaml.MappingStartEvent) else None))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            whole = items if keys is None else dict(zip(items[::2], items[1::2], strict=True))
            stack[-1][0].append(whole)
    if len(done) > 1:
        raise yaml.YAMLError(f'has {len(done)} documents instead of one')
    return done[0] if done else None


def _check_key(key: Any, keys: set[Any], line: int) -> None:
    """Refuse a key that is long, hides something, or was there before."""
    if isinstance(key, str) and (len(key) > MAX_KEY_LENGTH or not key.isprintable()):
        raise yaml.YAMLError(
            f'line {line}: a key must be one printable line of at most {MAX_KEY_LENGTH} characters'
        )
    if key in keys:
        raise yaml.YAMLError(f'line {line}: {str(key)!r} appears twice')
    keys.add(key)


def _plain_value(text: str) -> Any:
    """Return what a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
