"""What the launch files refuse, before anything is started."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from alexnet_ros.errors import ConfigError
from alexnet_ros.ros.launching import choice, number, parameters_in, truth
from tests.ros.robot import ROOT


def parameter_file(folder: Path, text: str) -> str:
    path = folder / 'mine.yaml'
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize('text', ['fast', '', 'nan', 'inf', '1,5'])
def test_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match='max_speed_mps must be a number'):
        number('max_speed_mps', text)


def test_other_words_are_refused() -> None:
    assert (truth('a', 'True'), truth('a', '0'), choice('b', 'raw', ('', 'raw'))) == (
        True,
        False,
        'raw',
    )
    with pytest.raises(ConfigError, match="a must be true or false, got 'perhaps'"):
        truth('a', 'perhaps')
    with pytest.raises(ConfigError, match="one of empty, raw; got 'theora'"):
        choice('b', 'theora', ('', 'raw'))


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        (None, 'there is no file'),
        ('{[', 'is not YAML'),
        ('hello', 'has no ros__parameters for alexnet'),
        ('/**:\n  top_k: 3\n', 'has no ros__parameters for alexnet'),
        ('other:\n  ros__parameters:\n    top_k: 3\n', 'has no ros__parameters for alexnet'),
    ],
)
def test_parameter_file_without_effect_is_refused(
    tmp_path: Path, text: str | None, says: str
) -> None:
    path = '/typo.yaml' if text is None else parameter_file(tmp_path, text)
    with pytest.raises(ConfigError, match=says):
        parameters_in('params_file', path, 'alexnet')


@pytest.mark.parametrize('section', ['/**', 'alexnet', '/robot/alexnet', '/*'])
def test_parameters_of_a_node_are_found(tmp_path: Path, section: str) -> None:
    path = parameter_file(tmp_path, f'{section}:\n  ros__parameters:\n    autostart: false\n')
    assert parameters_in('params_file', path, 'alexnet') == {'autostart': False}


@pytest.fixture
def launch_file() -> ModuleType:
    pytest.importorskip('launch_ros', reason='launch_ros is not installed (it has no wheel)')
    path = ROOT / 'launch' / 'classifier.launch.py'
    spec = importlib.util.spec_from_file_location('classifier_launch', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('text', 'arguments', 'parameters'),
    [
        ('top_k: 3', {}, {'autostart': True}),
        ('autostart: false', {}, {}),
        ('autostart: false', {'autostart': 'true'}, {'autostart': True}),
        ('use_sim_time: true', {}, {'autostart': True}),
        ('top_k: 3', {'use_sim_time': 'true'}, {'autostart': True, 'use_sim_time': True}),
    ],
)
def test_what_a_parameter_file_says_counts(
    launch_file: Any, tmp_path: Path, text: str, arguments: dict[str, str], parameters: Any
) -> None:
    path = parameter_file(tmp_path, f'/**:\n  ros__parameters:\n    {text}\n')
    given = {name: default for name, (default, _) in launch_file.ARGUMENTS.items()}
    assert launch_file.asked({**given, 'params_file': path, **arguments}) == (parameters, [])


@pytest.mark.parametrize(
    ('arguments', 'remappings', 'compressed'),
    [
        ({'image_topic': '/c/image_raw'}, [('image', '/c/image_raw')], False),
        ({'image_topic': '/c/image_raw/compressed'}, [('image', '/c/image_raw')], True),
        ({'compressed_topic': '/pylon/jpeg'}, [('image/compressed', '/pylon/jpeg')], True),
    ],
)
def test_topics_do_what_they_say(
    launch_file: Any, arguments: dict[str, str], remappings: Any, compressed: bool
) -> None:
    given = {name: default for name, (default, _) in launch_file.ARGUMENTS.items()}
    parameters, found = launch_file.asked({**given, **arguments})
    assert found == remappings
    assert (parameters.get('image_transport') == 'compressed') is compressed


def test_topic_beside_cameras_is_refused(launch_file: Any, tmp_path: Path) -> None:
    path = parameter_file(tmp_path, '/**:\n  ros__parameters:\n    cameras: [front, left]\n')
    given = {name: default for name, (default, _) in launch_file.ARGUMENTS.items()}
    with pytest.raises(ConfigError, match='no effect with the cameras front, left'):
        launch_file.asked({**given, 'params_file': path, 'image_topic': '/x'})
