import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.config import TrackerSettings
from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection
from alexnet_ros.tracking import MAX_TRACKS, Tracker

NAMES = ('limit 50', 'limit 60', 'stop', 'yield')
BACKGROUND = 4  # the last column; never among the results
SIZE = (1280, 720)
FRAME_NS = 40_000_000


def sight(
    bbox: BBoxXYWH, class_id: int, score: float = 0.95, unknown: bool = False
) -> tuple[Detection, list[float]]:
    """A detection and its log-probabilities of four classes and the background."""
    row = np.full(5, (1 - score) / 4)
    row[class_id] = score
    results = tuple(
        ClassScore(i, NAMES[i], float(row[i])) for i in np.argsort(-row[:4], kind='stable')
    )
    return Detection(bbox, Classification(results, unknown), 0.9), np.log(row).tolist()


def feed(tracker: Tracker, stamp_ns: int, *sights: tuple[Detection, list[float]]):
    rows = np.array([row for _, row in sights], np.float32).reshape(len(sights), 5)
    return tracker.update(stamp_ns, SIZE, [found for found, _ in sights], rows)


def approach(frame: int, side: float = 30.0, x: float = 700.0, y: float = 300.0) -> BBoxXYWH:
    """Box of a sign that comes nearer and moves outwards."""
    scale = 1.06**frame
    return (640 + (x - 640) * scale, 360 + (y - 360) * scale, side * scale, side * scale)


def test_sign_is_confirmed_once_after_enough_agreement() -> None:
    tracker = Tracker(TrackerSettings(confirm_hits=3, confirm_window=5))
    fresh, ids = [], []
    for frame in range(20):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), 2))
        fresh.append(found.newly_confirmed)
        ids.append(found.track_id)
    assert ids == [None, None] + ['1'] * 18
    assert fresh == [False, False, True] + [False] * 17
    assert tracker.count == 1


def test_confirmed_detection_carries_the_evidence_of_all_sights() -> None:
    tracker = Tracker()
    for frame in range(6):
        feed(tracker, frame * FRAME_NS, sight(approach(frame), 0, 0.9))
    (found,) = feed(tracker, 6 * FRAME_NS, sight(approach(6), 1, 0.6))  # one bad sight
    assert found.track_id == '1'
    best = found.classification.best
    assert best is not None
    assert best.class_name == 'limit 50'
    assert best.score > 0.8
    assert len(found.classification.results) == 4


def test_larger_sights_weigh_more() -> None:
    settings = TrackerSettings(confirm_hits=1, confirm_window=1, min_track_score=0.5)
    tracker = Tracker(settings)
    feed(tracker, 0, sight((600, 300, 16, 16), 0, 0.9))
    (found,) = feed(tracker, FRAME_NS, sight((598, 298, 26, 26), 1, 0.9))
    assert found.classification.best.class_name == 'limit 60'


def test_disagreeing_sights_confirm_nothing() -> None:
    tracker = Tracker(TrackerSettings(confirm_hits=3, confirm_window=5))
    for frame in range(20):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), frame % 4))
        assert found.track_id is None


def test_unknown_sights_confirm_nothing() -> None:
    tracker = Tracker()
    for frame in range(20):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), 2, 0.97, unknown=True))
        assert found.track_id is None
        assert found.classification.unknown


def test_background_column_is_never_confirmed() -> None:
    tracker = Tracker()
    for frame in range(20):
        found, row = sight(approach(frame), BACKGROUND, 0.9)
        (out,) = feed(tracker, frame * FRAME_NS, (found, row))
        assert out.track_id is None


def test_unsure_sights_stay_below_the_asked_probability() -> None:
    tracker = Tracker(TrackerSettings(min_track_score=0.99))
    for frame in range(4):
        (found,) = feed(tracker, frame * FRAME_NS, sight((600, 300, 40, 40), 0, 0.35))
        assert found.track_id is None


def test_two_signs_on_one_pole_keep_their_ids() -> None:
    tracker = Tracker()
    for frame in range(15):
        x, y, side, _ = approach(frame)
        above, below = (x, y, side, side), (x, y + side * 1.02, side, side)
        order = [sight(above, 3), sight(below, 0)]
        found = feed(tracker, frame * FRAME_NS, *(order if frame % 2 else order[::-1]))
        named = {d.classification.best.class_name: d.track_id for d in found}
    assert sorted(named.values()) == ['1', '2']
    assert named.keys() == {'yield', 'limit 50'}


def test_gap_shorter_than_patience_keeps_the_track() -> None:
    tracker = Tracker(TrackerSettings(max_missed_s=0.5))
    for frame in range(5):
        feed(tracker, frame * FRAME_NS, sight(approach(frame), 2))
    for frame in range(5, 14):  # 0.36 s unseen
        feed(tracker, frame * FRAME_NS)
    (found,) = feed(tracker, 14 * FRAME_NS, sight(approach(14), 2))
    assert found.track_id == '1'
    assert not found.newly_confirmed


def test_sign_unseen_for_too_long_is_a_new_one() -> None:
    tracker = Tracker(TrackerSettings(max_missed_s=0.5))
    for frame in range(5):
        feed(tracker, frame * FRAME_NS, sight(approach(frame), 2))
    start = 5 * FRAME_NS + 600_000_000
    ids = [
        feed(tracker, start + frame * FRAME_NS, sight(approach(frame), 2))[0].track_id
        for frame in range(4)
    ]
    assert ids == [None, None, '2', '2']


@pytest.mark.parametrize('unseen', [16, 20, 24])  # frames of 40 ms, patience 0.5 s
def test_confirmed_sign_lost_for_a_moment_is_not_confirmed_again(unseen: int) -> None:
    def box(frame: int) -> BBoxXYWH:  # at an even speed, reached in frame 60; trembling boxes
        scale, shake = 60 / (60 - frame), 1 + 0.05 * (-1) ** frame
        return (640 + 60 * scale, 360 - 40 * scale, 20 * scale * shake, 20 * scale)

    tracker = Tracker(TrackerSettings(max_missed_s=0.5))
    for frame in range(12):
        feed(tracker, frame * FRAME_NS, sight(box(frame), 2))
    for frame in range(12, 12 + unseen):
        feed(tracker, frame * FRAME_NS)
    unsure = sight(box(12 + unseen), 2, 0.6, unknown=True)
    feed(tracker, (12 + unseen) * FRAME_NS, unsure)
    for frame in range(13 + unseen, 18 + unseen):
        (found,) = feed(tracker, frame * FRAME_NS, sight(box(frame), 2))
        assert (found.track_id, found.newly_confirmed) == ('1', False)


def test_sign_lost_when_its_motion_was_not_yet_known_is_found_again() -> None:
    tracker = Tracker(TrackerSettings(max_missed_s=0.5))
    for frame, side in enumerate((20, 22, 24)):  # boxes of a far sign: the growth is an error
        feed(tracker, frame * FRAME_NS, sight((700.0 + frame, 330, side, side), 2))
    for frame in range(3, 34):
        feed(tracker, frame * FRAME_NS)
    for frame in range(34, 38):
        (found,) = feed(tracker, frame * FRAME_NS, sight((731.0 + frame - 34, 321, 23, 23), 2))
    assert (found.track_id, found.newly_confirmed) == ('1', False)


def test_lost_sign_gives_its_name_to_no_other() -> None:
    for class_id, side in ((1, 40.0), (2, 20.0)):  # another class; one that is further away
        tracker = Tracker()
        for frame in range(6):
            feed(tracker, frame * FRAME_NS, sight((700, 300, 36, 36), 2))
        for frame in range(26, 30):
            other = sight((700, 300, side, side), class_id)
            (found,) = feed(tracker, frame * FRAME_NS, other)
        assert found.track_id == '2'


def test_uneven_frames_are_followed_by_their_stamps() -> None:
    tracker = Tracker()
    stamp, ids = 0, []
    for step in (1, 2, 1, 4, 1, 3, 2, 5, 1):
        stamp += step
        found = feed(tracker, stamp * FRAME_NS, sight(approach(stamp), 2))
        ids.append(found[0].track_id)
    assert ids[2:] == ['1'] * 7


def test_passed_sign_is_forgotten_at_once() -> None:
    tracker = Tracker(TrackerSettings(max_missed_s=5.0))
    for frame in range(6):
        x = 1000 + frame * 45.0
        feed(tracker, frame * FRAME_NS, sight((x, 300, 60, 60), 2))
    assert tracker.count == 1
    for frame in range(6, 9):
        feed(tracker, frame * FRAME_NS)
    assert tracker.count == 0


def test_time_going_back_resets_and_ids_go_on() -> None:
    tracker = Tracker()
    for frame in range(5):
        feed(tracker, 10**9 + frame * FRAME_NS, sight(approach(frame), 2))
    (found,) = feed(tracker, 0, sight(approach(5), 2))
    assert found.track_id is None
    assert tracker.count == 1
    for frame in range(1, 4):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(5 + frame), 2))
    assert found.track_id == '2'


def test_same_stamp_twice_does_no_harm() -> None:
    tracker = Tracker()
    for _ in range(4):
        (found,) = feed(tracker, 0, sight((600, 300, 40, 40), 2))
    assert found.track_id == '1'


def test_number_of_tracks_is_bounded() -> None:
    tracker = Tracker()
    for frame in range(4):
        many = [
            sight((20.0 * column, 20.0 * row + 100 * (frame % 2), 10, 10), 0)
            for column in range(40)
            for row in range(5)
        ]
        feed(tracker, frame * FRAME_NS, *many)
        assert tracker.count <= MAX_TRACKS


def test_correction_is_reported_under_a_new_id() -> None:
    tracker = Tracker()
    for frame in range(4):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), 1, 0.7))
    assert found.track_id == '1'
    seen = []
    for frame in range(4, 24):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), 0, 0.99))
        seen.append((found.track_id, found.newly_confirmed))
    assert seen[-1] == ('2', False)
    assert sum(fresh for _, fresh in seen) == 1


def test_no_detections_give_none() -> None:
    assert feed(Tracker(), 0) == ()


@pytest.mark.parametrize('hits', [1, 2, 4])
def test_asked_agreement_is_the_first_confirming_frame(hits: int) -> None:
    tracker = Tracker(TrackerSettings(confirm_hits=hits, confirm_window=8))
    for frame in range(8):
        (found,) = feed(tracker, frame * FRAME_NS, sight(approach(frame), 2, 0.99))
        assert (found.track_id is not None) == (frame + 1 >= hits)


boxes = st.tuples(st.floats(-50, 1300), st.floats(-50, 750), st.floats(0, 300), st.floats(0, 300))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**10), st.lists(st.tuples(boxes, st.integers(0, 4)), max_size=6)
        ),
        max_size=12,
    )
)
def test_any_input_keeps_order_and_unique_ids(frames) -> None:
    first, second = Tracker(), Tracker()
    for stamp, items in frames:
        sights = [sight(bbox, class_id) for bbox, class_id in items]
        found = feed(first, stamp, *sights)
        assert [d.bbox_xywh for d in found] == [d.bbox_xywh for d, _ in sights]
        ids = [d.track_id for d in found if d.track_id]
        assert len(ids) == len(set(ids))
        assert found == feed(second, stamp, *sights)  # the same input, the same answer
