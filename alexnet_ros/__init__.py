"""
Image recognition with AlexNet for ROS 2.

The names below are the public face; each is imported when it is first used, so
that ``import alexnet_ros`` needs nothing but Python.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet_ros.codec import rgb_from_compressed, rgb_from_file, rgb_from_image
    from alexnet_ros.config import RecognizerSettings
    from alexnet_ros.engine.select import open_engine
    from alexnet_ros.errors import AlexnetRosError
    from alexnet_ros.labels import Labels
    from alexnet_ros.model_package import ModelPackage
    from alexnet_ros.overlay import draw
    from alexnet_ros.recognizer import Recognizer
    from alexnet_ros.records import Classification, Detection, Frame, Recognition

__version__ = '0.1.0'

__all__ = [
    'AlexnetRosError',
    'Classification',
    'Detection',
    'Frame',
    'Labels',
    'ModelPackage',
    'Recognition',
    'Recognizer',
    'RecognizerSettings',
    'draw',
    'open_engine',
    'rgb_from_compressed',
    'rgb_from_file',
    'rgb_from_image',
]
_HOME = {  # public name: the module that owns it
    'AlexnetRosError': 'errors',
    'Classification': 'records',
    'Detection': 'records',
    'Frame': 'records',
    'Labels': 'labels',
    'ModelPackage': 'model_package',
    'Recognition': 'records',
    'Recognizer': 'recognizer',
    'RecognizerSettings': 'config',
    'draw': 'overlay',
    'open_engine': 'engine.select',
    'rgb_from_compressed': 'codec',
    'rgb_from_file': 'codec',
    'rgb_from_image': 'codec',
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
