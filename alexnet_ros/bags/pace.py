"""When each message of a bag is due, in the bag's own time."""

from collections.abc import Callable

MAX_GAP_NS = 60 * 10**9  # a longer pause is skipped: a clock that was set, a recorder that was off
MAX_STEP_BACK_NS = 10**9  # a larger step back is a jump of the clock


def is_gap(step_ns: int) -> bool:
    """Tell whether a step from one message to the next is no pause of a camera."""
    return not -MAX_STEP_BACK_NS <= step_ns <= MAX_GAP_NS


def gap_text(gap_ns: int) -> str:
    """
    Say how long a gap is.

    >>> gap_text(95 * 10**9), gap_text(-3 * 10**9), gap_text(1_749_999_900 * 10**9)
    ('a gap of 95 s', 'a step back by 3 s', 'a gap of 20255 days')
    """
    what = 'a gap of' if gap_ns > 0 else 'a step back by'
    seconds = round(abs(gap_ns) / 1e9)
    return f'{what} {seconds} s' if seconds < 2 * 86_400 else f'{what} {seconds // 86_400} days'


class Pace:
    """
    The times at which messages go out: as they were recorded, without long gaps.

    :param began_s: when the first is due, seconds on the caller's clock.
    :param rate: 2.0 plays twice as fast.
    """

    def __init__(
        self, began_s: float, rate: float, say: Callable[[str], None] | None = None
    ) -> None:
        self._origin_s, self._rate, self._say = began_s, rate, say
        self._origin_ns: int | None = None
        self._last_ns = 0

    def due_s(self, at_ns: int) -> float:
        """Return when a message is due on the caller's clock; call once for each, in order."""
        if self._origin_ns is None:
            self._origin_ns = at_ns
        gap_ns = at_ns - self._last_ns
        if self._last_ns and is_gap(gap_ns):
            if self._say is not None:
                self._say(f'{gap_text(gap_ns)} in the recording is skipped')
            self._origin_s = self._due_s(self._last_ns)
            self._origin_ns = at_ns
        self._last_ns = at_ns
        return self._due_s(at_ns)

    def _due_s(self, at_ns: int) -> float:
        return self._origin_s + (at_ns - (self._origin_ns or 0)) / 1e9 / self._rate

    def now_ns(self, now_s: float) -> int:
        """Return the recording's time at a moment of the caller's clock."""
        return (self._origin_ns or 0) + int((now_s - self._origin_s) * self._rate * 1e9)
