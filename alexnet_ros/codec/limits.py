"""Sizes that an image may have, the reasons of refusal, and bytes of any buffer."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import ImageFormatError

MAX_PIXELS = 64_000_000  # twice the largest common camera (8K); 192 MB as RGB
MAX_SIDE = 65_500  # the most that libjpeg takes

REASONS = {
    'zero_size': 'width or height is 0',
    'too_many_pixels': 'more pixels than allowed, or a side that is too long',
    'too_many_bytes': 'more compressed bytes than allowed',
    'short_step': 'step is smaller than one row of pixels',
    'short_data': 'data is shorter than step x height',
    'odd_size': 'a subsampled encoding needs even sides, a mosaic two rows',
    'unknown_encoding': 'an encoding that is not decoded',
    'depth_encoding': 'a depth image, which shows no colours',
    'bad_data': 'data is no array of bytes, or a field has a wrong type',
    'empty': 'no data at all',
    'bad_format': 'a compressed format that is not decoded',
    'format_lies': 'data is of another kind than the format says',
    'truncated': 'compressed data ends too early',
    'undecodable': 'compressed data is damaged',
    'unreadable': 'a file cannot be read',
}


def bytes_of(data: Any) -> NDArray[np.uint8]:
    """
    Return a message's data as flat bytes without copying them.

    :param data: ``array.array('B')``, bytes, memoryview, NumPy uint8 array, or
        anything else with a contiguous buffer of bytes.
    :raises ImageFormatError: ``bad_data``.
    """
    try:
        view = memoryview(data)
        if view.itemsize != 1 or not view.contiguous:
            raise ImageFormatError(
                'bad_data', f'expected contiguous bytes, got items of {view.itemsize} bytes'
            )
        return np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        if isinstance(error, ImageFormatError):
            raise
        raise ImageFormatError(
            'bad_data', f'expected an array of bytes, got {type(data).__name__}'
        ) from error


def whole_number(value: Any, name: str) -> int:
    """
    Return a field that must be a whole number, of whatever integer type.

    :raises ImageFormatError: ``bad_data``.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise ImageFormatError(
            'bad_data', f'expected {name} to be an integer, got {value!r:.60}'
        ) from error


def checked_size(width: Any, height: Any, max_pixels: int) -> tuple[int, int]:
    """
    Return width and height as plain whole numbers within the limits.

    :raises ImageFormatError: ``zero_size``, ``too_many_pixels`` or ``bad_data``.
    """
    wide, high = whole_number(width, 'width'), whole_number(height, 'height')
    if wide < 1 or high < 1:
        raise ImageFormatError('zero_size', f'expected at least 1x1 pixels, got {wide}x{high}')
    if wide > MAX_SIDE or high > MAX_SIDE or wide * high > max_pixels:
        raise ImageFormatError(
            'too_many_pixels',
            f'expected at most {max_pixels} pixels and sides of {MAX_SIDE}, got {wide}x{high}',
        )
    return wide, high
