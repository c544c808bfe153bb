"""
What keeps the robot slow or standing, and the only ways in which it ends.

The rule of the whole package: what is in force may only become less by an
event of :class:`Evidence`. ``docs/navigation.md`` has the table.
"""

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum

from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation.sightings import Passage, Sighting

MIN_MPS = 0.01  # 0.0 would mean "no limit" to Nav2; what wants to stop uses the lock
MIN_S = 1e-6  # sums of floats may fall short of a whole by less
KEPT = {  # over a restart, and of which type
    'name': str, 'title': str, 'camera': str, 'track_id': str, 'locks': bool, 'stands': bool,
    'speed_mps': float, 'percent': float, 'hold_s': float, 'hold_m': float,
}  # fmt: skip
_SIGHTS = itertools.count(1)


class Evidence(Enum):
    """The events that may end a restriction; there is no other way."""

    PASSED = 'a sign that ends it was passed'
    HELD = 'it has lasted its time or distance'
    FREER = 'the camera has shown a freer class'
    SOURCE = 'its source let it go'
    ALONE = 'the other publisher is gone'
    OPERATOR = 'an operator let it go'


@dataclass(slots=True)
class Restriction:
    """
    One reason to be slow or to stand.

    :param name: ``sign``, ``yield 13 front``, ``stop front``, ``speed_limit_in`` …
    :param title: how it is told; empty for its name without the camera.
    :param locks: the robot must stand.
    :param speed_mps: largest speed, metres a second.
    :param percent: the same as a share of the robot's own maximum, 0 to 100.
    :param hold_s: how long it lasts after its sign was last seen (with
        ``stands``: after it began), seconds.
    :param hold_m: the same in metres.
    :param stands: its time runs only while the robot is known to stand.
    :param camera: the camera whose images let its time run; empty for none.
    :param track_id: its sign.
    :param cause: that sign as it was seen; it gives camera and track.
    :param clear_s: how long that sign has been out of sight without a lost frame.
    :param sights: a number that is new with every sight of it.
    :param sure: the sign was seen to be reached; else that is only assumed.
    """

    name: str
    title: str = ''
    locks: bool = False
    speed_mps: float | None = None
    percent: float | None = None
    hold_s: float = math.inf
    hold_m: float = math.inf
    stands: bool = False
    camera: str = ''
    track_id: str = ''
    cause: Sighting | None = None
    left_s: float = field(init=False)
    left_m: float = field(init=False)
    clear_s: float = 0.0
    sights: int = field(default_factory=lambda: next(_SIGHTS))
    sure: bool = True
    in_view: bool = True

    def __post_init__(self) -> None:
        """Let its time begin."""
        if self.cause is not None:
            self.camera, self.track_id = self.cause.camera, self.cause.track_id
        self.title = self.title or self.name.removesuffix(self.camera).strip()
        self.begin()

    def begin(self) -> None:
        """Let its time and distance begin anew."""
        self.left_s, self.left_m = self.hold_s, self.hold_m

    def see(self) -> None:
        """Note that its sign is in sight: everything begins anew."""
        self.begin()
        self.clear_s, self.in_view = 0.0, True
        self.sights = next(_SIGHTS)

    def miss(self, passage: Passage) -> None:
        """
        Let time pass by an image that does not show its sign.

        It counts from the first image without the sign on: before that the
        sign may have been in a frame that is missing.
        """
        if not self.in_view:
            self.clear_s = self.clear_s + passage.whole_s if passage.alive_s else 0.0
            self.left_s -= passage.alive_s
            self.left_m -= passage.travelled_m
        self.in_view = False

    def mps(self, cap_mps: float) -> float:
        """Return the limit in metres a second, in [0.01, cap]."""
        asked = cap_mps if self.speed_mps is None else self.speed_mps
        if self.percent is not None:
            asked = min(asked, cap_mps * self.percent / 100)
        return min(max(asked, MIN_MPS), cap_mps)


@dataclass(frozen=True, slots=True)
class Limit:
    """
    The lowest limit in force, as it may be said.

    :param mps: metres a second, or None with ``percent``.
    :param percent: of the robot's own maximum, where no cap is known.
    """

    mps: float | None
    percent: float | None
    source: Restriction


class Restrictions:
    """The restrictions in force, at most one of each name."""

    def __init__(self) -> None:
        self._now: dict[str, Restriction] = {}
        self.loosened: Evidence | None = None  # the last reason why something became less

    def __iter__(self) -> Iterator[Restriction]:
        """Go over what is in force."""
        return iter(list(self._now.values()))

    def get(self, name: str) -> Restriction | None:
        """Return the restriction of that name, or None."""
        return self._now.get(name)

    def tighten(self, new: Restriction) -> None:
        """Bring a restriction into force; one of its name only becomes stricter."""
        old = self._now.get(new.name)
        if old is not None:
            new.speed_mps = min(filter(None, (old.speed_mps, new.speed_mps)), default=None)
            new.percent = min(filter(None, (old.percent, new.percent)), default=None)
            new.locks |= old.locks
            new.hold_s, new.hold_m = max(old.hold_s, new.hold_s), max(old.hold_m, new.hold_m)
            new.left_s, new.left_m = max(old.left_s, new.left_s), max(old.left_m, new.left_m)
        self._now[new.name] = new

    def let_go(self, cause: Sighting) -> None:
        """Let what a sign asks for no longer be in view with the track it had."""
        for one in self:
            if one.cause is cause:
                one.track_id = ''

    def of_title(self, title: str) -> list[Restriction]:
        """Return the restrictions that are told alike."""
        return [one for one in self if one.title == title]

    def replace(self, new: Restriction, evidence: Evidence) -> None:
        """Put a restriction in the place of the one of its name, looser or not."""
        self.end(new.name, evidence)
        self._now[new.name] = new

    def end(self, name: str, evidence: Evidence) -> None:
        """End a restriction for a reason, if it is in force."""
        if self._now.pop(name, None) is not None:
            self.loosened = evidence

    def end_all(self, evidence: Evidence) -> None:
        """End every restriction."""
        for name in list(self._now):
            self.end(name, evidence)

    def pass_image(
        self, camera: str, passage: Passage, present: Collection[str]
    ) -> list[Restriction]:
        """
        Let a camera's image count; return what has lasted its time and is ended.

        :param present: the tracks that the image shows, whatever they are read as.
        """
        over = []
        for one in self:
            if one.camera != camera:
                continue
            if one.stands:
                one.left_s -= passage.standing_s
            elif one.track_id in present:
                one.see()
            else:
                one.miss(passage)
            if one.left_s <= MIN_S or one.left_m <= 0:
                self.end(one.name, Evidence.HELD)
                over.append(one)
        return over

    def lowest(self, cap_mps: float | None) -> Limit | None:
        """
        Return the lowest limit that may be said, or None.

        :param cap_mps: the robot's maximum; without it only percentages may
            be said, for metres a second above the maximum would raise it.
        """
        limits = []
        for one in self._now.values():
            if cap_mps is None and one.percent is not None:
                limits.append(Limit(None, one.percent, one))
            elif cap_mps is not None and (one.speed_mps, one.percent) != (None, None):
                limits.append(Limit(one.mps(cap_mps), None, one))
        return min(limits, key=lambda limit: limit.mps or limit.percent or 0.0, default=None)

    def record(self) -> list[dict[str, object]]:
        """Return what must survive the process, as plain values."""
        return [
            {
                key: value
                for key in KEPT
                if (value := getattr(one, key)) not in {math.inf, None, '', False}
            }
            for one in self._now.values()
        ]

    def restore(self, record: object) -> None:
        """
        Take up what another process has recorded; its times begin anew.

        :raises ConfigError: it is not what :meth:`record` returns.
        """
        if not isinstance(record, list):
            raise ConfigError(f'expected a list of restrictions, got {type(record).__name__}')
        for one in record:
            _check(one)
            self.tighten(Restriction(**one, sure=False))


def _check(one: object) -> None:
    if not isinstance(one, dict) or not {'name'} <= set(one) <= set(KEPT):
        raise ConfigError(f'not a restriction: {one!r:.80}')
    for key, value in one.items():
        sound = isinstance(value, KEPT[key])
        if KEPT[key] is float:
            sound = type(value) in {int, float} and math.isfinite(value) and value > 0
        if not sound:
            raise ConfigError(f'{one["name"]!r:.80}: {key} cannot be {value!r:.80}')
