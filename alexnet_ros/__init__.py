"""
Image recognition with AlexNet for ROS 2.

The names below are the public face; each is imported when it is first used, so
that ``import alexnet_ros`` needs nothing but Python.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet_ros.codec import rgb_from_compressed as rgb_from_compressed
    from alexnet_ros.codec import rgb_from_file as rgb_from_file
    from alexnet_ros.codec import rgb_from_image as rgb_from_image
    from alexnet_ros.config import RecognizerSettings as RecognizerSettings
    from alexnet_ros.engine.select import open_engine as open_engine
    from alexnet_ros.errors import AlexnetRosError as AlexnetRosError
    from alexnet_ros.labels import Labels as Labels
    from alexnet_ros.model_package import ModelPackage as ModelPackage
    from alexnet_ros.overlay import draw as draw
    from alexnet_ros.recognizer import Recognizer as Recognizer
    from alexnet_ros.records import Classification as Classification
    from alexnet_ros.records import Detection as Detection
    from alexnet_ros.records import Frame as Frame
    from alexnet_ros.records import Recognition as Recognition

__version__ = '0.1.0'

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
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
