import numpy as np
import pytest

from alexnet_ros.training.evaluate import (
    calibration_error,
    figures_from,
    fit_temperature,
    score_limit,
)


def test_figures_of_a_worked_example() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3]])
    truth = np.array([0, 1, 1, 2])
    figures = figures_from(probabilities, truth, np.array([False, True, False, False]))
    assert figures.top1 == 0.5
    assert figures.top5 == 1.0
    assert figures.macro_recall == pytest.approx((1 + 0.5 + 0) / 3)
    assert figures.unknown_rate == 0.25
    assert figures.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]


def test_class_that_does_not_occur_counts_nowhere() -> None:
    figures = figures_from(np.array([[0.9, 0.1, 0.0]]), np.array([0]), np.array([False]))
    assert figures.macro_recall == 1.0
    assert np.isnan(figures.recalls[1:]).all()


def test_calibration_error_is_the_gap_between_score_and_share() -> None:
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0.0)
    assert calibration_error(np.full(10, 0.95), right) == pytest.approx(0.15)


@pytest.mark.parametrize('temperature', [0.45, 1.0, 2.6])
def test_temperature_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 5))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (rng.random((4000, 1)) > shares.cumsum(1)).sum(1).clip(0, 4)
    assert fit_temperature(logits * temperature, truth) == pytest.approx(temperature, rel=0.12)


def test_limit_lets_few_negatives_through_but_never_loses_many_known() -> None:
    rng = np.random.default_rng(0)
    known, none = rng.uniform(0.8, 1, 5000), rng.uniform(0, 0.5, 5000)
    limit = score_limit(known, none, accepted=0.002)
    assert 0.49 < limit < 0.5
    hard = rng.uniform(0, 1, 5000)
    limit = score_limit(hard, np.ones(100), rejected=0.006)
    assert (hard < limit).mean() <= 0.006
