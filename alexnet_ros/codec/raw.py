"""``sensor_msgs/Image`` to RGB, as a view of the message where its layout allows it."""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.codec.limits import MAX_PIXELS, bytes_of, checked_size, whole_number
from alexnet_ros.errors import ImageFormatError

Image = NDArray[np.uint8]


class ImageMessage(Protocol):
    """The fields of ``sensor_msgs/Image`` that are read."""

    height: int
    width: int
    encoding: str
    is_bigendian: Any
    step: int
    data: Any


@dataclass(frozen=True, slots=True)
class _Encoding:
    """
    How one encoding lies in memory and becomes RGB.

    :param channels: bytes of one pixel in a row.
    :param code: OpenCV's conversion to RGB; None where the bytes are RGB.
    :param depth: bytes of one value.
    :param even: which sides must be even: ``w``, ``wh`` or neither.
    :param planes: rows in the data for each two rows of the image.
    """

    channels: int
    code: int | None
    depth: int = 1
    even: str = ''
    planes: int = 2


def _full_range(values: NDArray[np.uint16]) -> Image:
    """Scale 0..65535 to 0..255: round(value / 257), whatever the sensor's bits."""
    return np.asarray(cv2.convertScaleAbs(values, alpha=1 / 257), np.uint8)


_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even='w')
_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, even='w')
_TABLE = {
    'rgb8': _Encoding(3, None),
    'bgr8': _Encoding(3, cv2.COLOR_BGR2RGB),
    'rgba8': _Encoding(4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, cv2.COLOR_BGRA2RGB),
    'mono8': _Encoding(1, cv2.COLOR_GRAY2RGB),
    'mono16': _Encoding(1, cv2.COLOR_GRAY2RGB, depth=2),
    # OpenCV names a pattern by the second row's second and third pixel.
    'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerBG2RGB, even='wh'),
    'bayer_bggr8': _Encoding(1, cv2.COLOR_BayerRG2RGB, even='wh'),
    'bayer_gbrg8': _Encoding(1, cv2.COLOR_BayerGR2RGB, even='wh'),
    'bayer_grbg8': _Encoding(1, cv2.COLOR_BayerGB2RGB, even='wh'),
    'yuv422': _UYVY,  # the old name of uyvy
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,  # the old name of yuyv
    'yuyv': _YUYV,
    'nv12': _Encoding(1, cv2.COLOR_YUV2RGB_NV12, even='wh', planes=3),
    'nv21': _Encoding(1, cv2.COLOR_YUV2RGB_NV21, even='wh', planes=3),
}
ENCODINGS = tuple(_TABLE)
DEPTH_ENCODINGS = ('16uc1', '16sc1', '32fc1', '32sc1', '64fc1')


def is_depth(encoding: str) -> bool:
    """Tell whether an encoding holds distances rather than colours."""
    return encoding.strip().lower() in DEPTH_ENCODINGS


def rgb_from_image(message: ImageMessage, *, max_pixels: int = MAX_PIXELS) -> Image:
    """
    Decode a raw image.

    ``rgb8`` gives a view of the message's own bytes, with padded rows too;
    every other encoding one new array. YUV is taken as BT.601 with limited
    range, as V4L2 cameras send it; NV12 keeps its chroma rows, of the same
    step, below the height. ``mono16`` maps 0..65535 to 0..255, in the byte
    order that the message tells. Nothing is ever resized or guessed.

    :param message: anything with the fields of ``sensor_msgs/Image``.
    :param max_pixels: larger images are refused.
    :returns: shape (H, W, 3), uint8, channels R, G, B, read-only where it is a
        view: then it lives as long as the message's data stays unchanged.
    :raises ImageFormatError: malformed; checked before anything is allocated.
    """
    width, height = checked_size(message.width, message.height, max_pixels)
    kind = _encoding(message.encoding)
    for side, length in (('w', width), ('h', height)):
        if side in kind.even and length % 2:
            raise ImageFormatError(
                'odd_size', f'{message.encoding} needs even sides, got {width}x{height}'
            )
    step = whole_number(message.step, 'step')
    row = width * kind.channels * kind.depth
    if step < row:
        raise ImageFormatError(
            'short_step',
            f'{message.encoding} of width {width} needs a step of {row} bytes, got {step}',
        )
    data = bytes_of(message.data)
    rows = height * kind.planes // 2
    if len(data) < step * rows:
        raise ImageFormatError(
            'short_data',
            f'expected step x rows = {step} x {rows} = {step * rows} bytes, got {len(data)}',
        )
    if kind.depth == 2:
        order = '>u2' if message.is_bigendian else '<u2'
        wide = np.ndarray((rows, width), order, data, strides=(step, 2))
        return _converted(_full_range(wide.astype(np.uint16)), cv2.COLOR_GRAY2RGB)
    shape = (rows, width) if kind.channels == 1 else (rows, width, kind.channels)
    strides = (step, 1) if kind.channels == 1 else (step, kind.channels, 1)
    view = np.ndarray(shape, np.uint8, data, strides=strides)
    view.flags.writeable = False
    return view if kind.code is None else _converted(view, kind.code)


def _converted(values: Image, code: int) -> Image:
    try:
        return np.asarray(cv2.cvtColor(values, code), np.uint8)
    except cv2.error as error:  # OpenCV 4.5 takes no picture of a single pixel
        raise ImageFormatError(
            'undecodable', f'OpenCV refuses {values.shape}: {" ".join(str(error).split())[:120]}'
        ) from error


def _encoding(name: Any) -> _Encoding:
    """Look an encoding up; names differ in case between drivers."""
    if not isinstance(name, str):
        raise ImageFormatError('bad_data', f'expected encoding as text, got {name!r:.60}')
    found = _TABLE.get(name) or _TABLE.get(name.strip().lower())
    if found is not None:
        return found
    if is_depth(name):
        raise ImageFormatError(
            'depth_encoding', f'{name} holds distances; give the topic of the colour image'
        )
    raise ImageFormatError(
        'unknown_encoding', f'expected one of {", ".join(ENCODINGS)}, got {name!r:.60}'
    )
