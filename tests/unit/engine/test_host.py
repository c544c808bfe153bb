from pathlib import Path

import pytest

from alexnet_ros.engine.host import cores, has_nvidia_gpu
from alexnet_ros.files import one_line


@pytest.mark.parametrize(
    ('file', 'there'),
    [
        ('dev/nvidia0', True),
        ('dev/nvidia3', True),
        ('dev/nvhost-gpu', True),
        ('dev/nvgpu/igpu0/ctrl', True),
        ('usr/lib/wsl/lib/libcuda.so.1', True),
        ('dev/nvidiactl', False),
        ('dev/dri/card0', False),
    ],
)
def test_gpu_is_seen_by_its_device(tmp_path: Path, file: str, there: bool) -> None:
    assert not has_nvidia_gpu(tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.touch()
    assert has_nvidia_gpu(tmp_path) is there


def test_error_of_many_lines_is_one_short_line() -> None:
    assert one_line(ValueError('a\n  b')) == 'a b'
    assert len(one_line(ValueError('x' * 999))) == 300


def test_this_process_has_a_core() -> None:
    assert cores() >= 1
