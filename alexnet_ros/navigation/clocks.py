"""
The steady clock of the robot itself: what it stood and travelled, and jumps.

The node's clock may be simulated: it starts late, pauses, runs at another rate,
jumps back when a bag loops; or it is set. Nothing is measured on it but the
age of an image.
"""

import math
from collections import deque

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.events import Moment

JUMP_S = 2.0  # the node's clock getting ahead of real time by more between two ticks
SPEED_HELD_S = 1.0  # a measured speed older than this is unknown
TOGETHER_S = 0.3  # of what is measured within this, the worst counts: there may be two sources
STANDING_MPS = 0.05
MAX_MPS = 1000.0  # nothing on wheels; such a measurement is an error


class RobotClock:
    """
    Seconds stood and metres travelled, as far as they are known.

    Without a source of velocity the robot is taken to stand while it is
    locked: then twist_mux or the gate sees to it. With one, a speed that is
    not known is not a speed of zero.

    :param settings: may be replaced at any time by assignment.
    """

    def __init__(self, settings: NavigatorSettings) -> None:
        self.settings = settings
        self.stood_s = 0.0
        self.travelled_m = 0.0
        self._last: Moment | None = None
        self._told: Moment | None = None  # the last at which the node's clock was not 0
        self._speeds: deque[tuple[float, int]] = deque(maxlen=512)  # metres a second, steady ns

    @property
    def counted(self) -> tuple[float, float]:
        """Seconds stood and metres travelled since the start."""
        return self.stood_s, self.travelled_m

    def advance(self, now: Moment) -> float:
        """
        Run on to now.

        :returns: seconds by which the node's clock jumped, 0.0 if it did not.
        """
        last, self._last = self._last or now, now
        real_s = max((now.steady_ns - last.steady_ns) / 1e9, 0.0)
        slowest, fastest = self._speed_mps(now)
        unmeasured = self.settings.velocity_source == 'none'
        if unmeasured or fastest <= STANDING_MPS:
            self.stood_s += real_s
        self.travelled_m += slowest * real_s
        return self._jumped_s(now)

    def _jumped_s(self, now: Moment) -> float:
        if now.ros_ns <= 0:
            return 0.0
        last, self._told = self._told or now, now
        moved_s = (now.ros_ns - last.ros_ns) / 1e9
        ahead_s = moved_s - (now.steady_ns - last.steady_ns) / 1e9
        return moved_s if moved_s < -self.settings.max_skew_s or ahead_s > JUMP_S else 0.0

    def measure(self, mps: float, now: Moment) -> bool:
        """
        Note the robot's speed, metres a second; its sign does not matter.

        :returns: false if it can be no speed: then the speed is unknown.
        """
        sound = math.isfinite(mps) and abs(mps) <= MAX_MPS
        self._speeds.append((abs(mps) if sound else math.inf, now.steady_ns))
        return sound

    def _speed_mps(self, now: Moment) -> tuple[float, float]:
        """Return the least and the largest speed that the robot may have, 0 and inf if unknown."""
        while self._speeds and now.steady_ns - self._speeds[0][1] > SPEED_HELD_S * 1e9:
            self._speeds.popleft()
        if not self._speeds:
            return 0.0, math.inf
        since_ns = self._speeds[-1][1] - TOGETHER_S * 1e9
        speeds = [mps for mps, at_ns in self._speeds if at_ns >= since_ns]
        return min((one for one in speeds if one < math.inf), default=0.0), max(speeds)
