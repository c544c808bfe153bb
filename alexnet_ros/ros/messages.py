"""Given boxes read and filled, features and stamps; nothing here knows a node."""

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension
from vision_msgs.msg import Detection2DArray

from alexnet_ros import records
from alexnet_ros.bags.messages import hypotheses_with_pose, message_class


def filled_detections(
    boxes: Detection2DArray, found: Mapping[int, records.Detection], *, own_track_ids: bool = False
) -> Detection2DArray:
    """
    Fill the results of a detector's array and keep everything else.

    :param boxes: the array that came; it is changed and returned.
    :param found: index in ``boxes`` to what was recognised there; what is
        missing was not classified and goes out without results.
    :param own_track_ids: put the ids of confirmed tracks in place of the
        detector's.
    """
    for index, one in enumerate(boxes.detections):
        detection = found.get(index)
        one.results = []
        if detection is not None:
            one.results = hypotheses_with_pose(detection.classification, message_class)
        if own_track_ids:
            one.id = (detection.track_id or '') if detection is not None else ''
    return boxes


def regions_from_boxes(boxes: Detection2DArray) -> dict[int, records.Region]:
    """
    Return the usable boxes of a detector as regions, by their index.

    Boxes that are not finite or have no area are left out. The detector's own
    score decides which ones are classified if there are too many.
    """
    regions = {}
    for index, one in enumerate(boxes.detections):
        score = max((result.hypothesis.score for result in one.results), default=1.0)
        centre, width, height = one.bbox.center.position, one.bbox.size_x, one.bbox.size_y
        numbers = (centre.x - width / 2, centre.y - height / 2, width, height)
        if all(np.isfinite(numbers)) and width > 0.0 and height > 0.0:
            regions[index] = records.Region(
                numbers, score if np.isfinite(score) else 0.0, kind='detection'
            )
    return regions


def features_message(features: NDArray[np.float32]) -> Float32MultiArray:
    """Return fc7 values, shape (N, 4096) float32, one row a region, with their layout."""
    rows, columns = features.shape
    message = Float32MultiArray()
    message.layout.dim = [
        MultiArrayDimension(label='regions', size=rows, stride=rows * columns),
        MultiArrayDimension(label='fc7', size=columns, stride=columns),
    ]
    message.data = array('f', np.ascontiguousarray(features).tobytes())
    return message


def header_from(header: Any) -> Header:
    """Return any object with a header's fields as ROS's own."""
    stamp = Time(sec=header.stamp.sec, nanosec=header.stamp.nanosec)
    return Header(stamp=stamp, frame_id=header.frame_id)
