import os
import struct
import tracemalloc
import zlib
from array import array
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ros.codec import (
    REASONS,
    compressed,
    rgb_from_compressed,
    rgb_from_encoded,
    rgb_from_file,
)
from alexnet_ros.errors import ImageFormatError
from tests.unit.codec.messages import Compressed, picture

Image = NDArray[np.uint8]
RGB = picture(160, 120)
NOISE = np.random.default_rng(5).integers(0, 256, (120, 160, 3), np.uint8)


def encoded(rgb: Image, suffix: str = '.jpg', *options: int) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    assert done
    return data.tobytes()


JPEG = encoded(RGB, '.jpg', cv2.IMWRITE_JPEG_QUALITY, 95)
PNG = encoded(RGB, '.png')


def reason(data: Any, kind: Any = 'jpeg', **limits: Any) -> str:
    """Decode what must be refused; return the reason."""
    with pytest.raises(ImageFormatError) as caught:
        rgb_from_compressed(Compressed(kind, data), **limits)
    assert caught.value.reason in REASONS
    assert '\n' not in caught.value.detail
    return caught.value.reason


def reason_without_memory(data: bytes, kind: str = 'jpeg', **limits: Any) -> str:
    tracemalloc.start()
    try:
        found = reason(data, kind, **limits)
        assert tracemalloc.get_traced_memory()[1] < len(data) + 200_000
    finally:
        tracemalloc.stop()
    return found


@pytest.mark.parametrize('kind', [array, bytes, np.ndarray, memoryview])
def test_data_of_live_and_bag_messages_is_decoded(kind: Any) -> None:
    data: Any = array('B', PNG) if kind is array else PNG
    data = np.frombuffer(PNG, np.uint8) if kind is np.ndarray else data
    data = memoryview(PNG) if kind is memoryview else data
    assert np.array_equal(rgb_from_compressed(Compressed('png', data)), RGB)


@pytest.mark.parametrize(
    'text',
    [
        'jpeg',
        'jpg',
        'JPEG',
        ' jpeg',
        'rgb8; jpeg compressed bgr8',
        'bgr8; jpeg compressed bgr8',
        'mono8; jpeg compressed ',
        '; jpeg compressed bgr8',
    ],
)
def test_format_is_read_as_image_transport_writes_it(text: str) -> None:
    found = rgb_from_compressed(Compressed(text, JPEG))
    assert np.abs(found.astype(int) - RGB).mean() < 2


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (None, 'bad_data'),
        (7, 'bad_data'),
        ('png', 'format_lies'),
        ('16UC1; compressedDepth', 'depth_encoding'),
        ('16UC1; compressedDepth png', 'depth_encoding'),
        ('32FC1; compressedDepth rvl', 'depth_encoding'),
        ('16UC1; png compressed ', 'depth_encoding'),
    ],
)
def test_other_formats_are_refused(text: Any, expected: str) -> None:
    assert reason(JPEG, text) == expected


@pytest.mark.parametrize(
    'text',
    [
        *('', 'mjpeg', 'MJPG', 'image/jpeg', '.jpg', 'jpeg; rgb8', 'JPEG', 'tiff', 'jpeg png'),
        *('rgb8; jpeg compressed; bgr8', 'bgr8; compressed jpeg', 'bgr8', 'x' * 100_000),
    ],
)
def test_format_is_read_as_drivers_write_it(text: str) -> None:
    assert rgb_from_compressed(Compressed(text, JPEG)).shape == RGB.shape


@pytest.mark.parametrize('text', ['', 'h264', 'rgb8; webp compressed', 'image/avif'])
def test_data_without_picture_is_refused_whatever_the_format(text: str) -> None:
    assert reason(b'\0\0\0\1gB\0\x1f' * 9, text) == 'bad_format'


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '16 bits'])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_compressed_mosaic_is_demosaiced_by_its_pattern(pattern: str, suffix: str) -> None:
    colour = dict(zip('rgb', (250, 120, 20), strict=True))
    tile = np.array([colour[letter] for letter in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (24, 33))
    if suffix == '16 bits':
        done, data = cv2.imencode('.png', mosaic.astype(np.uint16) * 257)
    else:
        options = [cv2.IMWRITE_JPEG_QUALITY, 100] if suffix == '.jpg' else []
        done, data = cv2.imencode(suffix, mosaic, options)
    assert done
    kind = 'jpeg' if suffix == '.jpg' else 'png'
    for text in (f'bayer_{pattern}8; {kind} compressed ', f'bayer_{pattern}16; {kind} compressed'):
        found = rgb_from_compressed(Compressed(text, data.tobytes()), (4, 4))
        assert found.shape == (48, 66, 3)
        assert np.abs(found[8:-8, 8:-8].mean((0, 1)) - [250, 120, 20]).max() < 4


def test_colour_picture_of_a_bayer_camera_stays_as_it_is() -> None:
    found = rgb_from_compressed(Compressed('bayer_rggb8; jpeg compressed bgr8', JPEG))
    assert np.array_equal(found, rgb_from_compressed(Compressed('jpeg', JPEG)))


def test_grey_pictures_become_rgb() -> None:
    done, data = cv2.imencode('.jpg', RGB[..., 0])
    assert done
    found = rgb_from_compressed(Compressed('mono8; jpeg compressed mono8', data.tobytes()))
    assert found.shape == RGB.shape
    assert np.array_equal(found[..., 0], found[..., 2])


@pytest.mark.parametrize(
    ('least', 'size_wh'),
    [
        (None, (160, 120)),
        ((160, 120), (160, 120)),
        ((81, 20), (160, 120)),
        ((80, 60), (80, 60)),
        ((40, 31), (80, 60)),
        ((32, 24), (40, 30)),
        ((20, 15), (20, 15)),
        ((1, 1), (20, 15)),
    ],
)
def test_jpeg_is_decoded_no_larger_than_needed(
    least: tuple[int, int] | None, size_wh: tuple[int, int]
) -> None:
    found = rgb_from_compressed(Compressed('jpeg', JPEG), least)
    assert found.shape == (size_wh[1], size_wh[0], 3)
    ideal = cv2.resize(RGB, size_wh, interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - ideal).mean() < 2


def test_png_is_decoded_at_full_size_whatever_is_needed() -> None:
    assert np.array_equal(rgb_from_compressed(Compressed('png', PNG), (8, 8)), RGB)


def test_odd_sizes_are_reduced_too() -> None:
    found = rgb_from_compressed(Compressed('jpeg', encoded(picture(161, 121))), (80, 60))
    assert found.shape == (61, 81, 3)


def oriented(data: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with an orientation into a JPEG."""
    tiff = b'II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b'Exif\0\0' + tiff
    return data[:2] + b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body + data[2:]


def test_orientation_is_ignored_in_messages_and_followed_in_files() -> None:
    turned = oriented(JPEG, 6)
    assert rgb_from_compressed(Compressed('jpeg', turned)).shape == (120, 160, 3)
    assert rgb_from_encoded(turned).shape == (160, 120, 3)


@pytest.mark.parametrize('data', [b'', array('B'), np.empty(0, np.uint8)])
def test_no_data_is_empty(data: Any) -> None:
    assert reason(data) == 'empty'


@pytest.mark.parametrize('data', [b'\0' * 500, b'\xff' * 500, NOISE.tobytes(), b'\xff\xd8'])
def test_random_data_is_told(data: bytes) -> None:
    assert reason(data) in {'format_lies', 'truncated', 'undecodable'}
    assert reason(data, 'png') in {'format_lies', 'truncated'}


def test_every_truncation_is_refused_after_a_good_frame() -> None:
    """No row of an earlier picture may stand in for a missing one."""
    other = encoded(NOISE)
    for data, kind in ((other, 'jpeg'), (encoded(NOISE, '.png'), 'png')):
        for length in [*range(1, 200), *range(200, len(data) - 1, 997), len(data) - 1]:
            rgb_from_compressed(Compressed('jpeg', JPEG))
            assert reason(data[:length], kind) in {'truncated', 'format_lies', 'undecodable'}


def test_truncation_that_keeps_the_last_bytes_shows_no_earlier_picture() -> None:
    """The middle is gone, the end marker is there: refused, or grey, never old pixels."""
    data = encoded(NOISE)
    cut = data[: len(data) // 2] + b'\xff\xd9'
    rgb_from_compressed(Compressed('jpeg', encoded(255 - NOISE)))
    whole = rgb_from_compressed(Compressed('jpeg', data))
    try:
        found = rgb_from_compressed(Compressed('jpeg', cut))
    except ImageFormatError as error:
        assert error.reason == 'undecodable'  # noqa: PT017 - both outcomes are right
    else:
        last = found[-8:].astype(int)
        for earlier in (whole, 255 - NOISE):
            assert np.abs(last - earlier[-8:]).mean() > 20
        assert last.std() < 5


@pytest.mark.parametrize('least', [None, (80, 60)])
def test_older_opencv_without_rgb_decoding_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, least: tuple[int, int] | None
) -> None:
    new = rgb_from_compressed(Compressed('jpeg', JPEG), least)
    monkeypatch.setattr(compressed, '_RGB', 0)
    assert np.array_equal(rgb_from_compressed(Compressed('jpeg', JPEG), least), new)


def test_padding_after_the_end_is_fine() -> None:
    found = rgb_from_compressed(Compressed('jpeg', JPEG + b'\0' * 100))
    assert np.array_equal(found, rgb_from_compressed(Compressed('jpeg', JPEG)))


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Write another size into a JPEG's frame header."""
    at = data.index(b'\xff\xc0')
    return data[: at + 5] + struct.pack('>HH', height, width) + data[at + 9 :]


@pytest.mark.parametrize(
    ('width', 'height', 'expected'),
    [
        (65500, 65500, 'too_many_pixels'),
        (65535, 65535, 'too_many_pixels'),
        (65535, 1, 'too_many_pixels'),
        (160, 0, 'zero_size'),
        (0, 120, 'zero_size'),
    ],
)
def test_jpeg_that_claims_a_wrong_size_is_refused(width: int, height: int, expected: str) -> None:
    assert reason_without_memory(with_size(JPEG, width, height)) == expected


def png_of(width: int, height: int, body: bytes, extra: bytes = b'') -> bytes:
    """Write a PNG by its chunks; ``extra`` are bytes between the header and the pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', check)

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    start = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + extra
    return start + chunk(b'IDAT', body) + chunk(b'IEND', b'')


def test_png_bomb_is_refused_by_its_header() -> None:
    bomb = png_of(16_000, 16_000, zlib.compress(bytes(5_000_000)))
    assert reason_without_memory(bomb, 'png') == 'too_many_pixels'
    assert reason_without_memory(png_of(0, 5, b''), 'png') == 'zero_size'


def test_png_with_too_little_inside_is_refused() -> None:
    assert reason(png_of(400, 300, zlib.compress(bytes(100))), 'png') == 'undecodable'


def test_png_chunk_that_claims_gigabytes_is_refused() -> None:
    """Found by fuzzing: the decoder allocated what the last chunk claimed."""
    good = png_of(4, 4, zlib.compress(bytes(4 * 13)))
    assert rgb_from_compressed(Compressed('png', good)).shape == (4, 4, 3)
    lying = good.replace(b'\0\0\0\0IEND', b'\xfe\xa6\xf6\xdcIEND')
    assert reason_without_memory(lying, 'png') == 'undecodable'
    longer = good.replace(b'\0\0\0\rIHDR', b'\0\0\1\rIHDR')
    assert reason_without_memory(longer, 'png') == 'undecodable'


def test_progressive_jpeg_of_endless_scans_is_refused() -> None:
    data = encoded(RGB, '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert rgb_from_compressed(Compressed('jpeg', data)).shape == RGB.shape
    last = data[data.rindex(b'\xff\xda') : -2]
    assert reason(data[:-2] + last * 40 + b'\xff\xd9') == 'undecodable'


def test_jpeg_of_endless_scans_that_is_not_progressive_is_refused() -> None:
    """Thirty kilobytes of empty scans took 16 s at 64 million pixels."""
    large = with_size(JPEG, 8000, 8000)
    scan = b'\xff\xda\0\x08\1\1\0\0\x3f\0'
    bomb = large[: large.index(b'\xff\xda')] + scan * 3000 + b'\xff\xd9'
    assert reason_without_memory(bomb) == 'undecodable'


@pytest.mark.parametrize('part', [b'\xff', b'\xff\xfe\0\2', b'\xff\x01'])
def test_jpeg_header_of_endless_parts_is_refused(part: bytes) -> None:
    assert reason(b'\xff\xd8' + part * 200_000 + JPEG[2:]) == 'undecodable'


def test_png_of_endless_chunks_is_refused() -> None:
    empty = struct.pack('>I', 0) + b'abCd' + struct.pack('>I', zlib.crc32(b'abCd'))
    few, many = (png_of(2, 1, zlib.compress(bytes(7)), empty * n) for n in (100, 200_000))
    assert rgb_from_compressed(Compressed('png', few)).shape == (1, 2, 3)
    assert reason(many, 'png') == 'undecodable'


def test_png_of_many_packed_texts_is_refused() -> None:
    """Each unpacks to 8 MB, which libpng throws away again."""
    body = b'zTXta\0\0' + zlib.compress(bytes(7_900_000))
    text = struct.pack('>I', len(body) - 4) + body + struct.pack('>I', zlib.crc32(body))
    pixels = zlib.compress(bytes(7))
    assert rgb_from_compressed(Compressed('png', png_of(2, 1, pixels, text))).shape == (1, 2, 3)
    assert reason(png_of(2, 1, pixels, text * 60), 'png') == 'undecodable'


def test_png_whose_data_goes_on_behind_its_pixels_is_refused() -> None:
    """Libpng unpacks it to the end: 2 s a megabyte."""
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(1 << 24)) for _ in range(20)]
    bomb = png_of(16, 16, b''.join(parts) + bytes(1 << 20))
    assert reason(bomb, 'png') == 'undecodable'
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    assert np.array_equal(rgb_from_compressed(Compressed('png', encoded(noise, '.png'))), noise)


def test_colour_png_said_to_be_a_mosaic_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, '_rgb_from_mosaic', lambda *_: pytest.fail('unpacked as is'))
    for suffix in ('.png', '.jpg'):
        message = Compressed('bayer_rggb8; compressed', encoded(RGB, suffix))
        assert rgb_from_compressed(message).shape == RGB.shape


def test_single_pixel_is_decoded_or_refused() -> None:
    """OpenCV 4.5 converts none; that must not be an error of another kind."""
    single = png_of(1, 1, zlib.compress(b'\0\1\2\3'))
    try:
        assert rgb_from_compressed(Compressed('png', single)).tolist() == [[[1, 2, 3]]]
    except ImageFormatError as error:
        assert error.reason == 'undecodable'  # noqa: PT017


def test_limits_are_arguments() -> None:
    assert reason(JPEG, max_pixels=160 * 120 - 1) == 'too_many_pixels'
    assert reason(JPEG, max_bytes=len(JPEG) - 1) == 'too_many_bytes'
    found = rgb_from_compressed(
        Compressed('jpeg', JPEG), max_pixels=160 * 120, max_bytes=len(JPEG)
    )
    assert found.shape == (120, 160, 3)


@pytest.mark.parametrize('data', [None, 'text', [255, 216], array('H', [1])])
def test_data_that_is_no_array_of_bytes_is_told(data: Any) -> None:
    assert reason(data) == 'bad_data'


def test_twelve_bit_and_two_headed_jpegs_are_refused() -> None:
    at = JPEG.index(b'\xff\xc0')
    assert reason(JPEG[: at + 4] + b'\x0c' + JPEG[at + 5 :]) == 'undecodable'
    assert reason(JPEG[:at] + JPEG[at : at + 19] + JPEG[at:]) == 'undecodable'


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.ppm', '.pgm', '.bmp'])
def test_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'picture{suffix}'
    data = cv2.imencode(suffix, RGB[..., 0])[1] if suffix == '.pgm' else encoded(RGB, suffix)
    path.write_bytes(data)
    found = rgb_from_file(path)
    assert found.shape == RGB.shape
    if suffix in {'.png', '.ppm', '.bmp'}:
        assert np.array_equal(found, RGB)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(ImageFormatError, match='unreadable: No such file'):
        rgb_from_file(tmp_path / 'none.jpg')
    with pytest.raises(ImageFormatError, match='unreadable: Is a directory'):
        rgb_from_file(tmp_path)
    os.mkfifo(tmp_path / 'fifo.jpg')
    with pytest.raises(ImageFormatError, match='not a regular file'):
        rgb_from_file(tmp_path / 'fifo.jpg')
    path = tmp_path / 'text.jpg'
    path.write_text('no picture at all')
    with pytest.raises(ImageFormatError, match='bad_format: is not a JPEG'):
        rgb_from_file(path)


@pytest.mark.parametrize(
    'data',
    [
        b'P6',
        b'P6 5 5',
        b'P6 5 5 255 ',
        b'P6\n# comment\n70000 70000\n255\n',
        b'P6 99999999999 5 255\n',
        b'P6 0 0 255\n',
        b'P6 2 2 0\n' + bytes(12),
        b'P6 #' + b'x' * 600,
        b'BM' + bytes(60),
        b'BM' + b'\xff' * 60,
        b'BM',
    ],
)
def test_malformed_files_are_refused(data: bytes) -> None:
    with pytest.raises(ImageFormatError) as caught:
        rgb_from_encoded(data)
    assert caught.value.reason in REASONS


PICTURES = (JPEG, PNG, encoded(RGB, '.ppm'), encoded(RGB[:20, :20], '.bmp'))


@settings(max_examples=150)
@given(
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_altered_pictures_decode_or_are_refused(
    data: bytes, changes: list[tuple[float, int]], place: float
) -> None:
    broken = bytearray(data)
    head = 700 if place < 0.7 else len(data)  # most headers lie in the first bytes
    for share, value in changes:
        broken[round(share * (min(head, len(data)) - 1))] = value
    for decode in (
        lambda: rgb_from_encoded(bytes(broken), max_pixels=100_000),
        lambda: rgb_from_compressed(Compressed('jpeg', bytes(broken)), max_pixels=100_000),
        lambda: rgb_from_compressed(Compressed('png', bytes(broken)), (8, 8), max_pixels=100_000),
    ):
        try:
            found = decode()
        except ImageFormatError as error:
            assert error.reason in REASONS  # noqa: PT017 - both outcomes are right
        else:
            assert found.ndim == 3
            assert found.shape[0] * found.shape[1] <= 100_000


@given(st.binary(max_size=300), st.sampled_from([b'', JPEG[:20], PNG[:30], b'P6 ', b'BM']))
def test_any_bytes_decode_or_are_refused(data: bytes, start: bytes) -> None:
    try:
        rgb_from_encoded(start + data, max_pixels=100_000)
    except ImageFormatError as error:
        assert error.reason in REASONS  # noqa: PT017
