"""Make sure that nobody else can put an engine into the cache folder."""

import os
import stat
from pathlib import Path

from alexnet_ros.errors import EngineCacheError


def checked_folder(folder: Path) -> Path:
    """
    Return the folder, made if need be, after checking who can change it.

    :param folder: the cache folder; missing parents are made too.
    :returns: its real absolute path.
    :raises EngineCacheError: it cannot be made or written, belongs to someone
        else, or others can write to it or swap it for another.
    """
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineCacheError(
            f'cache folder {folder} cannot be made ({error.strerror}); set cache_dir or '
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
        above = parent.stat().st_mode
        if above & 0o002 and not above & stat.S_ISVTX:
            raise EngineCacheError(
                f'cache folder {folder} could be replaced by others, because {parent} has mode '
                f'{stat.S_IMODE(above):04o}: chmod o-w {parent}'
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EngineCacheError(
            f'cache folder {folder} cannot be written; engines would be rebuilt at every start. '
            'Set cache_dir or XDG_CACHE_HOME to a folder of your own'
        )
    return folder
