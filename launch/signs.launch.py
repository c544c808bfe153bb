"""
Traffic signs from a camera to navigation: classifier and sign_navigator.

``ros2 launch alexnet_ros signs.launch.py image_topic:=/camera/image_raw max_speed_mps:=0.5``
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchDescription

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / 'config'
COMMON = {
    'namespace': ('', 'Namespace of both nodes and of their topics.'),
    'cameras': ('', 'Cameras, separated by commas: front,left; then NAME/image comes in.'),
    'use_sim_time': ('false', 'Take the time from /clock.'),
    'use_respawn': ('true', 'Start a node anew if it ends.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}
CLASSIFIER = {
    'model': ('', 'Model package, a name or a path; empty takes that of the parameter file.'),
    'image_topic': ('image', 'Topic of the camera; with compressed, without /compressed.'),
    'image_transport': ('', 'raw or compressed; empty takes that of the parameter file.'),
}
NAVIGATOR = {
    'actions': ('', 'Table of actions; empty takes that of the parameter file.'),
    'max_speed_mps': ('', 'Cap, metres a second; empty takes that of the parameter file.'),
    'speed_limit_topic': ('speed_limit', 'Where the limit goes.'),
    'speed_limit_in_topic': ('speed_limit_in', "Another source's limit, such as SpeedFilter's."),
    'stop_lock_topic': ('stop_lock', 'Where the lock goes.'),
    'velocity_gate': ('false', 'Start the gate that sends zeros while the lock is on or silent.'),
    'stamped': ('false', 'With velocity_gate: commands are TwistStamped, not Twist.'),
    'cmd_vel_in_topic': ('cmd_vel_in', 'With velocity_gate: commands that come.'),
    'cmd_vel_topic': ('cmd_vel', 'With velocity_gate: commands for the base.'),
}
PARAMETERS = {
    'classifier_params': (str(CONFIG / 'signs.param.yaml'), 'Parameter file of the classifier.'),
    'navigator_params': (
        str(CONFIG / 'navigator.param.yaml'),
        'Parameter file of the sign_navigator.',
    ),
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the two nodes, each with its own."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in {**COMMON, **CLASSIFIER, **NAVIGATOR, **PARAMETERS}.items()
    ]
    return LaunchDescription(
        [
            *declared,
            include('classifier', {**COMMON, **CLASSIFIER}),
            include('navigator', {**COMMON, **NAVIGATOR}),
        ]
    )


def include(name: str, arguments: dict) -> GroupAction:
    """Return another launch file of this folder, in a scope of its own."""
    values = {one: LaunchConfiguration(one) for one in arguments}
    values['params_file'] = LaunchConfiguration(f'{name}_params')
    source = PythonLaunchDescriptionSource(str(HERE / f'{name}.launch.py'))
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=values.items())])
