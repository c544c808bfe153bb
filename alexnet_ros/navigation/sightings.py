"""Confirmed signs in view: when each was seen, how large, and when it is gone."""

from dataclasses import dataclass

from alexnet_ros.navigation.actions import Action

MOST_KEPT = 64  # signs remembered at once; the longest unseen goes first
REMEMBERED_NS = 10 * 10**9  # a tracker forgets sooner, so an id means the same sign


@dataclass(slots=True)
class Sighting:
    """
    One physical sign, as its track tells it.

    :param height_px: largest height of its box so far, pixels.
    :param first_ns: image stamp of the first sight, nanoseconds.
    :param last_ns: image stamp of the last sight, nanoseconds.
    :param stopped: it has had its stop.
    :param gone: it has left the view.
    """

    camera: str
    track_id: str
    action: Action
    score: float
    height_px: float
    first_ns: int
    last_ns: int
    stopped: bool = False
    gone: bool = False


class Sightings:
    """The signs of all cameras, by camera and track id, few and bounded."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Sighting] = {}

    def __len__(self) -> int:
        """Return how many signs are in view."""
        return sum(not one.gone for one in self._seen.values())

    def see(
        self, key: tuple[str, str], stamp_ns: int, action: Action, score: float, height_px: float
    ) -> tuple[Sighting, bool]:
        """
        Note that a sign is in an image.

        :param key: camera and track id.
        :returns: the sign, and whether it is new or has become another class.
        """
        one = self._seen.pop(key, None)
        changed = one is None or one.action.class_id != action.class_id
        if one is None:
            one = Sighting(*key, action, score, height_px, stamp_ns, stamp_ns)
        one.action, one.score, one.last_ns, one.gone = action, score, stamp_ns, False
        one.height_px = max(one.height_px, height_px)
        if len(self._seen) >= MOST_KEPT:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = one  # the newest stands last
        return one, changed

    def passed(self, camera: str, stamp_ns: int, after_ns: int) -> list[Sighting]:
        """
        Return the signs of a camera that have just left its view.

        :param stamp_ns: stamp of the camera's newest image.
        :param after_ns: a sign unseen for longer is gone.
        """
        left = []
        for key, one in list(self._seen.items()):
            unseen_ns = stamp_ns - one.last_ns
            if one.camera != camera or unseen_ns <= after_ns:
                continue
            if not one.gone:
                one.gone = True
                left.append(one)
            elif unseen_ns > REMEMBERED_NS:
                del self._seen[key]
        return left

    def lose(self, camera: str) -> None:
        """Forget the signs of a camera; its tracker has, and may use their ids anew."""
        self._seen = {key: one for key, one in self._seen.items() if one.camera != camera}

    def clear(self) -> None:
        """Forget every sign."""
        self._seen.clear()
