"""Pairs frames with the boxes that a detector found in them, by stamp."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from alexnet_ros.bags.typestore import stamp_ns_of

MAX_WAITING = 8  # frames, and box arrays, held at once: bounds the memory
Pair = tuple[Any, Any, float]  # frame, boxes, when the frame came


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Any
    received_s: float


class StampMatcher:
    """
    Holds what came first until its partner comes, for a bounded time.

    A frame older than one that was paired is never paired any more, so that
    the order of results is the order of frames.
    """

    def __init__(self) -> None:
        self._frames: OrderedDict[int, _Waiting] = OrderedDict()
        self._boxes: OrderedDict[int, _Waiting] = OrderedDict()
        self.unmatched_frames = 0
        self.unmatched_boxes = 0

    def add_frame(self, message: Any, now_s: float, wait_s: float) -> Pair | None:
        """
        Take a frame in.

        :param wait_s: how long a frame or an array of boxes may wait.
        :returns: what is complete now, or None.
        """
        self.expire(now_s, wait_s)
        stamp = stamp_ns_of(message.header)
        boxes = self._boxes.pop(stamp, None)
        if boxes is not None:
            self._drop_before(stamp)
            return message, boxes.message, now_s
        self._frames[stamp] = _Waiting(message, now_s)
        if len(self._frames) > MAX_WAITING:
            self._frames.popitem(last=False)
            self.unmatched_frames += 1
        return None

    def add_boxes(self, message: Any, now_s: float, wait_s: float) -> Pair | None:
        """Take an array of boxes in; as :meth:`add_frame`."""
        self.expire(now_s, wait_s)
        stamp = stamp_ns_of(message.header)
        frame = self._frames.pop(stamp, None)
        if frame is not None:
            self._drop_before(stamp)
            return frame.message, message, frame.received_s
        self._boxes[stamp] = _Waiting(message, now_s)
        if len(self._boxes) > MAX_WAITING:
            self._boxes.popitem(last=False)
            self.unmatched_boxes += 1
        return None

    def expire(self, now_s: float, wait_s: float) -> None:
        """Drop and count what has waited too long."""
        self.unmatched_frames += _expire(self._frames, now_s - wait_s)
        self.unmatched_boxes += _expire(self._boxes, now_s - wait_s)

    def clear(self) -> None:
        """Forget everything that waits, uncounted."""
        self._frames.clear()
        self._boxes.clear()

    def _drop_before(self, stamp: int) -> None:
        """Give up frames that are overtaken by the one just paired."""
        for earlier in [held for held in self._frames if held < stamp]:
            del self._frames[earlier]
            self.unmatched_frames += 1


def _expire(waiting: 'OrderedDict[int, _Waiting]', oldest_s: float) -> int:
    count = 0
    while waiting and next(iter(waiting.values())).received_s < oldest_s:
        waiting.popitem(last=False)
        count += 1
    return count
