"""One camera of the node: its subscriptions, its publishers, its counters."""

import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import ReliabilityPolicy, qos_policy_name_from_kind
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32MultiArray, Header
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

try:  # Jazzy and newer
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from alexnet_ros import overlay
from alexnet_ros.bags.messages import classification_message, label_info_message, message_class
from alexnet_ros.bags.typestore import COMPRESSED, IMAGE, stamp_ns_of, typestore
from alexnet_ros.config import ClassifierSettings
from alexnet_ros.files import one_line
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.records import Recognition
from alexnet_ros.ros import messages, qos
from alexnet_ros.ros.lifecycle import ManagedNode
from alexnet_ros.ros.mailbox import Arrival, Mailbox
from alexnet_ros.ros.matching import StampMatcher
from alexnet_ros.ros.stats import CameraStats
from alexnet_ros.ros.waiting import what_is_missing, wrong_type


@dataclass(eq=False)
class CameraPort:
    """
    What one camera brings in and what goes out for it.

    :param name: camera name, empty for the only one.
    :param settings: gives those in force.
    :param open_gate: whether images are wanted at all (active and enabled).
    """

    node: ManagedNode
    name: str
    mailbox: Mailbox
    settings: Callable[[], ClassifierSettings]
    open_gate: Callable[[], bool]
    stats: CameraStats = field(default_factory=CameraStats)
    matcher: StampMatcher | None = None
    _matching: threading.Lock = field(default_factory=threading.Lock)
    _label_info: Any = None
    _subscriptions: list[Any] = field(default_factory=list)
    _outputs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the topics."""
        self._prefix = f'{self.name}/' if self.name else ''
        current = self.settings()
        self._create_outputs(current)
        self._create_inputs(current)

    def _create_outputs(self, settings: ClassifierSettings) -> None:
        own = f'~/{self._prefix}'
        kinds = {
            'classification': (Classification, qos.RESULTS),
            'detections': (Detection2DArray, qos.RESULTS),
            'overlay/compressed': (CompressedImage, qos.OVERLAY),
        }
        if settings.recognizer.features:
            kinds['features'] = (Float32MultiArray, qos.RESULTS)
        for topic, (kind, profile) in kinds.items():
            self._outputs[topic] = self.node.create_lifecycle_publisher(
                kind, own + topic, qos.own(profile), qos_overriding_options=qos.OVERRIDES
            )
        # Labels belong to the loaded model, so they stand from configure on.
        self._label_info = self.node.create_publisher(LabelInfo, own + 'label_info', qos.LATCHED)

    def _create_inputs(self, settings: ClassifierSettings) -> None:
        # A remapping of `image` moves the compressed topic with it.
        topic = self.node.resolve_topic_name(f'{self._prefix}image')
        compressed = settings.image_transport == 'compressed'
        profile = qos.image_qos(settings.image_reliability)
        images = self.node.create_subscription(
            CompressedImage if compressed else Image,
            f'{topic}/compressed' if compressed else topic,
            self._on_image,
            profile,
            qos_overriding_options=qos.OVERRIDES,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
            raw=True,  # rclpy's own message costs three more copies of the pixels
        )
        self.topic = images.topic_name
        self.kind = COMPRESSED if compressed else IMAGE
        typestore()  # made once, and not when the first image comes
        self._reliable = profile.reliability == ReliabilityPolicy.RELIABLE
        self._subscriptions.append(images)
        if settings.recognizer.regions == 'detections':
            self.matcher = StampMatcher()
            self._subscriptions.append(
                self.node.create_subscription(
                    Detection2DArray, f'{self._prefix}detections_in', self._on_boxes, qos.BOXES
                )
            )

    # In

    def _on_image(self, cdr: bytes) -> None:
        """Leave an image for the worker; its pixels stay where they came."""
        if not self.open_gate():
            return
        now_s = time.monotonic()
        try:
            message: Any = typestore().deserialize_cdr(cdr, self.kind)
        except Exception as error:  # whatever malformed bytes lead to
            self.stats.rejected['bad_data'] += 1
            self.node.get_logger().warning(
                f'message on {self.topic} refused: {one_line(error)}', throttle_duration_sec=1.0
            )
            return
        self.stats.on_image(stamp_ns_of(message.header))
        if self.matcher is None:
            self._leave(message, None, now_s)
            return
        with self._matching:
            pair = self.matcher.add_frame(message, now_s, self._box_wait_s())
        if pair is not None:
            self._leave(*pair)

    def _on_boxes(self, message: Detection2DArray) -> None:
        if not self.open_gate() or self.matcher is None:
            return
        with self._matching:
            pair = self.matcher.add_boxes(message, time.monotonic(), self._box_wait_s())
        if pair is not None:
            self._leave(*pair)

    def _leave(self, message: Any, boxes: Any, received_s: float) -> None:
        if self.mailbox.put(Arrival(self.name, message, boxes, received_s)):
            self.stats.dropped += 1

    def _box_wait_s(self) -> float:
        return self.settings().detections_wait_ms / 1000

    def _on_incompatible_qos(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.stats.incompatible_qos += 1
        self.node.get_logger().warning(
            f'a publisher on {self.topic} offers an incompatible {policy}: it is not received'
        )

    def expire(self) -> None:
        """Drop frames and boxes that have waited too long for each other."""
        if self.matcher is not None:
            with self._matching:
                self.matcher.expire(time.monotonic(), self._box_wait_s())

    def restart(self) -> None:
        """Begin anew after an activation or a pause."""
        self.stats.restart()
        if self.matcher is not None:
            with self._matching:
                self.matcher.clear()

    # Out

    def watched(self) -> bool:
        """Return whether anybody listens to any result."""
        return any(one.get_subscription_count() > 0 for one in self._outputs.values())

    def overlay_watched(self) -> bool:
        """Return whether anybody looks at the overlay."""
        return self._outputs['overlay/compressed'].get_subscription_count() > 0

    def publish_labels(self, package: ModelPackage, threshold: float) -> None:
        """Latch the class names."""
        header = Header(stamp=self.node.get_clock().now().to_msg())
        self._label_info.publish(label_info_message(header, package, threshold, message_class))

    def publish(
        self, header: Header, recognition: Recognition, detections: Detection2DArray
    ) -> None:
        """Publish the results of one image under its own header."""
        self._outputs['classification'].publish(
            classification_message(header, recognition, message_class)
        )
        self._outputs['detections'].publish(detections)
        features = self._outputs.get('features')
        if features is not None and recognition.features is not None:
            features.publish(messages.features_message(recognition.features))

    def publish_overlay(
        self, header: Header, image_rgb: NDArray[np.uint8], recognition: Recognition
    ) -> None:
        """Publish the picture with what was recognised drawn into it."""
        quality = self.settings().overlay_quality
        jpeg = jpeg_from_rgb(overlay.draw(image_rgb, recognition), quality)
        message = CompressedImage(header=header, format='rgb8; jpeg compressed bgr8')
        message.data = array('B', jpeg)  # Humble checks each byte of others
        self._outputs['overlay/compressed'].publish(message)

    def missing(self) -> str:
        """Say why no image comes, with the remedy."""
        return what_is_missing(self.node, self.topic, self.kind)

    def sends_other_type(self) -> bool:
        """Return whether there are publishers, and none of them sends what is subscribed."""
        found = self.node.get_publishers_info_by_topic(self.topic)
        return bool(wrong_type(found, self.kind))

    def publishers(self) -> tuple[int, int]:
        """
        Return how many publishers the image topic has, and how many do not fit.

        Of what this node asks for, only reliability can be more than a
        publisher offers.
        """
        found = self.node.get_publishers_info_by_topic(self.topic)
        if not self._reliable:
            return len(found), 0
        weak = [
            one for one in found if one.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        ]
        return len(found), len(weak)

    def close(self) -> None:
        """Destroy all topics."""
        for subscription in self._subscriptions:
            self.node.destroy_subscription(subscription)
        for publisher in self._outputs.values():
            self.node.destroy_lifecycle_publisher(publisher)
        if self._label_info is not None:
            self.node.destroy_publisher(self._label_info)
        self._subscriptions.clear()
        self._outputs.clear()
        self._label_info = None
