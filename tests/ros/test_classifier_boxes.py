"""``regions: detections``: another detector's boxes, filled in."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.lifecycle import SUCCESS
from tests.models import colour_of
from tests.ros.robot import Bench, make_image, stamp_ns

SIZE_WH = (200, 100)


def frame(number: int) -> Image:
    """The n-th image at 10 Hz; its left half shows class 0, its right half class 2."""
    image = make_image((0, 0, 0), number // 10, size_wh=SIZE_WH)
    image.header.stamp.nanosec = number % 10 * 100_000_000
    pixels = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    pixels[:, :100] = colour_of(0)
    pixels[:, 100:] = colour_of(2)
    image.data = pixels.tobytes()
    return image


def box(x: float, y: float, width: float, height: float, ident: str, *, score: float = 0.5) -> Any:
    one = Detection2D(id=ident)
    one.header.frame_id = 'detector'
    # an int in a float field becomes any number on the wire, without a word
    one.bbox.center.position.x, one.bbox.center.position.y = float(x), float(y)
    one.bbox.center.theta = 0.25
    one.bbox.size_x, one.bbox.size_y = float(width), float(height)
    one.results = [
        ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id='sign', score=score))
    ]
    return one


def boxes_for(image: Image, *found: Any) -> Detection2DArray:
    return Detection2DArray(header=image.header, detections=list(found))


class Pair:
    """An active classifier that waits for boxes, a camera and a detector."""

    def __init__(self, bench: Bench, model: Path, **parameters: Any) -> None:
        self.bench = bench
        values = {'detections_wait_ms': 5000.0} | parameters
        node = bench.add(ClassifierNode, model=str(model), regions='detections', **values)
        assert isinstance(node, ClassifierNode)
        self.node = node
        assert node.trigger_configure() == SUCCESS, node.last_error
        assert node.trigger_activate() == SUCCESS, node.last_error
        self.port = node._ports['']
        self.results = bench.listen(Detection2DArray, 'alexnet/detections')
        self.foremost = bench.listen(Classification, 'alexnet/classification')
        self.camera = bench.camera()
        self.detector = bench.node.create_publisher(Detection2DArray, 'detections_in', 10)
        bench.until(
            'all are connected',
            lambda: (
                self.camera.get_subscription_count()
                and self.detector.get_subscription_count()
                and self.port.watched()
            ),
        )
        self.stamp = 0

    def ask(self, *found: Any, boxes_first: bool = False) -> tuple[Detection2DArray, Any]:
        """Send frames with these boxes until the last answer is to one of them."""
        sent: dict[int, Detection2DArray] = {}

        def answered() -> bool:
            if len(self.results) and stamp_ns(self.results.last) in sent:
                return True
            self.stamp += 1
            image = frame(self.stamp)
            asked = boxes_for(image, *copy.deepcopy(found))
            sent[stamp_ns(image)] = asked
            messages = [(self.camera, image), (self.detector, asked)]
            for publisher, message in reversed(messages) if boxes_first else messages:
                publisher.publish(message)
                self.bench.spin_for(0.03)
            return False

        self.bench.until('boxes are answered', answered)
        got = self.results.last
        return sent[stamp_ns(got)], got


@pytest.fixture
def pair(bench: Bench, model: Path) -> Pair:
    return Pair(bench, model)


@pytest.mark.parametrize('boxes_first', [False, True])
def test_the_same_array_comes_back_with_its_results_filled(pair: Pair, boxes_first: bool) -> None:
    left, right = box(50, 50, 40, 40, 'a'), box(150, 50, 40, 40, '', score=0.9)
    asked, got = pair.ask(left, right, boxes_first=boxes_first)
    assert got.header == asked.header
    assert [one.results[0].hypothesis.class_id for one in got.detections] == ['0', '2']
    assert all(0 < one.results[0].hypothesis.score <= 1 for one in got.detections)
    for one in (*asked.detections, *got.detections):
        one.results = []
    assert got == asked


def test_no_boxes_is_an_answer_too(pair: Pair) -> None:
    asked, got = pair.ask()
    assert got == asked
    pair.bench.until('the classification too', lambda: len(pair.foremost))
    assert list(pair.foremost.last.results) == []


def test_unusable_boxes_go_out_empty_and_are_counted(pair: Pair) -> None:
    good = box(150, 50, 40, 40, 'good')
    bad = [
        box(math.nan, 50, 40, 40, 'nan'),
        box(50, 50, 0, 40, 'flat'),
        box(50, 50, -5, 40, 'negative'),
        box(5000, 50, 40, 40, 'outside'),
    ]
    _, got = pair.ask(*bad, good)
    assert [one.id for one in got.detections] == ['nan', 'flat', 'negative', 'outside', 'good']
    assert [len(one.results) > 0 for one in got.detections] == [False] * 4 + [True]
    assert got.detections[-1].results[0].hypothesis.class_id == '2'
    assert pair.port.stats.rejected['bad_box'] >= 3


def test_too_many_boxes_leave_the_least_likely_out(bench: Bench, model: Path) -> None:
    pair = Pair(bench, model, max_regions=2)
    scores = (0.1, 0.9, 0.8)
    found = [box(20 + 30 * i, 50, 10, 10, str(i), score=s) for i, s in enumerate(scores)]
    _, got = pair.ask(*found)
    assert [len(one.results) > 0 for one in got.detections] == [False, True, True]


def test_frames_without_boxes_are_dropped_and_counted(bench: Bench, model: Path) -> None:
    pair = Pair(bench, model, detections_wait_ms=50.0)
    pair.camera.publish(frame(1))
    bench.until('the frame is given up', lambda: pair.port.matcher.frames.given_up == 1)
    pair.detector.publish(boxes_for(frame(2)))
    bench.until('the boxes are given up', lambda: pair.port.matcher.boxes.given_up == 1)
    assert not pair.results.messages
    values = next(f.values for f in pair.node.findings() if f.task == 'input')
    assert values['frames without boxes'] == 1
    assert values['boxes without a frame'] == 1


def test_own_track_ids_mark_only_confirmed_signs(bench: Bench, model: Path) -> None:
    pair = Pair(bench, model, own_track_ids=True)
    ids = []
    for _ in range(8):
        _, got = pair.ask(box(50, 50, 40, 40, 'detector'))
        ids.append(got.detections[0].id)
    assert ids[0] == ''
    assert ids[-1] not in {'', 'detector'}
