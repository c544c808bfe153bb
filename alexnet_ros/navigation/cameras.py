"""
Each camera for itself: its clock, its lost frames, the signs that it sees.

A camera is told by the name that its images carry. A name with fewer than three images is a
stranger: it is forgotten when it falls silent, any other camera counts as dead then.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.actions import Action
from alexnet_ros.navigation.checks import SignSeen
from alexnet_ros.navigation.frame_state import FrameState
from alexnet_ros.navigation.sightings import Passage, Sighting

MAX_CAMERAS = 16
MAX_SIGNS = 64  # of one camera, remembered at once
REMEMBERED_S = 10.0  # a tracker forgets sooner, so an id means the same sign
ESTABLISHED = 3  # images that make a camera of a stranger
STRANGER_S = 5.0  # a silent stranger is forgotten
INTERVALS = 16  # of the last so many, the lower quartile is the frame period
LOST = 1.6  # an interval of more periods has lost a frame
CLOSE = 2.0  # heights within which a new box rather shows a sign than one that was on it
BESIDE = 0.5  # heights between the middles of two boxes that show two signs
LATE = 2.5  # a camera silent for more periods is late, whatever its rate


class Camera:
    """One camera: when it spoke, how regularly, and what it saw."""

    def __init__(self, name: str, heard_ns: int) -> None:
        self.name = name
        self.heard_ns = heard_ns  # steady; of the last image, or when it was expected
        self.stamp_ns: int | None = None
        self.images = 0
        self.whole_s = 0.0  # without a lost frame
        self.seen_s = 0.0  # between its images, the shorter of stamps and steady clock
        self.period_s = 0.0  # between its frames; 0.0 while it is not known
        self.expected = False  # counts before its first image
        self.stood_ns: int | None = None  # steady; when the last stop at a sign seen was over
        self.signs: dict[tuple[str, bool], Sighting] = {}  # by track id, and whether an heir
        self.frame = FrameState()
        self.settled_s = 0.0  # what has been absent for so long is gone, whatever is in its place
        self._found: dict[tuple[str, bool], SignSeen | None] = {}  # in this image
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self._counted = (0.0, 0.0)

    @property
    def counts(self) -> bool:
        """Whether its silence matters."""
        return self.images >= ESTABLISHED or bool(self.signs) or self.expected or self.frame.binds

    def silent_s(self, steady_ns: int) -> float:
        """Return the seconds since its last image."""
        return (steady_ns - self.heard_ns) / 1e9

    def fresh(self, steady_ns: int, stale_after_s: float) -> bool:
        """Tell whether it has spoken, and within that time."""
        return self.images > 0 and self.silent_s(steady_ns) <= stale_after_s

    def spare(self, steady_ns: int, spare_s: float) -> bool:
        """Tell whether it may be forgotten for the sake of another."""
        if self.expected or self.frame.binds or any(one.awaited for one in self.signs.values()):
            return False
        return not self.counts or self.silent_s(steady_ns) > spare_s

    def patience_s(self, stale_after_s: float) -> float:
        """Return the silence after which nothing is known of what it would have shown."""
        return max(stale_after_s, LATE * self.period_s)

    def hear(
        self,
        stamp_ns: int,
        steady_ns: int,
        counted: tuple[float, float],
        set_to: NavigatorSettings,
    ) -> Passage:
        """
        Take a good image's times.

        :param counted: seconds stood and metres travelled since the start.
        """
        silent_s = self.silent_s(steady_ns)
        alive = self.images > 0 and 0 <= silent_s <= self.patience_s(set_to.stale_after_s)
        whole, apart_s = False, 0.0
        if self.stamp_ns is not None:
            apart_s = (stamp_ns - self.stamp_ns) / 1e9
            whole = alive and apart_s <= LOST * self.period_s
            self._intervals.append(apart_s)
            if len(self._intervals) >= INTERVALS // 4:
                self.period_s = sorted(self._intervals)[(len(self._intervals) - 1) // 4]
        stood_s, moved_m = (now - last for now, last in zip(counted, self._counted, strict=True))
        passage = Passage(
            whole,
            min(apart_s, max(silent_s, 0.0)),
            max(apart_s, silent_s),
            silent_s if alive else 0.0,
            stood_s if alive else 0.0,
            moved_m if alive else 0.0,
        )
        self.whole_s = self.whole_s + passage.whole_s if whole else 0.0
        self.seen_s += passage.min_s
        if not alive:
            self.lose()
        self.stamp_ns, self.heard_ns, self._counted = stamp_ns, steady_ns, counted
        self.images += 1
        self.settled_s = set_to.passed_after_s
        return passage

    def lose(self) -> None:
        """
        Forget the signs, for their ids may mean others from here on.

        A stop sign that is awaited stays, and what slows if it was in view.
        """
        for one in list(self.signs.values()):
            if one.action.kind != 'stop' and one.in_view and not one.heir:
                self.disown(one.track_id)
        self.signs = {
            key: one
            for key, one in self.signs.items()
            if one.awaited or (one.asks and one.heir and one.in_view)
        }
        self.whole_s = 0.0
        self.frame.reset_streak()

    def jump(self) -> None:
        """Take note that the clock of the stamps has jumped."""
        self.stamp_ns = None
        self.lose()

    def miss(self, passage: Passage, boxes: Sequence[SignSeen]) -> list[Sighting]:
        """Let an image count for the signs that it does not show, and return them."""
        ids = {box.track_id for box in boxes}
        self._found = {}
        away = []
        for key, one in list(self.signs.items()):
            if one.heir:
                self._found[key] = self._box_of(one, boxes)
            elif one.track_id not in ids:
                away.append(one)
                one.miss(passage)
                box = self._box_of(one, boxes) if one.absent_s < self.settled_s else None
                self._found[key] = box
                if box is not None and one.action.kind != 'stop':
                    one.cover(box, self.seen_s)
                if self.seen_s - one.last_s > REMEMBERED_S:
                    del self.signs[key]
        return away

    def see(
        self, box: SignSeen, stamp_ns: int, action: Action, score: float
    ) -> tuple[Sighting, bool]:
        """Note a sign in an image; return it, and whether it is new or back and still to come."""
        before = self.signs.get((box.track_id, False))
        heir = self.signs.get((box.track_id, True))
        if heir is not None and heir.action.class_id == action.class_id:
            del self.signs[box.track_id, True]  # it is read right again
            if heir.action.kind == 'stop':
                before, heir.heir, heir.track_id = heir, False, box.track_id
        new = before is None or before.gone or before.action.class_id != action.class_id
        if before is None or new:
            self.disown(box.track_id)
            one = Sighting(
                self.name, box.track_id, action, score, box.height_px, box.height_px,
                box.height_px, stamp_ns, self.seen_s,
            )  # fmt: skip
            one.instead = self._read_before(one, box, before)
        else:
            one = before
        self.signs[box.track_id, False] = one
        one.see(stamp_ns, self.seen_s, score, box)
        if one.instead is not None and one.instead.in_view and not one.instead.heir:
            one.instead = None  # both are in view: two signs
        return one, new

    def disown(self, track_id: str) -> None:
        """Let what a sign asks for stay, because its track is read otherwise."""
        one = self.signs.get((track_id, False))
        if one is not None and one.asks and (track_id, True) not in self.signs:
            del self.signs[track_id, False]
            one.heir = True
            self.signs[track_id, True] = one

    def inherit(
        self, passage: Passage, boxes: Sequence[SignSeen], stamp_ns: int
    ) -> list[tuple[Sighting, bool]]:
        """Let heirs go on with the boxes in their places; tell which ones are shown."""
        for (track_id, _), one in list(self.signs.items()):
            box = None if one.heir or not one.asks else self._found.get((track_id, False))
            if box is not None and (track_id, True) not in self.signs:
                other = self.signs.get((box.track_id, False))
                if other is None or not other.asks or other.action != one.action:
                    self.signs[track_id, True] = replace(one, heir=True, track_id=box.track_id)
                    self._found[track_id, True] = box
        heirs = []
        for key, one in list(self.signs.items()):
            if not one.heir:
                continue
            box = self._found[key] if key in self._found else one.box_among(boxes, self.seen_s)
            if box and box.track_id != one.track_id and (one.track_id or not one.in_view):
                other = self.signs.get((box.track_id, False))
                further = box.track_id or f'{key[0]}*'
                same = other is not None and other.action == one.action
                if not same and (further, True) not in self.signs:
                    heir = replace(one, track_id=box.track_id)  # besides: it may be another sign
                    heir.see(stamp_ns, self.seen_s, one.score, box)
                    self.signs[further, True] = heir
                    heirs.append((heir, True))
                box = None
            if not one.asks:
                del self.signs[key]
            elif box is None:
                one.miss(passage)
                heirs.append((one, False))
            else:
                one.track_id = box.track_id
                one.see(stamp_ns, self.seen_s, one.score, box)
                heirs.append((one, True))
        return heirs

    def _box_of(self, one: Sighting, boxes: Sequence[SignSeen]) -> SignSeen | None:
        """Return the box that may show a sign, at last one that was on it before."""
        fresh, merged = [], []
        for box in boxes:
            if one.action.kind != 'stop' and self._is_another(box, one):
                continue
            other = self.signs.get((box.track_id, False))
            if box.track_id and box.track_id == one.track_id:
                return box
            if other is None or not other.first_s <= one.last_s <= other.last_s:
                fresh.append(box)
                continue
            apart = math.dist(other.middle_px, one.middle_px)
            if other.last_s == one.last_s and not apart > BESIDE * one.box_px:
                merged.append(box)
        found, on_it = one.box_among(fresh, self.seen_s), one.box_among(merged, self.seen_s)
        if found is None or on_it is None:
            return found or on_it
        far = math.dist(found.middle_px, one.middle_px) > CLOSE * one.box_px
        return on_it if far else found

    def _is_another(self, box: SignSeen, one: Sighting) -> bool:
        """Tell whether a box came after a sign and is read otherwise for too long to be that."""
        other = self.signs.get((box.track_id, False))
        if other is None or other.action.class_id == one.action.class_id:
            return False
        return other.first_s > one.own_s and other.sure

    def _read_before(
        self, new: Sighting, box: SignSeen, before: Sighting | None
    ) -> Sighting | None:
        """Return the sign of another class that a new one's track was read as, if any."""
        near = [
            one
            for one in self.signs.values()
            if (one.heir or 0 <= one.absent_s < self.settled_s)
            and one.box_among([box], self.seen_s)
        ]
        if before is not None and not before.gone:
            before.absent_s = max(before.absent_s, 0.0)
            near = [before]
        for one in near:
            if one.action.class_id != new.action.class_id:
                one.lost = True  # nobody knows what became of it either
                if one.instead is not None:
                    one.instead.instead = None  # else a track that flickers grows a chain
                return one
        return near[0].instead if near else None

    def evict(self) -> list[Sighting]:
        """Forget the least important signs if there are too many, and return them."""
        if len(self.signs) <= MAX_SIGNS:
            return []
        least = sorted(self.signs, key=lambda key: _importance(self.signs[key]))[:-MAX_SIGNS]
        return [self.signs.pop(key) for key in least]


def _importance(one: Sighting) -> tuple[bool, bool, bool, int]:
    acts = one.action.kind not in {'none', 'warn'}
    return one.awaited, acts and not one.done, one.in_view, one.last_ns


class Cameras:
    """The cameras, by name, few and bounded."""

    def __init__(self) -> None:
        self._now: dict[str, Camera] = {}

    def __iter__(self) -> Iterator[Camera]:
        """Go over the cameras."""
        return iter(list(self._now.values()))

    def get(self, name: str) -> Camera | None:
        """Return the camera of that name, or None."""
        return self._now.get(name)

    def expect(self, name: str, steady_ns: int) -> Camera:
        """Let a camera count from now on, whether it has spoken or not."""
        camera = self._now.setdefault(name, Camera(name, steady_ns))
        camera.expected = True
        return camera

    def admit(self, name: str, steady_ns: int, spare_s: float) -> tuple[Camera | None, str]:
        """
        Return the camera of that name, a new one if need be.

        :param spare_s: a camera silent for longer may give its place away.
        :returns: the camera, None where all places are taken by what counts;
            and the name of the one that had to go, empty if none had.
        """
        gone = ''
        if name not in self._now:
            if len(self._now) >= MAX_CAMERAS:
                free = [one for one in self if one.spare(steady_ns, spare_s)]
                if not free:
                    return None, ''
                gone = min(free, key=lambda one: (one.images, one.heard_ns)).name
                del self._now[gone]
            self._now[name] = Camera(name, steady_ns)
        return self._now[name], gone

    def forget_strangers(self, steady_ns: int) -> None:
        """Forget the names that brought an image or two and fell silent."""
        for one in self:
            if not one.counts and one.silent_s(steady_ns) > STRANGER_S:
                del self._now[one.name]

    def silent(self, steady_ns: int, stale_after_s: float) -> list[Camera]:
        """Return the cameras that count and have not spoken for so long."""
        return [one for one in self if one.counts and not one.fresh(steady_ns, stale_after_s)]

    @property
    def signs_in_view(self) -> int:
        """How many confirmed signs that the table knows are in view."""
        return sum(one.in_view for camera in self for one in camera.signs.values())

    def clear(self) -> None:
        """Forget all."""
        self._now.clear()
