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
    :param even: which sides must be even: ``w``, ``wh`` or neither; of a
        ``bayer`` mosaic the odd row or column is left out.
    :param planes: rows in the data for each two rows of the image.
    """

    channels: int
    code: int | None
    depth: int = 1
    even: str = ''
    planes: int = 2


def full_range(values: NDArray[np.uint16]) -> Image:
    """Scale 0..65535 to 0..255: round(value / 257), whatever the sensor's bits."""
    return np.asarray(cv2.convertScaleAbs(values, alpha=1 / 257), np.uint8)


# OpenCV names a pattern by the second row's second and third pixel.
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}
_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even='w')
_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, even='w')
_TABLE = {
    'rgb8': _Encoding(3, None),
    'bgr8': _Encoding(3, cv2.COLOR_BGR2RGB),
    'rgba8': _Encoding(4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, cv2.COLOR_BGRA2RGB),
    'mono8': _Encoding(1, cv2.COLOR_GRAY2RGB),
    'mono16': _Encoding(1, cv2.COLOR_GRAY2RGB, depth=2),
    **{
        f'bayer_{name}{bits}': _Encoding(1, code, depth=bits // 8, even='bayer')
        for bits in (8, 16)
        for name, code in _BAYER.items()
    },
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
    kind = encoding_of(message.encoding)
    for side, length in (('w', width), ('h', height)):
        if side in kind.even.removeprefix('bayer') and length % 2:
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
        return _rgb(full_range(wide.astype(np.uint16)), kind)
    shape = (rows, width) if kind.channels == 1 else (rows, width, kind.channels)
    strides = (step, 1) if kind.channels == 1 else (step, kind.channels, 1)
    view = np.ndarray(shape, np.uint8, data, strides=strides)
    view.flags.writeable = False
    return _rgb(view, kind)


def _rgb(values: Image, kind: _Encoding) -> Image:
    if kind.code is None:
        return values
    return (rgb_from_bayer if kind.even == 'bayer' else _converted)(values, kind.code)


def bayer_code(encoding: str) -> int | None:
    """Return OpenCV's conversion for an encoding such as ``bayer_rggb8``, None for others."""
    found = _TABLE.get(encoding.strip().lower())
    return found.code if found is not None and found.even == 'bayer' else None


def rgb_from_bayer(mosaic: Image, code: int) -> Image:
    """
    De-mosaic; an odd last row or column, which has half of its colours, is left out.

    :param mosaic: shape (H, W), uint8; at least 2x2.
    :param code: of :func:`bayer_code`.
    :returns: shape (H // 2 * 2, W // 2 * 2, 3), uint8, channels R, G, B.
    :raises ImageFormatError: ``odd_size`` of a single row or column.
    """
    height, width = mosaic.shape
    if min(height, width) < 2:
        raise ImageFormatError('odd_size', f'a mosaic needs 2x2 pixels, got {width}x{height}')
    return _converted(mosaic[: height // 2 * 2, : width // 2 * 2], code)


def _converted(values: Image, code: int) -> Image:
    try:
        return np.asarray(cv2.cvtColor(values, code), np.uint8)
    except cv2.error as error:  # OpenCV 4.5 takes no picture of a single pixel
        raise ImageFormatError(
            'undecodable', f'OpenCV refuses {values.shape}: {" ".join(str(error).split())[:120]}'
        ) from error


def encoding_of(name: Any) -> _Encoding:
    """Look an encoding up; names differ in case between drivers."""
    if not isinstance(name, str):
        raise ImageFormatError('bad_data', f'expected encoding as text, got {name!r:.60}')
    found = _TABLE.get(name) or _TABLE.get(name.strip().lower())
    if found is not None:
        return found
    if is_depth(name):
        raise ImageFormatError(
            'depth_encoding', f'{name} is a depth image; use the topic of the colour image'
        )
    raise ImageFormatError(
        'unknown_encoding', f'expected one of {", ".join(ENCODINGS)}, got {name!r:.60}'
    )
