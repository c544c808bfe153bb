"""What a track knows of its sign: motion, likeness and evidence, by numbers."""

import math
from collections import deque

import numpy as np
import pytest

from alexnet_ros.config import TrackerSettings
from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection
from alexnet_ros.tracking import (
    FULL_WEIGHT_PX,
    KEEP,
    MAX_SIGHTS,
    MIN_LOG,
    MOTION_S,
    Tracker,
    _likeness,
    _Track,
)
from tests.unit.test_tracking import feed, sight

S = 1_000_000_000


def track(bbox: BBoxXYWH = (100.0, 50.0, 30.0, 40.0), seen_ns: int = 0) -> _Track:
    return _Track(bbox, seen_ns, np.zeros(3, np.float32), 0.0, deque(maxlen=5))


def test_without_motion_a_sign_is_expected_where_it_was() -> None:
    assert track().predicted(7 * S) == pytest.approx((100, 50, 30, 40))


def test_speed_moves_the_middle_and_keeps_the_size() -> None:
    one = track(seen_ns=S)
    one.speed = [8.0, -6.0]
    assert one.predicted(3 * S + S // 2) == pytest.approx((120, 35, 30, 40))


def test_growth_enlarges_about_a_middle_that_moves_with_it() -> None:
    one = track()
    one.speed, one.growth = [8.0, -6.0], 0.5
    # Half of the time left has gone by: twice as large, and as far as 2 s would bring it.
    assert one.predicted(S) == pytest.approx((115 + 16 - 30, 70 - 12 - 40, 60, 80))


@pytest.mark.parametrize(('growth', 'after_s', 'scale'), [(0.5, 3.0, 2.5), (-0.5, 4.0, 0.5)])
def test_growth_is_bounded_either_way(growth: float, after_s: float, scale: float) -> None:
    one = track()
    one.growth = growth
    _, _, width, height = one.predicted(int(after_s * S))
    assert (width, height) == pytest.approx((30 * scale, 40 * scale))


@pytest.mark.parametrize('sights', [1, 2, 20])
@pytest.mark.parametrize('after_s', [0.02, 0.5])
def test_motion_is_averaged_over_sights_at_first_and_over_time_then(
    sights: int, after_s: float
) -> None:
    one = track()
    one.sights, one.speed, one.growth = sights, [4.0, -2.0], 0.25
    one.move((109.0, 40.0, 33.0, 48.0), int(after_s * S))
    share = max(1 / (sights + 1), 1 - math.exp(-after_s / MOTION_S))
    seen = (125.5 - 115) / after_s, (64 - 70) / after_s
    assert one.speed == pytest.approx([4 + share * (seen[0] - 4), -2 + share * (seen[1] + 2)])
    rate = min(3.0, math.log(math.sqrt(33 * 48 / 1200)) / after_s)
    assert one.growth == pytest.approx(0.25 + share * (rate - 0.25))
    assert (one.bbox, one.seen_ns) == ((109.0, 40.0, 33.0, 48.0), int(after_s * S))
    assert one.sights == sights + 1


@pytest.mark.parametrize('at_ns', [5 * S, 4 * S])
def test_no_time_gone_by_teaches_no_motion(at_ns: int) -> None:
    one = track(seen_ns=5 * S)
    one.move((200.0, 50.0, 30.0, 40.0), at_ns)
    assert (one.speed, one.growth, one.sights) == ([0.0, 0.0], 0.0, 2)
    assert one.seen_ns == at_ns


@pytest.mark.parametrize(('width', 'height', 'growth'), [(3e4, 4e4, 3.0), (0.0, 4.0, -3.0)])
def test_a_leap_in_size_is_a_bounded_growth(width: float, height: float, growth: float) -> None:
    one = track()
    one.move((100.0, 50.0, width, height), S)
    assert one.growth == pytest.approx(growth * (1 - math.exp(-1 / MOTION_S)))


@pytest.mark.parametrize(
    ('second', 'unsure', 'wanted'),
    [
        ((100, 50, 30, 40), 0.5, 1.0),
        ((107, 50, 30, 40), 0.5, 1 - 7 / 17.5),
        ((100, 57, 30, 40), 0.5, 1 - 7 / 17.5),
        ((103, 54, 30, 40), 0.9, 1 - 5 / 31.5),
        ((118, 50, 30, 40), 0.5, 0.0),
        ((115 - 22.5, 70 - 30, 45, 60), 0.5, 2 / 3),  # the same middle, half as large again
        ((115 - 10, 70 - 40 / 3, 20, 80 / 3), 0.5, 2 / 3),
        ((115 - 27.5, 70 - 36.5, 55, 73), 0.5, 0.0),  # more than 1.8 times as large
        ((115, 70, 0, 40), 0.5, 0.0),
    ],
)
def test_likeness_falls_with_distance_and_difference_in_size(
    second: BBoxXYWH, unsure: float, wanted: float
) -> None:
    assert _likeness((100, 50, 30, 40), second, unsure) == pytest.approx(wanted)


def test_evidence_is_weighed_by_size_and_fades() -> None:
    one = track()
    first, second = np.log(np.float32([0.7, 0.2, 0.1])), np.log(np.float32([0.2, 0.7, 0.1]))
    one.learn(first, FULL_WEIGHT_PX / 4, known=True)
    one.learn(second, 2 * FULL_WEIGHT_PX, known=True)
    assert one.weight == pytest.approx(0.25 * KEEP + 1)
    assert one.evidence == pytest.approx(0.25 * KEEP * first + second)
    one.learn(first, FULL_WEIGHT_PX, known=False)
    assert one.weight == pytest.approx((0.25 * KEEP + 1) * KEEP)
    logits = one.evidence * min(1.0, MAX_SIGHTS / one.weight)
    assert one.probabilities == pytest.approx(np.exp(logits) / np.exp(logits).sum(), rel=1e-5)


def test_one_sight_cannot_exclude_a_class_for_good() -> None:
    one = track()
    one.learn(np.float32([0.0, -1e9, -1e9]), FULL_WEIGHT_PX, known=True)
    assert one.evidence == pytest.approx([0, MIN_LOG, MIN_LOG])


@pytest.mark.parametrize(
    ('bbox', 'stays'),
    [
        ((-14.0, 300.0, 30.0, 60.0), True),
        ((-16.0, 300.0, 30.0, 60.0), False),
        ((300.0, -29.0, 30.0, 60.0), True),
        ((300.0, -31.0, 30.0, 60.0), False),
        ((1264.0, 300.0, 30.0, 60.0), True),
        ((1266.0, 300.0, 30.0, 60.0), False),
        ((300.0, 689.0, 30.0, 60.0), True),
        ((300.0, 691.0, 30.0, 60.0), False),
    ],
)
def test_a_sign_is_past_when_its_middle_leaves_the_frame(bbox: BBoxXYWH, stays: bool) -> None:
    tracker = Tracker()
    feed(tracker, 0, sight(bbox, 2))
    feed(tracker, S // 10)
    assert tracker.count == int(stays)


def test_patience_ends_at_its_length() -> None:
    for over_ns, count in ((0, 1), (1, 0)):
        tracker = Tracker(TrackerSettings(max_missed_s=0.5))
        feed(tracker, S, sight((600.0, 300.0, 30.0, 40.0), 2))
        feed(tracker, S + S // 2 + over_ns)
        assert tracker.count == count


def owned(
    one: _Track, at_ns: int, boxes: list[BBoxXYWH], classes: list[int | None]
) -> dict[int, _Track]:
    """Return which of some boxes, of these classes (None: unknown), a track is found in."""
    tracker = Tracker(TrackerSettings(max_missed_s=0.5))
    tracker._tracks = [one]
    found = [
        Detection(box, Classification(() if i is None else (ClassScore(i, 'a', 0.9),), i is None))
        for box, i in zip(boxes, classes, strict=True)
    ]
    return tracker._matched(at_ns, found)


@pytest.mark.parametrize(
    ('sights', 'unseen_s', 'confirmed', 'seen', 'reach_px'),
    [
        (1, 0.1, None, 1, 36.0),  # no speed is known
        (2, 0.1, None, 1, 18.0),
        (2, 0.3, None, 1, 26.0),
        (2, 0.5, None, 1, 34.0),
        (2, 0.1, 1, 1, 36.0),  # twice for what it is known to be
        (2, 0.1, 1, 2, 18.0),
        (2, 0.1, None, None, 18.0),
        (2, 0.51, 1, 1, 68.8),  # lost
        (2, 0.6, 1, None, 72.0),
        (2, 0.6, 1, 2, 0.0),
    ],
)
def test_how_far_from_where_it_is_expected_a_sign_may_be(
    sights: int, unseen_s: float, confirmed: int | None, seen: int | None, reach_px: float
) -> None:
    one = track((100.0, 100.0, 40.0, 40.0))
    one.sights, one.confirmed = sights, confirmed
    for away, is_found in ((reach_px - 0.2, reach_px > 0), (reach_px + 0.2, False)):
        for x, y in ((100 + away, 100.0), (100 - away, 100.0), (100.0, 100 + away)):
            box = (x, y, 40.0, 40.0)
            assert (owned(one, round(unseen_s * S), [box], [seen]) == {0: one}) == is_found, away


@pytest.mark.parametrize(('side', 'is_found'), [(34.1, True), (33.9, False)])
def test_a_lost_sign_is_not_found_in_one_that_is_farther_away(side: float, is_found: bool) -> None:
    one = track((100.0, 100.0, 40.0, 40.0))
    one.sights, one.confirmed = 2, 1
    box = (120 - side / 2, 120 - side / 2, side, side)
    assert bool(owned(one, round(0.6 * S), [box], [1])) == is_found
    assert owned(one, round(0.4 * S), [box], [1])  # while it is not lost, size may fall


@pytest.mark.parametrize(('away', 'row'), [(2.0, 1), (3.0, 0)])
def test_a_box_of_the_same_class_is_preferred_to_one_a_little_nearer(
    away: float, row: int
) -> None:
    """Likeness 0.66 and 0.2 for the class, against 1 - away / 18."""
    one = track((100.0, 100.0, 40.0, 40.0))
    one.sights, one.confirmed = 2, 1
    boxes = [(100 - 12.2, 100.0, 40.0, 40.0), (100 + away, 100.0, 40.0, 40.0)]
    assert list(owned(one, S // 10, boxes, [1, 2])) == [row]


def test_a_confirmed_sign_is_remembered_for_four_times_as_long() -> None:
    for over_ns, count in ((0, 1), (1, 0)):
        tracker = Tracker(TrackerSettings(max_missed_s=0.5))
        one = track((600.0, 300.0, 30.0, 40.0))
        one.track_id = '1'
        tracker._tracks = [one]
        feed(tracker, 2 * S + over_ns)
        assert tracker.count == count


def test_a_frame_without_the_sign_counts_as_one_that_disagrees() -> None:
    settings = TrackerSettings(confirm_hits=3, confirm_window=3, max_missed_s=1.0)
    tracker, box = Tracker(settings), (600.0, 300.0, 60.0, 60.0)
    told = []
    for frame, there in enumerate((True, True, False, True, True, True)):
        found = feed(tracker, S + frame * S // 20, *([sight(box, 2)] if there else []))
        told += [one.newly_confirmed for one in found]
    assert told == [False, False, False, False, True]


def test_a_probability_rests_on_no_more_than_three_full_sights() -> None:
    one = track()
    row = np.log(np.array([0.2, 0.5, 0.3], np.float32))
    for _ in range(40):
        one.learn(row, FULL_WEIGHT_PX, known=True)
    assert one.weight > 2 * MAX_SIGHTS
    expected = np.exp(MAX_SIGHTS * row)
    assert one.probabilities == pytest.approx(expected / expected.sum(), abs=1e-4)
