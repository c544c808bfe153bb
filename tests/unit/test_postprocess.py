import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from alexnet_ros.errors import EngineRunError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import ScoreSpec
from alexnet_ros.postprocess import (
    MIN_LOG,
    classifications_from_logits,
    correlated,
    free_energies,
    log_probabilities,
)
from tests.models import labels_of

FOUR = labels_of(4)
ROW = np.array([[2.0, 0.0, 1.0, -1.0]], np.float32)


def test_best_classes_come_first_with_their_probabilities() -> None:
    found, log_probs = classifications_from_logits(ROW, FOUR, ScoreSpec(), top_k=3)
    expected = np.exp(ROW[0]) / np.exp(ROW[0]).sum()
    assert [score.class_id for score in found[0].results] == [0, 2, 1]
    assert [score.class_name for score in found[0].results] == ['red', 'blue', 'green']
    assert [s.score for s in found[0].results] == pytest.approx(expected[[0, 2, 1]], abs=1e-6)
    assert not found[0].unknown
    assert found[0].best == found[0].results[0]
    assert found[0].energy == pytest.approx(-np.log(np.exp(ROW[0]).sum()), abs=1e-5)
    assert log_probs.dtype == np.float32
    assert np.exp(log_probs[0]) == pytest.approx(expected, abs=1e-6)


def test_temperature_softens_but_keeps_the_order_and_the_energy() -> None:
    sharp = classifications_from_logits(ROW, FOUR, ScoreSpec())[0][0]
    soft = classifications_from_logits(ROW, FOUR, ScoreSpec(temperature=4.0))[0][0]
    assert soft.results[0].score < sharp.results[0].score
    assert [s.class_id for s in soft.results] == [s.class_id for s in sharp.results]
    assert soft.energy == sharp.energy


@pytest.mark.parametrize(
    ('scores', 'threshold', 'unknown'),
    [
        (ScoreSpec(), 0.0, False),
        (ScoreSpec(score=0.6), 0.0, False),  # the best probability is 0.644
        (ScoreSpec(score=0.7), 0.0, True),
        (ScoreSpec(), 0.7, True),
        (ScoreSpec(score=0.7), 0.1, True),
        (ScoreSpec(energy=-2.0), 0.0, False),  # the energy is -2.44
        (ScoreSpec(energy=-3.0), 0.0, True),
        (ScoreSpec(unknown_class_id=0), 0.0, True),
        (ScoreSpec(unknown_class_id=2), 0.0, False),
    ],
)
def test_each_rule_of_unknown(scores: ScoreSpec, threshold: float, unknown: bool) -> None:
    found = classifications_from_logits(ROW, FOUR, scores, score_threshold=threshold)[0][0]
    assert found.unknown is unknown
    assert (found.best is None) is unknown
    assert found.results  # kept for the user


@pytest.mark.parametrize(
    ('usual', 'unknown'),
    [
        ((2, 0, 1, -1), False),
        ((20, 10, 15, 5), False),  # only the pattern counts, not its height and strength
        ((2, 1, 0, -1), False),  # correlation 0.8
        ((2, -1, -1, 0), True),  # 0.55
    ],
)
def test_logits_unlike_those_usual_for_the_class_are_unknown(
    usual: tuple[int, ...], unknown: bool
) -> None:
    centres = np.zeros((4, 4), np.float32)
    centres[0] = correlated(np.array([usual], np.float32))
    scores = ScoreSpec(similarity=0.7, centres=centres)
    (found,), _ = classifications_from_logits(ROW, FOUR, scores)
    assert found.unknown is unknown
    assert found.results[0].class_id == 0


def test_unknown_class_is_never_among_the_results() -> None:
    found, log_probs = classifications_from_logits(
        ROW, FOUR, ScoreSpec(unknown_class_id=0), top_k=10
    )
    assert [score.class_id for score in found[0].results] == [2, 1, 3]
    assert log_probs.shape == (1, 4)
    assert sum(score.score for score in found[0].results) < 0.5


def test_model_of_nothing_but_the_unknown_class_knows_nothing() -> None:
    found, _ = classifications_from_logits(ROW[:, :1], labels_of(1), ScoreSpec(unknown_class_id=0))
    assert found[0].unknown
    assert found[0].results == ()


def test_empty_batch_gives_nothing() -> None:
    found, log_probs = classifications_from_logits(ROW[:0], FOUR, ScoreSpec())
    assert found == []
    assert log_probs.shape == (0, 4)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_non_finite_logits_are_refused(value: float) -> None:
    logits = ROW.copy()
    logits[0, 1] = value
    with pytest.raises(EngineRunError, match='NaN or infinite'):
        classifications_from_logits(logits, FOUR, ScoreSpec())


@pytest.mark.parametrize('labels', [3, 5])
def test_another_number_of_classes_is_refused(labels: int) -> None:
    with pytest.raises(EngineRunError, match=rf'expected logits \(N, {labels}\), got \(1, 4\)'):
        classifications_from_logits(ROW, labels_of(labels), ScoreSpec())


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(2, 9)),
        elements=st.floats(-(2.0**127), 2.0**127, width=32),
    ),
    st.floats(0.05, 50.0),
)
def test_any_finite_logits_give_probabilities(
    logits: NDArray[np.float32], temperature: float
) -> None:
    labels = labels_of(logits.shape[1])
    found, log_probs = classifications_from_logits(
        logits, labels, ScoreSpec(temperature=temperature), top_k=9
    )
    assert np.exp(log_probs.astype(float)).sum(1) == pytest.approx(1.0, abs=1e-4)
    for row in found:
        scores = [score.score for score in row.results]
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert scores == sorted(scores, reverse=True)
        assert len({score.class_id for score in row.results}) == len(labels)


@pytest.mark.parametrize('digits', [1, 6], ids=['with equals', 'without'])
def test_thousands_of_classes_are_ordered_as_few_are(digits: int) -> None:
    labels = Labels(Label(i, f'class {i}', '') for i in range(2000))
    logits = np.random.default_rng(0).normal(size=(3, 2000)).astype(np.float32).round(digits)
    found, _ = classifications_from_logits(logits, labels, ScoreSpec(), top_k=5)
    for row, values in zip(found, logits, strict=True):
        best = np.argsort(-values, kind='stable')[:5]  # of equals the first ids
        assert [score.class_id for score in row.results] == best.tolist()


def test_patterns_have_mean_0_and_length_1_and_a_flat_row_has_none() -> None:
    rows = correlated(np.float32([[5.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]))
    assert rows[0] == pytest.approx(np.float32([3, -1, -1, -1]) / np.sqrt(12))
    assert rows[1].tolist() == [0.0] * 4


def test_each_class_on_its_own_has_the_probability_of_its_logit() -> None:
    logs = log_probabilities(np.float32([[0.0, 3.0, -3.0, -5000.0]]), 2.0, 'sigmoid')
    assert logs.min() == MIN_LOG == -1000.0
    assert np.exp(logs)[0] == pytest.approx(
        [0.5, 1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(1.5)), 0.0]
    )


def test_energy_and_probabilities_survive_large_logits() -> None:
    large = np.array([[1000.0, 999.0]], np.float32)
    assert free_energies(large)[0] == pytest.approx(-1000.3133, abs=1e-3)
    assert np.exp(log_probabilities(large))[0] == pytest.approx([0.7311, 0.2689], abs=1e-4)
