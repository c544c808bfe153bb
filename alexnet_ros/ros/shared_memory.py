"""
What killed processes leave of Fast DDS's shared memory.

Fast DDS gives each process a segment in ``/dev/shm`` (64 MiB with the profile
of this package) and removes it when the process ends in order. After a SIGKILL,
a crash or a watchdog's exit it stays, in RAM, until the machine starts anew: a
node that is respawned every few seconds would fill the memory within minutes.
So each start clears away what nobody owns any more.

An owner holds a lock on the file ``NAME_el`` beside its segment as long as it
lives (eProsima's ``fastdds shm clean`` asks the same); the kernel gives it back
when the process ends, however it ends.
"""

import fcntl
import os
import re
import stat
import time
from pathlib import Path

FOLDER = Path('/dev/shm')  # noqa: S108 - where POSIX puts shared memory on Linux
YOUNG_S = 10.0  # a younger one may be in the making, and not locked yet
_LOCK = re.compile('(?:fastrtps|fastdds)_[0-9a-f]{16}_el')


def remove_orphans(folder: Path = FOLDER, *, young_s: float = YOUNG_S) -> tuple[int, int]:
    """
    Remove the segments of this user whose process is gone; nothing is raised.

    :param young_s: segments that were made in the last seconds are left alone.
    :returns: how many were removed, and their size in bytes.
    """
    count = size = 0
    try:
        locks = [one for one in folder.iterdir() if _LOCK.fullmatch(one.name)]
    except OSError:
        return 0, 0
    for lock in locks:
        try:
            size += _removed(lock, young_s)
        except OSError:  # locked, gone meanwhile, or not ours
            continue
        count += 1
    return count, size


def _removed(lock: Path, young_s: float) -> int:
    """Remove one segment and return its size; OSError where it is not for us to remove."""
    handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            raise PermissionError(f'{lock} is not ours')
        if time.time() - facts.st_mtime < young_s:
            raise BlockingIOError(f'{lock} may be in the making')
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment = lock.with_name(lock.name.removesuffix('_el'))
        mutex = lock.with_name(f'sem.{segment.name}_mutex')
        size = segment.stat().st_size if segment.exists() else 0
        for path in (segment, mutex, lock):
            path.unlink(missing_ok=True)
        return size
    finally:
        os.close(handle)
