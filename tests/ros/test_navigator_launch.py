"""The navigator's launch, parameter and example files."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from nav2_msgs.msg import SpeedLimit
from rcl_interfaces.srv import GetParameters
from std_msgs.msg import Bool

from alexnet_ros.config import NavigatorSettings, flat_fields, settings_from_mapping
from alexnet_ros.navigation import find_table, read_table
from tests.ros.navigator_bench import Ears
from tests.ros.robot import DEADLINE_S, ROOT, Bench
from tests.ros.test_classifier_launch import RUN
from tools.parameter_docs import (
    NAVIGATOR_MANUAL,
    NAVIGATOR_YAML,
    manual_with_table,
    parameter_file,
)

MODULE = 'alexnet_ros.ros.sign_navigator_node'


def content(name: str) -> Any:
    return yaml.safe_load((ROOT / 'config' / name).read_text())


def test_the_written_files_agree_with_the_declarations() -> None:
    remedy = 'run python tools/parameter_docs.py'
    assert NAVIGATOR_YAML.read_text() == parameter_file(NavigatorSettings, 'sign_navigator'), (
        remedy
    )
    manual = NAVIGATOR_MANUAL.read_text()
    assert manual == manual_with_table(manual, NavigatorSettings), remedy


@pytest.mark.parametrize('name', ['navigator', 'navigation'])
def test_parameter_files_are_accepted_and_name_a_table(name: str) -> None:
    values = content(f'{name}.param.yaml')['/**']['ros__parameters']
    settings = settings_from_mapping(NavigatorSettings, values)
    assert read_table(find_table(settings.actions))
    if name == 'navigator':
        assert settings == NavigatorSettings()
        not_set = ['max_speed_mps']  # there as a comment
        assert [*values, *not_set] == [
            *(one for one in flat_fields(NavigatorSettings) if one not in not_set),
            *not_set,
        ]


def test_the_whole_parameter_file_starts_a_node(bench: Bench, start_node: Any) -> None:
    ears = Ears(bench)
    start_node('--params-file', str(NAVIGATOR_YAML), module=MODULE)
    bench.until('it speaks', lambda: ears.locked is False)


def resolved(topic: str, node_namespace: str, distribution: str) -> str:
    """
    Return where a topic of a costmap layer is, as Nav2 resolves it.

    Humble and Jazzy take the name as it is in the costmap's node, whose
    namespace is its own name below the robot's; Kilted (``Layer::joinWithParentNamespace``)
    puts it beside that node.
    """
    if topic.startswith('/'):
        return topic
    if distribution == 'kilted':
        node_namespace = node_namespace.rsplit('/', 1)[0]
    return f'{node_namespace}/{topic}'


@pytest.mark.parametrize('distribution', ['humble', 'jazzy', 'kilted'])
def test_nav2_example_sends_every_limit_through_the_navigator(distribution: str) -> None:
    nav2 = content('nav2_example.yaml')
    controller = nav2['controller_server']['ros__parameters']
    ours = settings_from_mapping(NavigatorSettings, nav2['sign_navigator']['ros__parameters'])
    costmap = nav2['local_costmap']['local_costmap']['ros__parameters']
    layer = costmap[costmap['filters'][0]]
    assert layer['plugin'] == 'nav2_costmap_2d::SpeedFilter'
    # Parameters of SpeedFilter and CostmapFilter in all three distributions
    assert set(layer) <= {'plugin', 'enabled', 'filter_info_topic', 'speed_limit_topic'}
    place = '/local_costmap'
    assert resolved(layer['speed_limit_topic'], place, distribution) == '/speed_limit_in'
    assert resolved(layer['filter_info_topic'], place, distribution) == '/speed_filter_info'
    # A plain node of the root namespace, unlike a costmap
    assert f'/{controller["speed_limit_topic"]}' == '/speed_limit'
    assert ours.max_speed_mps is not None
    assert ours.max_speed_mps <= controller['FollowPath']['vx_max']


def test_a_relative_name_would_go_astray_in_humble_and_jazzy() -> None:
    place = '/robot1/local_costmap'
    assert resolved('speed_limit_in', place, 'jazzy') == '/robot1/local_costmap/speed_limit_in'
    assert resolved('speed_limit_in', place, 'kilted') == '/robot1/speed_limit_in'


def test_twist_mux_example_stands_behind_nav2_and_times_the_lock() -> None:
    mux = content('twist_mux_example.yaml')['twist_mux']['ros__parameters']
    lock = mux['locks']['signs']
    assert lock['topic'] == 'stop_lock'
    assert 0.2 <= lock['timeout'] <= 1.0
    assert mux['topics']['navigation']['priority'] < lock['priority']
    # In nav2_bringup these come before velocity_smoother or collision_monitor
    assert mux['topics']['navigation']['topic'] not in {'cmd_vel_nav', 'cmd_vel_smoothed'}
    assert type(mux['use_stamped']) is bool


def launched(name: str, *words: str) -> 'subprocess.Popen[str]':
    if importlib.util.find_spec('launch_ros') is None:
        pytest.skip('launch_ros is not installed here (it has no wheel)')
    return subprocess.Popen(
        [sys.executable, '-c', RUN, str(ROOT / 'launch' / f'{name}.launch.py'), *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ),
    )


@pytest.mark.parametrize(
    ('name', 'cap', 'policy'), [('signs', 0.7, 'hold'), ('navigation', 0.5, 'stop')]
)
def test_the_launch_files_start_both_nodes_wired(
    bench: Bench, model: Path, name: str, cap: float, policy: str
) -> None:
    limits = bench.listen(SpeedLimit, '/car/controller_limit')
    locks = bench.listen(Bool, '/car/stop_lock')
    words = ['speed_limit_topic:=controller_limit', f'model:={model}', 'namespace:=car']
    words += ['max_speed_mps:=0.7'] if name == 'signs' else []
    process = launched(name, *words)
    try:
        bench.until('the lock', lambda: locks.messages)
        names = GetParameters.Request(names=['max_speed_mps', 'on_stale'])
        answer = bench.call(GetParameters, '/car/sign_navigator/get_parameters', names).values
        assert (answer[0].double_value, answer[1].string_value) == (cap, policy)
        topic = 'detections' if name == 'signs' else 'classification'
        bench.until(
            'both ends',
            lambda: (
                bench.node.count_publishers(f'/car/alexnet/{topic}') == 1
                and bench.node.count_subscribers(f'/car/alexnet/{topic}') == 1
                and bench.node.count_subscribers('/car/alexnet/label_info') == 1
                and bench.node.count_publishers('/car/controller_limit') == 1
            ),
        )
        assert not limits.messages
        process.send_signal(signal.SIGINT)
        log, _ = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert log.count('process has finished cleanly') == 2, log
