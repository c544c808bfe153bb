"""
Recognitions as messages and back.

One set of builders for the bags, in the types of ``rosbags``, and for the
nodes, in those of rclpy: replayed and recorded results can be told apart by
nothing but their arrival.
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from alexnet_ros.bags.typestore import stamp_ns_of, typestore
from alexnet_ros.bags.writer import header
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.overlay import TEXT, caption, colour_of
from alexnet_ros.records import Classification, ClassScore, Detection, Recognition

CLASSIFICATION = 'vision_msgs/msg/Classification'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
SPEED_LIMIT = 'nav2_msgs/msg/SpeedLimit'
BOOL = 'std_msgs/msg/Bool'
ANNOTATIONS = 'foxglove_msgs/msg/ImageAnnotations'
LINE_LOOP = 2  # foxglove_msgs/PointsAnnotation
FONT_PX = 14.0
Types = Callable[[str], Any]


def offline(kind: str) -> Any:
    """Return the class of a message type as bags hold it, without ROS."""
    return typestore().types[kind]


@cache
def message_class(kind: str) -> Any:
    """
    Return the class of a type such as ``std_msgs/msg/Bool`` as ROS has it.

    :raises ImportError: the package is not installed.
    :raises AttributeError: the package has no such message.
    """
    package, _, name = kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def classification_message(head: Any, recognition: Recognition, types: Types = offline) -> Any:
    """
    Return the top-k of the frame or of its foremost sign.

    :param head: header of the image, unchanged.
    :param types: gives the class of a message type, such as rclpy's.
    """
    foremost = recognition.foremost
    found = [] if foremost is None else _hypotheses(foremost.classification, types)
    return types(CLASSIFICATION)(header=head, results=found)


def detections_message(
    head: Any,
    recognition: Recognition,
    types: Types = offline,
    scale_xy: tuple[float, float] = (1.0, 1.0),
) -> Any:
    """
    Return every detection with its box, hypotheses and track id.

    :param head: header of the image, unchanged.
    :param types: as in :func:`classification_message`.
    :param scale_xy: from pixels of the decoded to pixels of the sent image.
    """
    scale_x, scale_y = scale_xy
    detections = []
    for found in recognition.detections:
        left, top, width, height = (float(value) for value in found.bbox_xywh)
        middle = types('vision_msgs/msg/Point2D')(
            x=(left + width / 2) * scale_x, y=(top + height / 2) * scale_y
        )
        box = types('vision_msgs/msg/BoundingBox2D')(
            center=types('vision_msgs/msg/Pose2D')(position=middle, theta=0.0),
            size_x=width * scale_x,
            size_y=height * scale_y,
        )
        results = hypotheses_with_pose(found.classification, types)
        one = types('vision_msgs/msg/Detection2D')(
            header=head, results=results, bbox=box, id=found.track_id or ''
        )
        detections.append(one)
    return types(DETECTIONS)(header=head, detections=detections)


def label_info_message(
    head: Any, package: ModelPackage, threshold: float, types: Types = offline
) -> Any:
    """Return the names of all classes that can come out; ``threshold`` is a least probability."""
    unknown = package.scores.unknown_class_id
    named = [label for label in package.labels if label.class_id != unknown]
    kind = types('vision_msgs/msg/VisionClass')
    classes = [kind(class_id=label.class_id, class_name=label.name) for label in named]
    return types(LABEL_INFO)(header=head, class_map=classes, threshold=float(threshold))


def hypotheses_with_pose(classification: Classification, types: Types = offline) -> list[Any]:
    """Return the hypotheses with a pose that says nothing; none means unknown."""
    pose = types('geometry_msgs/msg/PoseWithCovariance')(
        pose=types('geometry_msgs/msg/Pose')(
            position=types('geometry_msgs/msg/Point')(x=0.0, y=0.0, z=0.0),
            orientation=types('geometry_msgs/msg/Quaternion')(x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        covariance=np.zeros(36),
    )
    kind = types('vision_msgs/msg/ObjectHypothesisWithPose')
    return [kind(hypothesis=one, pose=pose) for one in _hypotheses(classification, types)]


def _hypotheses(classification: Classification, types: Types) -> list[Any]:
    kind = types('vision_msgs/msg/ObjectHypothesis')
    results = () if classification.unknown else classification.results
    return [kind(class_id=str(one.class_id), score=float(one.score)) for one in results]


def speed_limit_message(stamp_ns: int, limit_mps: float) -> Any:
    """Return a limit in metres a second; 0.0 says that none is left."""
    return typestore().types[SPEED_LIMIT](
        header=header(stamp_ns, ''), percentage=False, speed_limit=limit_mps
    )


def bool_message(value: bool) -> Any:
    """Return a ``std_msgs/Bool``."""
    return typestore().types[BOOL](data=value)


def annotations_message(recognition: Recognition) -> Any:
    """
    Return what Foxglove draws over the camera's picture, in the colours of the overlay.

    A box and a caption for each detection.
    """
    types = typestore().types
    stamp = header(recognition.stamp_ns, '').stamp
    points, texts = [], []

    def point(x: float, y: float) -> Any:
        return types['foxglove_msgs/msg/Point2'](x=float(x), y=float(y))

    def colour(rgb: tuple[int, int, int], opacity: float = 1.0) -> Any:
        red, green, blue = (value / 255 for value in rgb)
        return types['foxglove_msgs/msg/Color'](r=red, g=green, b=blue, a=opacity)

    for found in recognition.detections:
        x, y, width, height = found.bbox_xywh
        rgb = colour_of(found)
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        points.append(
            types['foxglove_msgs/msg/PointsAnnotation'](
                timestamp=stamp,
                type=LINE_LOOP,
                points=[point(*corner) for corner in corners],
                outline_color=colour(rgb),
                outline_colors=[],
                fill_color=colour(rgb, 0.0),
                thickness=2.0,
            )
        )
        texts.append(
            types['foxglove_msgs/msg/TextAnnotation'](
                timestamp=stamp,
                position=point(x, y - 3),
                text=caption(found),
                font_size=FONT_PX,
                text_color=colour(TEXT),
                background_color=colour(rgb),
            )
        )
    return types[ANNOTATIONS](circles=[], points=points, texts=texts)


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
            if str(r.hypothesis.class_id).isdecimal() and len(r.hypothesis.class_id) < 10
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
    return Recognition(camera, stamp_ns_of(message.header), size_wh, tuple(detections))
