"""
The node ``velocity_gate``: the last thing between a robot's commands and its base.

It passes velocity commands on while ``stop_lock`` is false and fresh, and
sends zeros otherwise: a base without a timeout of its own would drive on when
a locked twist_mux, or anything before it, says nothing. It belongs behind
Nav2's collision_monitor.
"""

import math
import sys
import time
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from alexnet_ros.config import GateSettings
from alexnet_ros.ros import qos
from alexnet_ros.ros.plain_node import LAST_WORD_S, PlainNode
from alexnet_ros.ros.process import run_node

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # takes any publisher
COMMANDS = QoSProfile(depth=1)


class VelocityGate(PlainNode[GateSettings]):
    """
    Passes ``cmd_vel_in`` on to ``cmd_vel`` while nothing forbids it.

    :param kwargs: passed on to ``rclpy``'s node.
    :raises ConfigError: a parameter is not as it must be.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('velocity_gate', GateSettings, **kwargs)
        settings = self.settings
        self._kind = TwistStamped if settings.stamped else Twist
        self._frame_id = ''
        self._heard_s = -math.inf  # steady; of the last word on stop_lock
        self._locked_s = -math.inf  # of the last true one
        self._passed_s = -math.inf  # of the last command that was passed on
        self._why = 'nothing heard yet'
        self._out = self.create_publisher(self._kind, 'cmd_vel', COMMANDS)
        self.create_subscription(self._kind, 'cmd_vel_in', self._on_command, NEWEST)
        self.create_subscription(Bool, 'stop_lock', self._on_lock, qos.RESULTS)
        self.create_timer(settings.period_s, self._tick, clock=self.steady)

    def closed_by(self) -> str:
        """Return why no command may pass, empty if it may."""
        now_s, timeout_s = time.monotonic(), self.settings.lock_timeout_s
        if now_s - self._heard_s > timeout_s:
            return 'stop_lock is silent'
        # Of two publishers that contradict each other the stricter counts
        return 'stop_lock is on' if now_s - self._locked_s <= timeout_s else ''

    def _on_lock(self, message: Bool) -> None:
        self._heard_s = time.monotonic()
        if message.data:
            self._locked_s = self._heard_s
            self._tick()  # zeros at once

    def _on_command(self, message: Any) -> None:
        twist = message.twist if self.settings.stamped else message
        if self.settings.stamped:
            self._frame_id = message.header.frame_id
        values = [getattr(part, axis) for part in (twist.linear, twist.angular) for axis in 'xyz']
        if all(math.isfinite(value) for value in values) and not self.closed_by():
            self._passed_s = time.monotonic()
            self._out.publish(message)

    def _tick(self) -> None:
        why = self.closed_by()
        if not why and time.monotonic() - self._passed_s > self.settings.command_timeout_s:
            why = 'no command comes'
        if why != self._why:
            self._why = why
            self.get_logger().info(f'zero velocity: {why}' if why else 'commands pass')
        if why:
            self._out.publish(self._zero())

    def _zero(self) -> Any:
        message = self._kind()
        if self.settings.stamped:
            message.header.frame_id = self._frame_id
            message.header.stamp = self.get_clock().now().to_msg()
        return message

    def finalize(self) -> None:
        """Leave the base with a zero."""
        self._out.publish(self._zero())
        self._out.wait_for_all_acked(Duration(seconds=LAST_WORD_S))  # else it may be lost


def main() -> int:
    """Run the node until a signal; 0 on a clean end, 1 if it cannot start."""
    return run_node(VelocityGate)


if __name__ == '__main__':
    sys.exit(main())
