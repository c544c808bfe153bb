"""What the node counts and measures, for the diagnostics."""

import time
from collections import Counter, deque
from collections.abc import Callable

import numpy as np

from alexnet_ros.ros.clients.stamp_rate import StampRate

SAMPLES = 256  # newest values kept for each percentile
RATE_SPAN_S = 5.0
PERCENTILES = (50, 95, 99)


class Rate:
    """Events a second over the last few seconds."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=4096)
        self._start_s: float | None = None

    def add(self, now_s: float) -> None:
        """Count one event."""
        if self._start_s is None:
            self._start_s = now_s
        self._times_s.append(now_s)

    def hz(self, now_s: float) -> float:
        """Return the rate, in 1/s, over at most :data:`RATE_SPAN_S`."""
        if self._start_s is None:
            return 0.0
        while self._times_s and self._times_s[0] < now_s - RATE_SPAN_S:
            self._times_s.popleft()
        span_s = min(RATE_SPAN_S, max(now_s - self._start_s, 1e-3))
        return len(self._times_s) / max(span_s, 0.5)


class Samples:
    """The newest values of each of several quantities."""

    def __init__(self) -> None:
        self._values: dict[str, deque[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Add one value."""
        self._values.setdefault(name, deque(maxlen=SAMPLES)).append(value)

    def percentiles(self) -> dict[str, tuple[float, ...]]:
        """Return the :data:`PERCENTILES` of every quantity that has values."""
        return {
            name: tuple(float(v) for v in np.percentile(list(values), PERCENTILES))
            for name, values in list(self._values.items())
            if values
        }

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()


class CameraStats:
    """Counters of one camera; each has one writing thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.received = 0
        self.processed = 0
        self.dropped = 0  # replaced by a newer frame before their turn
        self.unwatched = 0  # not looked at since nobody listened
        self.rejected: Counter[str] = Counter()
        self.stamp_jumps = 0
        self.incompatible_qos = 0  # times that a publisher turned out not to fit
        self.input_rate = Rate()
        self.result_rate = Rate()
        self.stamps = StampRate()
        self.since_s = clock()
        self.last_image_s: float | None = None
        self._last_stamp_ns: int | None = None
        self._reported_rejections = 0

    def on_image(self, stamp_ns: int) -> None:
        """Count one image as it arrives."""
        now_s = self._clock()
        self.received += 1
        self.last_image_s = now_s
        self.input_rate.add(now_s)
        self.stamps.add(now_s, stamp_ns)
        if self._last_stamp_ns is not None and stamp_ns < self._last_stamp_ns:
            self.stamp_jumps += 1
        self._last_stamp_ns = stamp_ns

    def on_result(self) -> None:
        """Count one published result."""
        self.processed += 1
        self.result_rate.add(self._clock())

    def restart(self) -> None:
        """Begin to wait for images now; counters stay."""
        self.since_s = self._clock()
        self.last_image_s = None
        self.stamps.clear()
        self.input_rate = Rate()
        self.result_rate = Rate()

    def now_s(self) -> float:
        """Return the steady clock, seconds."""
        return self._clock()

    def silent_s(self) -> float:
        """Return the time since the last image, or since :meth:`restart`."""
        last_s = self.since_s if self.last_image_s is None else self.last_image_s
        return self._clock() - last_s

    def new_rejections(self) -> int:
        """Return how many images were rejected since the last call."""
        total = sum(self.rejected.values())
        new = total - self._reported_rejections
        self._reported_rejections = total
        return new
