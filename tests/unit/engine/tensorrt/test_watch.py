import threading
from types import SimpleNamespace

import pytest

from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.engine.tensorrt import watch as trt_watch
from alexnet_ros.engine.tensorrt.watch import BuildWatch, guarded
from alexnet_ros.errors import EngineBuildError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trt_watch, 'TICK_S', 0.01)
    monkeypatch.setattr(trt_watch, 'GRACE_S', 0.05)


def watch() -> BuildWatch:
    return BuildWatch(SimpleNamespace())


def test_fraction_nests_inner_phases_in_outer_ones() -> None:
    seen = watch()
    assert seen.fraction is None
    seen.start('build', 4)
    assert seen.fraction == 0
    seen.step('build', 0)
    seen.start('tactics', 10)
    seen.step('tactics', 4)
    assert seen.fraction == pytest.approx((1 + 0.5) / 4)
    assert seen.phase == 'tactics'
    seen.finish('tactics')
    assert seen.phase == 'build'
    seen.step('build', 3)
    assert seen.fraction == 1
    seen.finish('build')
    assert seen.fraction is None


def test_result_and_errors_of_the_job_come_through() -> None:
    assert guarded(lambda: 7, watch(), 600, None) == 7
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0, watch(), 600, None)


def test_life_is_reported_while_the_job_runs() -> None:
    reports: list[BuildProgress] = []
    told = threading.Event()

    def report(progress: BuildProgress) -> None:
        reports.append(progress)
        told.set()

    seen = watch()
    seen.phase = 'compiling'
    guarded(lambda: told.wait(300), seen, 600, report)
    assert reports[0].phase == 'compiling'
    assert reports[0].fraction is None
    assert reports[0].elapsed_s > 0


def test_build_that_takes_too_long_is_cancelled() -> None:
    seen = watch()
    ended = threading.Event()

    def job() -> None:
        seen.start('tactics', 1000)
        for step in range(1000):
            if not seen.step('tactics', step):
                ended.set()
                return
            threading.Event().wait(0.01)

    with pytest.raises(EngineBuildError, match=r"given up after .* in phase 'tactics'; raise"):
        guarded(job, seen, 0.05, None)
    assert ended.wait(300)


def test_hung_build_is_left_behind() -> None:
    leave = threading.Event()
    with pytest.raises(EngineBuildError, match='does not react'):
        guarded(lambda: leave.wait(300), watch(), 0.02, None)
    leave.set()


def test_interrupted_wait_cancels_the_build() -> None:
    seen = watch()
    leave = threading.Event()

    def stop(_progress: BuildProgress) -> None:
        leave.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(lambda: leave.wait(300), seen, 600, stop)
    assert seen.cancelled
