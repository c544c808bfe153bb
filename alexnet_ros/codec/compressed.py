"""``sensor_msgs/CompressedImage`` and image files to RGB."""

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.codec.headers import Header, header_of, kind_of
from alexnet_ros.codec.limits import MAX_PIXELS, bytes_of, checked_size
from alexnet_ros.codec.raw import is_depth
from alexnet_ros.errors import ImageFormatError

Image = NDArray[np.uint8]
MAX_COMPRESSED_BYTES = 64 << 20
MESSAGE_KINDS = ('jpeg', 'png')
FILE_KINDS = ('jpeg', 'png', 'pnm', 'bmp')
_NAMES = {'jpeg': 'jpeg', 'jpg': 'jpeg', 'png': 'png'}
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

    ``format`` may be as image_transport writes it (``rgb8; jpeg compressed
    bgr8``) or just ``jpeg``. An orientation in EXIF data is ignored: a camera
    on a robot is mounted as it is mounted, and boxes are in its pixels.

    :param message: anything with the fields of ``sensor_msgs/CompressedImage``.
    :param min_size_wh: width and height below which the network would lack
        pixels: a JPEG is then decoded at a half, quarter or eighth where that
        is no smaller. None decodes at full size.
    :param max_pixels: larger images are refused, by their header.
    :param max_bytes: longer data is refused.
    :returns: shape (H, W, 3), uint8, channels R, G, B; a new array.
    :raises ImageFormatError: malformed; checked before anything is allocated.
    """
    wanted = _kind_of_format(message.format)
    data = bytes_of(message.data)
    _check_length(len(data), max_bytes)
    kind = kind_of(data.data)
    if kind != wanted:
        raise ImageFormatError(
            'format_lies',
            f'format {message.format!r:.60} says {wanted}, '
            f'the data is {kind or "none of the known kinds"}',
        )
    return _decoded(data, kind, min_size_wh, max_pixels, turn=False)


def rgb_from_encoded(
    data: Any,
    *,
    min_size_wh: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_COMPRESSED_BYTES,
) -> Image:
    """
    Decode the content of an image file: JPEG, PNG, PPM, PGM or BMP.

    Unlike a message's, an EXIF orientation is followed, as viewers do.

    :returns: shape (H, W, 3), uint8, channels R, G, B; a new array.
    :raises ImageFormatError: as :func:`rgb_from_compressed`.
    """
    content = bytes_of(data)
    _check_length(len(content), max_bytes)
    kind = kind_of(content.data)
    if not kind:
        raise ImageFormatError('bad_format', 'is no JPEG, PNG, PPM, PGM or BMP image')
    return _decoded(content, kind, min_size_wh, max_pixels, turn=True)


def rgb_from_file(
    path: Path,
    *,
    min_size_wh: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_COMPRESSED_BYTES,
) -> Image:
    """
    Read an image file, as :func:`rgb_from_encoded`.

    :raises ImageFormatError: as there, and ``unreadable``; the file is not named.
    """
    try:
        with path.open('rb') as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ImageFormatError('unreadable', str(error.strerror or error)) from error
    return rgb_from_encoded(
        data, min_size_wh=min_size_wh, max_pixels=max_pixels, max_bytes=max_bytes
    )


def _check_length(length: int, max_bytes: int) -> None:
    if not length:
        raise ImageFormatError('empty', 'expected compressed data, got 0 bytes')
    if length > max_bytes:
        raise ImageFormatError(
            'too_many_bytes', f'expected at most {max_bytes} bytes, got {length}'
        )


def _kind_of_format(text: Any) -> str:
    """
    Return the kind that a format promises.

    ``jpeg``, ``bgr8; jpeg compressed bgr8``, ``bgr8; png compressed bgr8``;
    with depth: ``16UC1; compressedDepth png``, ``16UC1; png compressed ``.
    """
    if not isinstance(text, str):
        raise ImageFormatError('bad_data', f'expected format as text, got {text!r:.60}')
    encoding, _, rest = text.rpartition(';')
    words = rest.lower().split()
    if 'compresseddepth' in words or is_depth(encoding):
        raise ImageFormatError(
            'depth_encoding', f'{text!r:.60} holds distances; give the topic of the colour image'
        )
    kinds = {_NAMES[word] for word in words if word in _NAMES}
    if len(kinds) != 1:
        raise ImageFormatError('bad_format', f'expected a jpeg or png format, got {text!r:.60}')
    return kinds.pop()


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
