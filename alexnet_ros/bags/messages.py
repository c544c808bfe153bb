"""
Recognitions as bag messages and back.

Field by field what ``alexnet_ros/ros/messages.py`` publishes, in the types of
``rosbags``, so that replayed and recorded results can be told apart by
nothing but their arrival.
"""

from typing import Any

import numpy as np

from alexnet_ros.bags.typestore import typestore
from alexnet_ros.bags.writer import header
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition

CLASSIFICATION = 'vision_msgs/msg/Classification'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
SPEED_LIMIT = 'nav2_msgs/msg/SpeedLimit'
BOOL = 'std_msgs/msg/Bool'


def _hypotheses(classification: Classification) -> list[Any]:
    """Return the hypotheses; none means unknown."""
    kind = typestore().types['vision_msgs/msg/ObjectHypothesis']
    if classification.unknown:
        return []
    return [kind(class_id=str(r.class_id), score=float(r.score)) for r in classification.results]


def classification_message(recognition: Recognition, frame_id: str) -> Any:
    """Return the top-k of the frame or of its foremost sign."""
    foremost = recognition.foremost
    return typestore().types[CLASSIFICATION](
        header=header(recognition.stamp_ns, frame_id),
        results=[] if foremost is None else _hypotheses(foremost.classification),
    )


def detections_message(recognition: Recognition, frame_id: str) -> Any:
    """Return every detection with its box, hypotheses and track id."""
    types = typestore().types
    geometry = 'geometry_msgs/msg/'
    pose = types[f'{geometry}PoseWithCovariance'](
        pose=types[f'{geometry}Pose'](
            position=types[f'{geometry}Point'](x=0.0, y=0.0, z=0.0),
            orientation=types[f'{geometry}Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        covariance=np.zeros(36),
    )
    head = header(recognition.stamp_ns, frame_id)
    detections = []
    for found in recognition.detections:
        left, top, width, height = (float(value) for value in found.bbox_xywh)
        centre = types['vision_msgs/msg/Pose2D'](
            position=types['vision_msgs/msg/Point2D'](x=left + width / 2, y=top + height / 2),
            theta=0.0,
        )
        detections.append(
            types['vision_msgs/msg/Detection2D'](
                header=head,
                results=[
                    types['vision_msgs/msg/ObjectHypothesisWithPose'](hypothesis=one, pose=pose)
                    for one in _hypotheses(found.classification)
                ],
                bbox=types['vision_msgs/msg/BoundingBox2D'](
                    center=centre, size_x=width, size_y=height
                ),
                id=found.track_id or '',
            )
        )
    return types[DETECTIONS](header=head, detections=detections)


def label_info_message(package: ModelPackage, stamp_ns: int, threshold: float) -> Any:
    """Return the names of all classes that can come out of a model."""
    types = typestore().types
    unknown = package.scores.unknown_class_id
    return types[LABEL_INFO](
        header=header(stamp_ns, ''),
        class_map=[
            types['vision_msgs/msg/VisionClass'](class_id=label.class_id, class_name=label.name)
            for label in package.labels
            if label.class_id != unknown
        ],
        threshold=float(threshold),
    )


def speed_limit_message(stamp_ns: int, limit_mps: float) -> Any:
    """Return a limit in metres a second; 0.0 says that none is left."""
    return typestore().types[SPEED_LIMIT](
        header=header(stamp_ns, ''), percentage=False, speed_limit=limit_mps
    )


def bool_message(value: bool) -> Any:
    """Return a ``std_msgs/Bool``."""
    return typestore().types[BOOL](data=value)


def recognition_from_detections(
    message: Any,
    camera: str,
    size_wh: tuple[int, int],
    names: dict[int, str],
    seen_ids: set[tuple[str, str]],
) -> Recognition:
    """
    Return what a recorded ``Detection2DArray`` says.

    :param seen_ids: camera and track id of what was confirmed before; added to.
    """
    detections = []
    for one in message.detections:
        results = tuple(
            ClassScore(
                int(r.hypothesis.class_id),
                names.get(int(r.hypothesis.class_id), ''),
                float(r.hypothesis.score),
            )
            for r in one.results
            if str(r.hypothesis.class_id).isdecimal()
        )
        box, centre = one.bbox, one.bbox.center.position
        key = (camera, one.id)
        detections.append(
            Detection(
                (centre.x - box.size_x / 2, centre.y - box.size_y / 2, box.size_x, box.size_y),
                Classification(results, unknown=not results),
                track_id=one.id or None,
                newly_confirmed=bool(one.id) and key not in seen_ids,
            )
        )
        if one.id:
            seen_ids.add(key)
    stamp = message.header.stamp
    return Recognition(camera, stamp.sec * 10**9 + stamp.nanosec, size_wh, tuple(detections))
