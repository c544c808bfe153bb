"""
Traffic signs from a camera to navigation: classifier and sign_navigator.

``ros2 launch alexnet_ros signs.launch.py image_topic:=/camera/image_raw max_speed_mps:=0.5``
"""

import runpy
from pathlib import Path

from launch.action import Action

from alexnet_ros.ros.launching import described, parameters_in
from launch import LaunchDescription

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / 'config'
COMMON = {
    'namespace': ('', 'Namespace of both nodes and of their topics.'),
    'cameras': ('', 'Cameras, separated by commas: front,left; empty: as classifier_params.'),
    'use_sim_time': ('', 'Take the time from /clock; empty: as the parameter files, or false.'),
    'use_respawn': ('true', 'Start a node anew if it ends.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}
CLASSIFIER = {
    'name': ('alexnet', 'Name of the classifier.'),
    'model': ('', 'Model package, a name or a path; empty takes that of the parameter file.'),
    'image_topic': ('image', 'Topic of the camera, or of its compressed images (.../compressed).'),
    'compressed_topic': ('', 'Topic of compressed images whose name does not end in /compressed.'),
    'image_transport': ('', 'raw or compressed; empty takes that of the parameter file.'),
    'autostart': ('', 'Configure and activate by itself; empty: as your parameter file, or true.'),
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
    """Return the arguments and the two nodes."""
    return described({**COMMON, **CLASSIFIER, **NAVIGATOR, **PARAMETERS}, actions_of)


def actions_of(given: dict) -> list[Action]:
    """Check all arguments of both nodes before either is started."""
    files = {name: given.pop(f'{name}_params') for name in ('classifier', 'navigator')}
    in_file = parameters_in('classifier_params', files['classifier'], given['name'])
    cameras = [name for name in in_file.get('cameras') or [] if name]
    navigator = {
        **{name: given[name] for name in (*COMMON, *NAVIGATOR)},
        'name': 'sign_navigator',
        'classifier': given['name'],
        'cameras': given['cameras'] or ','.join(cameras),
        'params_file': files['navigator'],
    }
    classifier = {
        **{name: given[name] for name in (*COMMON, *CLASSIFIER)},
        'params_file': files['classifier'],
    }
    return [*included('classifier', classifier), *included('navigator', navigator)]


def included(name: str, given: dict) -> list[Action]:
    """Return what another launch file of this folder starts with some arguments."""
    module = runpy.run_path(str(HERE / f'{name}.launch.py'))
    defaults = {key: default for key, (default, _) in module['ARGUMENTS'].items()}
    actions: list[Action] = module['actions_of']({**defaults, **given})
    return actions
