"""``sensor_msgs/CompressedImage`` and image files to RGB."""

import re
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.codec.headers import Header, header_of, kind_of
from alexnet_ros.codec.limits import MAX_PIXELS, bytes_of, checked_size
from alexnet_ros.codec.raw import bayer_code, encoding_of, full_range, is_depth, rgb_from_bayer
from alexnet_ros.errors import ImageFormatError

Image = NDArray[np.uint8]
MAX_COMPRESSED_BYTES = 64 << 20
MESSAGE_KINDS = ('jpeg', 'png')
_NAMES = {'jpeg': 'jpeg', 'jpg': 'jpeg', 'mjpeg': 'jpeg', 'mjpg': 'jpeg', 'png': 'png'}
_WORD = re.compile(r'[a-z0-9_]+')
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_RGB = getattr(cv2, 'IMREAD_COLOR_RGB', 0)  # from OpenCV 4.11

if hasattr(cv2, 'utils') and hasattr(cv2.utils, 'logging'):
    # Each damaged image is told once, as an ImageFormatError, by whoever counts it.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class CompressedImageMessage(Protocol):
    """The fields of ``sensor_msgs/CompressedImage`` that are read."""

    format: str
    data: Any


def rgb_from_compressed(
    message: CompressedImageMessage,
    min_size_wh: tuple[int, int] | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_COMPRESSED_BYTES,
) -> Image:
    """
    Decode a JPEG or PNG message.

    ``format`` is read as :func:`kind_of_message` says. Where it names a Bayer
    pattern (``bayer_rggb8; jpeg compressed``) and the picture has no colours,
    it is the mosaic, and is de-mosaiced. An orientation in EXIF data is ignored: a camera
    on a robot is mounted as it is mounted, and boxes are in its pixels.

    :param message: anything with the fields of ``sensor_msgs/CompressedImage``.
    :param min_size_wh: width and height below which the network would lack
        pixels: a JPEG is then decoded at a half, quarter or eighth where that
        is no smaller. None decodes at full size.
    :param max_pixels: larger images are refused, by their header.
    :returns: shape (H, W, 3), uint8, channels R, G, B; a new array.
    :raises ImageFormatError: malformed; checked before anything is allocated.
    """
    data = bytes_of(message.data)
    _check_length(len(data), max_bytes)
    kind = kind_of_message(message, data)
    pattern = bayer_code(message.format.partition(';')[0])
    if pattern is not None:
        header = header_of(data.data, kind)
        checked_size(header.width, header.height, max_pixels)
        mosaic_rgb = _rgb_from_mosaic(data, pattern) if header.grey else None
        if mosaic_rgb is not None:
            return mosaic_rgb
    return _decoded(data, kind, min_size_wh, max_pixels, turn=False)


def rgb_from_encoded(data: Any, *, max_pixels: int = MAX_PIXELS) -> Image:
    """
    Decode the content of an image file: JPEG, PNG, PPM, PGM or BMP.

    Unlike a message's, an EXIF orientation is followed, as viewers do.

    :returns: shape (H, W, 3), uint8, channels R, G, B; a new array.
    :raises ImageFormatError: as :func:`rgb_from_compressed`.
    """
    content = bytes_of(data)
    _check_length(len(content))
    kind = kind_of(content.data)
    if not kind:
        raise ImageFormatError('bad_format', 'is not a JPEG, PNG, PPM, PGM or BMP image')
    return _decoded(content, kind, None, max_pixels, turn=True)


def rgb_from_file(path: Path) -> Image:
    """
    Read an image file, as :func:`rgb_from_encoded`.

    :raises ImageFormatError: as there, and ``unreadable``; the file is not named.
    """
    try:
        if path.is_fifo():
            raise ImageFormatError('unreadable', 'is not a regular file')
        with path.open('rb') as file:
            data = file.read(MAX_COMPRESSED_BYTES + 1)
    except OSError as error:
        raise ImageFormatError('unreadable', str(error.strerror or error)) from error
    return rgb_from_encoded(data)


def _check_length(length: int, max_bytes: int = MAX_COMPRESSED_BYTES) -> None:
    if not length:
        raise ImageFormatError('empty', 'expected compressed data, got 0 bytes')
    if length > max_bytes:
        raise ImageFormatError(
            'too_many_bytes', f'expected at most {max_bytes} bytes, got {length}'
        )


def kind_of_message(message: CompressedImageMessage, data: Image) -> str:
    """
    Return how a message's data is compressed: ``jpeg`` or ``png``.

    ``format`` is read as sensor_msgs/CompressedImage defines it: the pixel
    format, a semicolon, the codec (``bgr8; jpeg compressed bgr8``, ``16UC1;
    compressedDepth png``). Drivers also write ``jpeg``, ``image/jpeg``,
    ``mjpeg``, ``.jpg``, both parts the other way round, or nothing: where the
    text names no codec, the data decides.

    :raises ImageFormatError: ``depth_encoding``, ``bad_format``, ``format_lies``.
    """
    text = message.format
    if not isinstance(text, str):
        raise ImageFormatError('bad_data', f'expected format as text, got {text!r:.60}')
    words = _WORD.findall(text.lower())
    if 'compresseddepth' in words or any(is_depth(word) for word in words):
        raise ImageFormatError(
            'depth_encoding', f'{text!r:.60} is a depth image; use the topic of the colour image'
        )
    named = {_NAMES[word] for word in words if word in _NAMES}
    kind = kind_of(data.data)
    if len(named) == 1 and kind not in named:
        raise ImageFormatError(
            'format_lies',
            f'format {text!r:.60} says {named.pop()}, the data is {kind or "of no known kind"}',
        )
    if kind not in MESSAGE_KINDS:
        raise ImageFormatError('bad_format', f'expected a jpeg or png, got format {text!r:.60}')
    return kind


def picture_fault(message: Any) -> str:
    """
    Say, without decoding it, why a message holds no picture of a known form.

    :returns: the reason as :data:`~alexnet_ros.codec.limits.REASONS` names it,
        or '' where decoding may be tried.
    """
    try:
        if hasattr(message, 'format'):
            kind_of_message(message, bytes_of(message.data))
        else:
            encoding_of(message.encoding)
    except ImageFormatError as error:
        return error.reason
    return ''


def _rgb_from_mosaic(data: Image, code: int) -> Image | None:
    """Decode a mosaic that was compressed as a grey picture; None if it has colours."""
    try:
        mosaic = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None  # told by the usual way
    if mosaic is None or mosaic.ndim != 2:
        return None
    if mosaic.dtype == np.uint16:
        mosaic = full_range(np.asarray(mosaic, np.uint16))
    return rgb_from_bayer(np.asarray(mosaic, np.uint8), code)


def _decoded(
    data: Image, kind: str, min_size_wh: tuple[int, int] | None, max_pixels: int, *, turn: bool
) -> Image:
    """Check the header, decode, and check that what came is what it said."""
    header = header_of(data.data, kind)
    checked_size(header.width, header.height, max_pixels)
    part = _part(header, min_size_wh) if kind == 'jpeg' else 1
    flags = _REDUCED.get(part, cv2.IMREAD_COLOR)
    if _RGB:
        flags = flags & ~cv2.IMREAD_COLOR | _RGB
    if not turn:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags)
        if image is not None and not _RGB:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    except cv2.error as error:
        text = ' '.join(str(error).split())[:120]
        raise ImageFormatError('undecodable', f'OpenCV refuses the {kind}: {text}') from error
    if image is None:
        raise ImageFormatError('undecodable', f'damaged {kind} data')
    expected = -(-header.height // part), -(-header.width // part)
    if image.shape[:2] != expected and not (turn and image.shape[1::-1] == expected):
        raise ImageFormatError(
            'undecodable',
            f'{kind} header says {header.width}x{header.height}, '
            f'the pixels are {image.shape[1]}x{image.shape[0]} at 1/{part}',
        )
    return np.asarray(image, np.uint8)


def _part(header: Header, min_size_wh: tuple[int, int] | None) -> int:
    """Return 8, 4 or 2 for the part of the size that still is large enough, or 1."""
    if min_size_wh is None:
        return 1
    width, height = min_size_wh
    for part in (8, 4, 2):
        if header.width // part >= width and header.height // part >= height:
            return part
    return 1
