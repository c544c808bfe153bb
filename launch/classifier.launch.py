"""
Start the classifier node.

``ros2 launch alexnet_ros classifier.launch.py image_topic:=/camera/image_raw``
"""

from pathlib import Path

from launch.action import Action
from launch.actions import LogInfo, SetEnvironmentVariable

from alexnet_ros.errors import ConfigError
from alexnet_ros.ros.launching import (
    choice,
    described,
    parameters_in,
    profile_environment_of_launch,
    started,
    truth,
)
from launch import LaunchDescription

CONFIG = Path(__file__).resolve().parents[1] / 'config'
RESPAWN_DELAY_S = 2.0
ARGUMENTS = {
    'name': ('alexnet', 'Name of the node.'),
    'namespace': ('', 'Namespace of the node and of its input topics.'),
    'params_file': (str(CONFIG / 'classifier.param.yaml'), 'Parameter file (see config/).'),
    'model': ('', 'Model package, a name or a path; empty takes that of params_file.'),
    'image_topic': ('image', 'Topic of the camera, or of its compressed images (.../compressed).'),
    'compressed_topic': ('', 'Topic of compressed images whose name does not end in /compressed.'),
    'image_transport': ('', 'raw or compressed; empty takes that of params_file.'),
    'cameras': ('', 'Cameras, separated by commas: front,left; empty: as params_file.'),
    'autostart': ('', 'Configure and activate by itself; empty: as your params_file, or true.'),
    'use_sim_time': ('', 'Take the time from /clock; empty: as params_file, or false.'),
    'use_respawn': ('false', 'Start the node anew whenever it ends.'),
    'log_level': ('info', 'debug, info, warn, error or fatal.'),
}


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the Fast DDS profile and the node."""
    return described(ARGUMENTS, actions_of)


def actions_of(given: dict) -> list[Action]:
    """
    Check the values of all arguments, then return what they ask for.

    :raises ConfigError: one of them cannot be used; nothing is started then.
    """
    overrides, remappings = asked(given)
    node = started(
        'classifier',
        given,
        name=given['name'],
        parameters=[given['params_file'], overrides],
        remappings=remappings,
        respawn_delay=RESPAWN_DELAY_S,
    )
    return [*profile(), node]


def asked(given: dict) -> tuple[dict, list]:
    """
    Check all arguments; nothing has been started yet.

    :returns: parameters beside those of the file, and remappings.
    """
    choice('image_transport', given['image_transport'], ('', 'raw', 'compressed'))
    in_file = parameters_in('params_file', given['params_file'], given['name'])
    overrides: dict = {key: given[key] for key in ('model', 'image_transport') if given[key]}
    topic, packed = given['image_topic'], given['compressed_topic']
    named = [name.strip() for name in given['cameras'].split(',') if name.strip()]
    if named:
        overrides['cameras'] = named
    several = named or [name for name in in_file.get('cameras') or [] if name]
    if several and (topic != 'image' or packed):
        raise ConfigError(
            f'image_topic has no effect with the cameras {", ".join(several)}: '
            'remap CAMERA/image for each, or leave cameras out'
        )
    if packed or topic.endswith('/compressed'):
        overrides['image_transport'] = 'compressed'
        topic = topic.removesuffix('/compressed')
    remappings = [('image', topic)] if topic != 'image' and not packed else []
    if packed:
        remappings = [('image/compressed', packed)]
    own_file = Path(given['params_file']).resolve().parent != CONFIG
    if given['autostart'] or not (own_file and 'autostart' in in_file):
        overrides['autostart'] = truth('autostart', given['autostart'] or 'true')
    if given['use_sim_time']:
        overrides['use_sim_time'] = truth('use_sim_time', given['use_sim_time'])
    return overrides, remappings


def profile() -> list[Action]:
    """Name the Fast DDS profile for everything that is launched from here on."""
    named = profile_environment_of_launch()
    if not named:
        return []
    words = ' '.join(f'{name}={path}' for name, path in named.items())
    return [
        *[SetEnvironmentVariable(name, path) for name, path in named.items()],
        LogInfo(msg=f'Fast DDS profile in use; for cameras started elsewhere: export {words}'),
    ]
