"""
The node ``sign_navigator``: what is recognised becomes limits, a lock, a heading.

A plain node, not a lifecycle node: it loads no model, and its lock must speak
from the first moment to the last. Everything is decided in
:mod:`alexnet_ros.navigation`; here are topics, timers and parameters. It runs
in a process of its own, without the model, so that a fault of the recogniser
cannot speak for it.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav2_msgs.msg import SpeedLimit
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from std_msgs.msg import Bool, Float32, String
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.bags.messages import message_class
from alexnet_ros.config import NavigatorSettings
from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation import (
    Command,
    Event,
    Moment,
    Navigator,
    distrust_state,
    event_json,
    find_table,
    read_table,
    restore_navigator,
    text_from_navigator,
)
from alexnet_ros.ros import qos
from alexnet_ros.ros.clients.findings import array_from_findings
from alexnet_ros.ros.commanders import Commanders
from alexnet_ros.ros.navigator_messages import (
    class_frame_from_message,
    fault_of_size,
    names_from_label_info,
    navigator_finding,
    sign_frame_from_message,
    stamp_ns,
)
from alexnet_ros.ros.navigator_state import StateFile
from alexnet_ros.ros.plain_node import LAST_WORD_S, PlainNode
from alexnet_ros.ros.process import run_node

LOCK_PERIOD_S = 0.1
LIMIT_PERIOD_S = 0.5
DIAGNOSTICS_PERIOD_S = 1.0
EVENTS = QoSProfile(depth=100, durability=DurabilityPolicy.VOLATILE)  # reliable by default
WARNED = {'stale', 'clock_jump', 'commander', 'restored', 'evicted', 'operator'}


class SignNavigator(PlainNode[NavigatorSettings]):
    """
    Wires :class:`~alexnet_ros.navigation.Navigator` to ROS.

    :param kwargs: passed on to ``rclpy``'s node.
    :raises ConfigError: a parameter or the table of actions is not as it must be.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('sign_navigator', NavigatorSettings, **kwargs)
        settings = self.settings
        table_path = find_table(settings.actions)
        self.navigator = Navigator(settings, read_table(table_path))
        self.parameters.on_change = self._change
        self._state = StateFile.of_node(settings.state_file, self.get_fully_qualified_name())
        self._restore()
        self._expect_cameras()
        self._command = Command(None, None, False, False, False, None, ())
        self._told_refused = 0
        self._limit_out = self.create_publisher(SpeedLimit, 'speed_limit', qos.RESULTS)
        self._lock_out = self.create_publisher(Bool, 'stop_lock', qos.RESULTS)
        self._event_out = self.create_publisher(String, '~/events', EVENTS)
        self._heading_out = self.create_publisher(Float32, '~/heading', qos.RESULTS)
        self._diagnostic_out = self.create_publisher(
            DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS
        )
        self._commanders = Commanders(self, self.navigator.others)
        self._subscribe(settings)
        self.create_service(Trigger, '~/release', self._on_release)
        for period_s, work in (
            (LOCK_PERIOD_S, self._tick),
            (LIMIT_PERIOD_S, self._repeat),
            (DIAGNOSTICS_PERIOD_S, self._report),
        ):
            self.create_timer(period_s, work, clock=self.steady)
        cap = settings.max_speed_mps
        self.get_logger().info(
            f'{table_path}: {len(self.navigator.table)} classes, from '
            f'{self.navigator.table.reads}; cap {"not set" if cap is None else f"{cap:g} m/s"}, '
            f'on_stale {settings.on_stale}'
        )
        if cap is None:
            self.get_logger().warning(
                "max_speed_mps is not set: limits in m/s are not sent, because several of Nav2's "
                "controllers would exceed their maximum; set it to the controller's own"
            )
        self._settle()

    def _restore(self) -> None:
        """Take up what the last navigator has left; what cannot be read locks."""
        try:
            text = self._state.read()
            if text:
                restore_navigator(self.navigator, text, self._now())
        except ConfigError as error:
            distrust_state(self.navigator, str(error))

    def _expect_cameras(self) -> None:
        for name in self.settings.cameras:
            if name:
                self.navigator.cameras.expect(name, self._now().steady_ns)

    def _subscribe(self, settings: NavigatorSettings) -> None:
        for camera in settings.cameras:
            place = f'{camera}/' if camera else ''
            if self.navigator.table.reads == 'detections':
                seen = partial(self._on_detections, camera)
                self.listen(Detection2DArray, f'{place}detections', seen)
            else:
                classified = partial(self._on_classification, camera)
                self.listen(Classification, f'{place}classification', classified)
            named = partial(self._on_labels, camera)
            self.listen(LabelInfo, f'{place}label_info', named, qos.LATCHED)
        self.listen(SpeedLimit, 'speed_limit_in', self._on_limit, qos.RESULTS)
        if settings.velocity_source == 'twist':
            self.listen(TwistStamped, 'velocity', self._on_velocity)
        elif settings.velocity_source == 'odom':
            try:
                odometry = message_class('nav_msgs/msg/Odometry')
            except ImportError as error:
                raise ConfigError(
                    'velocity_source odom needs nav_msgs, which is not installed; '
                    'use twist with geometry_msgs/TwistStamped'
                ) from error
            self.listen(odometry, 'odom', self._on_odometry)

    def listen(
        self, kind: type, topic: str, work: Callable[[Any], None], profile: QoSProfile = qos.BOXES
    ) -> None:
        """
        Subscribe; best effort by default, which takes every publisher.

        A message is converted only if its bytes are few enough: the
        conversion would keep the lock silent for as long as it takes.
        """

        def take(data: bytes) -> None:
            fault = fault_of_size(kind, data)
            if not fault:
                try:
                    message = deserialize_message(data, kind)
                except Exception:
                    fault = 'unreadable'
            if fault:
                self.navigator.refuse(fault)
            else:
                work(message)
            self._settle()

        self.create_subscription(kind, topic, take, profile, raw=True)

    # Input

    def _on_detections(self, camera: str, message: Detection2DArray) -> None:
        self.navigator.observe_signs(sign_frame_from_message(message, camera), self._now())

    def _on_classification(self, camera: str, message: Classification) -> None:
        self.navigator.observe_classes(class_frame_from_message(message, camera), self._now())

    def _on_labels(self, camera: str, message: LabelInfo) -> None:
        self.navigator.observe_labels(names_from_label_info(message), camera)

    def _on_limit(self, message: SpeedLimit) -> None:
        self.navigator.observe_limit(
            message.speed_limit,
            self._now(),
            percentage=message.percentage,
            stamp_ns=stamp_ns(message),
            alone=self.count_publishers(self.resolve_topic_name('speed_limit_in')) < 2,
        )

    def _on_velocity(self, message: TwistStamped) -> None:
        linear = message.twist.linear
        speed = math.hypot(linear.x, linear.y, linear.z)
        self.navigator.observe_speed(speed, self._now(), stamp_ns=stamp_ns(message))

    def _on_odometry(self, message: Any) -> None:
        linear = message.twist.twist.linear
        speed = math.hypot(linear.x, linear.y, linear.z)
        self.navigator.observe_speed(speed, self._now(), stamp_ns=stamp_ns(message))

    def _on_release(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Let everything go, because an operator says so."""
        self.navigator.release()
        self._expect_cameras()
        self._settle()
        response.success, response.message = True, 'everything in force was let go'
        return response

    def _change(self, settings: NavigatorSettings) -> None:
        self.navigator.settings = settings
        self._settle()

    # Output

    def _tick(self) -> None:
        self._commanders.look(self._now().steady_ns)
        self._settle()
        self._say_lock()

    def _settle(self) -> None:
        """Step the machine, keep what must survive, and say what has changed."""
        now = self._now()
        last, self._command = self._command, self.navigator.step(now)
        command = self._command
        self._state.write(text_from_navigator(self.navigator))  # before anybody relies on it
        if command.stop_lock != last.stop_lock:
            self._say_lock()
        if command.release:
            self._publish_limit(0.0, percentage=False)  # to Nav2: no limit
        elif command.changed:
            self._repeat()
        if command.heading is not None:
            self._heading_out.publish(Float32(data=command.heading))
        for event in command.events:
            self._tell(event, command, now)

    def _say_lock(self) -> None:
        self._commanders.note_lock(self._now().steady_ns, locked=self._command.stop_lock)
        self._lock_out.publish(Bool(data=self._command.stop_lock))

    def _repeat(self) -> None:
        """Say the limit again: consumers restart, and MPPI forgets limits."""
        command = self._command
        if command.speed_limit_mps is not None:
            self._publish_limit(command.speed_limit_mps, percentage=False)
        elif command.speed_limit_percent is not None:
            self._publish_limit(command.speed_limit_percent, percentage=True)

    def _publish_limit(self, value: float, *, percentage: bool) -> None:
        message = SpeedLimit(percentage=percentage, speed_limit=value)
        message.header.stamp = self.get_clock().now().to_msg()
        self._commanders.note_limit(message)
        self._limit_out.publish(message)

    def speak_again(self) -> None:
        """Say everything in force at once: another publisher has said less."""
        self._repeat()
        if self._command.stop_lock:
            self._say_lock()

    def _tell(self, event: Event, command: Command, now: Moment) -> None:
        text = event_json(event, command, now)
        self._event_out.publish(String(data=text))
        if event.kind == 'rejected':
            self.get_logger().warning(text, throttle_duration_sec=5.0)
        elif event.kind in WARNED or (event.kind == 'labels' and self.navigator.misnamed):
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)

    def _report(self) -> None:
        refused = self.navigator.refused.total()
        finding = navigator_finding(
            self.navigator,
            self._now(),
            new_refusals=refused - self._told_refused,
            state_error=self._state.error,
        )
        self._told_refused = refused
        self._diagnostic_out.publish(
            array_from_findings(
                self.get_clock().now().to_msg(),
                self.get_fully_qualified_name().lstrip('/'),
                '',
                [finding],
            )
        )

    # Process

    def _now(self) -> Moment:
        before_ns = self.steady_ns()
        ros_ns = self.get_clock().now().nanoseconds
        return Moment(ros_ns, (before_ns + self.steady_ns()) // 2)

    @staticmethod
    def steady_ns() -> int:
        """Return the time of the steady clock, nanoseconds."""
        return time.monotonic_ns()

    def finalize(self) -> None:
        """Say a last word: nobody watches from here on, so the lock is on."""
        self._lock_out.publish(Bool(data=True))
        self._lock_out.wait_for_all_acked(Duration(seconds=LAST_WORD_S))
        self._state.close()


def main() -> int:
    """Run the node until a signal; 0 on a clean end, 1 if it cannot start."""
    return run_node(SignNavigator)


if __name__ == '__main__':
    sys.exit(main())
