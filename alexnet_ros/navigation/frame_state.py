"""
What a whole-frame model says, debounced: locked, slowed, where to head.

Getting stricter takes few frames in a row, letting go takes more.
"""

from collections.abc import Sequence

from alexnet_ros.navigation.actions import Action

FREE = (0, -100.0)


def strictness(action: Action) -> tuple[int, float]:
    """Return an order of actions: a lock above all, then the lower percent."""
    return (int(action.kind == 'lock'), -100.0 if action.percent is None else -action.percent)


class FrameState:
    """The action in force and the streak that may change it."""

    def __init__(self) -> None:
        self.action: Action | None = None
        self.heading: float | None = None
        self._streak: list[Action] = []
        self._stricter = False

    @property
    def locks(self) -> bool:
        """Whether the class in force locks."""
        return self.action is not None and self.action.kind == 'lock'

    @property
    def binds(self) -> bool:
        """Whether the class in force locks or slows."""
        return self.action is not None and strictness(self.action) > FREE

    def reset_streak(self) -> None:
        """Forget what has not changed the state yet; the state itself holds."""
        self._streak = []

    def reset_release(self) -> None:
        """Forget the frames that would let go: one that is missing may have said otherwise."""
        if not self._stricter:
            self._streak = []

    def see(self, action: Action, engage: int, release: int) -> Action | None:
        """
        Take one frame's best class.

        :param engage: frames in a row that make the state stricter.
        :param release: frames in a row that make it less strict.
        :returns: the action in force if it has just changed, else None.
        """
        now = FREE if self.action is None else strictness(self.action)
        asked = strictness(action)
        if asked == now:
            self._streak = []
            changed = self.action is None or self.action.class_id != action.class_id
            self.action = action
            return action if changed else None
        stricter = asked > now
        if stricter != self._stricter:
            self._streak = []
        self._stricter = stricter
        self._streak.append(action)
        if len(self._streak) < (engage if stricter else release):
            return None
        self.action = action if stricter else max(self._streak, key=strictness)
        self._streak = []
        return self.action

    def steer(self, weighted: Sequence[tuple[Action, float]], smoothing: float) -> float | None:
        """
        Return the new heading, -1 (left) to 1 (right), or None without any.

        :param weighted: classes of one frame with their scores, 0 to 1.
        :param smoothing: share of the last heading that is kept.
        """
        pairs = [
            (action.heading, score) for action, score in weighted if action.heading is not None
        ]
        total = sum(score for _, score in pairs)
        if total <= 0:
            return None
        mean = sum(heading * score for heading, score in pairs) / total
        last = mean if self.heading is None else self.heading
        self.heading = min(max(smoothing * last + (1 - smoothing) * mean, -1.0), 1.0)
        return self.heading
