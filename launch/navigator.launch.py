"""
Start the sign_navigator alone, for a classifier that runs already.

``ros2 launch alexnet_ros navigator.launch.py max_speed_mps:=0.5``
"""

import math
import sys
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

SHARE = Path(__file__).resolve().parents[1]
RESPAWN_DELAY_S = 1.0
ARGUMENTS = {
    'name': ('sign_navigator', 'Name of the node.'),
    'namespace': ('', 'Namespace of the node and of its topics.'),
    'params_file': (
        str(SHARE / 'config' / 'navigator.param.yaml'),
        'Parameter file (see config/).',
    ),
    'actions': ('', 'Table of actions, a name or a path; empty takes that of params_file.'),
    'max_speed_mps': ('', 'Cap, metres a second; empty takes that of params_file.'),
    'classifier': ('alexnet', 'Name of the classifier whose ~/ topics are read.'),
    'velocity_topic': ('velocity', 'geometry_msgs/TwistStamped, with velocity_source: twist.'),
    'odom_topic': ('odom', 'nav_msgs/Odometry, with velocity_source: odom.'),
    'speed_limit_topic': ('speed_limit', 'Where the limit goes.'),
    'speed_limit_in_topic': ('speed_limit_in', "Another source's limit, such as SpeedFilter's."),
    'stop_lock_topic': ('stop_lock', 'Where the lock goes.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'use_respawn': ('true', 'Start the node anew if it ends.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """Return what the values of the arguments ask for."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    overrides: dict = {'use_sim_time': truth('use_sim_time', given['use_sim_time'])}
    if given['actions']:
        overrides['actions'] = given['actions']
    if given['max_speed_mps']:
        overrides['max_speed_mps'] = number('max_speed_mps', given['max_speed_mps'])
    topics = {
        name: f'{given["classifier"]}/{name}'
        for name in ('detections', 'classification', 'label_info')
    } | {
        name: given[f'{name}_topic']
        for name in ('velocity', 'odom', 'speed_limit', 'speed_limit_in', 'stop_lock')
    }
    return [
        Node(
            name=given['name'],
            namespace=given['namespace'],
            **program(),
            parameters=[given['params_file'], overrides],
            remappings=[(name, topic) for name, topic in topics.items() if name != topic],
            ros_arguments=['--log-level', given['log_level']],
            respawn=truth('use_respawn', given['use_respawn']),
            respawn_delay=RESPAWN_DELAY_S,
            output='screen',
            emulate_tty=True,
        )
    ]


def truth(name: str, text: str) -> bool:
    """Return a launch argument as a truth value."""
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise ValueError(f'{name} must be true or false, got {text!r}')
    return values[text.lower()]


def number(name: str, text: str) -> float:
    """Return a launch argument as a number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'{name} must be a number, got {text!r}')
    return value


def program() -> dict:
    """Return the installed executable, or this Python where it is not installed."""
    try:
        get_package_prefix('alexnet_ros')
    except PackageNotFoundError:
        module = ['-m', 'alexnet_ros.ros.sign_navigator_node']
        return {'executable': sys.executable, 'arguments': module}
    return {'package': 'alexnet_ros', 'executable': 'sign_navigator'}
