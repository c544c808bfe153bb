"""What a camera topic that gives no images lacks, and what to do about it."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from alexnet_ros.bags.typestore import COMPRESSED, IMAGE, IMAGE_TYPES
from alexnet_ros.ros.clients.dds_check import loss_remedy

if TYPE_CHECKING:
    from alexnet_ros.ros.camera import CameraPort

WAIT_S = 5.0  # without an image, until the log says what is wrong
SHORT = {IMAGE: 'Image', COMPRESSED: 'CompressedImage'}
MAX_LISTED = 8
UNTYPED = ''


def wrong_type(publishers: Iterable[TopicEndpointInfo], wanted: str) -> str:
    """Return the type that all publishers of a topic send instead, or ''."""
    kinds = {one.topic_type for one in publishers} - {UNTYPED}
    return '' if not kinds or wanted in kinds else min(kinds)


def remedy_for_type(topic: str, wanted: str, sent: str) -> str:
    """Say what to set where a topic sends another type than is subscribed."""
    if (wanted, sent) == (IMAGE, COMPRESSED):
        return (
            f'{topic} sends CompressedImage: set image_transport to compressed and remap '
            f'{"image" if topic.endswith("/compressed") else "image/compressed"} to '
            f'{topic.removesuffix("/compressed")}'
        )
    if (wanted, sent) == (COMPRESSED, IMAGE):
        return f'{topic} sends Image: set image_transport to raw and remap image to {topic}'
    return f'{topic} sends {sent}, not {wanted}'


def what_is_missing(node: Node, topic: str, wanted: str) -> str:
    """Return one line on why no image comes on a topic, with its remedy."""
    publishers = node.get_publishers_info_by_topic(topic)
    sent = wrong_type(publishers, wanted)
    if sent:
        return remedy_for_type(topic, wanted, sent)
    if publishers:
        names = ', '.join(sorted({one.node_name for one in publishers}))
        return f'{names} offers it, but nothing arrives: if it sends, {loss_remedy(os.environ)}'
    beside = topic.removesuffix('/compressed') if wanted == COMPRESSED else f'{topic}/compressed'
    if node.get_publishers_info_by_topic(beside):
        transport = 'raw' if wanted == COMPRESSED else 'compressed'
        return f'nobody publishes it, but {beside} has images: set image_transport to {transport}'
    return f'nobody publishes it; {image_topics_of(node)}'


def image_topics_of(node: Node) -> str:
    """List the image topics that somebody publishes."""
    found = []
    for topic, kinds in sorted(node.get_topic_names_and_types()):
        images = [SHORT[kind] for kind in kinds if kind in IMAGE_TYPES]
        if images and 'overlay' not in topic.split('/') and node.count_publishers(topic):
            found.append(f'{topic} ({"/".join(images)})')
    if not found:
        return 'no image topic has a publisher: is the camera started, on this ROS_DOMAIN_ID?'
    more = f' and {len(found) - MAX_LISTED} more' if len(found) > MAX_LISTED else ''
    return f'image topics there are: {", ".join(found[:MAX_LISTED])}{more}'


class WaitingLog:
    """Logs what cameras without images wait for: once for each reason and silence."""

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._told: dict[str, str] = {}

    def tell(self, ports: 'Iterable[CameraPort]', *, wanted: bool) -> None:
        """Look at all cameras; call about once a second."""
        for port in list(ports):
            if not wanted or port.stats.silent_s() < WAIT_S:
                self._told.pop(port.name, None)
                continue
            reason = port.missing()
            if self._told.get(port.name) != reason:
                self._told[port.name] = reason
                self._warn(f'waiting for images on {port.topic}: {reason}')
