import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alexnet_ros.errors import ImageFormatError
from alexnet_ros.model_package import InputSpec
from alexnet_ros.preprocess import batch_from_regions, resize_region
from alexnet_ros.records import Region


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    """Red grows to the right, green downwards, blue is constant."""
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).round()
    image[..., 1] = np.linspace(0, 255, height).round()[:, None]
    image[..., 2] = 77
    return image


def resized(
    image: NDArray[np.uint8],
    box: tuple[float, float, float, float],
    margin: float | None = None,
    **spec: object,
) -> NDArray[np.uint8]:
    made = InputSpec(**{'height': 32, 'width': 32, **spec})
    out = np.full((made.height, made.width, 3), 99, np.uint8)
    resize_region(image, box, made, out, margin=margin)
    return out


def test_region_of_the_right_size_is_copied_exactly() -> None:
    image = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    assert np.array_equal(resized(image, (5, 7, 32, 32), 0.0), image[7:39, 5:37])


def test_halving_is_the_mean_of_four_pixels() -> None:
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    mean = image.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(resized(image, (0, 0, 64, 64), 0.0) - mean).max() <= 0.5


@pytest.mark.parametrize('shape', [(32, 64), (64, 32)])
def test_halving_one_side_is_the_mean_of_two_pixels(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    rows, columns = shape[0] // 32, shape[1] // 32
    mean = image.reshape(32, rows, 32, columns, 3).mean((1, 3))
    assert np.abs(resized(image, (0, 0, shape[1], shape[0]), 0.0) - mean).max() <= 1.0


@pytest.mark.parametrize('shape', [(480, 640), (719, 1281), (20, 11), (33, 500)])
def test_a_ramp_stays_a_ramp_at_any_scale(shape: tuple[int, int]) -> None:
    out = resized(ramp(*shape), (0, 0, shape[1], shape[0]), 0.0).astype(int)
    ideal = ramp(32, 32).astype(int)
    assert np.abs(out - ideal).max() <= 14
    assert (out[..., 2] == 77).all()


def test_fine_stripes_average_out_instead_of_aliasing() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, ::2] = 254
    out = resized(image, (0, 0, 256, 256), 0.0)
    assert (np.abs(out.astype(int) - 127) <= 1).all()


def test_margin_adds_its_share_on_each_side() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255
    out = resized(image, (40, 40, 20, 20), height=24, width=24)  # 20 px + 2 on each side
    assert (out[2:22, 2:22] == 255).all()
    assert out[:2].max() == out[:, :2].max() == out[22:].max() == out[:, 22:].max() == 0


def test_edge_pixels_are_repeated_beyond_the_frame() -> None:
    image = ramp(50, 50)
    out = resized(image, (-16, 10, 32, 32), 0.0)
    assert np.array_equal(out[:, :16], np.repeat(image[10:42, :1], 16, axis=1))
    assert np.array_equal(out[:, 16:], image[10:42, :16])


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (40, 1), (2, 2)])
@pytest.mark.parametrize('box', [(0, 0, 1, 1), (-30, -30, 60, 60), (0.2, 0.2, 0.1, 0.1)])
def test_frames_and_boxes_of_single_pixels_are_stretched(
    shape: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    assert (resized(np.full((*shape, 3), 60, np.uint8), box) == 60).all()


def test_box_far_beyond_the_frame_costs_no_more_than_the_frame() -> None:
    out = resized(ramp(50, 50), (-1e12, -1e12, 2e12, 2e12))
    assert out.std() > 10


def test_centre_crop_keeps_the_middle_in_proportion() -> None:
    image = np.zeros((128, 256, 3), np.uint8)
    image[:, 96:160] = 255  # the central 64 columns
    out = resized(
        image, (0, 0, 256, 128), 0.0, height=56, width=56, resize='centre_crop', resize_px=64
    )
    # Scale 1/2, so the cut shows 112 of 256 columns: 24 black, 64 white, 24 black.
    assert (out[:, 13:43] == 255).all()
    assert out[:, :11].max() == out[:, 45:].max() == 0


@pytest.mark.parametrize(
    'box',
    [
        (0, 0, 0, 5),
        (0, 0, 5, -1),
        (float('nan'), 0, 5, 5),
        (0, 0, float('inf'), 5),
        (-10, 0, 10, 5),
        (0, 50, 5, 5),
    ],
)
def test_boxes_without_any_pixel_are_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ImageFormatError) as caught:
        resized(ramp(50, 50), box)
    assert caught.value.reason == 'bad_region'


@pytest.mark.parametrize(
    'image', [np.zeros((5, 5), np.uint8), np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3))]
)
def test_arrays_that_are_no_rgb_image_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageFormatError, match='bad_array'):
        resized(image, (0, 0, 5, 5))


def test_target_of_another_size_is_refused() -> None:
    with pytest.raises(ImageFormatError, match='expected out'):
        resize_region(ramp(9, 9), (0, 0, 9, 9), InputSpec(8, 8), np.empty((9, 8, 3), np.uint8))


def test_read_only_padded_rows_are_taken_as_they_are() -> None:
    image = ramp(40, 60)
    padded = np.zeros((40, 200), np.uint8)
    padded[:, :180] = image.reshape(40, 180)
    rows = np.frombuffer(padded.tobytes(), np.uint8).reshape(40, 200)
    view = rows[:, :180].reshape(40, 60, 3)
    assert not view.flags.writeable
    for box in ((0, 0, 60, 40), (-4, -4, 30, 60)):
        assert np.array_equal(resized(view, box), resized(image, box))


def test_batch_joins_frames_and_reuses_its_buffer() -> None:
    red, green = np.zeros((2, 40, 40, 3), np.uint8)
    red[..., 0] = 255
    green[..., 1] = 255
    spec = InputSpec(16, 16)
    items = [(red, Region((0, 0, 40, 40))), (green, Region((3, 3, 9, 9), 0.5, 'sign'))]
    buffer = np.empty((4, 16, 16, 3), np.uint8)
    batch = batch_from_regions(items, spec, buffer)
    assert batch.base is buffer
    assert batch.shape == (2, 16, 16, 3)
    assert batch[0, 0, 0].tolist() == [255, 0, 0]
    assert batch[1, 8, 8].tolist() == [0, 255, 0]
    assert np.array_equal(batch_from_regions(items, spec), batch)
    assert batch_from_regions([], spec).shape == (0, 16, 16, 3)


def test_whole_frame_gets_no_margin_and_a_tight_box_does() -> None:
    image = ramp(64, 64)
    whole = (0.0, 0.0, 64.0, 64.0)
    spec = InputSpec(64, 64, margin=0.25)
    frame, sign = batch_from_regions(
        [(image, Region(whole)), (image, Region(whole, 1.0, 'sign'))], spec
    )
    assert np.array_equal(frame, image)
    assert not np.array_equal(sign, image)


numbers = st.floats(-200, 400, allow_nan=False)


@given(numbers, numbers, numbers, numbers, st.sampled_from(['stretch', 'centre_crop']))
def test_any_box_is_refused_or_shows_pixels_of_the_frame(
    x: float, y: float, width: float, height: float, resize: str
) -> None:
    image = np.full((70, 90, 3), 200, np.uint8)
    box = (x, y, width, height)
    if width > 0 and height > 0 and x < 90 and y < 70 and x + width > 0 and y + height > 0:
        assert (resized(image, box, resize=resize, resize_px=32) == 200).all()
    else:
        with pytest.raises(ImageFormatError, match='bad_region'):
            resized(image, box, resize=resize, resize_px=32)
