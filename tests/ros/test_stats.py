import pytest

from alexnet_ros.ros.diagnostics import CONFIRMATIONS, Watchdog
from alexnet_ros.ros.stats import CameraStats, Rate, Samples


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_rate_of_a_steady_camera() -> None:
    rate = Rate()
    for step in range(301):
        rate.add(step / 30)
    assert rate.hz(10.0) == pytest.approx(30.0, rel=0.02)


def test_rate_falls_to_zero_when_nothing_comes() -> None:
    rate = Rate()
    rate.add(0.0)
    assert rate.hz(60.0) == 0.0
    assert Rate().hz(1.0) == 0.0


def test_samples_give_percentiles_of_the_newest() -> None:
    samples = Samples()
    for value in range(1000):
        samples.add('engine', float(value))
    p50, p95, p99 = samples.percentiles()['engine']
    assert 744 <= p50 < p95 < p99 <= 999
    samples.clear()
    assert not samples.percentiles()


def test_stamps_that_go_back_are_counted() -> None:
    stats = CameraStats()
    for stamp in (5, 6, 1, 2):
        stats.on_image(stamp)
    assert stats.stamp_jumps == 1


def test_silence_counts_from_the_restart_until_an_image_comes() -> None:
    clock = Clock()
    stats = CameraStats(clock)
    clock.now_s += 3.0
    assert stats.silent_s() == pytest.approx(3.0)
    stats.on_image(1)
    clock.now_s += 1.0
    assert stats.silent_s() == pytest.approx(1.0)
    stats.restart()
    assert stats.silent_s() == 0.0


def test_watchdog_wants_a_hang_confirmed() -> None:
    watchdog = Watchdog(Clock())
    looks = [watchdog.hang(11.0, 10.0, active=True) for _ in range(CONFIRMATIONS)]
    assert looks[:-1] == [''] * (CONFIRMATIONS - 1)
    assert '11.0 s' in looks[-1]


def test_watchdog_forgets_a_process_that_was_only_paused() -> None:
    watchdog = Watchdog(Clock())
    assert not watchdog.hang(11.0, 10.0, active=True)
    for _ in range(CONFIRMATIONS):
        assert not watchdog.hang(0.0, 10.0, active=True)


def test_watchdog_minds_the_executor_only_while_active() -> None:
    clock = Clock()
    watchdog = Watchdog(clock)
    clock.now_s += 60.0
    for _ in range(CONFIRMATIONS + 1):
        assert not watchdog.hang(0.0, 10.0, active=False)
    assert [bool(watchdog.hang(0.0, 10.0, active=True)) for _ in range(CONFIRMATIONS)][-1]
    watchdog.mark_spin()
    assert not watchdog.hang(0.0, 10.0, active=True)
