"""
Start the classifier node.

``ros2 launch alexnet_ros classifier.launch.py image_topic:=/camera/image_raw``
"""

import os
import sys
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

SHARE = Path(__file__).resolve().parents[1]
PROFILE = SHARE / 'config' / 'fastdds.xml'
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
RESPAWN_DELAY_S = 2.0
ARGUMENTS = {
    'name': ('alexnet', 'Name of the node.'),
    'namespace': ('', 'Namespace of the node and of its input topics.'),
    'params_file': (
        str(SHARE / 'config' / 'classifier.param.yaml'),
        'Parameter file (see config/).',
    ),
    'model': ('', 'Model package, a name or a path; empty takes that of params_file.'),
    'image_topic': ('image', 'Topic of the camera; with compressed, without /compressed.'),
    'image_transport': ('', 'raw or compressed; empty takes that of params_file.'),
    'cameras': ('', 'Cameras, separated by commas: front,left; then NAME/image comes in.'),
    'autostart': ('true', 'Configure and activate without a lifecycle manager.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'use_respawn': ('false', 'Start the node anew if it ends with an error.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the Fast DDS profile and the node."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """Return what the values of the arguments ask for."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    overrides: dict = {
        name: given[name] for name in ('model', 'image_transport') if given[name]
    } | {name: truth(name, given[name]) for name in ('autostart', 'use_sim_time')}
    cameras = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    if cameras:
        overrides['cameras'] = cameras
    node = Node(
        name=given['name'],
        namespace=given['namespace'],
        **program(),
        parameters=[given['params_file'], overrides],
        remappings=[('image', given['image_topic'])] if given['image_topic'] != 'image' else [],
        ros_arguments=['--log-level', given['log_level']],
        respawn=truth('use_respawn', given['use_respawn']),
        respawn_delay=RESPAWN_DELAY_S,
        output='screen',
        emulate_tty=True,
    )
    return [*profile(), node]


def truth(name: str, text: str) -> bool:
    """Return a launch argument as a truth value."""
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise ValueError(f'{name} must be true or false, got {text!r}')
    return values[text.lower()]


def program() -> dict:
    """Return the installed executable, or this Python where it is not installed."""
    try:
        get_package_prefix('alexnet_ros')
    except PackageNotFoundError:
        module = ['-m', 'alexnet_ros.ros.classifier_node']
        return {'executable': sys.executable, 'arguments': module}
    return {'package': 'alexnet_ros', 'executable': 'classifier'}


def profile() -> list[Action]:
    """Name the Fast DDS profile for everything launched, unless the user named one."""
    if any(name in os.environ for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, str(PROFILE)) for name in PROFILE_VARIABLES]
