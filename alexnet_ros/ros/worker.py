"""
The one thread that opens, uses and closes the recognizer.

CUDA objects belong to the thread that made them, and the executor must stay
free to answer: so loading, inference and release all happen here.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from alexnet_ros.errors import AlexnetRosError, EngineFatalError, EngineUnavailableError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.ros.mailbox import Arrival, Mailbox

POLL_S = 0.1
STOP_S = 1.0  # how long release waits for a frame in work


class WorkerStoppedError(AlexnetRosError):
    """The node was told to end while it was loading."""


@dataclass
class Worker:
    """
    Runs frames from a mailbox through a recognizer.

    :param handle: called with the recognizer and at most one arrival a camera.
    :param wait: gives (batch wait, least time between two takes) in seconds.
    :param on_error: told of an exception out of ``handle``, which does not
        end the loop unless it is an :class:`EngineFatalError`.
    """

    mailbox: Mailbox
    handle: Callable[[Recognizer, list[Arrival]], None]
    wait: Callable[[], tuple[float, float]]
    on_error: Callable[[Exception], None]
    recognizer: Recognizer | None = None
    busy_since_s: float | None = None
    _loaded: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _reset: threading.Event = field(default_factory=threading.Event)
    _failure: Exception | None = None
    _thread: threading.Thread | None = None

    def load(
        self,
        open_recognizer: Callable[[], Recognizer],
        stopping: threading.Event,
        meanwhile: Callable[[], None],
    ) -> None:
        """
        Start the thread and wait until it has loaded the model.

        :param stopping: gives the wait up when set.
        :param meanwhile: called ten times a second while waiting, in this thread.
        :raises WorkerStoppedError: ``stopping`` was set before it was loaded.
        """
        self._thread = threading.Thread(
            target=self._run, args=(open_recognizer,), name='inference', daemon=True
        )
        self._thread.start()
        while not self._loaded.wait(POLL_S):
            if stopping.is_set():
                raise WorkerStoppedError('stopped while the model was loading')
            meanwhile()
        if self._failure is not None:
            raise self._failure

    def reset_soon(self) -> None:
        """Forget all tracks before the next frame."""
        self._reset.set()

    def busy_for_s(self, now_s: float) -> float:
        """Return how long the frame in work has taken so far, seconds."""
        since_s = self.busy_since_s
        return 0.0 if since_s is None else now_s - since_s

    def stop(self, timeout_s: float = STOP_S) -> None:
        """End the thread, freeing the recognizer; EngineUnavailableError if it hangs."""
        self._stop.set()
        self.mailbox.close()
        thread = self._thread
        if thread is None:
            return
        thread.join(timeout_s)
        if thread.is_alive():
            raise EngineUnavailableError(
                f'the inference thread did not end within {timeout_s:g} s; its engine is not freed'
            )
        self._thread = None

    def _run(self, open_recognizer: Callable[[], Recognizer]) -> None:
        try:
            recognizer = open_recognizer()
        except Exception as error:
            self._failure = error
            self._loaded.set()
            return
        self.recognizer = recognizer
        self._loaded.set()
        try:
            self._loop(recognizer)
        finally:
            self.recognizer = None
            recognizer.close()

    def _loop(self, recognizer: Recognizer) -> None:
        turn_s = -float('inf')
        while not self._stop.is_set():
            batch_wait_s, period_s = self.wait()
            arrivals = self.mailbox.take(POLL_S, batch_wait_s, turn_s + period_s)
            if not arrivals:
                continue
            now_s = time.monotonic()
            # Keep the pace over late frames, but never save up missed turns.
            turn_s = max(turn_s + period_s, now_s - period_s / 2)
            self.busy_since_s = now_s
            try:
                if self._reset.is_set():
                    self._reset.clear()
                    recognizer.reset()
                self.handle(recognizer, arrivals)
            except EngineFatalError as error:
                self.on_error(error)
                return
            except Exception as error:
                self.on_error(error)
            finally:
                self.busy_since_s = None
            del arrivals  # frames are large: free them before waiting
