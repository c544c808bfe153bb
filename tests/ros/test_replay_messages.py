"""The builders give the same messages in the types of ROS and of bags."""

from pathlib import Path

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from alexnet_ros.bags import messages as offline
from alexnet_ros.bags.messages import message_class
from alexnet_ros.bags.typestore import typestore
from alexnet_ros.bags.writer import header
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition

STAMP_NS = 1_750_000_000_123_456_789


def recognition() -> Recognition:
    known = Classification((ClassScore(14, 'Stop', 0.75), ClassScore(2, '50', 0.125)), False)
    unknown = Classification((ClassScore(3, '60', 0.5),), unknown=True)
    return Recognition(
        '',
        STAMP_NS,
        (640, 480),
        (
            Detection((10.5, 20.25, 30.0, 40.0), known, track_id='7'),
            Detection((1.0, 2.0, 3.0, 4.0), unknown),
        ),
    )


def live_header(frame_id: str) -> Header:
    made = Header(frame_id=frame_id)
    made.stamp.sec, made.stamp.nanosec = divmod(STAMP_NS, 10**9)
    return made


def cdr(message: object) -> bytes:
    return bytes(typestore().serialize_cdr(message, message.__msgtype__))


def as_offline(message: object, kind: str) -> bytes:
    """Return a live message as the offline types write it: padding is not defined on the wire."""
    read = typestore().deserialize_cdr(serialize_message(message), kind)
    return bytes(typestore().serialize_cdr(read, kind))


def test_detections_and_classification_are_equal() -> None:
    found = recognition()
    detections = offline.detections_message(live_header('camera'), found, message_class)
    assert cdr(offline.detections_message(header(STAMP_NS, 'camera'), found)) == as_offline(
        detections, offline.DETECTIONS
    )
    classification = offline.classification_message(live_header('camera'), found, message_class)
    assert cdr(offline.classification_message(header(STAMP_NS, 'camera'), found)) == as_offline(
        classification, offline.CLASSIFICATION
    )


def test_label_info_is_equal(model: Path) -> None:
    package = ModelPackage.load(model)
    message = offline.label_info_message(live_header(''), package, 0.25, message_class)
    assert cdr(offline.label_info_message(header(STAMP_NS, ''), package, 0.25)) == as_offline(
        message, offline.LABEL_INFO
    )


def test_recorded_detections_read_back() -> None:
    found = recognition()
    message = offline.detections_message(live_header('camera'), found, message_class)
    seen: set[tuple[str, str]] = set()
    names = {14: 'Stop', 2: '50'}
    back = offline.recognition_from_detections(message, '', (640, 480), names, seen)
    assert back.stamp_ns == found.stamp_ns
    first, second = back.detections
    assert first.bbox_xywh == found.detections[0].bbox_xywh
    assert first.classification.results == found.detections[0].classification.results
    assert (first.track_id, first.newly_confirmed) == ('7', True)
    assert second.classification.unknown
    again = offline.recognition_from_detections(message, '', (640, 480), names, seen)
    assert not again.detections[0].newly_confirmed
    for result in message.detections[0].results:
        result.hypothesis.class_id = '9' * 5000  # more digits than Python turns into a number
    odd = offline.recognition_from_detections(message, '', (640, 480), names, seen)
    assert odd.detections[0].classification.unknown
