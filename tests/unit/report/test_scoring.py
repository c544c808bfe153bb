import numpy as np
import pytest

from alexnet_ros.geometry import iou
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition
from alexnet_ros.report.ground_truth import Truth, TruthMark, TruthSpan
from alexnet_ros.report.scoring import Confirmed, Scorer

NAMES = {0: 'red', 1: 'green', 2: 'blue'}
SECOND = 10**9
IMAGE = np.full((48, 64, 3), 90, np.uint8)


def seen(at_s: float, *signs: tuple[int, float], camera: str = '') -> Recognition:
    """Return a frame with signs (class, left edge), 10 px wide; class -1 is unknown."""
    detections = tuple(
        Detection(
            (x, 5.0, 10.0, 10.0),
            Classification((ClassScore(max(c, 0), NAMES[max(c, 0)], 0.9),), unknown=c < 0),
        )
        for c, x in signs
    )
    return Recognition(camera, round(at_s * SECOND), (64, 48), detections)


def confirmed(class_id: int, at_s: float, camera: str = '') -> Confirmed:
    return Confirmed(camera, '1', class_id, round(at_s * SECOND), (0.0, 0.0, 10.0, 10.0))


def test_iou_of_boxes() -> None:
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert iou((0, 0, 2, 2), (1, 0, 2, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 2, 2), (2, 0, 2, 2)) == 0


def test_right_sign_counts_once_and_again_is_false() -> None:
    scorer = Scorer(Truth([TruthSpan('', 1, SECOND, 2 * SECOND)]))
    scorer.add_frame(seen(1.0), IMAGE)
    assert scorer.add_event(confirmed(1, 1.5), IMAGE)
    assert not scorer.add_event(confirmed(1, 1.8), IMAGE)
    scorer.finish()
    figures = scorer.as_json(NAMES, 0)
    assert (figures['event_precision'], figures['event_recall']) == (0.5, 1.0)
    assert figures['spans'][0]['delay_s'] == 0.5
    assert figures['spans'][0]['left_s'] == 0.5
    assert [e for e in figures['errors'] if e['kind'] != 'late'] == [
        {'kind': 'again', 'camera': '', 'at_s': 1.8, 'truth': 'green', 'got': 'green'}
    ]


@pytest.mark.parametrize(
    ('at_s', 'right'), [(6.9, False), (7.1, True), (10.4, True), (10.6, False)]
)
def test_sign_may_be_confirmed_from_farther_than_is_asked(at_s: float, right: bool) -> None:
    scorer = Scorer(Truth([TruthSpan('', 1, 9 * SECOND, 10 * SECOND)]))
    assert scorer.add_event(confirmed(1, at_s), None) == right


def test_wrong_class_misses_and_is_false_with_pictures() -> None:
    scorer = Scorer(Truth([TruthSpan('', 1, SECOND, 2 * SECOND)]))
    for at_s in (0.5, 1.0, 1.5, 3.0):
        scorer.add_frame(seen(at_s), IMAGE)
    assert not scorer.add_event(confirmed(2, 1.5), IMAGE)
    scorer.finish()
    figures = scorer.as_json(NAMES, 0)
    assert (figures['event_precision'], figures['event_recall']) == (0.0, 0.0)
    assert {(e['kind'], e['truth'], e['got']) for e in figures['errors']} == {
        ('missed', 'green', 'nothing'),
        ('false', 'green', 'blue'),
        ('frame', 'green', 'nothing'),
    }
    assert all(error.picture.startswith(b'\xff\xd8') for error in scorer.errors)


def test_other_camera_does_not_count() -> None:
    scorer = Scorer(Truth([TruthSpan('front', 1, 0, SECOND)]))
    assert not scorer.add_event(confirmed(1, 0.5, 'left'), None)
    assert scorer.add_event(confirmed(1, 0.5, 'front'), None)


def test_frames_with_boxes_fill_the_confusion() -> None:
    box = (20.0, 5.0, 10.0, 10.0)
    truth = Truth(marks=[TruthMark('', 1, t * SECOND, box) for t in range(4)])
    scorer = Scorer(truth)
    scorer.add_frame(seen(0, (1, 21.0)), IMAGE)  # right
    scorer.add_frame(seen(1, (2, 21.0), (0, 50.0)), IMAGE)  # wrong, and one too many
    scorer.add_frame(seen(2, (-1, 21.0)), IMAGE)  # unknown
    scorer.add_frame(seen(3, (1, 40.0)), IMAGE)  # right class, wrong place
    scorer.finish()
    figures = scorer.as_json(NAMES, 0)
    assert figures['frame_accuracy'] == 0.25
    assert figures['wrong_reports_per_frame'] == 0.5
    assert {(c['got'], c['frames']) for c in figures['confusion']} == {
        ('green', 1),
        ('blue', 1),
        ('unknown', 1),
        ('nothing', 1),
    }


def test_frames_with_spans_ask_for_the_class_alone() -> None:
    scorer = Scorer(Truth([TruthSpan('', 1, SECOND, 2 * SECOND)]))
    scorer.add_frame(seen(1.0, (1, 0.0)), IMAGE)
    scorer.add_frame(seen(1.5, (2, 0.0)), IMAGE)
    scorer.add_frame(seen(2.2, (1, 0.0)), IMAGE)  # just behind its span: no error
    scorer.add_frame(seen(9.0, (1, 0.0)), IMAGE)
    scorer.finish()
    figures = scorer.as_json(NAMES, 0)
    assert figures['frame_accuracy'] == 0.5
    assert figures['wrong_reports_per_frame'] == 0.5
