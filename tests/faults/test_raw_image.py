"""Raw images that are not what they say, fed to a classifier process."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from tests.faults.faults import fault
from tests.faults.wire import Wire
from tests.ros.robot import make_image

REJECT = 'refused with its reason'
EXACT = 'decoded exactly'


def image(**fields: Any) -> Image:
    made = make_image((255, 0, 0), 0)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


BAD: list[tuple[str, str, dict[str, Any]]] = [
    ('zero width', 'zero_size', {'width': 0, 'step': 0}),
    ('zero height', 'zero_size', {'height': 0}),
    ('short data', 'short_data', {'data': b'\x11' * 100}),
    ('one byte short', 'short_data', {'data': b'\x11' * (64 * 48 * 3 - 1)}),
    ('empty data', 'short_data', {'data': b''}),
    ('step below one row', 'short_step', {'step': 64 * 3 - 1}),
    ('step 0', 'short_step', {'step': 0}),
    (
        '2^32-1 by 2^32-1',
        'too_many_pixels',
        {'width': 2**32 - 1, 'height': 2**32 - 1, 'step': 2**32 - 1},
    ),
    ('1 by 2^32-1', 'too_many_pixels', {'width': 1, 'height': 2**32 - 1, 'step': 3}),
    ('unknown encoding', 'unknown_encoding', {'encoding': 'no such'}),
    ('no encoding', 'unknown_encoding', {'encoding': ''}),
    ('depth 16UC1', 'depth_encoding', {'encoding': '16UC1', 'step': 128}),
    ('depth 32FC1', 'depth_encoding', {'encoding': '32FC1', 'step': 256}),
    ('Bayer of one row', 'odd_size', {'encoding': 'bayer_rggb8', 'height': 1}),
    ('YUV of odd width', 'odd_size', {'encoding': 'uyvy', 'width': 63}),
    (
        'NV12 without its chroma',
        'short_data',
        {'encoding': 'nv12', 'step': 64, 'data': b'\x11' * (64 * 48)},
    ),
]


@pytest.mark.parametrize(
    ('reason', 'fields'),
    [
        pytest.param(
            reason,
            fields,
            id=name,
            marks=fault(
                'raw image',
                name,
                ', '.join(
                    f'{key}: {len(value)} bytes'
                    if isinstance(value, bytes)
                    else f'{key}: {value!r}'
                    for key, value in fields.items()
                ),
                REJECT,
            ),
        )
        for name, reason, fields in BAD
    ],
)
def test_malformed_image_is_refused(wire: Wire, reason: str, fields: dict[str, Any]) -> None:
    wire.refuses(lambda: image(**fields), reason)


def plane(encoding: str, values: Any, *, big: bool = False, padding: int = 0) -> Image:
    """Return an image of rows of bytes, each followed by padding of another value."""
    rows = np.ascontiguousarray(values)
    rows = rows.view(np.uint8).reshape(len(rows), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=200)
    width = {
        'mono16': 2,
        'uyvy': 2,
        'yuyv': 2,
        'yuv422_yuy2': 2,
        'rgb8': 3,
        'bgr8': 3,
        'rgba8': 4,
        'bgra8': 4,
    }.get(encoding, 1)
    height = len(rows) * 2 // 3 if encoding in {'nv12', 'nv21'} else len(rows)
    return Image(
        width=(rows.shape[1] - padding) // width,
        height=height,
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def mosaic(sites: dict[tuple[int, int], int]) -> Any:
    raw = np.zeros((48, 64), np.uint8)
    for (row, column), value in sites.items():
        raw[row::2, column::2] = value
    return raw


def yuv(order: str) -> Any:
    """Return blue in packed YUV 4:2:2 (BT.601, limited range)."""
    value = {'y': 41, 'u': 240, 'v': 110}
    return np.tile(np.array([value[one] for one in order], np.uint8), (48, 32))


RED, BLUE, GREY = '0', '2', '3'
RGB = np.full((48, 64, 3), (255, 0, 0), np.uint8)
GOOD: list[tuple[str, str, Callable[[], Image]]] = [
    ('padded step', RED, lambda: plane('rgb8', RGB, padding=37)),
    ('bgr8', RED, lambda: plane('bgr8', RGB[:, :, ::-1])),
    (
        'bgra8 padded',
        RED,
        lambda: plane('bgra8', np.full((48, 64, 4), (0, 0, 255, 9), np.uint8), padding=5),
    ),
    # Both bytes are told apart: 0x7f00 is grey for sure, 0x007f is black.
    (
        'big-endian mono16',
        GREY,
        lambda: plane('mono16', np.full((48, 64), 0x7F00, '>u2'), big=True),
    ),
    ('little-endian mono16', GREY, lambda: plane('mono16', np.full((48, 64), 0x7F00, '<u2'))),
    ('bayer_rggb8', RED, lambda: plane('bayer_rggb8', mosaic({(0, 0): 255}))),
    ('bayer_bggr8', RED, lambda: plane('bayer_bggr8', mosaic({(1, 1): 255}))),
    ('bayer_gbrg8', RED, lambda: plane('bayer_gbrg8', mosaic({(1, 0): 255}))),
    ('bayer_grbg8', RED, lambda: plane('bayer_grbg8', mosaic({(0, 1): 255}))),
    ('uyvy', BLUE, lambda: plane('uyvy', yuv('uyvy'))),
    ('yuv422_yuy2', BLUE, lambda: plane('yuv422_yuy2', yuv('yuyv'))),
    (
        'nv12',
        BLUE,
        lambda: plane(
            'nv12',
            np.concatenate(
                [
                    np.full((48, 64), 41, np.uint8),
                    np.tile(np.array([240, 110], np.uint8), (24, 32)),
                ]
            ),
        ),
    ),
]


@pytest.mark.parametrize(
    ('class_id', 'make'),
    [
        pytest.param(
            class_id,
            make,
            id=name,
            marks=fault(
                'raw image', name, f'one colour as {name}; the class tells the channels', EXACT
            ),
        )
        for name, class_id, make in GOOD
    ],
)
def test_unusual_layout_is_decoded_exactly(
    wire: Wire, class_id: str, make: Callable[[], Image]
) -> None:
    wire.recovers(class_id, make)
    assert wire.results.last.results[0].score > 0.99, 'another shade than was sent'
    box = wire.boxes.last.detections[0].bbox  # never another size than was sent
    assert (box.size_x, box.size_y) == (64.0, 48.0)
    wire.recovers()
