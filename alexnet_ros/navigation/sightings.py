"""Confirmed signs in view: when each was seen, how it grows, and when it is gone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from alexnet_ros.navigation.actions import Action
from alexnet_ros.navigation.checks import SignSeen

SLOWING = {'speed_limit', 'yield', 'warn'}
GROWN = 1.1  # a sign that is passed has grown by so much since it was first seen
SHRUNK = 0.9  # and was at last not smaller than this part of its largest height
FASTER = 2.0  # so much faster than measured a sign may come nearer while nobody looks
SHORTEST_S = 0.0501  # a growth over less is not known: two images at 20 Hz, however rounded
NEAR_HEIGHTS = 1.0  # a box may stand for a sign whose middle was so many of its heights away
HEIGHTS_PER_S = 80.0  # and so many more for each second since
NEAR_RATIO = 1.8  # and that was so much larger, or smaller
GROWTH_PER_S = 8.0  # times as much more for each second since
SPREADS_S = 0.25  # up to so many
SURE_S = 5.0  # what is read as one class for so long is that, whatever it was read as before
NO_PLACE = (0.0, 0.0)  # a box's middle that was not filled in: no box in an image has it there


@dataclass(frozen=True, slots=True)
class Passage:
    """
    What lies between a camera's last image and this one.

    :param whole: no frame was lost: the stamps are one frame period apart.
    :param min_s: that time, the shorter of stamps and steady clock.
    :param max_s: the longer of them.
    :param alive_s: steady seconds, 0 where the camera was silent for too long.
    :param standing_s: of these, the robot was known to stand.
    :param travelled_m: metres travelled in them.
    """

    whole: bool = False
    min_s: float = 0.0
    max_s: float = 0.0
    alive_s: float = 0.0
    standing_s: float = 0.0
    travelled_m: float = 0.0

    @property
    def whole_s(self) -> float:
        """Return the time, if no frame was lost in it, else 0."""
        return self.min_s if self.whole else 0.0


@dataclass(slots=True)
class Sighting:
    """
    One physical sign, as its track tells it.

    :param first_px: height of its box at the first sight, pixels.
    :param last_px: height at the last sight.
    :param height_px: largest height so far.
    :param last_ns: image stamp of the last sight, nanoseconds.
    :param first_s: the first sight, by the time that its camera has shown, seconds.
    :param last_s: the last sight, likewise.
    :param own_s: the last sight as what it is, not as an heir, likewise.
    :param unseen_s: for how long since then, at most, it may have been there unseen.
    :param absent_s: for how long its camera has shown, without a lost frame,
        that it is not there; negative while it is in view.
    :param lost: frames were missing since its last sight.
    :param done: it has done what it does when it is reached.
    :param gone: it counts as passed, though it was never near.
    :param assumed: that was done without having seen it: it may still come.
    :param middle_px: middle of its box at the last sight, or of the box that
        has stood in its place since; NaN is nowhere, which may be anywhere.
    :param box_px: height of that box.
    :param covered: a box stood in its place in the last image: it may be there still.
    :param heir: its track is read otherwise or has another number: this is what it
        still asks for, with ``track_id`` of the box that now stands there, empty if
        that has none.
    :param instead: the sign of another class that its track was before.
    :param behind: the limits, by the number of their last sight, whose signs
        had been left behind when this one was last seen.
    """

    camera: str
    track_id: str
    action: Action
    score: float
    first_px: float
    last_px: float
    height_px: float
    last_ns: int
    first_s: float
    last_s: float = 0.0
    own_s: float = 0.0
    unseen_s: float = 0.0
    absent_s: float = -1.0
    lost: bool = False
    done: bool = False
    gone: bool = False
    assumed: bool = False
    middle_px: tuple[float, float] = (math.nan, math.nan)
    box_px: float = 0.0
    covered: bool = False
    heir: bool = False
    instead: 'Sighting | None' = None
    behind: frozenset[int] = frozenset()

    @property
    def pending(self) -> bool:
        """Whether it is a stop sign that has not been reached yet."""
        return self.action.kind == 'stop' and not self.done

    @property
    def asks(self) -> bool:
        """Whether it still has to be stopped for, or asks for less speed while it is in view."""
        if self.action.kind == 'stop':
            return self.assumed or not self.done
        return self.action.kind in SLOWING and not self.done

    @property
    def awaited(self) -> bool:
        """Whether it is a stop sign that is still to come, stopped for before or not."""
        return self.action.kind == 'stop' and self.asks

    @property
    def in_view(self) -> bool:
        """Whether its camera's last image showed it."""
        return self.absent_s < 0

    @property
    def sure(self) -> bool:
        """Whether its track has been read as this class, and no other, for long."""
        return self.last_s - self.first_s > SURE_S

    def see(self, stamp_ns: int, seen_s: float, score: float, box: SignSeen) -> None:
        """Note that it is in an image."""
        self.last_ns, self.last_s, self.score = stamp_ns, seen_s, score
        if not self.heir:
            self.own_s = seen_s
        self.last_px, self.height_px = box.height_px, max(self.height_px, box.height_px)
        self.middle_px, self.box_px = box.middle_px, box.height_px
        self.absent_s, self.unseen_s, self.lost = -1.0, 0.0, False
        if self.assumed or self.action.kind != 'stop':
            self.done = self.assumed = False

    def miss(self, passage: Passage) -> None:
        """Note that an image does not show it."""
        self.lost |= not passage.whole
        if self.in_view or self.covered or not passage.whole:
            self.unseen_s += passage.max_s
            self.absent_s = 0.0
        else:
            self.absent_s += passage.min_s
        self.covered = False

    def box_among(self, boxes: Iterable[SignSeen], seen_s: float) -> SignSeen | None:
        """
        Return the box that may show it, whatever that is called: of its track, or near.

        Where the middles of boxes are not filled in, the track is all there is to go by.

        :param seen_s: now, by the time that its camera has shown, seconds.
        """
        unseen_s = min(max(seen_s - self.last_s, self.unseen_s), SPREADS_S)
        reach = self.box_px * (NEAR_HEIGHTS + HEIGHTS_PER_S * unseen_s)
        larger = NEAR_RATIO * (1 + GROWTH_PER_S * unseen_s)
        found = None
        for box in boxes:
            if self.track_id and box.track_id == self.track_id:
                return box
            if NO_PLACE in (box.middle_px, self.middle_px):
                continue
            apart = math.dist(box.middle_px, self.middle_px)
            ratio = box.height_px / max(self.box_px, 1e-9)
            if not apart > reach and 1 / NEAR_RATIO <= ratio <= larger:
                found, reach = box, apart
        return found

    def cover(self, box: SignSeen, seen_s: float) -> None:
        """Note that a box stands in its place: nobody can tell that it is gone."""
        self.middle_px, self.box_px, self.last_s = box.middle_px, box.height_px, seen_s
        self.last_px = min(self.last_px, box.height_px)
        self.covered = True

    def came_up(self, passed_px: float) -> bool:
        """Tell whether it was seen to grow, to be large and to go: it was passed."""
        return (
            not self.lost
            and self.height_px >= passed_px
            and self.last_px >= SHRUNK * self.height_px
            and self.height_px >= GROWN * self.first_px
        )

    def may_have_come(self, passed_px: float) -> bool:
        """
        Tell whether it was that high, or may have been while nobody looked.

        At constant speed one over the height falls linearly. A sign whose
        growth is not known may always have come. That no frame seems to be
        lost does not count: with many lost ones nobody knows the frame period.
        """
        known_s = self.last_s - self.first_s
        if self.height_px >= passed_px or known_s < SHORTEST_S or self.first_px <= 0:
            return True
        first, last, passed = (
            1 / max(px, 1e-9) for px in (self.first_px, self.last_px, passed_px)
        )
        nearer = max(first - last, 0.0) / known_s
        return last - FASTER * nearer * self.unseen_s <= passed
