"""Limits and locks that others ask for: another source, or another publisher on our topics."""

import math

from alexnet_ros.navigation.events import Event
from alexnet_ros.navigation.restrictions import Evidence, Restriction, Restrictions

OTHER_SOURCE = 'speed_limit_in'
OTHER_PUBLISHER = 'another publisher'


class Others:
    """
    What others say, kept among the restrictions.

    :param restrictions: where it is put.
    :param events: where it is told.
    """

    def __init__(self, restrictions: Restrictions, events: list[Event]) -> None:
        self.publishers: tuple[str, ...] = ()
        self._restrictions = restrictions
        self._events = events

    def observe_limit(self, value: float, *, percentage: bool, late: bool, alone: bool) -> str:
        """
        Take the other source's limit; it may let go what it has asked for.

        :param value: metres a second or percent of the robot's maximum; 0 for
            no limit.
        :param late: it is older than the last one: only if stricter it counts.
        :param alone: nobody else speaks there; of several all that they say counts.
        :returns: why it was refused, empty if it was not.
        """
        if not _sound(value):
            return 'bad_limit'
        new = _restriction(OTHER_SOURCE, value, percentage=percentage)
        old = self._restrictions.get(OTHER_SOURCE)
        if late and (new is None or old is None or not _stricter(new, old)):
            return 'out_of_order'
        if new is None and not alone:
            return 'several_sources'
        if new is None:
            self._restrictions.end(OTHER_SOURCE, Evidence.SOURCE)
        elif alone:
            self._restrictions.replace(new, Evidence.SOURCE)
        else:
            self._restrictions.tighten(new)
        return ''

    def observe_publishers(self, names: tuple[str, ...]) -> None:
        """
        Note who else publishes on ``speed_limit`` or ``stop_lock``.

        While anybody does, the strictest that they have said counts beside our
        own; nobody can tell which of them is right. It ends when all are gone.
        """
        if names == self.publishers:
            return
        if names:
            self._events.append(Event('commander', f'also published by {", ".join(names)}'))
        else:
            self._restrictions.end(OTHER_PUBLISHER, Evidence.ALONE)
            self._events.append(Event('commander', 'nobody else publishes any more'))
        self.publishers = names

    def hear_limit(self, value: float, *, percentage: bool) -> None:
        """Take a limit that another publisher has said on ``speed_limit``."""
        if _sound(value):
            new = _restriction(OTHER_PUBLISHER, value, percentage=percentage)
            if new is not None:
                self._restrictions.tighten(new)

    def hear_lock(self) -> None:
        """Take note that another publisher has locked on ``stop_lock``."""
        self._restrictions.tighten(Restriction(OTHER_PUBLISHER, locks=True))


def _sound(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _restriction(name: str, value: float, *, percentage: bool) -> Restriction | None:
    """Return what a SpeedLimit message asks for, None for no limit."""
    if value == 0:
        return None
    if percentage:
        return Restriction(name, percent=min(value, 100.0))
    return Restriction(name, speed_mps=value)


def _stricter(new: Restriction, old: Restriction) -> bool:
    """Tell whether a limit is certainly lower than another of its unit."""
    pairs = ((new.percent, old.percent), (new.speed_mps, old.speed_mps))
    return any(a is not None and b is not None and a < b for a, b in pairs)
