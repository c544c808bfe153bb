"""ROS messages made from recognitions; nothing here knows a node."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Float32MultiArray, Header, MultiArrayDimension
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionClass,
)

from alexnet_ros import records
from alexnet_ros.model_package import ModelPackage


def classification_from_recognition(
    header: Header, recognition: records.Recognition
) -> Classification:
    """Return the hypotheses of the frame, or of the foremost sign in it."""
    message = Classification(header=header)
    foremost = recognition.foremost
    if foremost is not None:
        message.results = _hypotheses(foremost.classification)
    return message


def detections_from_recognition(
    header: Header, recognition: records.Recognition, scale_xy: tuple[float, float] = (1.0, 1.0)
) -> Detection2DArray:
    """
    Return every detection with its box, hypotheses and track id.

    :param scale_xy: from pixels of the decoded to pixels of the sent image.
    """
    message = Detection2DArray(header=header)
    scale_x, scale_y = scale_xy
    for found in recognition.detections:
        left, top, width, height = found.bbox_xywh
        one = Detection2D(header=header, id=found.track_id or '')
        one.bbox.center.position.x = float(left + width / 2) * scale_x
        one.bbox.center.position.y = float(top + height / 2) * scale_y
        one.bbox.size_x = float(width) * scale_x
        one.bbox.size_y = float(height) * scale_y
        one.results = _with_pose(found.classification)
        message.detections.append(one)
    return message


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
        one.results = [] if detection is None else _with_pose(detection.classification)
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


def label_info_from_package(header: Header, package: ModelPackage, threshold: float) -> LabelInfo:
    """
    Return the names of all classes that can come out of a model.

    :param threshold: least probability of a result.
    """
    unknown = package.scores.unknown_class_id
    return LabelInfo(
        header=header,
        class_map=[
            VisionClass(class_id=label.class_id, class_name=label.name)
            for label in package.labels
            if label.class_id != unknown
        ],
        threshold=float(threshold),
    )


def features_message(features: NDArray[np.float32]) -> Float32MultiArray:
    """
    Return fc7 values with their layout.

    :param features: shape (N, 4096), float32, one row a region.
    """
    rows, columns = features.shape
    message = Float32MultiArray()
    message.layout.dim = [
        MultiArrayDimension(label='regions', size=rows, stride=rows * columns),
        MultiArrayDimension(label='fc7', size=columns, stride=columns),
    ]
    message.data = array('f', np.ascontiguousarray(features).tobytes())
    return message


def _hypotheses(classification: records.Classification) -> list[ObjectHypothesis]:
    return [
        ObjectHypothesis(class_id=str(one.class_id), score=float(one.score))
        for one in _accepted(classification)
    ]


def _with_pose(classification: records.Classification) -> list[ObjectHypothesisWithPose]:
    return [ObjectHypothesisWithPose(hypothesis=one) for one in _hypotheses(classification)]


def _accepted(classification: records.Classification) -> Iterable[records.ClassScore]:
    """Return the hypotheses to publish: none for what is unknown."""
    results: Sequence[records.ClassScore] = classification.results
    return () if classification.unknown else results


def stamp_ns_of(header: Any) -> int:
    """Return a header's stamp as integer nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)
