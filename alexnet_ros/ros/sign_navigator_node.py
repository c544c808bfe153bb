"""
The node ``sign_navigator``: what is recognised becomes limits, a lock, a heading.

A plain node, not a lifecycle node: it loads no model, and its lock must speak
from the first moment to the last. Everything is decided in
:mod:`alexnet_ros.navigation`; here are topics, timers and parameters. It runs
in a process of its own, without the model, so that a fault of the recogniser
cannot speak for it.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav2_msgs.msg import SpeedLimit
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, Float32, String
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation import (
    Command,
    Event,
    Moment,
    Navigator,
    event_json,
    find_table,
    read_table,
)
from alexnet_ros.ros import qos
from alexnet_ros.ros.clients.findings import array_from_findings
from alexnet_ros.ros.interfaces import message_class
from alexnet_ros.ros.navigator_messages import (
    class_frame_from_message,
    names_from_label_info,
    navigator_finding,
    sign_frame_from_message,
)
from alexnet_ros.ros.parameters import Parameters
from alexnet_ros.ros.process import run_node

LOCK_PERIOD_S = 0.1
LIMIT_PERIOD_S = 0.5
DIAGNOSTICS_PERIOD_S = 1.0
EVENTS = QoSProfile(depth=100, durability=DurabilityPolicy.VOLATILE)  # reliable by default
LAST_WORD_S = 0.3  # how long the last lock may take to arrive


class SignNavigator(Node):
    """
    Wires :class:`~alexnet_ros.navigation.Navigator` to ROS.

    :param kwargs: passed on to ``rclpy``'s node.
    :raises ConfigError: a parameter or the table of actions is not as it must be.
    """

    executor_choice = 'single'

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('sign_navigator', **kwargs)
        self.stopping = threading.Event()
        self.exit_request: tuple[int, str] | None = None
        self.exit_hook: Callable[[int, str], None] = lambda _code, _reason: None
        self._settings = Parameters(
            self,
            NavigatorSettings,
            active=lambda: True,
            configured=lambda: True,
            remedy='start the node with it',
        )
        settings = self._settings.current
        table_path = find_table(settings.actions)
        self.navigator = Navigator(settings, read_table(table_path))
        self._settings.on_change = self._change
        self._command = self.navigator.step(self._now())
        self._told_refused = 0
        self._limit_out = self.create_publisher(SpeedLimit, 'speed_limit', qos.RESULTS)
        self._lock_out = self.create_publisher(Bool, 'stop_lock', qos.RESULTS)
        self._event_out = self.create_publisher(String, '~/events', EVENTS)
        self._heading_out = self.create_publisher(Float32, '~/heading', qos.RESULTS)
        self._diagnostic_out = self.create_publisher(
            DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS
        )
        self._subscribe(settings)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        for period_s, work in (
            (LOCK_PERIOD_S, self._tick),
            (LIMIT_PERIOD_S, self._repeat),
            (DIAGNOSTICS_PERIOD_S, self._report),
        ):
            self.create_timer(period_s, work, clock=self._steady)
        self.get_logger().info(
            f'{table_path}: {len(self.navigator.table)} classes, from '
            f'{self.navigator.table.reads}; cap {settings.max_speed_mps:g} m/s, '
            f'on_stale {settings.on_stale}'
        )
        if settings.max_speed_mps == NavigatorSettings.max_speed_mps:
            self.get_logger().warning(
                f'max_speed_mps is its default of {settings.max_speed_mps:g} m/s: set it to the '
                "controller's own maximum, which some of Nav2's controllers else exceed"
            )

    def _subscribe(self, settings: NavigatorSettings) -> None:
        if self.navigator.table.reads == 'detections':
            self._listen(Detection2DArray, 'detections', self._on_detections)
        else:
            self._listen(Classification, 'classification', self._on_classification)
        self._listen(LabelInfo, 'label_info', self._on_labels, qos.LATCHED)
        self._listen(SpeedLimit, 'speed_limit_in', self._on_limit, qos.RESULTS)
        if settings.velocity_source == 'twist':
            self._listen(TwistStamped, 'velocity', self._on_velocity)
        elif settings.velocity_source == 'odom':
            try:
                odometry = message_class('nav_msgs/msg/Odometry')
            except ImportError as error:
                raise ConfigError(
                    'velocity_source odom needs nav_msgs, which is not installed; '
                    'use twist with geometry_msgs/TwistStamped'
                ) from error
            self._listen(odometry, 'odom', self._on_odometry)

    def _listen(
        self, kind: type, topic: str, work: Callable[[Any], None], profile: QoSProfile = qos.BOXES
    ) -> None:
        """Subscribe; best effort by default, which takes every publisher."""
        self.create_subscription(kind, topic, work, profile)

    # Input

    def _on_detections(self, message: Detection2DArray) -> None:
        now = self._now()
        self.navigator.observe_signs(sign_frame_from_message(message), now)
        self._do(self.navigator.step(now), now)

    def _on_classification(self, message: Classification) -> None:
        now = self._now()
        self.navigator.observe_classes(class_frame_from_message(message), now)
        self._do(self.navigator.step(now), now)

    def _on_labels(self, message: LabelInfo) -> None:
        self.navigator.observe_labels(names_from_label_info(message))
        now = self._now()
        self._do(self.navigator.step(now), now)

    def _on_limit(self, message: SpeedLimit) -> None:
        now = self._now()
        self.navigator.observe_limit(message.speed_limit, now, percentage=message.percentage)
        self._do(self.navigator.step(now), now)

    def _on_velocity(self, message: TwistStamped) -> None:
        linear = message.twist.linear
        self.navigator.observe_speed((linear.x**2 + linear.y**2) ** 0.5, self._now())

    def _on_odometry(self, message: Any) -> None:
        self._on_velocity(message.twist)

    def _change(self, settings: NavigatorSettings) -> None:
        self.navigator.settings = settings
        now = self._now()
        self._do(self.navigator.step(now), now)

    # Output

    def _tick(self) -> None:
        now = self._now()
        self._do(self.navigator.step(now), now)
        self._lock_out.publish(Bool(data=self._command.stop_lock))

    def _repeat(self) -> None:
        """Say the limit again: consumers restart, and MPPI forgets limits."""
        if self._command.speed_limit_mps is not None:
            self._publish_limit(self._command.speed_limit_mps)

    def _do(self, command: Command, now: Moment) -> None:
        """Publish what a command changes, at once."""
        last, self._command = self._command, command
        if command.stop_lock != last.stop_lock:
            self._lock_out.publish(Bool(data=command.stop_lock))
        if command.release:
            self._publish_limit(0.0)  # to Nav2: no limit
        elif command.changed and command.speed_limit_mps is not None:
            self._publish_limit(command.speed_limit_mps)
        if command.heading is not None:
            self._heading_out.publish(Float32(data=command.heading))
        for event in command.events:
            self._tell(event, command, now)

    def _publish_limit(self, mps: float) -> None:
        message = SpeedLimit(percentage=False, speed_limit=mps)
        message.header.stamp = self.get_clock().now().to_msg()
        self._limit_out.publish(message)

    def _tell(self, event: Event, command: Command, now: Moment) -> None:
        text = event_json(event, command, now)
        self._event_out.publish(String(data=text))
        if event.kind == 'rejected':
            self.get_logger().warning(text, throttle_duration_sec=5.0)
        elif event.kind in {'stale', 'clock_jump', 'labels'}:
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)

    def _report(self) -> None:
        refused = self.navigator.refused.total()
        finding = navigator_finding(
            self.navigator, self._now(), new_refusals=refused - self._told_refused
        )
        self._told_refused = refused
        self._diagnostic_out.publish(
            array_from_findings(self.get_clock().now().to_msg(), self.get_name(), '', [finding])
        )

    # Process

    def _now(self) -> Moment:
        return Moment(self.get_clock().now().nanoseconds, time.monotonic_ns())

    def request_exit(self, code: int, reason: str) -> None:
        """
        Ask the process to end; the first request stands.

        :param code: exit status, not 0 if something must respawn the node.
        """
        if self.exit_request is None:
            self.exit_request = (code, reason)
            self.exit_hook(code, reason)

    def finalize(self) -> None:
        """Say a last word: nobody watches from here on, so the lock is on."""
        self._lock_out.publish(Bool(data=True))
        self._lock_out.wait_for_all_acked(Duration(seconds=LAST_WORD_S))


def main() -> int:
    """Run the node until a signal; 0 on a clean end, 1 if it cannot start."""
    return run_node(SignNavigator)


if __name__ == '__main__':
    sys.exit(main())
