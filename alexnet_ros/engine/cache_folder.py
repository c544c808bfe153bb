"""Make sure that nobody else can put an engine into the cache folder."""

import contextlib
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from alexnet_ros.errors import EngineCacheError
from alexnet_ros.files import one_line


def default_folder() -> Path:
    """Return the user's cache folder for engines; EngineCacheError without a home folder."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    if base.startswith('/'):
        return Path(base) / 'alexnet_ros'
    try:
        return Path('~/.cache').expanduser() / 'alexnet_ros'
    except RuntimeError as error:
        raise EngineCacheError(
            'this user has no home folder for compiled engines; set cache_dir or XDG_CACHE_HOME '
            'to a folder of your own'
        ) from error


def checked_folder(folder: str | Path | None = None) -> Path:
    """
    Return the folder, made if need be, after checking who can change it.

    :param folder: the cache folder, None for :func:`default_folder`; missing
        parents are made too.
    :returns: its real absolute path.
    :raises EngineCacheError: it cannot be made or written, belongs to someone
        else, or others can write to it or swap it for another.
    """
    folder = Path(folder) if folder else default_folder()
    try:
        folder = folder.expanduser().absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:  # also ~nobody, and a NUL
        raise EngineCacheError(
            f'cache folder {folder} cannot be made ({one_line(error)}); set cache_dir or '
            'XDG_CACHE_HOME to a folder of your own'
        ) from error
    if folder.is_symlink():
        raise EngineCacheError(f'cache folder {folder} is a link; name the folder itself')
    folder = folder.resolve()
    facts = folder.stat()
    if not stat.S_ISDIR(facts.st_mode):
        raise EngineCacheError(f'cache folder {folder} is not a folder')
    if facts.st_uid != os.geteuid():
        raise EngineCacheError(
            f'cache folder {folder} belongs to user {facts.st_uid}, this is user '
            f'{os.geteuid()}; an engine is executable code, so set cache_dir to a folder of '
            'your own'
        )
    if facts.st_mode & 0o022:
        raise EngineCacheError(
            f'cache folder {folder} can be written by others (mode '
            f'{stat.S_IMODE(facts.st_mode):04o}); an engine is executable code: '
            f'chmod 0700 {folder}'
        )
    for parent in folder.parents:
        above = parent.stat()
        if above.st_uid not in {0, os.geteuid()}:
            raise EngineCacheError(
                f'cache folder {folder} could be replaced by user {above.st_uid}, whom {parent} '
                'belongs to; set cache_dir or XDG_CACHE_HOME to a folder of your own'
            )
        others = above.st_mode & (0o002 if _is_private_group(above.st_gid) else 0o022)
        if others and not above.st_mode & stat.S_ISVTX:
            raise EngineCacheError(
                f'cache folder {folder} could be replaced by others, because {parent} has mode '
                f'{stat.S_IMODE(above.st_mode):04o}: chmod go-w {parent}'
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EngineCacheError(
            f'cache folder {folder} cannot be written; engines would be rebuilt at every start. '
            'Set cache_dir or XDG_CACHE_HOME to a folder of your own'
        )
    return folder


def note_path(cache_dir: str | Path | None, facts: Iterable[object], suffix: str) -> Path | None:
    """
    Return the file for what is known under some facts.

    :param facts: all that it depends on.
    :returns: its path, None where there is no folder to keep it in.
    """
    digest = hashlib.sha256('\n'.join(map(str, facts)).encode()).hexdigest()[:32]
    with contextlib.suppress(EngineCacheError):
        return checked_folder(cache_dir) / f'{digest}.{suffix}'
    return None


def _is_private_group(gid: int) -> bool:
    """Tell whether a group is a user's own, with nobody else in it, as most systems make it."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and not group.gr_mem
