"""Who cannot hear an image topic is found in the running graph."""

import re
import time
from collections.abc import Callable

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from alexnet_ros.ros.clients.graph_check import image_topic_report, incompatibility
from alexnet_ros.ros.clients.session import Session
from tests.ros.robot import DEADLINE_S, DOMAIN

BEST, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


def _qos(reliability: ReliabilityPolicy, durability: DurabilityPolicy = VOLATILE) -> QoSProfile:
    return QoSProfile(depth=1, reliability=reliability, durability=durability)


@pytest.mark.parametrize(
    ('offered', 'wanted', 'reason'),
    [
        (_qos(BEST), _qos(BEST), ''),
        (_qos(RELIABLE), _qos(BEST), ''),
        (_qos(RELIABLE, LATCHED), _qos(RELIABLE), ''),
        (_qos(BEST), _qos(RELIABLE), 'best effort publisher and reliable'),
        (_qos(RELIABLE), _qos(RELIABLE, LATCHED), 'volatile publisher and transient local'),
        (_qos(BEST), _qos(RELIABLE, LATCHED), 'best effort .* and volatile'),
    ],
)
def test_incompatibility_follows_the_rules_of_dds(
    offered: QoSProfile, wanted: QoSProfile, reason: str
) -> None:
    got = incompatibility(offered, wanted)
    assert re.match(reason, got) if reason else got == ''


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_image_topic_with_a_deaf_listener_is_reported() -> None:
    with Session('camera', domain=DOMAIN) as camera, Session('listener', domain=DOMAIN) as other:
        camera.node.create_publisher(Image, '/deaf/image', _qos(BEST))
        other.node.create_subscription(Image, '/deaf/image', print, _qos(RELIABLE))
        line = '/deaf/image: from camera best_effort, 1 listening'
        reason = 'best effort publisher and reliable subscription'
        fault = f'/deaf/image: listener cannot hear camera: {reason}'
        _until(lambda: line in image_topic_report(other.node)[0])  # names come a little later
        _until(lambda: image_topic_report(other.node)[1] == [fault])
