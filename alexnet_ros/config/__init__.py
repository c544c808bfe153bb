"""
Every setting of the package, declared once.

A setting is a dataclass field made by :func:`setting`, which carries its text,
range and whether it may change while the node is active. ROS parameters, the
YAML profiles, the command-line options and the documentation are made from
these declarations.
"""

from alexnet_ros.config.declare import flat_fields, setting, settings_from_mapping
from alexnet_ros.config.nodes import ClassifierSettings, GateSettings, NavigatorSettings
from alexnet_ros.config.recognition import (
    FinderSettings,
    RecognizerSettings,
    TensorRtSettings,
    TrackerSettings,
)

__all__ = [
    'ClassifierSettings',
    'FinderSettings',
    'GateSettings',
    'NavigatorSettings',
    'RecognizerSettings',
    'TensorRtSettings',
    'TrackerSettings',
    'flat_fields',
    'setting',
    'settings_from_mapping',
]
