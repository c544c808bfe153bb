"""Detections as Foxglove shows them over a picture."""

from alexnet_ros.bags.messages import annotations_message
from alexnet_ros.bags.typestore import typestore
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition


def test_each_detection_is_a_box_and_a_caption_that_survive_the_wire() -> None:
    sign = Detection(
        (10.0, 20.0, 30.0, 40.0),
        Classification((ClassScore(14, 'Stop', 0.98),), unknown=False),
        track_id='3',
    )
    message = annotations_message(Recognition('', 1_500_000_000, (640, 480), (sign,)))
    data = typestore().serialize_cdr(message, message.__msgtype__)
    back = typestore().deserialize_cdr(data, message.__msgtype__)
    (box,), (text,) = back.points, back.texts
    assert [(point.x, point.y) for point in box.points] == [(10, 20), (40, 20), (40, 60), (10, 60)]
    assert (box.timestamp.sec, box.timestamp.nanosec) == (1, 500_000_000)
    assert text.text == 'Stop 98% #3'


def test_frame_without_detections_takes_the_old_boxes_away() -> None:
    message = annotations_message(Recognition('', 0, (640, 480), ()))
    assert message.points == []
    assert message.texts == []
