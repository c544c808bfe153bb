"""The classifier in this process: what goes in and what comes out."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import SetBool
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.lifecycle import FAILURE, SUCCESS
from alexnet_ros.ros.qos import LATCHED
from tests.models import colour_of
from tests.ros.robot import Bench, Listener, stamp_ns

START = Callable[..., ClassifierNode]


@pytest.fixture
def start(bench: Bench, model: Path) -> START:
    """Start an active classifier with parameters."""

    def make(**parameters: Any) -> ClassifierNode:
        node = bench.add(ClassifierNode, **({'model': str(model)} | parameters))
        assert isinstance(node, ClassifierNode)
        assert node.trigger_configure() == SUCCESS, node.last_error
        assert node.trigger_activate() == SUCCESS, node.last_error
        return node

    return make


def send_until(bench: Bench, camera: Any, make: Callable[[], Any], listener: Listener) -> Any:
    """Send new messages until the last result is that of one of them; return that one."""
    sent: dict[int, Any] = {}

    def another() -> Any:
        message = make()
        sent[stamp_ns(message)] = message
        camera.publish(message)
        bench.spin_for(0.05)
        return sent.get(stamp_ns(listener.last)) if len(listener) else None

    return bench.until('a result comes', another)


def sent_in_vain(bench: Bench, camera: Any, node: ClassifierNode) -> set[int]:
    """Send images that the node must not take; return their stamps."""
    received = node._ports[''].stats.received
    stamps = set()
    for _ in range(5):
        image = bench.image()
        stamps.add(stamp_ns(image))
        camera.publish(image)
        bench.spin_for(0.02)
    assert node._ports[''].stats.received == received
    return stamps


def test_a_frame_is_classified_under_its_own_header(bench: Bench, start: START) -> None:
    start(top_k=2)
    results = bench.listen(Classification, 'alexnet/classification')
    detections = bench.listen(Detection2DArray, 'alexnet/detections')
    camera = bench.camera()
    for class_id in (0, 2):
        image = send_until(
            bench,
            camera,
            lambda c=class_id: bench.image(colour_of(c), frame_id='left_optical'),
            results,
        )
        assert results.last.header == image.header
        assert results.last.results[0].class_id == str(class_id)
        assert len(results.last.results) == 2
        assert 0.9 < results.last.results[0].score <= 1.0
    bench.until('detections came too', lambda: stamp_ns(image) in detections.stamps())
    found = detections.messages[detections.stamps().index(stamp_ns(image))]
    box = found.detections[0]
    assert found.header == image.header == box.header
    assert (box.bbox.size_x, box.bbox.size_y) == (64.0, 48.0)
    assert (box.bbox.center.position.x, box.bbox.center.position.y) == (32.0, 24.0)
    assert box.results[0].hypothesis.class_id == '2'
    assert box.id == ''


def test_what_the_model_does_not_know_goes_out_empty(bench: Bench, start: START) -> None:
    start(score_threshold=0.999)
    results = bench.listen(Classification, 'alexnet/classification')
    detections = bench.listen(Detection2DArray, 'alexnet/detections')
    image = send_until(bench, bench.camera(), lambda: bench.image((120, 60, 60)), results)
    assert results.last.header == image.header
    bench.until('detections too', lambda: len(detections))
    assert list(results.last.results) == []
    assert [list(one.results) for one in detections.last.detections] == [[]]


def test_thresholds_change_while_active_and_the_labels_say_so(bench: Bench, start: START) -> None:
    node = start()
    results = bench.listen(Classification, 'alexnet/classification')
    labels = bench.listen(LabelInfo, 'alexnet/label_info', LATCHED)
    camera = bench.camera()
    send_until(bench, camera, lambda: bench.image((120, 60, 60)), results)
    assert results.last.results
    assert node.set_parameters([Parameter('score_threshold', value=0.999)])[0].successful

    def unknown() -> bool:
        send_until(bench, camera, lambda: bench.image((120, 60, 60)), results)
        return not results.last.results

    bench.until('the new threshold is in force', unknown)
    bench.until('labels are latched anew', lambda: labels.messages and labels.last.threshold > 0.9)
    refused = node.set_parameters([Parameter('model', value='other')])[0]
    assert not refused.successful
    assert 'while the node is active' in refused.reason


def test_latched_labels_reach_a_late_subscriber(bench: Bench, start: START) -> None:
    start()
    labels = bench.listen(LabelInfo, 'alexnet/label_info', LATCHED)
    bench.until('labels come', lambda: len(labels))
    classes = [(one.class_id, one.class_name) for one in labels.last.class_map]
    assert classes == [(0, 'red'), (1, 'green'), (2, 'blue'), (3, 'grey')]


def broken(bench: Bench, **fields: Any) -> Image:
    image = bench.image()
    for name, value in fields.items():
        setattr(image, name, value)
    return image


BROKEN = {
    'short data': {'data': b'\0' * 100},
    'no data': {'data': b''},
    'zero size': {'width': 0, 'height': 0},
    'step too small': {'step': 3},
    'step zero': {'step': 0},
    'absurd size': {'width': 2**32 - 1, 'height': 2**32 - 1},
    'unknown encoding': {'encoding': 'no such'},
    'depth': {'encoding': '32FC1'},
}


def test_broken_images_are_counted_and_the_next_good_one_works(bench: Bench, start: START) -> None:
    node = start()
    stats = node._ports[''].stats
    results = bench.listen(Classification, 'alexnet/classification')
    camera = bench.camera()
    send_until(bench, camera, bench.image, results)
    for name, fields in BROKEN.items():
        image = broken(bench, **fields)
        rejected = sum(stats.rejected.values())

        def refused(image: Image = image, rejected: int = rejected) -> bool:
            camera.publish(image)
            bench.spin_for(0.05)
            return sum(stats.rejected.values()) > rejected

        bench.until(f'{name} is counted', refused)
        send_until(bench, camera, bench.image, results)
        assert stamp_ns(image) not in results.stamps(), name
    assert 'depth_encoding' in stats.rejected
    bench.until(
        'the diagnostics count them',
        lambda: any('rejected: depth_encoding' in finding.values for finding in node.findings()),
    )


def test_compressed_images_follow_the_remapped_base_topic(bench: Bench, start: START) -> None:
    start(image_transport='compressed')
    results = bench.listen(Classification, 'alexnet/classification')
    detections = bench.listen(Detection2DArray, 'alexnet/detections')
    camera = bench.node.create_publisher(CompressedImage, 'image/compressed', 1)

    def picture() -> CompressedImage:
        image = bench.image(size_wh=(640, 480))
        pixels = np.frombuffer(image.data, np.uint8).reshape(480, 640, 3)[:, :, ::-1]
        jpeg = cv2.imencode('.jpg', pixels)[1].tobytes()
        return CompressedImage(header=image.header, format='jpeg', data=jpeg)

    sent = send_until(bench, camera, picture, results)
    assert results.last.header == sent.header
    assert results.last.results[0].class_id == '0'
    bench.until('boxes come', lambda: len(detections))
    box = detections.last.detections[0].bbox  # decoded at an eighth, told in full pixels
    assert (box.size_x, box.size_y) == (640.0, 480.0)


def test_overlay_is_drawn_only_while_someone_looks(bench: Bench, start: START) -> None:
    node = start()
    results = bench.listen(Classification, 'alexnet/classification')
    camera = bench.camera()
    send_until(bench, camera, bench.image, results)
    assert 'overlay' not in node._pipeline.samples.percentiles()
    pictures = bench.listen(CompressedImage, 'alexnet/overlay/compressed', 1)
    image = send_until(bench, camera, bench.image, pictures)
    drawn = cv2.imdecode(np.frombuffer(pictures.last.data, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (48, 64, 3)
    assert pictures.last.header == image.header


def test_features_come_only_if_asked_for(bench: Bench, start: START) -> None:
    start(features=True)
    features = bench.listen(Float32MultiArray, 'alexnet/features')
    send_features = bench.camera()

    def got() -> bool:
        send_features.publish(bench.image())
        bench.spin_for(0.05)
        return len(features) > 0

    bench.until('features come', got)
    assert [(d.label, d.size) for d in features.last.layout.dim] == [('regions', 1), ('fc7', 4096)]
    assert len(features.last.data) == 4096
    assert np.all(np.isfinite(features.last.data))


def test_no_features_topic_unless_asked_for(start: START) -> None:
    node = start()
    topics = {name for name, _ in node.get_topic_names_and_types()}
    assert '/alexnet/features' not in topics


def test_no_work_while_nobody_listens(bench: Bench, start: START) -> None:
    node = start()
    stats = node._ports[''].stats
    camera = bench.camera()

    def unwatched() -> bool:
        camera.publish(bench.image())
        bench.spin_for(0.05)
        return stats.unwatched >= 3

    bench.until('images are skipped', unwatched)
    assert stats.processed == 0
    assert not node._pipeline.samples.percentiles()
    results = bench.listen(Classification, 'alexnet/classification')
    send_until(bench, camera, bench.image, results)
    assert stats.processed


def test_enable_pauses_and_resumes(bench: Bench, start: START) -> None:
    node = start()
    results = bench.listen(Classification, 'alexnet/classification')
    camera = bench.camera()
    send_until(bench, camera, bench.image, results)
    answer = bench.call(SetBool, 'alexnet/enable', SetBool.Request(data=False))
    assert answer.success
    ignored = sent_in_vain(bench, camera, node)
    assert bench.call(SetBool, 'alexnet/enable', SetBool.Request(data=True)).success
    send_until(bench, camera, bench.image, results)
    assert ignored.isdisjoint(results.stamps())


def test_inactive_means_silent_and_idle(bench: Bench, start: START) -> None:
    node = start()
    results = bench.listen(Classification, 'alexnet/classification')
    camera = bench.camera()
    send_until(bench, camera, bench.image, results)
    assert node.trigger_deactivate() == SUCCESS
    ignored = sent_in_vain(bench, camera, node)
    assert node.trigger_activate() == SUCCESS
    send_until(bench, camera, bench.image, results)
    assert ignored.isdisjoint(results.stamps())


def test_a_changed_setting_wants_a_new_configure(start: START) -> None:
    node = start()
    assert node.trigger_deactivate() == SUCCESS
    assert node.set_parameters([Parameter('regions', value='signs')])[0].successful
    assert node.trigger_activate() == FAILURE
    assert 'regions' in node.last_error
    assert node._state_machine.current_state[1] == 'inactive'
    assert node.trigger_cleanup() == SUCCESS
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS


def test_two_hundred_configures_leave_nothing_behind(bench: Bench, model: Path) -> None:
    node = bench.add(ClassifierNode, model=str(model))
    counts = set()
    resident_mb = []
    for _ in range(200):
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        counts.add(
            (threading.active_count(), len(list(node.publishers)), len(list(node.subscriptions)))
        )
        resident_mb.append(_resident_mb())
    assert len(counts) == 1
    assert resident_mb[-1] - resident_mb[20] < 40.0


def _resident_mb() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def test_a_clock_that_jumps_back_makes_the_tracks_start_anew(
    bench: Bench, start: START, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start(use_sim_time=True)
    clock = bench.node.create_publisher(Clock, '/clock', 10)
    worker = node._worker
    resets: list[int] = []
    monkeypatch.setattr(worker, 'reset_soon', lambda: resets.append(1))

    def at(seconds: int) -> None:
        def arrived() -> bool:
            clock.publish(Clock(clock=Time(sec=seconds)))
            bench.spin_for(0.02)
            return node.get_clock().now().nanoseconds == seconds * 10**9

        bench.until(f'the clock says {seconds}', arrived)

    at(100)
    at(101)
    before = len(resets)
    at(102)
    assert len(resets) == before
    at(10)
    assert len(resets) == before + 1


@pytest.mark.parametrize(
    ('change', 'says'),
    [({'model': '/no/such/folder'}, '/no/such/folder'), ({'precision': 'int8'}, 'int8')],
)
def test_configure_without_a_usable_model_fails_in_one_line(
    bench: Bench, model: Path, change: dict[str, Any], says: str
) -> None:
    node = bench.add(ClassifierNode, **({'model': str(model)} | change))
    assert node.trigger_configure() == FAILURE
    assert says in node.last_error
    assert '\n' not in node.last_error
    assert node._state_machine.current_state[1] == 'unconfigured'
    assert [one.level for one in node.findings() if one.task == 'backend'] == [b'\x02']
    assert node.set_parameters(
        [Parameter('model', value=str(model)), Parameter('precision', value='auto')]
    )[0].successful
    assert node.trigger_configure() == SUCCESS
    assert not node.last_error
