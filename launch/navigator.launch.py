"""
Start the sign_navigator alone, for a classifier that runs already.

``ros2 launch alexnet_ros navigator.launch.py max_speed_mps:=0.5``
"""

from pathlib import Path

from launch.action import Action

from alexnet_ros.ros.launching import described, number, parameters_in, started, truth
from launch import LaunchDescription

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
    'cameras': ('', 'Cameras of the classifier, separated by commas: front,left; empty for one.'),
    'classifier': ('alexnet', 'Name of the classifier whose ~/ topics are read.'),
    'velocity_topic': ('velocity', 'geometry_msgs/TwistStamped, with velocity_source: twist.'),
    'odom_topic': ('odom', 'nav_msgs/Odometry, with velocity_source: odom.'),
    'speed_limit_topic': ('speed_limit', 'Where the limit goes.'),
    'speed_limit_in_topic': ('speed_limit_in', "Another source's limit, such as SpeedFilter's."),
    'stop_lock_topic': ('stop_lock', 'Where the lock goes.'),
    'state_file': ('', 'File that survives a restart, or none; empty takes that of params_file.'),
    'velocity_gate': ('false', 'Start the gate that sends zeros while the lock is on or silent.'),
    'stamped': ('false', 'With velocity_gate: commands are TwistStamped, not Twist.'),
    'cmd_vel_in_topic': ('cmd_vel_in', 'With velocity_gate: commands that come.'),
    'cmd_vel_topic': ('cmd_vel', 'With velocity_gate: commands for the base.'),
    'use_sim_time': ('', 'Take the time from /clock; empty: as params_file, or false.'),
    'use_respawn': ('true', 'Start the node anew if it ends.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node."""
    return described(ARGUMENTS, actions_of)


def actions_of(given: dict) -> list[Action]:
    """Return the nodes that are asked for; nothing is started where an argument is wrong."""
    parameters_in('params_file', given['params_file'], given['name'])
    overrides: dict = {}
    if given['use_sim_time']:
        overrides['use_sim_time'] = truth('use_sim_time', given['use_sim_time'])
    overrides |= {name: given[name] for name in ('actions', 'state_file') if given[name]}
    cameras = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    if cameras:
        overrides['cameras'] = cameras
    if given['max_speed_mps']:
        overrides['max_speed_mps'] = number('max_speed_mps', given['max_speed_mps'])
    places = [f'{camera}/' for camera in cameras] or ['']
    topics = {
        f'{place}{name}': f'{given["classifier"]}/{place}{name}'
        for place in places
        for name in ('detections', 'classification', 'label_info')
    } | {
        name: given[f'{name}_topic']
        for name in ('velocity', 'odom', 'speed_limit', 'speed_limit_in', 'stop_lock')
    }
    nodes = [
        started(
            'sign_navigator',
            given,
            name=given['name'],
            parameters=[given['params_file'], overrides],
            remappings=changed(topics),
            respawn_delay=RESPAWN_DELAY_S,
        )
    ]
    if truth('velocity_gate', given['velocity_gate']):
        gate_topics = {
            name: given[f'{name}_topic'] for name in ('cmd_vel_in', 'cmd_vel', 'stop_lock')
        }
        gate = started(
            'velocity_gate',
            given,
            name='velocity_gate',
            parameters=[{'stamped': truth('stamped', given['stamped'])}],
            remappings=changed(gate_topics),
            respawn_delay=RESPAWN_DELAY_S,
        )
        nodes.append(gate)
    return nodes


def changed(topics: dict) -> list:
    """Return the remappings that change something."""
    return [(name, topic) for name, topic in topics.items() if name != topic]
