"""Several cameras through one engine."""

from pathlib import Path
from typing import Any

import pytest
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.diagnostics import OK, WARN
from alexnet_ros.ros.lifecycle import SUCCESS
from alexnet_ros.ros.qos import LATCHED
from tests.models import colour_of
from tests.ros.robot import Bench, Listener, stamp_ns

CAMERAS = ['front', 'left']


class Cameras:
    """An active classifier with two cameras that show different colours."""

    def __init__(self, bench: Bench, model: Path) -> None:
        self.bench = bench
        node = bench.add(
            ClassifierNode,
            model=str(model),
            cameras=CAMERAS,
            batch_wait_ms=200.0,
            stale_after_s=0.3,
            error_after_s=0.5,
        )
        assert isinstance(node, ClassifierNode)
        self.node = node
        self.batches: list[int] = []
        assert node.trigger_configure() == SUCCESS, node.last_error
        recognizer = node._worker.recognizer
        infer = recognizer.engine.infer

        def counted(batch: Any, **options: Any) -> Any:
            self.batches.append(len(batch))
            return infer(batch, **options)

        recognizer.engine.infer = counted
        assert node.trigger_activate() == SUCCESS, node.last_error
        self.results: dict[str, Listener] = {
            name: bench.listen(Classification, f'alexnet/{name}/classification')
            for name in CAMERAS
        }
        self.publishers = {name: bench.camera(f'{name}/image') for name in CAMERAS}

    def send(self, *names: str) -> None:
        for name in names:
            colour = colour_of(CAMERAS.index(name))
            self.publishers[name].publish(self.bench.image(colour, frame_id=name))
        self.bench.spin_for(0.05)

    def answered(self, *names: str) -> None:
        """Send from these cameras until each has three more answers."""
        wanted = {name: len(self.results[name]) + 3 for name in names}

        def enough() -> bool:
            self.send(*names)
            return all(len(self.results[name]) >= count for name, count in wanted.items())

        self.bench.until(f'{names} are answered', enough)

    def well(self, name: str) -> None:
        """Send from this camera until nothing is wrong with it."""

        def fine() -> bool:
            self.send(name)
            return self.level(name) == OK

        self.bench.until(f'{name} is well', fine)

    def level(self, name: str) -> bytes:
        return next(f.level for f in self.node.findings() if f.task == f'input {name}')


@pytest.fixture
def cameras(bench: Bench, model: Path) -> Cameras:
    return Cameras(bench, model)


def test_each_camera_has_its_own_results(cameras: Cameras) -> None:
    cameras.answered(*CAMERAS)
    for name, listener in cameras.results.items():
        assert {one.header.frame_id for one in listener.messages} == {name}
        found = {one.results[0].class_id for one in listener.messages}
        assert found == {str(CAMERAS.index(name))}
    topics = dict(cameras.bench.node.get_topic_names_and_types())
    for name in CAMERAS:
        own = f'/alexnet/{name}/'
        assert topics[own + 'detections'] == ['vision_msgs/msg/Detection2DArray']
        assert topics[own + 'label_info'] == ['vision_msgs/msg/LabelInfo']
        assert topics[own + 'overlay/compressed'] == ['sensor_msgs/msg/CompressedImage']


def test_frames_that_are_there_share_a_batch(cameras: Cameras) -> None:
    cameras.answered(*CAMERAS)

    def together() -> bool:
        cameras.send(*CAMERAS)
        return 2 in cameras.batches

    cameras.bench.until('both share a batch', together)


def test_a_camera_that_stops_and_returns_does_not_disturb_the_other(cameras: Cameras) -> None:
    cameras.answered(*CAMERAS)
    cameras.answered('front')

    def silent() -> bool:
        cameras.send('front')
        return cameras.level('left') not in {OK, WARN}

    cameras.bench.until('the silence of one is told', silent)
    cameras.well('front')
    assert cameras.level('left') not in {OK, WARN}
    cameras.answered(*CAMERAS)
    cameras.well('left')


def test_a_broken_frame_of_one_camera_is_its_own_trouble(cameras: Cameras) -> None:
    cameras.answered(*CAMERAS)
    broken = cameras.bench.image()
    broken.step = 1
    front = len(cameras.results['front'])

    def counted() -> bool:
        cameras.publishers['left'].publish(broken)
        cameras.send('front')
        return sum(cameras.node._ports['left'].stats.rejected.values()) >= 3

    cameras.bench.until('the broken ones are counted', counted)
    cameras.bench.until('the other one is answered', lambda: len(cameras.results['front']) > front)
    assert not cameras.node._ports['front'].stats.rejected
    cameras.answered(*CAMERAS)
    assert stamp_ns(broken) not in cameras.results['left'].stamps()


def test_labels_are_latched_for_every_camera(cameras: Cameras) -> None:
    listeners = [
        cameras.bench.listen(LabelInfo, f'alexnet/{name}/label_info', LATCHED) for name in CAMERAS
    ]
    cameras.bench.until('both came', lambda: all(len(one) for one in listeners))


def test_looking_at_one_camera_only_leaves_the_other_alone(bench: Bench, model: Path) -> None:
    node = bench.add(ClassifierNode, model=str(model), cameras=CAMERAS)
    assert isinstance(node, ClassifierNode)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    seen = bench.listen(Detection2DArray, 'alexnet/left/detections')
    pictures = {name: bench.camera(f'{name}/image') for name in CAMERAS}

    def some() -> bool:
        for publisher in pictures.values():
            publisher.publish(bench.image())
        bench.spin_for(0.05)
        return len(seen) >= 3

    bench.until('the left one is answered', some)
    assert node._ports['front'].stats.processed == 0
    assert node._ports['front'].stats.unwatched > 0


def test_two_compressed_cameras(bench: Bench, model: Path) -> None:
    node = bench.add(
        ClassifierNode, model=str(model), cameras=CAMERAS, image_transport='compressed'
    )
    assert isinstance(node, ClassifierNode)
    assert node.trigger_configure() == SUCCESS
    topics = dict(node.get_topic_names_and_types())
    for name in CAMERAS:
        assert topics[f'/{name}/image/compressed'] == ['sensor_msgs/msg/CompressedImage']
