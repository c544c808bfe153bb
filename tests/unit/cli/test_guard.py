"""Whatever package is missing, a program ends in a result or in one line that brings it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros.cli.guard import guarded
from alexnet_ros.dependencies import DEPENDENCIES, install_command, missing_package
from alexnet_ros.errors import BagError

ROOT = Path(__file__).resolve().parents[3]
RUN_WITHOUT = """
import contextlib, importlib.abc, io, json, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == sys.argv[1]:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
from alexnet_ros.cli.main import main
for words in json.loads(sys.argv[2]):
    text, code = io.StringIO(), None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(text):
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
    print(json.dumps([words, code, text.getvalue()]))
"""
RUN = [  # none of them gets far: a file is missing, or the package before it
    ['classify', 'nosuch.jpg'],
    ['recognize', 'nosuch.jpg'],
    ['build', '--model', 'nosuch'],
    ['models', 'info', 'nosuch'],
    ['replay', 'nosuch', '--output', 'x'],
    ['play', 'nosuch'],
    ['collect', 'nosuch', '--output', 'x'],
    ['demo', '--bag', 'nosuch', '--output', 'x'],
    ['--help'],
]
TRAIN = [  # these import torch, which takes its time
    ['evaluate', '--images', 'nosuch'],
    ['train', '--data', 'nosuch', '--output', 'run'],
    ['compress', 'nosuch.safetensors', '--fc6-rank', '9', '--output', 'x.safetensors'],
    ['export', 'nosuch.safetensors', '--output', 'x'],
    ['export', '--onnx', 'nosuch.onnx', '--labels', 'nosuch.csv', '--output', 'x'],
]
MISSING = {
    **dict.fromkeys(('cv2', 'yaml', 'tqdm', 'jinja2', 'onnxruntime', 'rosbags'), RUN),
    **dict.fromkeys(('torch', 'onnx', 'PIL', 'safetensors'), TRAIN),
}


@pytest.mark.parametrize('module', MISSING)
def test_command_without_a_package_ends_in_one_line_that_brings_it(
    module: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, '-c', RUN_WITHOUT, module, json.dumps(MISSING[module])],
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'PATH': '', 'HOME': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        words, code, text = json.loads(line)
        assert code in ({0} if words == ['--help'] else {1, 2}), (words, text)
        if 'not installed' in text or module in text:
            assert text.count('\n') == 1, (words, text)
            assert DEPENDENCIES[module].pip in text, (words, text)


def test_evaluate_needs_no_pillow(tmp_path: Path) -> None:
    (tmp_path / 'crops/Stop').mkdir(parents=True)
    (tmp_path / 'crops/Stop/a.png').write_bytes(b'no picture')
    words = ['evaluate', '--images', str(tmp_path / 'crops')]
    done = subprocess.run(
        [sys.executable, '-c', RUN_WITHOUT, 'PIL', json.dumps([words])],
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'PATH': '', 'HOME': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    assert 'Pillow' not in done.stdout
    assert 'unreadable' in done.stdout


@pytest.mark.parametrize('name', ['classifier', 'sign_navigator'])
def test_node_without_ros_says_what_brings_it(name: str, tmp_path: Path) -> None:
    code = f'import sys\nsys.modules["rclpy"] = None\nfrom alexnet_ros.cli.guard import {name}\n'
    done = subprocess.run(
        [sys.executable, '-c', f'{code}sys.exit({name}())'],
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'PATH': ''},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f'alexnet_ros {name}: ')
    assert done.stderr.count('\n') == 1
    assert 'make set-up' in done.stderr


def test_guard_ends_in_one_line_for_an_error_and_for_a_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def damaged() -> int:
        raise BagError('cut\nshort')

    def absent() -> int:
        Path('/nosuch/folder').write_text('x')
        return 0

    assert guarded('p', damaged) == 1
    assert guarded('p', absent) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == 'p: cut short'
    assert second == 'p: No such file or directory: /nosuch/folder'


def test_guard_lets_a_fault_of_our_own_through() -> None:
    def wrong() -> int:
        from alexnet_ros import nosuch  # type: ignore[attr-defined]  # noqa: F401

        return 0

    with pytest.raises(ImportError):
        guarded('p', wrong)


def test_install_command_of_a_sourced_ros_and_of_an_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/humble')
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    assert install_command('vision_msgs', 'nav2_msgs') == (
        'sudo apt install ros-humble-vision-msgs ros-humble-nav2-msgs'
    )
    monkeypatch.setattr(sys, 'prefix', '/venv')
    assert install_command('PIL', 'yaml').endswith('-m pip install Pillow PyYAML')
    monkeypatch.setattr(sys, 'prefix', sys.base_prefix)
    assert install_command('PIL') == 'sudo apt install python3-pil'
    on_system = install_command('onnxruntime')
    assert 'numpy<' in on_system, "apt's OpenCV and ROS keep their NumPy"
    assert on_system.endswith('onnxruntime')


def test_missing_package_of_a_broken_library_says_what_the_loader_said() -> None:
    text = missing_package(ImportError('libGL.so.1: no such file', name='cv2'))
    assert text.startswith('cv2 cannot be loaded: libGL.so.1: no such file; reinstall it: ')
