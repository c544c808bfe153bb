"""
Each camera for itself: its clock, its lost frames, the signs that it sees.

A camera is told by the name that its images carry. A name that has brought
fewer than three images is a stranger: it is forgotten when it falls silent,
any other camera counts as dead then.
"""

from collections import deque
from collections.abc import Collection, Iterator

from alexnet_ros.navigation.actions import Action
from alexnet_ros.navigation.frame_state import FrameState
from alexnet_ros.navigation.sightings import Passage, Sighting

MAX_CAMERAS = 16
MAX_SIGNS = 64  # of one camera, remembered at once
REMEMBERED_S = 10.0  # a tracker forgets sooner, so an id means the same sign
ESTABLISHED = 3  # images that make a camera of a stranger
STRANGER_S = 5.0  # a silent stranger is forgotten
INTERVALS = 16  # of the last so many, the lower quartile is the frame period
LOST = 1.6  # an interval of more periods has lost a frame
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
        self.signs: dict[str, Sighting] = {}
        self.frame = FrameState()
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self._counted = (0.0, 0.0)

    @property
    def counts(self) -> bool:
        """Whether its silence matters."""
        return self.expected or self.images >= ESTABLISHED or bool(self.signs)

    def silent_s(self, steady_ns: int) -> float:
        """Return the seconds since its last image."""
        return (steady_ns - self.heard_ns) / 1e9

    def fresh(self, steady_ns: int, stale_after_s: float) -> bool:
        """Tell whether it has spoken, and within that time."""
        return self.images > 0 and self.silent_s(steady_ns) <= stale_after_s

    def spare(self, steady_ns: int, spare_s: float) -> bool:
        """Tell whether it may be forgotten for the sake of another."""
        if self.expected or any(one.pending for one in self.signs.values()):
            return False
        return not self.counts or self.silent_s(steady_ns) > spare_s

    def patience_s(self, stale_after_s: float) -> float:
        """Return the silence after which nothing is known of what it would have shown."""
        return max(stale_after_s, LATE * self.period_s)

    def hear(
        self, stamp_ns: int, steady_ns: int, counted: tuple[float, float], stale_after_s: float
    ) -> Passage:
        """
        Take a good image's times.

        :param counted: seconds stood and metres travelled since the start.
        """
        silent_s = self.silent_s(steady_ns)
        alive = self.images > 0 and 0 <= silent_s <= self.patience_s(stale_after_s)
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
        return passage

    def lose(self) -> None:
        """
        Forget the signs, for their ids may mean others from here on.

        A stop sign that was not reached stays: nobody knows what became of it.
        """
        self.signs = {key: one for key, one in self.signs.items() if one.pending}
        self.whole_s = 0.0
        self.frame.reset_streak()

    def jump(self) -> None:
        """Take note that the clock of the stamps has jumped."""
        self.stamp_ns = None
        self.lose()

    def miss(self, passage: Passage, present: Collection[str]) -> list[Sighting]:
        """Let an image count for the signs that it does not show, and return them."""
        away = [one for key, one in self.signs.items() if key not in present]
        for one in away:
            one.miss(passage)
            if self.seen_s - one.last_s > REMEMBERED_S:
                del self.signs[one.track_id]
        return away

    def see(
        self, track_id: str, stamp_ns: int, action: Action, score: float, height_px: float
    ) -> tuple[Sighting, bool]:
        """
        Note that a sign is in an image.

        :returns: the sign, and whether it is new, has become another class, or is back
            though it counted as passed without having been near: it is still to come.
        """
        one = self.signs.get(track_id)
        new = one is None or one.gone or one.action.class_id != action.class_id
        if one is None or new:
            one = Sighting(
                self.name, track_id, action, score, height_px, height_px, height_px,
                stamp_ns, self.seen_s,
            )  # fmt: skip
            self.signs[track_id] = one
        one.see(stamp_ns, self.seen_s, score, height_px)
        return one, new

    def evict(self) -> list[Sighting]:
        """Forget the least important signs if there are too many, and return them."""
        if len(self.signs) <= MAX_SIGNS:
            return []
        least = sorted(self.signs.values(), key=_importance)[:-MAX_SIGNS]
        return [self.signs.pop(one.track_id) for one in least]


def _importance(one: Sighting) -> tuple[bool, bool, bool, int]:
    acts = one.action.kind not in {'none', 'warn'}
    return one.pending, acts and not one.done, one.in_view, one.last_ns


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
