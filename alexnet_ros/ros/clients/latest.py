"""The newest image of a topic, decoded when somebody looks."""

import contextlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.errors import ImageFormatError


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
