"""Looks at a running ROS graph: who offers images, and who cannot hear them."""

import time
from collections.abc import Callable
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible

from alexnet_ros.bags.typestore import IMAGE_TYPES, stamp_ns_from_cdr
from alexnet_ros.ros.clients.dds_check import MIN_SEGMENT_BYTES, SHARED_MEMORY
from alexnet_ros.ros.clients.session import Session
from alexnet_ros.ros.clients.stamp_rate import NOTABLE_LOSS, StampRate
from alexnet_ros.ros.interfaces import message_class

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


class Listener:
    """Counts the images of every topic that somebody publishes, on a node that spins."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rates: dict[str, StampRate] = {}

    def listen(self, seconds: float) -> None:
        """Subscribe as the classifier does, for a while."""
        subscriptions = []
        for topic, kinds in self._node.get_topic_names_and_types():
            images = sorted(set(kinds) & set(IMAGE_TYPES))
            if images and self._node.count_publishers(topic):
                self._rates[topic] = StampRate()
                subscriptions.append(
                    self._node.create_subscription(
                        message_class(images[0]), topic, self._callback(topic), LISTENING, raw=True
                    )
                )
        if subscriptions:
            time.sleep(seconds)
        for one in subscriptions:
            self._node.destroy_subscription(one)

    def _callback(self, topic: str) -> Callable[[bytes], None]:
        def count(data: bytes) -> None:
            self._rates[topic].add(time.monotonic(), stamp_ns_from_cdr(data))

        return count

    def report(self) -> tuple[list[str], list[str]]:
        """Return one line a topic with its rates, and one for each that loses images."""
        lines: list[str] = []
        faults: list[str] = []
        now_s = time.monotonic()
        for topic, one in self._rates.items():
            rates = one.measure(now_s)
            if rates is None:
                faults.append(f'{topic}: hardly an image arrives here')
                continue
            line = f'{topic}: {rates[0]:.1f} of {rates[1]:.1f} images a second arrive here'
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
        listener = Listener(session.node)
        listener.listen(listening_s)
        heard, lost = listener.report()
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
