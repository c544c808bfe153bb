"""What a killed process leaves in shared memory, and who clears it away."""

import fcntl
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from lifecycle_msgs.srv import GetState

from alexnet_ros.ros.shared_memory import FOLDER, remove_orphans
from tests.ros.robot import Bench, NodeProcess

START = Callable[..., NodeProcess]
NAME = 'fastrtps_0123456789abcdef'


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """Make the files of a process that is long gone."""
    path = tmp_path / NAME
    path.write_bytes(bytes(1000))
    (tmp_path / f'sem.{NAME}_mutex').write_bytes(bytes(32))
    lock = tmp_path / f'{NAME}_el'
    lock.touch()
    os.utime(lock, (1e9, 1e9))
    return path


def owned(pid: int) -> set[str]:
    """Return the segments whose lock a process holds open."""
    names = set()
    for one in Path(f'/proc/{pid}/fd').iterdir():
        try:
            target = one.readlink()
        except OSError:
            continue
        if re.fullmatch('fast[a-z]*_[0-9a-f]{16}_el', target.name):
            names.add(target.name.removesuffix('_el'))
    return names


def test_segment_without_an_owner_is_removed(segment: Path) -> None:
    assert remove_orphans(segment.parent) == (1, 1000)
    assert list(segment.parent.iterdir()) == []
    assert remove_orphans(segment.parent) == (0, 0)


def test_segment_with_an_owner_stays(segment: Path) -> None:
    with segment.with_name(f'{NAME}_el').open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_orphans(segment.parent) == (0, 0)
    assert segment.exists()
    assert remove_orphans(segment.parent)[0] == 1


def test_young_segment_stays(segment: Path) -> None:
    os.utime(segment.with_name(f'{NAME}_el'))
    assert remove_orphans(segment.parent) == (0, 0)
    assert segment.exists()


@pytest.mark.parametrize(
    'name',
    [
        'fastrtps_port7411_el',
        'other_0123456789abcdef_el',
        'fastrtps_0123456789abcdef',
        'fastrtps_0123456789ABCDEF_el',
        'x_fastrtps_0123456789abcdef_el',
    ],
)
def test_files_of_others_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (1e9, 1e9))
    assert remove_orphans(tmp_path) == (0, 0)
    assert (tmp_path / name).exists()


def test_link_is_not_followed(tmp_path: Path, segment: Path) -> None:
    lock = segment.with_name(f'{NAME}_el')
    target = tmp_path / 'precious'
    lock.rename(target)
    lock.symlink_to(target)
    assert remove_orphans(tmp_path) == (0, 0)
    assert target.exists()
    assert segment.exists()


def test_no_folder_is_nothing_to_do(tmp_path: Path) -> None:
    assert remove_orphans(tmp_path / 'none') == (0, 0)


@pytest.mark.skipif(not FOLDER.is_dir(), reason='shared memory lies elsewhere here')
def test_what_a_killed_node_leaves_is_cleared_by_the_next_one(
    bench: Bench, start_node: START
) -> None:
    mine = owned(os.getpid())
    for _ in range(5):
        first = start_node()
        bench.call(GetState, '/alexnet/get_state')
        left = owned(first.process.pid)
        if not left:
            pytest.skip('this middleware keeps no segments of Fast DDS')
        first.process.kill()
        assert first.wait() == -signal.SIGKILL
        for name in left:  # as if it had run for longer
            os.utime(FOLDER / f'{name}_el', (1e9, 1e9))
        second = start_node()
        bench.until(
            'what the first left is gone',
            lambda left=left: not [name for name in left if (FOLDER / name).exists()],
        )
        assert bench.call(GetState, '/alexnet/get_state').current_state.label == 'unconfigured'
        assert all((FOLDER / name).exists() for name in mine | owned(second.process.pid))
        if 'shared memory of killed processes removed' in second.log:
            return
        second.stop()  # a node of somebody else was quicker
    pytest.fail('five times it was not the next node that removed it')
