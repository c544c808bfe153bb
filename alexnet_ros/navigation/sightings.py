"""Confirmed signs in view: when each was seen, how it grows, and when it is gone."""

from dataclasses import dataclass

from alexnet_ros.navigation.actions import Action

GROWN = 1.1  # a sign that is passed has grown by so much since it was first seen
SHRUNK = 0.9  # and was at last not smaller than this part of its largest height
FASTER = 2.0  # so much faster than measured a sign may come nearer while nobody looks
SHORTEST_S = 0.0501  # a growth over less is not known: two images at 20 Hz, however rounded


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
    :param unseen_s: for how long since then, at most, it may have been there unseen.
    :param absent_s: for how long its camera has shown, without a lost frame,
        that it is not there; negative while it is in view.
    :param lost: frames were missing since its last sight.
    :param done: it has done what it does when it is reached.
    :param gone: it counts as passed, though it was never near.
    :param assumed: that was done without having seen it: it may still come.
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
    unseen_s: float = 0.0
    absent_s: float = -1.0
    lost: bool = False
    done: bool = False
    gone: bool = False
    assumed: bool = False
    behind: frozenset[int] = frozenset()

    @property
    def pending(self) -> bool:
        """Whether it is a stop sign that has not been reached yet."""
        return self.action.kind == 'stop' and not self.done

    @property
    def in_view(self) -> bool:
        """Whether its camera's last image showed it."""
        return self.absent_s < 0

    def see(self, stamp_ns: int, seen_s: float, score: float, height_px: float) -> None:
        """Note that it is in an image."""
        self.last_ns, self.last_s, self.score = stamp_ns, seen_s, score
        self.last_px, self.height_px = height_px, max(self.height_px, height_px)
        self.absent_s, self.unseen_s, self.lost = -1.0, 0.0, False
        if self.assumed:
            self.done = self.assumed = False

    def miss(self, passage: Passage) -> None:
        """Note that an image does not show it."""
        self.lost |= not passage.whole
        if self.in_view or not passage.whole:
            self.unseen_s += passage.max_s
            self.absent_s = 0.0
        else:
            self.absent_s += passage.min_s

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
