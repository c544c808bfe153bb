"""
Messages to RGB images: what is malformed is refused before memory is taken.

Anything with the fields of ``sensor_msgs/Image`` or ``CompressedImage`` will
do: a live message, a bag's message or a plain object. Each refusal is an
:class:`~alexnet_ros.errors.ImageFormatError` whose ``reason`` is one of
:data:`REASONS`, a stable key for counters.
"""

from alexnet_ros.codec.compressed import (
    MAX_COMPRESSED_BYTES,
    picture_fault,
    rgb_from_compressed,
    rgb_from_encoded,
    rgb_from_file,
)
from alexnet_ros.codec.limits import MAX_PIXELS, MAX_SIDE, REASONS
from alexnet_ros.codec.raw import ENCODINGS, ImageMessage, rgb_from_image

__all__ = [
    'ENCODINGS',
    'MAX_COMPRESSED_BYTES',
    'MAX_PIXELS',
    'MAX_SIDE',
    'REASONS',
    'ImageMessage',
    'picture_fault',
    'rgb_from_compressed',
    'rgb_from_encoded',
    'rgb_from_file',
    'rgb_from_image',
]
