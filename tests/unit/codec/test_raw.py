import tracemalloc
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ros.codec import ENCODINGS, MAX_PIXELS, REASONS, rgb_from_image
from alexnet_ros.errors import ImageFormatError
from tests.unit.codec.messages import RawImage, message, picture

RGB = picture()
BLOCKS = picture(32, 24).repeat(2, axis=0).repeat(2, axis=1)  # for shared chroma


def reason(broken: RawImage, **limits: int) -> str:
    """Decode what must be refused without taking memory; return the reason."""
    tracemalloc.start()
    try:
        with pytest.raises(ImageFormatError) as caught:
            rgb_from_image(broken, **limits)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert caught.value.reason in REASONS
    assert '\n' not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize('padding', [0, 1, 64])
@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('rgb8', RGB),
        ('bgr8', RGB[..., ::-1]),
        ('rgba8', np.dstack([RGB, RGB[..., :1]])),
        ('bgra8', np.dstack([RGB[..., ::-1], RGB[..., :1]])),
    ],
)
def test_colour_encodings_are_exact(
    encoding: str, pixels: NDArray[np.uint8], padding: int
) -> None:
    assert np.array_equal(rgb_from_image(message(pixels, encoding, padding=padding)), RGB)


@pytest.mark.parametrize(('width', 'height'), [(7, 6), (6, 7), (7, 7), (2, 3)])
@pytest.mark.parametrize('bits', ['8', '16'])
def test_odd_row_or_column_of_a_mosaic_is_left_out(width: int, height: int, bits: str) -> None:
    tile = np.array([[200, 100], [100, 50]], np.uint8 if bits == '8' else np.dtype('<u2'))
    mosaic = np.tile(tile, (height, width))[:height, :width] * (1 if bits == '8' else 257)
    step = mosaic.strides[0]
    raw = RawImage(height, width, f'bayer_rggb{bits}', 0, step, array('B', mosaic.tobytes()))
    found = rgb_from_image(raw)
    assert found.shape == (height // 2 * 2, width // 2 * 2, 3)
    if min(found.shape[:2]) > 4:
        assert tuple(found[2, 2]) == (200, 100, 50)


@pytest.mark.parametrize('padding', [0, 5])
def test_mono8_repeats_its_values(padding: int) -> None:
    grey = RGB[..., 0]
    found = rgb_from_image(message(grey, 'mono8', padding=padding))
    assert np.array_equal(found, np.dstack([grey] * 3))


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('order', ['<u2', '>u2'])
def test_mono16_is_scaled_by_its_rule_in_either_byte_order(order: str, padding: int) -> None:
    values = np.array([[0, 128, 129, 256], [257, 32768, 65406, 65535]])
    made = message(values.astype(order), 'mono16', padding=padding)
    made.is_bigendian = int(order == '>u2')
    found = rgb_from_image(made)
    assert np.array_equal(found[..., 0], np.rint(values / 257))
    assert np.array_equal(found[..., 1:], found[..., :1].repeat(2, axis=2))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('padding', [0, 7])
def test_bayer_patterns_have_the_right_phase(pattern: str, padding: int) -> None:
    mosaic = np.empty(RGB.shape[:2], np.uint8)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = RGB[row::2, column::2, 'rgb'.index(colour)]
    found = rgb_from_image(message(mosaic, f'bayer_{pattern}8', padding=padding))
    inner = np.abs(found.astype(int) - RGB)[2:-2, 2:-2]
    assert inner.max() <= 12


def yuv_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BT.601, limited range, by its definition; (H, W, 3) as Y, U, V."""
    red, green, blue = np.moveaxis(rgb.astype(float) / 255, -1, 0)
    y = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    u = 128 - 37.797 * red - 74.203 * green + 112.0 * blue
    v = 128 + 112.0 * red - 93.786 * green - 18.214 * blue
    return np.rint(np.stack([y, u, v], axis=-1)).astype(np.uint8)


@pytest.mark.parametrize('padding', [0, 10])
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('uyvy', 'uyvy'), ('yuv422', 'uyvy'), ('yuyv', 'yuyv'), ('yuv422_yuy2', 'yuyv')],
)
def test_yuv422_is_bt601(encoding: str, order: str, padding: int) -> None:
    yuv = yuv_of(BLOCKS)
    packed = np.empty((48, 32, 4), np.uint8)
    chroma = {'u': yuv[:, ::2, 1], 'v': yuv[:, ::2, 2]}
    bright = iter((yuv[:, ::2, 0], yuv[:, 1::2, 0]))
    for place, letter in enumerate(order):
        packed[..., place] = next(bright) if letter == 'y' else chroma[letter]
    made = message(packed.reshape(48, 64, 2), encoding, padding=padding)
    assert np.abs(rgb_from_image(made).astype(int) - BLOCKS).max() <= 4


@pytest.mark.parametrize('padding', [0, 16])
@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_nv12_keeps_its_chroma_below_the_height(encoding: str, padding: int) -> None:
    yuv = yuv_of(BLOCKS)
    chroma = yuv[::2, ::2, 1:] if encoding == 'nv12' else yuv[::2, ::2, :0:-1]
    rows = np.vstack([yuv[..., 0], chroma.reshape(24, 64)])
    made = message(rows, encoding, padding=padding, height=48)
    assert np.abs(rgb_from_image(made).astype(int) - BLOCKS).max() <= 4
    made.data = made.data[:-1]
    assert reason(made) == 'short_data'


@pytest.mark.parametrize(
    'kind', [array, bytes, bytearray, memoryview, np.ndarray, 'read-only array']
)
@pytest.mark.parametrize('padding', [0, 9])
def test_rgb8_is_a_view_of_the_messages_bytes(kind: Any, padding: int) -> None:
    made = message(RGB, 'rgb8', padding=padding)
    raw = made.data.tobytes()
    if kind is np.ndarray:
        made.data = np.frombuffer(bytearray(raw), np.uint8)
    elif kind == 'read-only array':
        made.data = np.frombuffer(raw, np.uint8)
    elif kind is not array:
        made.data = kind(raw)
    found = rgb_from_image(made)
    assert np.array_equal(found, RGB)
    assert np.shares_memory(found, np.frombuffer(made.data, np.uint8))
    assert not found.flags.writeable


def test_view_follows_the_message_and_cannot_change_it() -> None:
    made = message(RGB, 'rgb8')
    found = rgb_from_image(made)
    made.data[0] = 99
    assert found[0, 0, 0] == 99
    with pytest.raises(ValueError, match='read-only'):
        found[0, 0, 0] = 1


def test_extra_bytes_at_the_end_are_left_alone() -> None:
    made = message(RGB, 'rgb8')
    made.data.extend(b'extra')
    assert np.array_equal(rgb_from_image(made), RGB)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_refuses_short_step_and_short_data(encoding: str) -> None:
    made = RawImage(2, 4, encoding, 0, 16, bytes(64))
    assert rgb_from_image(made).shape == (2, 4, 3)
    made.step = 3
    assert reason(made) == 'short_step'
    made.step, made.data = 16, bytes(31)
    assert reason(made) == 'short_data'


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ({'height': 0}, 'zero_size'),
        ({'width': 0}, 'zero_size'),
        ({'width': -4}, 'zero_size'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'too_many_pixels'),
        ({'height': 2**32 - 1}, 'too_many_pixels'),
        ({'height': 65_000, 'width': 65_000, 'step': 195_000}, 'too_many_pixels'),
        ({'step': 0}, 'short_step'),
        ({'step': 11}, 'short_step'),
        ({'step': -12}, 'short_step'),
        ({'step': 2**32 - 1}, 'short_data'),
        ({'data': b''}, 'short_data'),
        ({'data': bytes(23)}, 'short_data'),
        ({'height': 8000, 'width': 8000, 'step': 24_000}, 'short_data'),
        ({'encoding': ''}, 'unknown_encoding'),
        ({'encoding': 'nonsense'}, 'unknown_encoding'),
        ({'encoding': 'rgb16'}, 'unknown_encoding'),
        ({'encoding': '8UC3'}, 'unknown_encoding'),
        ({'encoding': '\ufffd' * 5000}, 'unknown_encoding'),
        ({'encoding': '16UC1'}, 'depth_encoding'),
        ({'encoding': '32FC1'}, 'depth_encoding'),
        ({'encoding': None}, 'bad_data'),
        ({'encoding': 'bayer_rggb8', 'height': 1}, 'odd_size'),
        ({'encoding': 'uyvy', 'width': 3}, 'odd_size'),
        ({'encoding': 'nv12', 'height': 1}, 'odd_size'),
        ({'data': None}, 'bad_data'),
        ({'data': 'text'}, 'bad_data'),
        ({'data': [1, 2, 3]}, 'bad_data'),
        ({'data': array('H', range(24))}, 'bad_data'),
        ({'data': np.zeros(24, np.float32)}, 'bad_data'),
        ({'data': np.zeros(48, np.uint8)[::2]}, 'bad_data'),
        ({'width': 4.5}, 'bad_data'),
        ({'height': None}, 'bad_data'),
        ({'step': 'wide'}, 'bad_data'),
    ],
)
def test_malformed_image_is_refused_with_its_reason(change: dict[str, Any], expected: str) -> None:
    made = RawImage()
    assert rgb_from_image(made).shape == (2, 4, 3)
    for name, value in change.items():
        setattr(made, name, value)
    assert reason(made) == expected


def test_limit_of_pixels_is_an_argument() -> None:
    assert rgb_from_image(RawImage(), max_pixels=8).shape == (2, 4, 3)
    assert reason(RawImage(), max_pixels=7) == 'too_many_pixels'


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8', 'bgra8', 'mono16'])
def test_single_pixel_is_decoded_or_refused(encoding: str) -> None:
    """OpenCV 4.5 refuses it; that must not be an error of another kind."""
    try:
        assert rgb_from_image(RawImage(1, 1, encoding, 0, 4, bytes(4))).shape == (1, 1, 3)
    except ImageFormatError as error:
        assert error.reason == 'undecodable'  # noqa: PT017


def test_names_in_other_case_are_known() -> None:
    made = message(RGB, 'RGB8')
    assert np.array_equal(rgb_from_image(made), RGB)


def test_opencv_takes_the_view_without_a_copy_of_ours() -> None:
    found = rgb_from_image(message(RGB, 'rgb8', padding=9))
    assert cv2.resize(found, (64, 48), interpolation=cv2.INTER_NEAREST).tolist() == RGB.tolist()


sizes = st.one_of(st.integers(-2, 40), st.sampled_from([2**16, 2**31, 2**32 - 1]))


encodings = st.one_of(st.sampled_from([*ENCODINGS, '16UC1', '']), st.text(max_size=8))


@example(RawImage(3, 2, 'bayer_rggb8', 0, 2, bytes(6)))
@given(
    st.builds(
        RawImage, sizes, sizes, encodings, st.integers(0, 255), sizes, st.binary(max_size=6000)
    )
)
def test_any_fields_decode_to_the_size_told_or_are_refused(made: RawImage) -> None:
    try:
        found = rgb_from_image(made)
    except ImageFormatError as error:
        assert error.reason in REASONS  # noqa: PT017 - both outcomes are right
    else:
        even = 2 if 'bayer' in made.encoding.lower() else 1  # half of a mosaic's cell is left out
        height, width = (side // even * even for side in (made.height, made.width))
        assert found.shape == (height, width, 3)
        assert found.dtype == np.uint8
        assert found.size <= 3 * MAX_PIXELS
