import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip('torch', reason='finders are made with torch')

from alexnet_ros.config import FinderSettings
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.model_package import FinderPackage
from alexnet_ros.records import Outputs
from alexnet_ros.signs.finder import (
    GREY,
    MAX_FOUND,
    MAX_PEAKS,
    SignFinder,
    View,
    decode,
    fill_canvas,
    regions_from_boxes,
    views_of,
)
from tests.finders import HEIGHT, WIDTH, small_finder

Image = NDArray[np.uint8]
CANVAS_WH = (960, 544)


@pytest.fixture(name='package', scope='module')
def _package(tmp_path_factory: pytest.TempPathFactory) -> FinderPackage:
    return small_finder(tmp_path_factory.mktemp('finder'))


def logits_with(*objects: tuple[int, int, float, tuple[float, float, float, float]]) -> NDArray:
    """Return logits whose cells (row, column) have a heat and four numbers, else nothing."""
    logits = np.full((5, 2, 2, 12, 20), -9.0, np.float32)
    for row, column, heat, numbers in objects:
        place = (row % 2, column % 2, row // 2, column // 2)
        logits[(0, *place)] = heat
        logits[(slice(1, None), *place)] = numbers
    return logits.reshape(20, 12, 20)


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_any_frame_lies_on_at_most_two_canvases_without_a_gap(width: int, height: int) -> None:
    views = views_of((width, height), CANVAS_WH)
    assert 1 <= len(views) <= 2
    covered = np.zeros(2)
    for view in views:
        assert 0 < view.scale <= 2
        assert view.x + view.width <= width
        assert view.y + view.height <= height
        assert view.width * view.scale <= CANVAS_WH[0] + 1
        assert view.height * view.scale <= CANVAS_WH[1] + 1
        covered = np.maximum(covered, [view.x + view.width, view.y + view.height])
    assert covered.tolist() == [width, height]
    if len(views) == 2:
        first, second = views
        assert second.x < first.width
        assert second.y < first.height


def test_a_frame_is_scaled_into_the_corner_of_the_canvas_and_the_rest_is_grey() -> None:
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image = np.full((96, 200, 3), 200, np.uint8)
    fill_canvas(image, View(0, 0, 200, 96, 0.5), canvas)
    assert (canvas[:48, :100] == 200).all()
    assert (canvas[48:] == GREY).all()
    assert (canvas[:, 100:] == GREY).all()


def test_a_planted_object_is_decoded_to_its_box() -> None:
    width, height = np.log(10.0), np.log(5.0)  # cells
    logits = logits_with((7, 12, 2.0, (0.1, -0.2, width, height)))
    boxes, scores = decode(logits, -1.0)
    assert scores == pytest.approx([2.0])
    middle_x, middle_y = 4 * (12.5 + 0.1 * 10), 4 * (7.5 - 0.2 * 5)
    assert boxes[0] == pytest.approx([middle_x - 20, middle_y - 10, 40, 20], rel=1e-5)


def test_only_local_maxima_count_best_first() -> None:
    flat = (0.0, 0.0, 1.0, 1.0)
    logits = logits_with((3, 3, 1.0, flat), (3, 4, 0.5, flat), (9, 30, 3.0, flat))
    boxes, scores = decode(logits, 0.0)
    assert len(boxes) == 2
    assert scores[0] > scores[1]
    assert boxes[0][0] > boxes[1][0]


@pytest.mark.parametrize('kind', ['equal', 'noise', 'huge'])
def test_no_answer_gives_more_than_the_bound(kind: str) -> None:
    logits = np.zeros((20, 68, 120), np.float32)
    if kind != 'equal':
        logits = np.random.default_rng(0).normal(0, 3, logits.shape).astype(np.float32)
    if kind == 'huge':
        logits *= 1e30
    with np.errstate(over='ignore'):
        boxes, scores = decode(logits, -5.0)
    assert len(boxes) == len(scores) <= MAX_PEAKS
    assert np.isfinite(boxes).all()


def test_one_object_is_one_region_and_regions_lie_in_the_frame() -> None:
    boxes = np.array(
        [[10, 10, 40, 40], [12, 11, 40, 40], [-20, 60, 60, 40], [500, 5, 9, 9]], np.float32
    )
    scores = np.array([0.6, 0.9, 0.5, 0.99], np.float32)
    settings = FinderSettings(min_size_px=20)
    found = regions_from_boxes(boxes, scores, (100, 90), settings)
    assert [round(region.score, 2) for region in found] == [0.9, 0.5]
    assert found[0].bbox_xywh == (12.0, 11.0, 40.0, 40.0)
    assert found[1].bbox_xywh == (0.0, 60.0, 40.0, 30.0)
    assert {region.kind for region in found} == {'sign'}


@pytest.mark.parametrize(
    ('settings', 'count'),
    [
        (FinderSettings(), MAX_FOUND),
        (FinderSettings(max_regions=3), 3),
        (FinderSettings(max_regions=64), 16),
        (FinderSettings(max_regions=64, min_size_px=60), 8),
        (FinderSettings(max_regions=64, max_size_px=50), 8),
    ],
)
def test_sizes_and_number_of_regions_are_as_set(settings: FinderSettings, count: int) -> None:
    sides = np.array([40, 40, 40, 40, 80, 80, 80, 80] * 2, np.float32)
    corners = np.arange(16, dtype=np.float32) * 100
    boxes = np.stack([corners, corners, sides, sides], 1)
    scores = np.linspace(0.9, 0.4, 16, dtype=np.float32)
    found = regions_from_boxes(boxes, scores, (2000, 2000), settings)
    assert len(found) == count


@pytest.mark.parametrize(('max_regions', 'count'), [(0, 4), (6, 6), (2, 2)])
def test_of_doubtful_candidates_only_the_best_is_classified(max_regions: int, count: int) -> None:
    corners = np.arange(9, dtype=np.float32) * 100
    boxes = np.stack([corners, corners, *[np.full(9, 40, np.float32)] * 2], 1)
    scores = np.array([0.02, 0.5, 0.03, 0.9, 0.05, 0.04, 0.09, 0.01, 0.07], np.float32)
    found = regions_from_boxes(
        boxes, scores, (2000, 2000), FinderSettings(max_regions=max_regions)
    )
    wanted = [0.9, 0.5, 0.09, 0.07, 0.05, 0.04]
    assert [round(region.score, 2) for region in found] == wanted[:count]


class NotingEngine(OnnxRuntimeEngine):
    """A real engine that notes how many canvases it was given."""

    def __init__(self, package: FinderPackage) -> None:
        super().__init__(package, threads=1, provider='cpu', max_batch=4)
        self.canvases: list[int] = []

    def infer(self, batch_nhwc: Image, *, features: bool = False) -> Outputs:
        self.canvases.append(len(batch_nhwc))
        return super().infer(batch_nhwc, features=features)


def wallpaper(size_wh: tuple[int, int]) -> Image:
    """Return a picture full of signs' triangles."""
    tile = np.full((26, 26, 3), 90, np.uint8)
    cv2.fillPoly(tile, [np.array([[0, 24], [24, 24], [13, 0]])], (220, 20, 20))
    width, height = size_wh
    return np.tile(tile, (height // 26 + 1, width // 26 + 1, 1))[:height, :width].copy()


def test_work_and_memory_do_not_depend_on_what_a_frame_shows(package: FinderPackage) -> None:
    size_wh = (1280, 720)
    pictures = {
        'black': np.zeros((720, 1280, 3), np.uint8),
        'noise': np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8),
        'triangles': wallpaper(size_wh),
    }
    peaks = {}
    with SignFinder(package, NotingEngine(package)) as finder:
        finder.find([pictures['black']], FinderSettings())
        for name, image in pictures.items():
            tracemalloc.start()
            (found,) = finder.find([image], FinderSettings(min_candidate_score=0.01))
            peaks[name] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert len(found) <= MAX_FOUND
        assert isinstance(finder.engine, NotingEngine)
        assert finder.engine.canvases == [1, 1, 1, 1]
    assert max(peaks.values()) - min(peaks.values()) < 256 << 10  # bytes, of a 2.8 MB frame


def test_frames_of_all_cameras_share_one_run(package: FinderPackage) -> None:
    sizes = [(640, 480), (1920, 1080), (400, 1600), (31, 17)]
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for w, h in sizes]
    settings = FinderSettings(min_candidate_score=0.02, min_size_px=8)
    with SignFinder(package, NotingEngine(package)) as finder:
        together = finder.find(images, settings)
        assert isinstance(finder.engine, NotingEngine)
        assert finder.engine.canvases == [5]  # the tall one takes two
        alone = [finder.find([image], settings)[0] for image in images]
    assert together == alone
    for (width, height), regions in zip(sizes, together, strict=True):
        for region in regions:
            x, y, w, h = region.bbox_xywh
            assert min(x, y) >= 0
            assert x + w <= width + 1e-3
            assert y + h <= height + 1e-3


def test_no_frames_are_no_run(package: FinderPackage) -> None:
    with SignFinder(package, NotingEngine(package)) as finder:
        assert finder.find([], FinderSettings()) == []
        assert isinstance(finder.engine, NotingEngine)
        assert finder.engine.canvases == []
