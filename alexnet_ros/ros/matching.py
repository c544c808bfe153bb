"""Pairs frames with the boxes that a detector found in them, by stamp."""

from typing import Any

from alexnet_ros.bags.typestore import stamp_ns_of

MAX_WAITING = 8  # frames, and box arrays, held at once: bounds the memory
Pair = tuple[Any, Any, float]  # frame, boxes, when the frame came


class _Held(dict[int, tuple[Any, float]]):
    """Messages by stamp with their arrival, oldest first; those given up are counted."""

    given_up = 0

    def give_up(self, stamps: list[int]) -> None:
        for stamp in stamps:
            del self[stamp]
        self.given_up += len(stamps)

    def hold(self, stamp: int, message: Any, now_s: float) -> None:
        self[stamp] = message, now_s
        self.give_up(list(self)[:-MAX_WAITING])

    def expire(self, oldest_s: float) -> None:
        self.give_up([stamp for stamp, (_, received_s) in self.items() if received_s < oldest_s])


class StampMatcher:
    """
    Holds what came first until its partner comes, for a bounded time.

    A frame older than one that was paired is never paired any more, so that
    the order of results is the order of frames.
    """

    def __init__(self) -> None:
        self.frames, self.boxes = _Held(), _Held()

    def add_frame(self, message: Any, now_s: float, wait_s: float) -> Pair | None:
        """
        Take a frame in.

        :param wait_s: how long a frame or an array of boxes may wait.
        :returns: what is complete now, or None.
        """
        self.expire(now_s, wait_s)
        stamp = stamp_ns_of(message.header)
        if stamp not in self.boxes:
            self.frames.hold(stamp, message, now_s)
            return None
        return self._paired(stamp, message, self.boxes.pop(stamp)[0], now_s)

    def add_boxes(self, message: Any, now_s: float, wait_s: float) -> Pair | None:
        """Take an array of boxes in; as :meth:`add_frame`."""
        self.expire(now_s, wait_s)
        stamp = stamp_ns_of(message.header)
        if stamp not in self.frames:
            self.boxes.hold(stamp, message, now_s)
            return None
        frame, received_s = self.frames.pop(stamp)
        return self._paired(stamp, frame, message, received_s)

    def _paired(self, stamp: int, frame: Any, boxes: Any, received_s: float) -> Pair:
        """Give up frames that are overtaken by this pair."""
        self.frames.give_up([held for held in self.frames if held < stamp])
        return frame, boxes, received_s

    def expire(self, now_s: float, wait_s: float) -> None:
        """Drop and count what has waited too long."""
        self.frames.expire(now_s - wait_s)
        self.boxes.expire(now_s - wait_s)

    def clear(self) -> None:
        """Forget everything that waits, uncounted."""
        self.frames.clear()
        self.boxes.clear()
