"""The finder's steps, each by itself: colours, shapes, symmetry, outlines, rating."""

import cv2
import numpy as np
import pytest

from alexnet_ros.signs.candidates import KINDS, Candidates
from alexnet_ros.signs.colours import LEAST_SIDE, MOST_AREA, colour_maps, halvings, shrunk
from alexnet_ros.signs.edges import Edges
from alexnet_ros.signs.masks import COLOURS, LEVELS, MASKS, packed_masks, unpacked, without_specks
from alexnet_ros.signs.outlines import colour_candidates
from alexnet_ros.signs.rating import FEATURES, features, outline_share, rated
from alexnet_ros.signs.shapes import SHAPES, Points, shape_fit
from alexnet_ros.signs.symmetry import discs
from alexnet_ros.signs.weights import WEIGHTS


def plain(colour, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def polygon(count: int, start_deg: float, radius: float = 40, middle=(60, 60)) -> np.ndarray:
    angle = np.deg2rad(start_deg + np.arange(count) * 360 / count)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * radius + middle
    return np.round(points).astype(np.int32)


def outline_of(points: np.ndarray) -> np.ndarray:
    mask = np.zeros((120, 120), np.uint8)
    cv2.fillPoly(mask, [points], 255)
    (contour,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return contour


@pytest.mark.parametrize(
    ('colour', 'leads'),
    [((180, 30, 30), 'red'), ((20, 60, 160), 'blue'), ((220, 170, 20), 'yellow')],
)
@pytest.mark.parametrize('light', [1.0, 0.5, 0.25])
def test_colour_keeps_its_value_in_any_light(colour, leads: str, light: float) -> None:
    maps = colour_maps(plain([round(v * light) for v in colour]))
    values = {name: int(maps[name][0, 0]) for name in ('red', 'blue', 'yellow')}
    assert max(values, key=values.__getitem__) == leads
    assert values[leads] > 100


def test_grey_has_no_colour_and_darkness_no_noise() -> None:
    for colour in ((0, 0, 0), (128, 128, 128), (255, 255, 255), (3, 1, 2)):
        maps = colour_maps(plain(colour))
        assert max(int(maps[name].max()) for name in ('red', 'blue', 'yellow')) < 70


@pytest.mark.parametrize(
    ('size_wh', 'min_size_px', 'count'),
    [
        ((1920, 1080), 24, 1),
        ((960, 540), 24, 1),
        ((960, 540), 23, 0),
        ((640, 480), 48, 2),
        ((3840, 2160), 24, 2),
    ],
)
def test_frames_are_halved_as_far_as_small_signs_allow(size_wh, min_size_px, count) -> None:
    assert halvings(size_wh, min_size_px) == count
    assert (size_wh[0] >> count) * (size_wh[1] >> count) <= MOST_AREA
    assert min_size_px >> count >= LEAST_SIDE or size_wh[0] > 3000


def test_shrunk_averages_exactly_and_cuts_odd_rows() -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    image[:2, :2] = [[[0, 10, 20], [4, 10, 20]], [[0, 10, 20], [4, 10, 20]]]
    half = shrunk(image, 1)
    assert half.shape == (2, 3, 3)
    assert half[0, 0].tolist() == [2, 10, 20]
    assert shrunk(image, 0) is image


@pytest.mark.parametrize(
    ('points', 'name'),
    [
        (polygon(40, 0), 'disc'),
        (polygon(8, 22.5), 'disc'),
        (polygon(3, -90), 'triangle'),
        (polygon(3, 90), 'yield'),
        (polygon(4, 0), 'diamond'),
        (polygon(4, 45), 'square'),
        (polygon(3, -80), 'triangle'),
        (polygon(4, 8), 'diamond'),
    ],
)
def test_shape_of_an_outline_is_told(points: np.ndarray, name: str) -> None:
    outline = Points([outline_of(points)])
    shapes, fit = shape_fit(outline.support(), outline.boxes)
    assert SHAPES[shapes[0]] == name
    assert fit[0] > 0.5


def test_points_have_the_box_and_the_support_of_each_outlines_hull() -> None:
    corners = polygon(3, 90), polygon(9, 5, 33), polygon(4, 0)
    outlines = [outline_of(points) for points in corners]
    together = Points(outlines)
    assert together.boxes.tolist() == [list(cv2.boundingRect(outline)) for outline in outlines]
    hulls = Points([cv2.convexHull(outline) for outline in outlines])
    assert np.allclose(together.support(), hulls.support(), atol=1e-6)
    assert np.allclose(together.support()[1], Points(outlines[1:2]).support()[0], atol=1e-6)


def test_rim_share_tells_a_broken_ring_from_a_ragged_patch() -> None:
    ring = np.zeros((120, 120), np.uint8)
    cv2.circle(ring, (60, 60), 40, 255, 5)
    ring[55:65, :40] = 0
    rng = np.random.default_rng(0)
    ragged = cv2.threshold(
        cv2.GaussianBlur(rng.normal(0, 1, (120, 120)).astype(np.float32), (0, 0), 3), 0, 255, 0
    )[1].astype(np.uint8)
    shares = []
    for mask in (ring, ragged):
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        contour = max(contours, key=len)
        outline = Points([contour])
        shares.append(outline.rim_share(outline.support())[0])
    assert shares[0] > 0.9
    assert shares[1] < 0.7


@pytest.mark.parametrize('face', [40, 220])
@pytest.mark.parametrize('radius', [9, 20, 55])
def test_disc_is_found_by_its_outline_alone(face: int, radius: int) -> None:
    image = np.full((240, 320), 128, np.uint8)
    cv2.circle(image, (150, 110), radius, face, -1, cv2.LINE_AA)
    found = discs(image, 12, 200)
    best = found[found[:, 3].argmax()]
    assert best[3] > 0.8
    assert np.hypot(best[0] - 150, best[1] - 110) < 0.25 * radius
    assert 0.75 < best[2] / radius < 1.3


@pytest.mark.parametrize('outside', [90, 170])
def test_edge_share_is_that_of_the_outline_that_is_drawn(outside: int) -> None:
    image = np.full((100, 100), 130, np.uint8)
    image[:, :50] = outside  # the disc's right half does not differ from what is round it
    cv2.circle(image, (50, 50), 20, 130, -1)
    angle = np.arange(40) * (2 * np.pi / 40)
    normals = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    x, y = (50 + 20 * part[None, None] for part in normals)  # (1, 1, 40)
    share = Edges(image).share(x, y, normals, straight=0.8, least=16)
    assert share.shape == (1, 1)
    assert 0.4 < share[0, 0] < 0.6


def test_edges_outside_the_image_are_those_at_its_side() -> None:
    edges = Edges(np.tile(np.arange(0, 250, 5, dtype=np.uint8), (20, 1)))
    x, y = np.full((1, 1, 4), 900.0, np.float32), np.full((1, 1, 4), -50.0, np.float32)
    east = np.ones(4, np.float32), np.zeros(4, np.float32)
    assert edges.share(x, y, east, straight=0.8, least=16)[0, 0] == 0  # mirrored at the side
    x, y = np.full((1, 1, 4), 20.0, np.float32), np.full((1, 1, 4), -50.0, np.float32)
    assert edges.share(x, y, east, straight=0.8, least=16)[0, 0] == 1


def test_no_disc_in_plain_and_tiny_images() -> None:
    assert len(discs(np.full((200, 200), 99, np.uint8), 10, 150)) == 0
    assert len(discs(np.zeros((9, 9), np.uint8), 10, 150)) == 0


def test_touching_rings_are_two_by_their_holes() -> None:
    plane = np.zeros((200, 120), np.uint8)
    for row in (60, 119):
        cv2.circle(plane, (60, row), 27, 200, 6)
    found = colour_candidates({'red': plane}, 12, 150)
    middles = found.boxes[:, 1] + found.boxes[:, 3] / 2
    sure = found.scores > 0.5
    assert (abs(middles[sure] - 60) < 4).any()
    assert (abs(middles[sure] - 119) < 4).any()


def test_empty_map_gives_no_candidates() -> None:
    empty = np.zeros((90, 90), np.uint8)
    assert len(colour_candidates(dict.fromkeys(COLOURS, empty), 12, 80)) == 0


@pytest.mark.parametrize('colour', COLOURS)
def test_each_mask_is_its_colours_threshold_closed_where_asked(colour: str) -> None:
    plane = np.random.default_rng(3).integers(0, 256, (40, 50), np.uint8)
    packed = packed_masks({colour: plane, 'grey': plane})
    for number, (of, level, closed) in enumerate(MASKS):
        wanted = (plane > level).astype(np.uint8)
        if closed:
            wanted = cv2.morphologyEx(wanted, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        shown = unpacked(packed, number) > 0
        assert (shown == (wanted > 0)).all() if of == colour else not shown.any()
    assert len(MASKS) == sum(len(levels) for levels in LEVELS.values())


@pytest.mark.parametrize('side', [1, 2, 3, 5])
@pytest.mark.parametrize('share', [0.02, 0.1, 0.25, 0.5])
def test_specks_go_and_whatever_is_larger_stays_to_the_pixel(side: int, share: float) -> None:
    noise = np.random.default_rng(5).random((2, 60, 80)) < share
    packed = noise.astype(np.uint8) * np.array([[[1]], [[128]]], np.uint8)
    clean = without_specks(packed, side)
    for before, after in zip(packed, clean, strict=True):
        count, parts, stats, _ = cv2.connectedComponentsWithStats(before, connectivity=8)
        for part in range(1, count):
            if stats[part, 2:4].max() > side:
                assert (after[parts == part] > 0).all()
        assert not (after & ~before).any()
    if share < 0.05:
        assert np.count_nonzero(clean) < 0.6 * np.count_nonzero(packed)


def test_a_lone_speck_goes_and_the_next_larger_stays() -> None:
    for wide, tall, stays in ((5, 5, False), (1, 5, False), (6, 1, True), (2, 6, True)):
        packed = np.zeros((1, 40, 40), np.uint8)
        packed[0, 10 : 10 + tall, 12 : 12 + wide] = 4
        assert (without_specks(packed, 5) == packed).all() == stays
    few = np.ones((1, 6, 90), np.uint8)
    assert without_specks(few, 5) is few
    assert without_specks(few, 0) is few


def ring_frame() -> np.ndarray:
    frame = np.full((120, 160, 3), 110, np.uint8)
    cv2.circle(frame, (80, 60), 30, (190, 30, 30), -1, cv2.LINE_AA)
    cv2.circle(frame, (80, 60), 22, (230, 230, 230), -1, cv2.LINE_AA)
    return frame


def test_rating_prefers_the_sign_to_the_road() -> None:
    boxes = np.array([[50, 30, 60, 60], [5, 5, 30, 30], [95, 55, 60, 60]], np.float32)
    kinds = np.full(3, KINDS.index('red disc'))
    found = rated(colour_maps(ring_frame()), Candidates(boxes, np.full(3, 0.5, np.float32), kinds))
    assert found.boxes[0].tolist() == [50, 30, 60, 60]
    assert found.scores[0] > 0.4
    assert found.scores[0] > 4 * found.scores[1:].max()


def test_outline_share_finds_the_size_too() -> None:
    grey = np.full((120, 160), 110, np.uint8)
    cv2.circle(grey, (80, 60), 30, 230, -1, cv2.LINE_AA)
    boxes = np.array([[50, 30, 60, 60], [53, 33, 54, 54]], np.float32)
    share, stretch = outline_share(grey, boxes, np.full(2, KINDS.index('red disc')))
    assert (share > 0.8).all()
    assert 0.9 < stretch[0] < 1.1
    assert 1.0 < stretch[1] < 1.2


def test_features_are_finite_at_the_frames_side_and_match_their_weights() -> None:
    boxes = np.array([[-20, -20, 40, 40], [150, 110, 50, 50]], np.float32)
    found = Candidates(boxes, np.array([0, 1], np.float32), np.zeros(2, int))
    values = features(colour_maps(ring_frame()), found)
    assert values.shape == (2, len(FEATURES))
    assert np.isfinite(values).all()
    assert WEIGHTS.keys() == set(KINDS)
    assert all(len(row) == len(FEATURES) for row in WEIGHTS.values())
    assert len(rated(colour_maps(ring_frame()), Candidates.none())) == 0
