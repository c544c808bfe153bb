"""Everything that asks for a lower speed, and the lowest of it."""

import math
from dataclasses import dataclass

from alexnet_ros.navigation.sightings import Sighting

LEAST_MPS = 0.01  # 0.0 would mean "no limit" to Nav2; who wants to stop uses the lock


@dataclass(frozen=True, slots=True)
class SpeedSource:
    """
    One reason to be slow.

    :param name: ``sign``, ``yield``, ``warn 25``, ``frame``, ``speed_limit_in``.
    :param speed_mps: metres a second, or None for ``percent``.
    :param percent: share of the cap, more than 0 to 100.
    :param ends_s: when it ends, on the limits' clock, seconds.
    :param since_s: when it began, or its sign was last seen, seconds.
    :param since_m: the same in metres travelled.
    :param cause: the sign that it comes from.
    """

    name: str
    speed_mps: float | None = None
    percent: float | None = None
    ends_s: float = math.inf
    since_s: float = 0.0
    since_m: float = 0.0
    cause: Sighting | None = None

    def mps(self, cap_mps: float) -> float:
        """
        Return the limit in metres a second, in [0.01, cap].

        :param cap_mps: the configured cap, at least 0.01.
        """
        asked = self.speed_mps
        if asked is None:
            asked = cap_mps if self.percent is None else cap_mps * self.percent / 100
        return min(max(asked, LEAST_MPS), cap_mps)


class SpeedSources:
    """The sources in force, at most one of each name."""

    def __init__(self) -> None:
        self._sources: dict[str, SpeedSource] = {}

    def get(self, name: str) -> SpeedSource | None:
        """Return the source of that name, or None."""
        return self._sources.get(name)

    def put(self, source: SpeedSource) -> None:
        """Bring a source into force, instead of the last of its name."""
        self._sources[source.name] = source

    def drop(self, name: str) -> bool:
        """End a source; true if it was in force."""
        return self._sources.pop(name, None) is not None

    def expire(self, now_s: float) -> list[SpeedSource]:
        """End the sources whose time is over and return them."""
        over = [one for one in self._sources.values() if now_s >= one.ends_s]
        for one in over:
            del self._sources[one.name]
        return over

    def lowest(self, cap_mps: float) -> tuple[float, SpeedSource] | None:
        """Return the lowest limit and its source, or None with none in force."""
        limits = [(one.mps(cap_mps), one) for one in self._sources.values()]
        return min(limits, key=lambda pair: pair[0], default=None)
