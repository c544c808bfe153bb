"""How many images a camera sent, told by the stamps of those that arrived."""

import itertools
from collections import deque

import numpy as np

SPAN_S = 5.0
LONG_SPAN_S = 30.0  # for a camera of which hardly anything arrives
MIN_STEPS = 4  # between images, before anything is said
COMPARABLE = 4.0  # stamps that pass so much faster or slower than time tell nothing
MAX_STEP_NS = 10 * 10**9  # a longer pause is no loss but a camera that was off
NOTABLE_LOSS = 0.1  # fraction; a camera's own hiccups stay below


class StampRate:
    """
    Sent against received over the last seconds.

    The steps between stamps are multiples of the camera's period where images
    were lost. The period is taken from the shortest steps and refined by all.
    """

    def __init__(self) -> None:
        self._stamps: deque[tuple[float, int]] = deque(maxlen=2048)  # arrival s, stamp ns

    def add(self, now_s: float, stamp_ns: int) -> None:
        """
        Count an image that arrived.

        :param now_s: steady clock, seconds.
        :param stamp_ns: of its header; without one it tells nothing.
        """
        if stamp_ns > 0:
            self._stamps.append((now_s, stamp_ns))

    def clear(self) -> None:
        """Forget what was before a pause."""
        self._stamps.clear()

    def measure(self, now_s: float) -> tuple[float, float] | None:
        """Return the rates received and sent, 1/s, or None while too little is known."""
        known = [one for one in list(self._stamps) if one[0] >= now_s - LONG_SPAN_S]
        recent = [one for one in known if one[0] >= now_s - SPAN_S]
        if len(recent) <= MIN_STEPS:
            recent = known[-MIN_STEPS - 1 :]
        between = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(recent)]
        between = [pair for pair in between if 0 < pair[1] < MAX_STEP_NS]
        steps = np.array([step for _, step in between], np.float64)
        passed_s = sum(pair[0] for pair in between)
        if len(steps) < MIN_STEPS or not (
            1 / COMPARABLE < passed_s * 1e9 / steps.sum() < COMPARABLE
        ):
            return None
        period = float(np.percentile(steps, 10))
        for _ in range(4):
            counts = np.maximum(np.round(steps / period), 1)
            period = float(steps.sum() / counts.sum())
        seconds = float(steps.sum()) / 1e9
        return len(steps) / seconds, float(counts.sum()) / seconds

    def loss(self, now_s: float) -> float:
        """Return the fraction of the sent images that did not arrive, 0 to 1."""
        rates = self.measure(now_s)
        return 0.0 if rates is None else max(0.0, 1 - rates[0] / rates[1])
