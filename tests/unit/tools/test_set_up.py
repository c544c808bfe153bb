"""The set-up decides well, does nothing twice, and says what failed."""

import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, working in a folder of its own, with no ROS sourced."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    module = importlib.import_module('set_up')
    monkeypatch.setattr(module, 'ROOT', tmp_path)
    for name in ('ROS_DISTRO', 'AMENT_PREFIX_PATH'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module.platform, 'machine', lambda: 'x86_64')
    return module


def test_find_place_without_ros_takes_wheels_of_jazzy(tool: Any, tmp_path: Path) -> None:
    place = tool.find_place()
    assert (place.distro, place.sourced, place.prefix) == ('jazzy', False, tmp_path / '.venv')


def test_find_place_kilted_has_an_environment_of_its_own(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    assert tool.find_place().prefix == tmp_path / '.venv-kilted'


def test_find_place_distro_without_wheels_is_refused_with_the_choice(
    tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    with pytest.raises(tool.SetUpError, match=r'no wheels of ROS 2 humble.*jazzy or kilted'):
        tool.find_place()


def test_find_place_other_machine_is_told_to_source_ros(
    tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool.platform, 'machine', lambda: 'aarch64')
    with pytest.raises(tool.SetUpError, match='source an installed ROS 2'):
        tool.find_place()


def test_find_place_sourced_ros_is_used_where_it_can_be_imported(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'rclpy.py').write_text('')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/humble')
    monkeypatch.setattr(tool.platform, 'machine', lambda: 'aarch64')
    place = tool.find_place()
    assert place.sourced
    assert place.prefix == tmp_path / '.venv-humble'


def test_find_place_sourced_ros_of_another_python_is_refused(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'rclpy.py').write_text('raise ImportError')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/opt/ros/humble')
    with pytest.raises(tool.SetUpError, match=r'cannot import its rclpy .ImportError.*PYTHON='):
        tool.find_place()


def test_steps_to_run_do_without_torch_and_tests(tool: Any) -> None:
    place = tool.find_place()
    assert tool.steps_of(['run'], place) == ['environment', 'ros', 'messages', 'run', 'project']
    assert tool.steps_of(['train'], place) == ['environment', 'run', 'project', 'train']
    assert {'train', 'test', 'messages'} <= set(tool.steps_of(['test'], place))
    assert 'torch' not in (ROOT / 'tools/requirements/run.txt').read_text()


def _with_steps(tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replace what the steps do by notes of their names."""
    done: list[str] = []
    source = tmp_path / 'pins.txt'
    source.write_text('a==1\n')

    def environment(place: Any) -> None:
        done.append('environment')
        place.python.parent.mkdir(parents=True, exist_ok=True)
        place.python.touch()

    steps = {
        'environment': tool.Step('environment', environment),
        'run': tool.Step('run', lambda _: done.append('run'), (source,), ('environment',)),
        'project': tool.Step('project', lambda _: done.append('project'), (), ('run',)),
    }
    monkeypatch.setattr(tool, 'all_steps', lambda _place: steps)
    return done


def test_set_up_does_each_step_once_and_again_when_its_source_changes(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    done = _with_steps(tool, monkeypatch, tmp_path)
    tool.set_up(['train'])
    assert done == ['environment', 'run', 'project']
    capsys.readouterr()
    tool.set_up(['train'])
    assert done == ['environment', 'run', 'project']
    assert capsys.readouterr().out == ''
    (tmp_path / 'pins.txt').write_text('a==2\n')
    tool.set_up(['train'])
    assert done[3:] == ['run', 'project']


def test_set_up_step_that_failed_is_done_again(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = _with_steps(tool, monkeypatch, tmp_path)
    steps = tool.all_steps(None)
    good = steps['run']

    def broken(_place: Any) -> None:
        raise tool.SetUpError('no network')

    steps['run'] = tool.Step('run', broken, good.sources, good.needs)
    with pytest.raises(tool.SetUpError, match='no network'):
        tool.set_up(['train'])
    steps['run'] = good
    tool.set_up(['train'])
    assert done == ['environment', 'run', 'project']


def test_set_up_step_beside_others_is_waited_for_and_its_failure_is_told(
    tool: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = _with_steps(tool, monkeypatch, tmp_path)
    steps, began = tool.all_steps(None), threading.Event()

    def beside(_place: Any) -> None:
        began.wait(300)  # until a later step has begun
        done.append('beside')

    run, _ = steps.pop('run'), steps.pop('project')
    steps['beside'] = tool.Step('beside', beside, (), ('environment',), beside=True)
    steps['run'] = tool.Step('run', lambda _: began.set(), run.sources, run.needs)
    steps['project'] = tool.Step('p', lambda _: done.append('project'), (), ('run', 'beside'))
    monkeypatch.setattr(tool, 'steps_of', lambda _groups, _place: list(steps))
    tool.set_up(['train'])
    assert done == ['environment', 'beside', 'project']

    def broken(_place: Any) -> None:
        raise tool.SetUpError('no compiler')

    steps['beside'] = tool.Step('beside', broken, (tmp_path / 'pins.txt',), beside=True)
    with pytest.raises(tool.SetUpError, match='no compiler'):
        tool.set_up(['train'])


def test_run_failing_command_gives_its_error_line_and_the_log(tool: Any) -> None:
    place = tool.find_place()
    place.log.parent.mkdir()
    code = 'import sys; print("noise"); print("ERROR: no such package"); sys.exit(3)'
    with pytest.raises(tool.SetUpError) as caught:
        tool.run(place, [sys.executable, '-c', code], 'the packages could not be installed')
    message = str(caught.value)
    assert message.startswith('the packages could not be installed: ERROR: no such package')
    assert str(place.log) in message
    assert 'noise' in place.log.read_text()


def test_usable_environment_of_another_path_is_made_anew(tool: Any, tmp_path: Path) -> None:
    place = tool.find_place()
    assert not tool.usable(place)
    words = [sys.executable, '-m', 'venv', '--without-pip', str(place.prefix)]
    subprocess.run(words, check=True)
    assert tool.usable(place)
    moved = tool.Place('jazzy', sourced=False, prefix=tmp_path / 'moved')
    place.prefix.rename(moved.prefix)
    assert not tool.usable(moved)


def test_requirements_without_versions_keep_their_markers(tool: Any) -> None:
    lines = tool.requirements_without_versions('run.txt')
    assert lines['PyYAML'] == ['PyYAML']
    assert lines['numpy'] == ['numpy; python_version >= "3.11"', 'numpy; python_version < "3.11"']


def test_correct_exports_points_the_wheels_targets_to_this_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    messages = importlib.import_module('build_messages')
    file = tmp_path / 'share' / 'std_msgs' / 'cmake' / 'export.cmake'
    file.parent.mkdir(parents=True)
    file.write_text(
        'INCLUDE "/opt/python/cp312-cp312/include/python3.12;'
        '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include"\n'
    )
    assert messages.correct_exports(tmp_path, '/usr/include/python3.12') == 1
    assert file.read_text() == (
        f'INCLUDE "/usr/include/python3.12;{tmp_path}/lib/python3.12/site-packages/numpy/_core/'
        'include"\n'
    )
    assert messages.correct_exports(tmp_path, '/usr/include/python3.12') == 0
