"""
The time that holds run on: cut at every jump, advanced by good results alone.

So nothing ends while images are missing. The node's clock may be simulated: it
starts late, pauses, runs at another rate, jumps back when a bag loops.
Staleness is told on a steady clock.
"""

import math

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.events import Moment

JUMP_S = 2.0  # the node's clock getting ahead of real time by more between two ticks
SPEED_HELD_S = 1.0  # a measured speed older than this is unknown
STANDING_MPS = 0.05


class HoldClock:
    """
    Elapsed seconds, travelled metres and whether good results are coming.

    ``held_s``, ``standing_s`` (not running while the robot is known to move)
    and ``travelled_m`` move on when a good result comes, by what has passed
    since the last one; a stale gap does not count.

    :param settings: may be replaced at any time by assignment.
    """

    def __init__(self, settings: NavigatorSettings) -> None:
        self.settings = settings
        self.held_s = 0.0
        self.standing_s = 0.0
        self.travelled_m = 0.0
        self.stale = True
        self._waiting = [0.0, 0.0, 0.0]  # held, standing, travelled since the last result
        self._last: Moment | None = None
        self._alive_ns: int | None = None
        self._speed: tuple[float, int] | None = None  # metres a second, steady ns

    def advance(self, now: Moment) -> float:
        """
        Run on to now.

        :returns: seconds by which the node's clock jumped, 0.0 if it did not.
        """
        last, self._last = self._last, now
        jumped_s = 0.0
        if last is not None:
            real_s = max((now.steady_ns - last.steady_ns) / 1e9, 0.0)
            moved_s = (now.ros_ns - last.ros_ns) / 1e9 if min(last.ros_ns, now.ros_ns) > 0 else 0.0
            if moved_s < -self.settings.max_skew_s or moved_s - real_s > JUMP_S:
                jumped_s, moved_s = moved_s, 0.0
            self._wait(max(moved_s, 0.0), now)
        self.stale = self.unseen_s(now) > self.settings.stale_after_s
        return jumped_s

    def alive(self, now: Moment) -> None:
        """Note that a good result has come; call after :meth:`advance`."""
        if not self.stale:
            held_s, standing_s, travelled_m = self._waiting
            self.held_s += held_s
            self.standing_s += standing_s
            self.travelled_m += travelled_m
        self._waiting = [0.0, 0.0, 0.0]
        self._alive_ns = now.steady_ns
        self.stale = False

    def measured(self, mps: float, now: Moment) -> None:
        """Note the robot's speed, metres a second, not negative."""
        self._speed = (mps, now.steady_ns)

    def unseen_s(self, now: Moment) -> float:
        """Return real seconds since the last good result; infinite before the first."""
        if self._alive_ns is None:
            return math.inf
        return (now.steady_ns - self._alive_ns) / 1e9

    def _wait(self, moved_s: float, now: Moment) -> None:
        """Collect what the next good result will let count."""
        speed = None
        if self._speed is not None and now.steady_ns - self._speed[1] <= SPEED_HELD_S * 1e9:
            speed = self._speed[0]
        self._waiting[0] += moved_s
        if speed is None or speed <= STANDING_MPS:
            self._waiting[1] += moved_s
        if speed is not None:
            self._waiting[2] += speed * moved_s
