"""The newest frame of every camera, handed from the executor to the worker."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PERIOD_GAIN = 0.2  # weight of the newest interval in a camera's mean period
GONE_PERIODS = 2.5  # a camera silent for this many periods is not waited for


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    One message as it came.

    :param message: ``sensor_msgs/Image`` or ``CompressedImage``, not decoded.
    :param boxes: ``vision_msgs/Detection2DArray`` of the same stamp, or None.
    :param received_s: when it came, steady clock, seconds.
    """

    camera: str
    message: Any
    boxes: Any
    received_s: float


class _Rhythm:
    """When a camera came last and how often it comes."""

    def __init__(self) -> None:
        self.last_s = -float('inf')
        self.period_s = float('inf')

    def beat(self, now_s: float) -> None:
        interval = now_s - self.last_s
        if interval < 10.0:  # else it was away
            known = self.period_s if self.period_s < float('inf') else interval
            self.period_s = known + PERIOD_GAIN * (interval - known)
        else:
            self.period_s = float('inf')
        self.last_s = now_s

    def expected(self, now_s: float, limit_s: float) -> bool:
        """Whether its next frame is likely before the limit."""
        if self.period_s == float('inf') or now_s - self.last_s > GONE_PERIODS * self.period_s:
            return False
        return self.last_s + self.period_s <= limit_s


class Mailbox:
    """
    One slot a camera: a new frame replaces one that was not taken.

    :param cameras: their names, in the order in which a batch has them.
    :param clock: steady clock in seconds.
    """

    def __init__(
        self, cameras: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cameras = tuple(cameras)
        self._slots: dict[str, Arrival] = {}
        self._rhythms = {camera: _Rhythm() for camera in cameras}
        self._changed = threading.Condition()
        self._clock = clock
        self._closed = False

    def put(self, arrival: Arrival) -> bool:
        """Leave the newest frame of a camera; return whether it replaced one, thus dropped it."""
        with self._changed:
            if self._closed:
                return False
            replaced = arrival.camera in self._slots
            self._slots[arrival.camera] = arrival
            self._rhythms[arrival.camera].beat(arrival.received_s)
            self._changed.notify_all()
        return replaced

    def take(
        self, timeout_s: float, batch_wait_s: float = 0.0, due_s: float = 0.0
    ) -> list[Arrival]:
        """
        Take the newest frame of every camera that has one.

        :param timeout_s: longest wait for a first frame, seconds.
        :param batch_wait_s: longest further wait for cameras that are likely
            to deliver within it; one that has stopped is not waited for.
        :param due_s: take nothing before this time of the clock.
        :returns: at most one arrival a camera; empty after the time-out or
            :meth:`close`.
        """
        with self._changed:
            until_s = self._clock() + timeout_s
            while not self._closed:
                now_s = self._clock()
                if self._slots and now_s >= due_s:
                    break
                wake_s = min(until_s, due_s) if self._slots else until_s
                if now_s >= until_s:
                    return []
                self._changed.wait(max(wake_s - now_s, 0.0))
            limit_s = self._clock() + batch_wait_s
            while not self._closed and self._worth_waiting(limit_s):
                self._changed.wait(max(limit_s - self._clock(), 0.0))
            if self._closed:
                return []
            taken = [self._slots[name] for name in self._cameras if name in self._slots]
            self._slots.clear()
        return taken

    def _worth_waiting(self, limit_s: float) -> bool:
        now_s = self._clock()
        return now_s < limit_s and any(
            rhythm.expected(now_s, limit_s)
            for name, rhythm in self._rhythms.items()
            if name not in self._slots
        )

    def clear(self) -> int:
        """Throw away what waits; returns how many frames that were."""
        with self._changed:
            count = len(self._slots)
            self._slots.clear()
        return count

    def close(self) -> None:
        """Wake the taker for good."""
        with self._changed:
            self._closed = True
            self._slots.clear()
            self._changed.notify_all()
