"""
A model of the whole frame that steers: blocked or free, left, straight or right.

``ros2 launch alexnet_ros navigation.launch.py model:=/path/to/package``

The same two nodes as signs.launch.py with other parameter files. For headings:
``actions:=heading_actions.yaml``.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / 'config'


def generate_launch_description() -> LaunchDescription:
    """Return signs.launch.py with the defaults of whole-frame models."""
    defaults = {
        'classifier_params': str(CONFIG / 'classifier.param.yaml'),
        'navigator_params': str(CONFIG / 'navigation.param.yaml'),
        'actions': 'blocked_actions.yaml',
    }
    source = PythonLaunchDescriptionSource(str(HERE / 'signs.launch.py'))
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'model', description='Model package of the whole frame, a name or a path.'
            ),
            *[
                DeclareLaunchArgument(name, default_value=value)
                for name, value in defaults.items()
            ],
            IncludeLaunchDescription(source),
        ]
    )
