from types import SimpleNamespace
from typing import Any

from alexnet_ros.ros.matching import MAX_WAITING, StampMatcher

WAIT_S = 0.2


def message(stamp: int, name: str = '') -> Any:
    header = SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0))
    return SimpleNamespace(header=header, name=name)


def test_boxes_after_the_frame_are_paired() -> None:
    matcher = StampMatcher()
    frame, boxes = message(1), message(1)
    assert matcher.add_frame(frame, 10.0, WAIT_S) is None
    assert matcher.add_boxes(boxes, 10.1, WAIT_S) == (frame, boxes, 10.0)


def test_boxes_before_the_frame_are_paired() -> None:
    matcher = StampMatcher()
    frame, boxes = message(1), message(1)
    assert matcher.add_boxes(boxes, 10.0, WAIT_S) is None
    assert matcher.add_frame(frame, 10.1, WAIT_S) == (frame, boxes, 10.1)


def test_a_slow_detector_still_finds_its_frame_among_newer_ones() -> None:
    matcher = StampMatcher()
    frames = [message(stamp) for stamp in range(4)]
    for index, frame in enumerate(frames):
        matcher.add_frame(frame, 10.0 + index / 30, WAIT_S)
    pair = matcher.add_boxes(message(1), 10.12, WAIT_S)
    assert pair is not None
    assert pair[0] is frames[1]
    assert matcher.frames.given_up == 1  # frame 0 is overtaken


def test_what_waits_too_long_is_dropped_and_counted() -> None:
    matcher = StampMatcher()
    matcher.add_frame(message(1), 10.0, WAIT_S)
    matcher.add_boxes(message(2), 10.0, WAIT_S)
    assert matcher.add_boxes(message(1), 10.3, WAIT_S) is None
    assert matcher.frames.given_up == 1
    assert matcher.boxes.given_up == 1


def test_memory_is_bounded_without_boxes() -> None:
    matcher = StampMatcher()
    for stamp in range(100):
        matcher.add_frame(message(stamp), 10.0, WAIT_S)
    assert matcher.frames.given_up == 100 - MAX_WAITING
