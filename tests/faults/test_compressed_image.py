"""Compressed images that are damaged, lie or explode, fed to a classifier process."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from tests.faults.faults import fault, mutations
from tests.faults.wire import Wire, status_kib
from tests.ros.robot import stamp_ns

KIND = CompressedImage
PARAMETERS = {'image_transport': 'compressed'}
REJECT = 'refused before anything large is allocated'
BOMB_SIDE = 16_000


def encoded(colour: tuple[int, int, int], suffix: str = '.jpg') -> bytes:
    pixels = np.full((240, 320, 3), colour[::-1], np.uint8)
    pixels[::16] = pixels[::16] // 2  # so that the scan has some bytes
    return bytes(cv2.imencode(suffix, pixels)[1].tobytes())


def message(data: bytes, format_: str = 'jpeg') -> CompressedImage:
    return CompressedImage(format=format_, data=data)


RED, BLUE = encoded((255, 0, 0)), encoded((0, 0, 255))
PNG = encoded((255, 0, 0), '.png')


def GOOD() -> CompressedImage:  # noqa: N802 - the fixture's name for it
    return message(RED)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png_bomb() -> bytes:
    """Return a real PNG of a few KiB that is 768 MB of RGB."""
    rows = zlib.compressobj(9)
    line = bytes(1 + BOMB_SIDE // 8)
    data = b''.join(rows.compress(line) for _ in range(BOMB_SIDE)) + rows.flush()
    head = struct.pack('>IIBBBBB', BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def resized_jpeg(height: int, width: int) -> bytes:
    """Return a JPEG whose frame header claims another size."""
    at = RED.index(b'\xff\xc0')
    return RED[: at + 5] + struct.pack('>HH', height, width) + RED[at + 9 :]


NOISE = np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes()
BAD: list[tuple[str, str, str, Callable[[], Any]]] = [
    ('empty', 'no bytes', 'empty', lambda: message(b'')),
    ('random', '5000 random bytes', 'format_lies', lambda: message(NOISE)),
    (
        'random behind a JPEG start',
        'ff d8 ff and noise',
        'truncated',
        lambda: message(b'\xff\xd8\xff' + NOISE),
    ),
    (
        'half a JPEG after a good one',
        'the first half of a blue picture',
        'truncated',
        lambda: message(BLUE[: len(BLUE) // 2]),
    ),
    ('JPEG without its last byte', 'all but one byte', 'truncated', lambda: message(BLUE[:-1])),
    ('half a PNG', 'the first half', 'truncated', lambda: message(PNG[: len(PNG) // 2], 'png')),
    (
        'JPEG that claims 65500 x 65500',
        'frame header altered',
        'too_many_pixels',
        lambda: message(resized_jpeg(65500, 65500)),
    ),
    (
        'JPEG of height 0',
        'frame header altered',
        'zero_size',
        lambda: message(resized_jpeg(0, 320)),
    ),
    ('format says png', 'a JPEG called png', 'format_lies', lambda: message(RED, 'png')),
    ('format of another codec', 'h264', 'bad_format', lambda: message(NOISE, 'h264')),
    ('no format', 'an empty format', 'bad_format', lambda: message(NOISE, '')),
    (
        'compressed depth',
        '16UC1; compressedDepth png',
        'depth_encoding',
        lambda: message(PNG, '16UC1; compressedDepth png'),
    ),
]


@pytest.mark.parametrize(
    ('reason', 'make'),
    [
        pytest.param(reason, make, id=name, marks=fault('compressed', name, stimulus, REJECT))
        for name, stimulus, reason, make in BAD
    ],
)
def test_damaged_picture_is_refused(
    wire: Wire, reason: str, make: Callable[[], CompressedImage]
) -> None:
    wire.refuses(make, reason)


@fault('compressed', 'PNG bomb', f'{BOMB_SIDE} x {BOMB_SIDE} pixels in a few KiB', REJECT)
def test_png_bomb_is_refused_and_takes_no_memory(wire: Wire) -> None:
    bomb = png_bomb()
    assert len(bomb) < 64_000
    before_kib = status_kib(wire.node.process.pid, 'VmHWM')
    wire.refuses(lambda: message(bomb, 'png'), 'too_many_pixels')
    grown_mib = (status_kib(wire.node.process.pid, 'VmHWM') - before_kib) / 1024
    assert grown_mib < 100, f'grew by {grown_mib:.0f} MiB'


@fault(
    'compressed',
    'truncated but for its end marker',
    'a cut blue picture with ff d9 behind it, after red ones',
    'refused, or no pixel of the earlier frames',
)
def test_no_pixel_of_an_earlier_frame_is_seen(wire: Wire) -> None:
    wire.recovers()
    # So early that nearly all of the picture is missing: what fills it decides the class.
    cut = BLUE[: BLUE.index(b'\xff\xda') + 30] + b'\xff\xd9'
    # OpenCV may decode the part that is there.
    stamps = {wire.send(message(cut), answerable=True) for _ in range(5)}
    wire.recovers()  # a later answer: none of these is still to come
    assert all(
        not one.results or one.results[0].class_id != '0'
        for one in wire.results.messages
        if stamp_ns(one) in stamps
    ), 'the earlier red picture came through'


@pytest.mark.parametrize(('whole', 'format_'), [(RED, 'jpeg'), (PNG, 'png')], ids=['jpeg', 'png'])
@fault(
    'compressed',
    'flipped bits',
    '150 copies of a JPEG and of a PNG with 1 to 8 flipped bits',
    'decoded or refused; the process lives',
)
def test_flipped_bits_are_survived(wire: Wire, whole: bytes, format_: str) -> None:
    random = np.random.default_rng(7)
    for _ in range(150):
        data = bytearray(whole)
        for bit in random.integers(0, 8 * len(data), random.integers(1, 9)):
            data[bit >> 3] ^= 1 << (bit & 7)
        wire.send(message(bytes(data), format_), answerable=True)
        mutations()
    wire.recovers()
