"""Watch a build: how far it is, whether it should stop, whether it hangs."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.errors import EngineBuildError

T = TypeVar('T')
TICK_S = 0.5
GRACE_S = 15.0  # how long a cancelled build may take to end


class BuildWatch:
    """
    What is known of a running build.

    TensorRT's progress monitor tells phases and steps and can cancel.
    """

    def __init__(self, trt: Any) -> None:
        self.phase = 'starting'
        self.cancelled = False
        self._trt = trt
        self._monitor: Any = None
        self._open: list[list[Any]] = []  # name, steps, step: outermost first
        self._guard = threading.Lock()

    def attach(self, config: Any) -> None:
        """Let the builder report here."""
        trt, watch = self._trt, self

        class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
            """Hands the builder's calls to the watch."""

            def __init__(self) -> None:
                trt.IProgressMonitor.__init__(self)

            def phase_start(self, phase_name: str, _parent: str | None, num_steps: int) -> None:
                """Note a phase."""
                watch.start(phase_name, num_steps)

            def step_complete(self, phase_name: str, step: int) -> bool:
                """Note a step; false cancels the build."""
                return watch.step(phase_name, step)

            def phase_finish(self, phase_name: str) -> None:
                """Forget a phase."""
                watch.finish(phase_name)

        self._monitor = Monitor()  # the builder does not keep it alive
        config.progress_monitor = self._monitor

    def start(self, name: str, steps: int) -> None:
        """Enter a phase of so many steps."""
        with self._guard:
            self._open.append([name, max(int(steps), 1), 0])
            self.phase = name

    def step(self, name: str, step: int) -> bool:
        """Note a completed step; returns false if the build is to end."""
        with self._guard:
            for entry in self._open:
                if entry[0] == name:
                    entry[2] = min(int(step) + 1, entry[1])
        return not self.cancelled

    def finish(self, name: str) -> None:
        """Leave a phase."""
        with self._guard:
            self._open = [entry for entry in self._open if entry[0] != name]
            if self._open:
                self.phase = self._open[-1][0]

    @property
    def fraction(self) -> float | None:
        """Done share of the outermost phase with its inner ones, 0 to 1."""
        with self._guard:
            if not self._open:
                return None
            share = 0.0
            for _, steps, step in reversed(self._open):
                share = min((step + share) / steps, 1.0)
            return share


def guarded(
    job: Callable[[], T],
    watch: BuildWatch,
    limit_s: float,
    report: Callable[[BuildProgress], None] | None,
) -> T:
    """
    Run a build in its own thread, reporting and ending it when it takes too long.

    :param limit_s: after so many seconds it is cancelled; if it does not end
        then either, it is left behind (its thread ends with the process).
    :raises EngineBuildError: it took too long.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(job())
        except BaseException as error:
            future.set_exception(error)

    began = time.monotonic()
    threading.Thread(target=work, name='tensorrt-build', daemon=True).start()
    try:
        while not wait([future], TICK_S).done:
            elapsed_s = time.monotonic() - began
            if elapsed_s > limit_s:
                watch.cancelled = True
                ended = wait([future], GRACE_S).done
                raise EngineBuildError(
                    f'the build was given up after {elapsed_s:.0f} s in phase {watch.phase!r}'
                    f'{"" if ended else " and does not react"}; raise build_limit_s, or lower '
                    'optimization_level'
                )
            if report is not None:
                report(BuildProgress(watch.phase, watch.fraction, elapsed_s))
    finally:
        watch.cancelled |= not future.done()
    return future.result()
