"""The launch file, the parameter files and the Fast DDS profile."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters

from alexnet_ros.config import ClassifierSettings, flat_fields, settings_from_mapping
from tests.ros.robot import DEADLINE_S, PROFILE, ROOT, Bench
from tools.parameter_docs import MANUAL, YAML, manual_with_table, parameter_file

LAUNCH_FILE = ROOT / 'launch' / 'classifier.launch.py'
ARGUMENTS = {
    'name',
    'namespace',
    'params_file',
    'model',
    'image_topic',
    'image_transport',
    'compressed_topic',
    'autostart',
    'cameras',
    'use_sim_time',
    'use_respawn',
    'log_level',
}
PROFILES = ('classifier', 'signs', 'detections', 'cameras')
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *words = sys.argv[1:]
source = PythonLaunchDescriptionSource(path)
arguments = [tuple(word.split(':=', 1)) for word in words]
service = LaunchService(argv=words)
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


def test_the_launch_file_has_the_arguments_of_the_contract() -> None:
    tree = ast.parse(LAUNCH_FILE.read_text())
    (table,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'ARGUMENTS'
    ]
    assert isinstance(table, ast.Dict)
    assert {ast.literal_eval(key) for key in table.keys if key is not None} == ARGUMENTS


def test_the_written_files_agree_with_the_declarations() -> None:
    remedy = 'run python tools/parameter_docs.py'
    assert YAML.read_text() == parameter_file(ClassifierSettings), remedy
    manual = MANUAL.read_text()
    assert manual == manual_with_table(manual, ClassifierSettings), remedy


@pytest.mark.parametrize('name', PROFILES)
def test_parameter_files_are_accepted(name: str) -> None:
    content = yaml.safe_load((ROOT / 'config' / f'{name}.param.yaml').read_text())
    values = content['/**']['ros__parameters']
    settings = settings_from_mapping(ClassifierSettings, values)
    if name == 'classifier':
        assert settings == ClassifierSettings()
        assert list(values) == list(flat_fields(ClassifierSettings))


def test_the_whole_parameter_file_starts_a_node(start_node: Any) -> None:
    node = start_node('--params-file', str(YAML), model='/no/such/model', autostart=True)
    node.wait_for('cannot configure')  # so far only if every parameter was taken
    assert node.stop() == 0


def test_the_dds_profile_has_room_for_images() -> None:
    space = {'d': 'http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles'}
    root = ET.parse(PROFILE).getroot()  # noqa: S314 - a file of ours
    shared = next(
        one
        for one in root.iterfind('.//d:transport_descriptor', space)
        if one.findtext('d:type', namespaces=space) == 'SHM'
    )
    assert int(shared.findtext('d:segment_size', '0', space)) >= 64 << 20
    assert int(shared.findtext('d:maxMessageSize', '0', space)) >= 1920 * 1080 * 3
    participant = root.find('.//d:participant', space)
    assert participant is not None
    assert participant.get('is_default_profile') == 'true'
    assert participant.findtext('.//d:useBuiltinTransports', '', space) == 'false'


@pytest.fixture
def launched(model: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    if importlib.util.find_spec('launch_ros') is None:
        pytest.skip('launch_ros is not installed here (it has no wheel)')
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    top_k: 2\n    model: none\n')
    words = [
        f'model:={model}',
        'namespace:=robot',
        'image_topic:=/camera/image_raw',
        'image_transport:=compressed',
        f'params_file:={parameters}',
        'use_respawn:=true',
    ]
    unset = {'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'}
    process = subprocess.Popen(
        [sys.executable, '-c', RUN, str(LAUNCH_FILE), *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={key: value for key, value in os.environ.items() if key not in unset},
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_launch_file_starts_the_node_as_asked(
    bench: Bench, launched: 'subprocess.Popen[str]'
) -> None:
    name = '/robot/alexnet'
    bench.until(
        'it is active',
        lambda: bench.call(GetState, f'{name}/get_state').current_state.label == 'active',
    )
    names = GetParameters.Request(names=['top_k', 'image_transport', 'autostart'])
    top_k, transport, autostart = bench.call(GetParameters, f'{name}/get_parameters', names).values
    assert (top_k.integer_value, transport.string_value) == (2, 'compressed')
    assert autostart.bool_value
    bench.until(
        'the input is where it was asked for',
        lambda: bench.node.count_subscribers('/camera/image_raw/compressed') == 1,
    )
    launched.send_signal(signal.SIGINT)
    log, _ = launched.communicate(timeout=DEADLINE_S)
    assert 'process has finished cleanly' in log, log
