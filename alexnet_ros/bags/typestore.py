"""
The message types that bags hold, without ROS.

``rosbags`` brings the common interfaces. Those of vision_msgs (4.x) and
nav2_msgs that the node publishes are registered here by their fields, so that
their type hashes equal the real packages'.
"""

from functools import cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = (IMAGE, COMPRESSED)

DEFINITIONS = {
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score\n',
    'vision_msgs/msg/ObjectHypothesisWithPose': (
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
    ),
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y\n',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'vision_msgs/msg/BoundingBox2D': (
        'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n'
    ),
    'vision_msgs/msg/Classification': (
        'std_msgs/Header header\nvision_msgs/ObjectHypothesis[] results\n'
    ),
    'vision_msgs/msg/Detection2D': (
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id\n'
    ),
    'vision_msgs/msg/Detection2DArray': (
        'std_msgs/Header header\nvision_msgs/Detection2D[] detections\n'
    ),
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    'vision_msgs/msg/LabelInfo': (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
    'nav2_msgs/msg/SpeedLimit': ('std_msgs/Header header\nbool percentage\nfloat64 speed_limit\n'),
}


@cache
def typestore() -> Typestore:
    """Return the types of Jazzy with those of :data:`DEFINITIONS`; shared."""
    store = get_typestore(Stores.ROS2_JAZZY)
    found = {}
    for name, text in DEFINITIONS.items():
        found.update(get_types_from_msg(text, name))
    store.register(found)
    return store
