"""Looks at a running ROS graph: who offers images, and who cannot hear them."""

import time
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible

from alexnet_ros.bags.messages import message_class
from alexnet_ros.bags.typestore import IMAGE_TYPES, stamp_ns_from_cdr
from alexnet_ros.ros.clients.dds_check import MIN_SEGMENT_BYTES, SHARED_MEMORY
from alexnet_ros.ros.clients.session import Session
from alexnet_ros.ros.clients.stamp_rate import NOTABLE_LOSS, StampRate

DISCOVERY_S = 2.0
LISTENING_S = 3.0
LISTENING = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def incompatibility(offered: QoSProfile, wanted: QoSProfile) -> str:
    """Say why a subscription cannot hear a publisher, or return an empty string."""
    verdict, reason = qos_check_compatible(offered, wanted)
    if verdict != QoSCompatibility.ERROR:
        return ''
    faults = (part.removeprefix('ERROR: ').lower() for part in reason.split(';') if part)
    return ' and '.join(faults)


def image_topic_report(node: Node) -> tuple[list[str], list[str]]:
    """
    Describe every image topic of the graph.

    :returns: one line a topic with its publishers' quality of service, and
        one line for each pair that cannot talk.
    """
    lines, faults = [], []
    for topic, kinds in sorted(node.get_topic_names_and_types()):
        if not set(kinds) & set(IMAGE_TYPES):
            continue
        publishers = node.get_publishers_info_by_topic(topic)
        subscriptions = node.get_subscriptions_info_by_topic(topic)
        offers = sorted(
            f'{one.node_name} {one.qos_profile.reliability.name.lower()}' for one in publishers
        )
        lines.append(
            f'{topic}: from {", ".join(offers) or "nobody"}, {len(subscriptions)} listening'
        )
        if subscriptions and not publishers:
            names = ', '.join(sorted({one.node_name for one in subscriptions}))
            faults.append(f'{topic}: {names} listens, nobody publishes it')
        for one in publishers:
            for other in subscriptions:
                if one.topic_type != other.topic_type:
                    faults.append(
                        f'{topic}: {other.node_name} wants {other.topic_type}, '
                        f'{one.node_name} sends {one.topic_type}'
                    )
                    continue
                fault = incompatibility(one.qos_profile, other.qos_profile)
                if fault:
                    faults.append(
                        f'{topic}: {other.node_name} cannot hear {one.node_name}: {fault}'
                    )
    return lines, faults


def heard_images(node: Node, seconds: float) -> tuple[list[str], list[str]]:
    """
    Subscribe to every image topic as the classifier does, for a while.

    :param node: one that spins.
    :returns: one line a topic with its rates, and one for each that loses images.
    """
    rates: dict[str, StampRate] = {}
    subscriptions = []
    for topic, kinds in node.get_topic_names_and_types():
        images = sorted(set(kinds) & set(IMAGE_TYPES))
        if images and node.count_publishers(topic):
            one = rates[topic] = StampRate()

            def count(data: bytes, one: StampRate = one) -> None:
                one.add(time.monotonic(), stamp_ns_from_cdr(data))

            kind = message_class(images[0])
            subscriptions.append(node.create_subscription(kind, topic, count, LISTENING, raw=True))
    time.sleep(seconds if subscriptions else 0.0)
    for subscription in subscriptions:
        node.destroy_subscription(subscription)
    lines: list[str] = []
    faults: list[str] = []
    for topic, one in rates.items():
        measured, now_s = one.measure(time.monotonic()), time.monotonic()
        if measured is None:
            faults.append(f'{topic}: hardly an image arrives here')
            continue
        line = f'{topic}: {measured[0]:.1f} of {measured[1]:.1f} images a second arrive here'
        (faults if one.loss(now_s) > NOTABLE_LOSS else lines).append(line)
    return lines, faults


def survey_graph(
    discovery_s: float = DISCOVERY_S, listening_s: float = LISTENING_S
) -> tuple[list[str], list[str], int, bool]:
    """
    Join the graph of this environment's domain for a moment.

    :param discovery_s: how long to wait for other participants, seconds.
    :param listening_s: how long to count the images that arrive, seconds.
    :returns: the lines and faults of :func:`image_topic_report`, the number
        of other nodes, and whether a shared-memory segment large enough for
        images came with the participant.
    """
    before = _segments()
    with Session('alexnet_ros_doctor') as session:
        time.sleep(discovery_s)
        fresh = {path: size for path, size in _segments().items() if path not in before}
        lines, faults = image_topic_report(session.node)
        heard, lost = heard_images(session.node, listening_s)
        lines, faults = lines + heard, faults + lost
        others = set(session.node.get_node_names_and_namespaces())
        others = {one for one in others if one[0] != 'alexnet_ros_doctor'}
    return lines, faults, len(others), max(fresh.values(), default=0) >= MIN_SEGMENT_BYTES


def _segments() -> dict[Path, int]:
    found = {}
    for path in SHARED_MEMORY.glob('fast*_*'):
        try:
            found[path] = path.stat().st_size
        except OSError:  # gone meanwhile
            continue
    return found
