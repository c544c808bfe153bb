"""What running nodes publish, as it comes over the wire: all of it, or the newest image."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from alexnet_ros.bags.messages import message_class
from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.errors import ImageFormatError


@dataclass(frozen=True, slots=True)
class Received:
    """
    One message that came in.

    :param kind: its type, such as ``vision_msgs/msg/Classification``.
    :param received_ns: time of its arrival on the recorder's clock, nanoseconds.
    :param data: the message in CDR form, as on the wire.
    """

    topic: str
    kind: str
    received_ns: int
    data: bytes

    @property
    def message(self) -> Any:
        """Return the message as an object, made anew at each call."""
        return deserialize_message(self.data, message_class(self.kind))


class Recorder:
    """
    Subscriptions that keep everything.

    :param on_message: called with each message, in the executor's thread.
    :param clock: what arrivals are timed by, such as a played bag's own time.
    """

    def __init__(
        self,
        node: Node,
        topics: Mapping[str, str],
        *,
        latched: tuple[str, ...] = (),
        on_message: Callable[[Received], Any] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.received: list[Received] = []
        self._node = node
        self._on_message, self._clock = on_message, clock
        wanted = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
        kept = QoSProfile(
            depth=200,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._subscriptions = {
            topic: node.create_subscription(
                message_class(kind),
                topic,
                partial(self._keep, topic, kind),
                kept if topic in latched else wanted,
                raw=True,
            )
            for topic, kind in topics.items()
        }

    def _keep(self, topic: str, kind: str, data: bytes) -> None:
        received = Received(topic, kind, self._clock(), bytes(data))
        self.received.append(received)
        if self._on_message is not None:
            self._on_message(received)

    def wait_for_publishers(self, topics: Iterable[str], timeout_s: float) -> list[str]:
        """Wait until each of the topics has a publisher; return those that have none in time."""
        deadline = time.monotonic() + timeout_s
        while missing := [name for name in topics if not self._node.count_publishers(name)]:
            if time.monotonic() > deadline:
                return missing
            time.sleep(0.02)
        return []


class LatestImage:
    """Keeps the newest message; ``CompressedImage`` if the topic ends in ``/compressed``."""

    def __init__(self, node: Node, topic: str) -> None:
        compressed = topic.endswith('/compressed')
        self._decode: Any = rgb_from_compressed if compressed else rgb_from_image
        self._lock = threading.Lock()
        self._message: Any = None
        self._count = self._decoded = 0
        self._image: NDArray[np.uint8] | None = None
        kind = CompressedImage if compressed else Image
        self._subscription = node.create_subscription(
            kind, topic, self._keep, qos_profile_sensor_data
        )

    def _keep(self, message: Any) -> None:
        with self._lock:
            self._message, self._count = message, self._count + 1

    def image(self) -> tuple[int, NDArray[np.uint8]] | None:
        """Return the number and the pixels (H, W, 3) of the newest good image, None before one."""
        with self._lock:
            message, count = self._message, self._count
        if count != self._decoded and message is not None:
            self._decoded = count
            with contextlib.suppress(ImageFormatError):
                self._image = np.array(self._decode(message))  # a copy: the message goes
        return None if self._image is None else (count, self._image)
