"""Sent against received, told by stamps alone."""

import numpy as np
import pytest

from alexnet_ros.ros.clients.stamp_rate import NOTABLE_LOSS, StampRate

START_NS = 1_750_000_000 * 10**9


def rate_of(hz: float, kept: float, *, jitter_s: float = 0.0, seconds: float = 5.0) -> StampRate:
    """A camera of which a fraction of the images arrives, at random."""
    random = np.random.default_rng(round(hz * 100 + kept * 10))
    found = StampRate()
    for index in range(int(hz * seconds)):
        if random.random() < kept:
            at_s = index / hz + random.normal(0, jitter_s)
            found.add(at_s, START_NS + round(at_s * 1e9))
    return found


@pytest.mark.parametrize('hz', [12.0, 15.0, 30.0, 90.0])
@pytest.mark.parametrize('jitter', [0.0, 0.05])
@pytest.mark.parametrize('kept', [1.0, 0.8, 0.52, 0.45])
def test_rates_are_told_whatever_is_lost(hz: float, jitter: float, kept: float) -> None:
    measured = rate_of(hz, kept, jitter_s=jitter / hz).measure(5.0)
    assert measured is not None
    received, sent = measured
    assert sent == pytest.approx(hz, rel=0.12)
    assert received / sent == pytest.approx(kept, abs=0.13)
    assert (1 - received / sent > NOTABLE_LOSS) == (kept < 0.9)


def test_four_of_five_lost_are_noticed() -> None:
    assert rate_of(30.0, 0.19).loss(5.0) > 0.6
    assert rate_of(30.0, 0.04, seconds=6.0).loss(6.0) > 0.2  # seven arrive in six seconds


@pytest.mark.parametrize('stamp_ns', [0, START_NS])
def test_stamps_that_tell_nothing_are_no_loss(stamp_ns: int) -> None:
    found = StampRate()
    for index in range(100):
        found.add(index / 30, stamp_ns)
    assert found.measure(3.4) is None
    assert found.loss(3.4) == 0.0


def test_stamps_of_another_pace_tell_nothing() -> None:
    found = StampRate()
    for index in range(60):
        found.add(index / 30, START_NS + (index + index % 3) * 10**9)
    assert found.measure(2.0) is None


def test_pause_and_jump_of_the_clock_are_no_loss() -> None:
    found = StampRate()
    for index in range(60):
        jump_ns = 0 if index < 30 else 3600 * 10**9
        found.add(index / 30, START_NS + jump_ns + index * 33_333_333)
    assert found.loss(2.0) == 0.0
    found.clear()
    assert found.measure(2.0) is None
