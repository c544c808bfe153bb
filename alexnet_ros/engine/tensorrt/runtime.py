"""
TensorRT as an :class:`Engine`: one thread owns the GPU, callers queue to it.

A caller may come from any thread. Its batch is handed to the owner thread,
which holds every CUDA object from the first to the last.
"""

import logging
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.tensorrt.cuda import DeviceOutOfMemoryError
from alexnet_ros.engine.tensorrt.session import DeviceSession
from alexnet_ros.errors import EngineFatalError, EngineRunError
from alexnet_ros.records import EngineInfo, Outputs

ANSWER_S = 30.0  # a batch takes milliseconds; a GPU that is silent for so long is hung
START_S = 600.0  # loading and warming up, with TensorRT for RTX compiling kernels
CLOSE_S = 10.0  # longest wait for a release
WARM_UP_ALL = 32  # up to this largest batch every size is warmed up
Job = tuple[Callable[[DeviceSession], Any], 'Future[Any]']
log = logging.getLogger(__name__)


class TensorRtEngine(Engine):
    """
    A loaded engine; see :class:`alexnet_ros.engine.base.Engine`.

    :param start: makes the session; called in the owner thread.
    :param info: what runs; ``max_batch`` is the engine's own.
    :param keep_kernels: called once after the warm-up with what was compiled
        for this GPU, if anything.
    :raises EngineMismatchError: TensorRT refuses the engine.
    :raises EngineRunError: the warm-up failed.
    """

    def __init__(
        self,
        start: Callable[[], DeviceSession],
        info: EngineInfo,
        *,
        keep_kernels: Callable[[bytes], None] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.info = info
        self._answer_s = answer_s
        self._fatal = ''
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(
            target=_own, args=(start, self._jobs, self._started), name='tensorrt', daemon=True
        )
        self._thread.start()
        # Also runs at exit, before daemon threads are cut off.
        self._finalizer = weakref.finalize(self, _stop, self._jobs, self._thread)
        try:
            self._wait(self._started, START_S)
            self._warm_up(keep_kernels)
        except BaseException:
            self.close()
            raise

    def _run(self, rows: NDArray[np.uint8], *, features: bool) -> Outputs:
        """Have the owner thread run the rows, half of them where the GPU lacks memory."""
        try:
            found = self._do(lambda one: one.run(rows, features=features), self._answer_s)
        except DeviceOutOfMemoryError as error:
            if len(rows) == 1:
                raise
            half = rows[: len(rows) // 2]
            log.warning('%s; trying again in batches of %d', error, len(half))
            found = self._do(lambda one: one.run(half, features=features), self._answer_s)
        return found  # type: ignore[no-any-return]

    def _do(self, job: Callable[[DeviceSession], Any], limit_s: float) -> Any:
        if self._fatal:
            raise EngineFatalError(self._fatal)
        if not self._finalizer.alive:
            raise EngineRunError('the engine is closed; open it again')
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        return self._wait(future, limit_s)

    def _wait(self, future: 'Future[Any]', limit_s: float) -> Any:
        """Wait for the owner thread, but not for ever."""
        try:
            return future.result(limit_s)
        except FutureTimeoutError:
            self._fatal = f'the GPU gave no answer in {limit_s:.0f} s; restart the process'
            raise EngineFatalError(self._fatal) from None
        except EngineFatalError as error:
            self._fatal = str(error)
            raise

    def _warm_up(self, keep_kernels: Callable[[bytes], None] | None) -> None:
        """Run every batch size twice, so that no frame pays for a first time."""
        height, width = self.info.input_hw
        largest = self.info.max_batch
        sizes = range(1, largest + 1) if largest <= WARM_UP_ALL else (1, largest)
        image = np.full((largest, height, width, 3), 127, np.uint8)

        def job(session: DeviceSession) -> bytes:
            for size in sizes:
                for _ in range(2):  # the first run is plain, the second its graph
                    session.run(image[:size], features=session.has_features)
            return session.kernels()

        kernels = self._do(job, START_S)
        if kernels and keep_kernels is not None:
            keep_kernels(kernels)

    def close(self) -> None:
        """Release the GPU and end the thread; calling again does nothing."""
        self._finalizer()


def _own(
    start: Callable[[], DeviceSession],
    jobs: 'queue.SimpleQueue[Job | None]',
    started: 'Future[None]',
) -> None:
    """Own the session: make it, run jobs, release it. The thread's whole life."""
    try:
        session = start()
    except BaseException as error:
        started.set_exception(error)
        return
    started.set_result(None)
    lost = False
    while (entry := jobs.get()) is not None:
        job, future = entry
        try:
            future.set_result(job(session))
        except BaseException as error:
            lost = lost or isinstance(error, EngineFatalError)
            future.set_exception(error)
        del entry, job, future
    session.close(lost=lost)


def _stop(jobs: 'queue.SimpleQueue[Job | None]', thread: threading.Thread) -> None:
    """Ask the owner thread to release everything and wait for it."""
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join(timeout=CLOSE_S)
