import json
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.config import FinderSettings
from alexnet_ros.geometry import clip_to_frame, pairwise_iou
from alexnet_ros.regions import SignFinder
from alexnet_ros.signs.candidates import Candidates, merged
from tests.shared_data import shared

RED, BLUE, YELLOW, WHITE = (190, 30, 35), (25, 75, 170), (235, 180, 30), (235, 235, 235)


def corners(count: int, start_deg: float, middle, radius: float) -> np.ndarray:
    angle = np.deg2rad(start_deg + np.arange(count) * 360 / count)
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * radius + middle
    return np.round(points * 16).astype(np.int32)


def fill(frame: np.ndarray, points: np.ndarray, colour) -> None:
    cv2.fillPoly(frame, [points], colour, cv2.LINE_AA, 4)


def put_sign(frame: np.ndarray, kind: str, middle, side: float) -> tuple[float, ...]:
    """Draw one sign; return its tight box xywh."""
    count, start, rim, face = {
        'limit': (40, 0, RED, WHITE),
        'caution': (3, -90, RED, WHITE),
        'yield': (3, 90, RED, WHITE),
        'yellow yield': (3, 90, RED, YELLOW),
        'stop': (8, 22.5, RED, RED),
        'no entry': (40, 0, RED, RED),
        'keep right': (40, 0, BLUE, BLUE),
        'priority': (4, 0, WHITE, YELLOW),
        'end of limits': (40, 0, (60, 60, 60), WHITE),
    }[kind]
    radius = side / 2 if count > 4 else side / (3**0.5 if count == 3 else 2)
    outer = corners(count, start, middle, radius)
    fill(frame, outer, rim)
    share = {3: 0.58, 4: 0.55}.get(count, 0.94 if kind == 'end of limits' else 0.76)
    if face != rim:
        fill(frame, corners(count, start, middle, radius * share), face)
    if kind in {'stop', 'no entry'}:
        half = (round(side * 0.38), round(side * 0.09))
        cv2.rectangle(
            frame,
            (int(middle[0]) - half[0], int(middle[1]) - half[1]),
            (int(middle[0]) + half[0], int(middle[1]) + half[1]),
            WHITE,
            -1,
        )
    if kind == 'limit':
        cv2.putText(
            frame,
            '50',
            (int(middle[0] - side * 0.24), int(middle[1] + side * 0.14)),
            cv2.FONT_HERSHEY_SIMPLEX,
            side / 75,
            (20, 20, 20),
            max(1, round(side / 18)),
        )
    x, y, width, height = cv2.boundingRect((outer / 16).astype(np.float32))
    return float(x), float(y), float(width), float(height)


def road(width: int = 1280, height: int = 720, seed: int = 0) -> np.ndarray:
    """A frame of sky, trees and asphalt with texture."""
    rng = np.random.default_rng(seed)
    frame = np.full((height, width, 3), (95, 95, 100), np.uint8)
    frame[: height // 3] = (170, 190, 215)
    frame[height // 3 : height // 2] = (60, 80, 50)
    noise = cv2.resize(
        rng.normal(0, 10, (height // 3, width // 3, 3)).astype(np.float32), (width, height)
    )
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def best_overlap(regions, box) -> float:
    found = np.array([region.bbox_xywh for region in regions], np.float32).reshape(-1, 4)
    return float(pairwise_iou(found, np.array([box], np.float32)).max(initial=0))


KINDS = (
    'limit',
    'caution',
    'yield',
    'yellow yield',
    'stop',
    'no entry',
    'keep right',
    'priority',
    'end of limits',
)


@pytest.mark.parametrize('side', [36, 60, 120, 300])
@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_of_sign_is_found_at_every_size(kind: str, side: int) -> None:
    frame = road()
    box = put_sign(frame, kind, (800, 300), side)
    regions = SignFinder().find(frame)
    assert best_overlap(regions, box) > 0.6
    assert all(region.kind == 'sign' for region in regions)


@pytest.mark.parametrize('gain', [0.2, 0.5, 1.0, 1.3])
@pytest.mark.parametrize('kind', ['limit', 'yield', 'keep right', 'stop'])
def test_signs_are_found_from_dusk_to_glare(kind: str, gain: float) -> None:
    frame = road()
    box = put_sign(frame, kind, (500, 260), 70)
    lit = np.clip(frame * np.float32(gain), 0, 255).astype(np.uint8)
    assert best_overlap(SignFinder().find(lit), box) > 0.6


@pytest.mark.parametrize(
    ('upper', 'lower'), [('caution', 'limit'), ('yield', 'keep right'), ('limit', 'limit')]
)
def test_signs_that_touch_on_one_pole_are_told_apart(upper: str, lower: str) -> None:
    frame = road()
    above = put_sign(frame, upper, (700, 200), 80)
    below = put_sign(frame, lower, (700, above[1] + above[3] + 39), 80)
    regions = SignFinder().find(frame)
    assert best_overlap(regions, above) > 0.5
    assert best_overlap(regions, below) > 0.5


@pytest.mark.parametrize('tilt', [-10, 10])
@pytest.mark.parametrize('kind', ['limit', 'caution', 'yield', 'keep right'])
def test_tilted_signs_are_found(kind: str, tilt: float) -> None:
    frame = road()
    box = put_sign(frame, kind, (640, 360), 90)
    turned = cv2.warpAffine(frame, cv2.getRotationMatrix2D((640, 360), tilt, 1), (1280, 720))
    assert best_overlap(SignFinder().find(turned), box) > 0.55


@pytest.mark.parametrize('pole', [(30, 80, 165), (180, 40, 45)])
def test_sign_on_a_pole_of_its_colour_is_found_without_the_pole(pole) -> None:
    frame = road()
    kind = 'keep right' if pole[2] > 100 else 'no entry'
    cv2.rectangle(frame, (596, 300), (604, 700), pole, -1)
    box = put_sign(frame, kind, (600, 280), 70)
    assert best_overlap(SignFinder().find(frame), box) > 0.6


def test_partly_hidden_limit_is_found() -> None:
    frame = road()
    box = put_sign(frame, 'limit', (600, 300), 100)
    cv2.rectangle(frame, (632, 200), (646, 720), (120, 118, 110), -1)  # a pole before it
    assert best_overlap(SignFinder().find(frame), box) > 0.5


def test_empty_road_gives_little_and_plain_frames_nothing() -> None:
    assert len(SignFinder().find(road())) <= 6
    for level in (0, 128, 255):
        assert SignFinder().find(np.full((540, 960, 3), level, np.uint8)) == []


@pytest.mark.parametrize('size_wh', [(1, 1), (7, 5), (33, 64), (641, 479), (1921, 1081)])
def test_any_frame_size_is_taken(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    for region in SignFinder(FinderSettings(min_candidate_score=0.0)).find(frame):
        x, y, wide, tall = region.bbox_xywh
        assert x >= 0
        assert y >= 0
        assert x + wide <= width + 1e-3
        assert y + tall <= height + 1e-3
        assert 0 <= region.score <= 1


def test_read_only_and_padded_frames_are_taken_and_left_alone() -> None:
    padded = np.zeros((720, 1300, 3), np.uint8)
    frame = padded[:, :1280]
    frame[:] = road()
    box = put_sign(frame, 'limit', (800, 300), 60)
    before = frame.copy()
    frame.flags.writeable = False
    assert best_overlap(SignFinder().find(frame), box) > 0.6
    assert (frame == before).all()


def test_same_frame_gives_same_candidates_best_first() -> None:
    frame = road()
    for place, kind in enumerate(KINDS):
        put_sign(frame, kind, (80 + 130 * place, 300), 80)
    finder = SignFinder()
    first = finder.find(frame)
    assert first == finder.find(frame)
    scores = [region.score for region in first]
    assert scores == sorted(scores, reverse=True)


def test_one_finder_serves_several_threads() -> None:
    frames = [road(640, 480, seed) for seed in range(4)]
    for number, frame in enumerate(frames):
        put_sign(frame, KINDS[number], (200 + 90 * number, 200), 60 + 10 * number)
    finder = SignFinder()
    alone = [finder.find(frame) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(finder.find, frames * 3)) == alone * 3


def test_settings_bound_number_size_and_score() -> None:
    frame = road()
    for place, kind in enumerate(KINDS):
        put_sign(frame, kind, (80 + 130 * place, 300), 80)
    assert len(SignFinder(FinderSettings(max_regions=3)).find(frame)) == 3
    few = SignFinder(FinderSettings(min_candidate_score=0.9)).find(frame)
    assert all(region.score >= 0.9 for region in few)
    large = SignFinder(FinderSettings(min_size_px=100)).find(frame)
    assert all(min(region.bbox_xywh[2:]) >= 100 for region in large)


def test_clipped_outside_is_empty() -> None:
    assert clip_to_frame((200.0, 10.0, 20.0, 20.0), (100, 50))[2] == 0


boxes = st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(1, 300)] * 2)


@given(st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=20))
def test_merged_candidates_do_not_overlap_and_only_gain(items) -> None:
    first = np.array([box for box, _ in items], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in items], np.float32)
    kept = merged(Candidates(first, scores, np.zeros(len(items), np.intp)), 0.45)
    mutual = pairwise_iou(kept.boxes, kept.boxes)
    assert (mutual[~np.eye(len(kept), dtype=bool)] < 0.45).all()
    if items:
        assert kept.scores.max() >= scores.max() - 1e-6
    assert (np.diff(kept.scores) <= 1e-6).all()
    assert ((kept.scores >= -1e-6) & (kept.scores <= 1)).all()


def test_real_road_frames_have_their_signs_among_the_candidates() -> None:
    folder = shared('road')
    wanted = found = 0
    for name, signs in json.loads((folder / 'annotations.json').read_text()).items():
        frame = cv2.cvtColor(cv2.imread(str(folder / name)), cv2.COLOR_BGR2RGB)
        regions = SignFinder().find(frame)
        for sign in signs:
            if sign['gtsrb'] is not None and not sign['ignore'] and sign['bbox'][2] >= 32:
                wanted += 1
                found += best_overlap(regions, sign['bbox']) >= 0.5
    assert found >= 0.8 * wanted
