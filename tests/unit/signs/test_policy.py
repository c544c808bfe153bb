import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection
from alexnet_ros.signs.policy import distinct, sign_results, weighed

BACKGROUND = 3
boxes = st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(1, 300)] * 2)


def candidate(
    row: list[float], region_score: float, bbox: BBoxXYWH = (0, 0, 50, 50), unknown: bool = False
) -> tuple[Detection, np.ndarray]:
    order = np.argsort(-np.array(row[:BACKGROUND]), kind='stable')
    results = tuple(ClassScore(int(i), f'class {i}', row[i]) for i in order)
    found = Detection(bbox, Classification(results, unknown), region_score)
    return found, np.log(np.array(row, np.float32))


def told(*items: tuple[Detection, np.ndarray], min_score: float = 0.7):
    rows = np.array([row for _, row in items]).reshape(len(items), BACKGROUND + 1)
    return sign_results([found for found, _ in items], rows, BACKGROUND, min_score)


def test_sure_sign_on_a_good_candidate_keeps_its_score() -> None:
    result = told(candidate([0.02, 0.95, 0.01, 0.02], 0.9))
    assert result.detections[0].classification.best.score == pytest.approx(0.95, abs=1e-3)
    assert result.rows.tolist() == [0]


def test_same_word_about_a_poor_candidate_is_not_believed() -> None:
    assert told(candidate([0.02, 0.95, 0.01, 0.02], 0.005)).detections == []


def test_very_sure_word_outweighs_a_poor_candidate() -> None:
    result = told(candidate([0.0001, 0.9997, 0.0001, 0.0001], 0.02))
    assert result.detections[0].classification.best.class_id == 1
    assert 0.7 < result.detections[0].classification.best.score < 0.999


def test_good_candidate_does_not_turn_background_into_a_sign() -> None:
    assert told(candidate([0.3, 0.05, 0.05, 0.6], 0.999)).detections == []


def test_signlike_candidate_without_class_is_unknown() -> None:
    weak = candidate([0.4, 0.3, 0.2, 0.1], 0.9)
    strange = candidate([0.9, 0.04, 0.03, 0.03], 0.9, (200, 0, 50, 50), unknown=True)
    result = told(weak, strange)
    assert [found.classification.unknown for found in result.detections] == [True, True]


def test_unknown_on_a_poor_candidate_is_dropped() -> None:
    assert told(candidate([0.4, 0.3, 0.2, 0.1], 0.2)).detections == []


def test_two_candidates_of_one_sign_are_reported_once_by_the_surer() -> None:
    result = told(
        candidate([0.8, 0.1, 0.05, 0.05], 0.9, (0, 0, 60, 60)),
        candidate([0.98, 0.01, 0.005, 0.005], 0.9, (5, 5, 48, 48)),
    )
    assert result.rows.tolist() == [1]


def test_model_without_background_is_judged_by_its_scores_alone() -> None:
    found, row = candidate([0.9, 0.05, 0.03, 0.02], 0.01)
    result = sign_results([found], row[None], None, 0.7)
    assert result.detections[0].classification.best.class_id == 0


def test_no_candidates_give_nothing() -> None:
    result = told()
    assert result.detections == []
    assert result.log_probs.shape == (0, BACKGROUND + 1)


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.floats(0, 1))
def test_weighed_rows_are_probabilities_and_never_favour_signs(values, score) -> None:
    row = np.log(np.array([values], np.float32) / sum(values))
    joint = np.exp(weighed(row, np.array([score], np.float32), BACKGROUND))
    assert joint.sum() == pytest.approx(1, abs=1e-4)
    assert joint[0, BACKGROUND] >= np.exp(row)[0, BACKGROUND] - 1e-4


@given(st.lists(st.tuples(boxes, st.floats(0, 1)), max_size=12))
def test_distinct_keeps_the_best_of_each_place(items) -> None:
    kept = distinct([box for box, _ in items], [rank for _, rank in items])
    assert kept == sorted(kept)
    if items:
        ranks = [rank for _, rank in items]
        assert ranks.index(max(ranks)) in kept


def test_distinct_drops_a_box_inside_a_better_one() -> None:
    outer, inner = (0.0, 0.0, 100.0, 100.0), (20.0, 20.0, 50.0, 50.0)
    apart = (200.0, 0.0, 9.0, 9.0)
    assert distinct([inner, outer, apart], [0.5, 0.9, 0.1]) == [1, 2]
    assert distinct([inner, outer, apart], [0.9, 0.5, 0.1]) == [0, 2]
