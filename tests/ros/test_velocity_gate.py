"""The velocity gate: zeros unless the navigator says that the robot may drive."""

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool

from alexnet_ros.ros.velocity_gate_node import VelocityGate
from tests.ros.robot import PATIENTLY, Bench, Listener, NodeProcess


class Base:
    """A source of commands, the lock, and a base that listens."""

    def __init__(self, bench: Bench, kind: type = Twist) -> None:
        self.kind, self.value, self.locked, self.commanding = kind, 0.4, False, True
        self.out: Listener = bench.listen(kind, 'cmd_vel', QoSProfile(depth=100))
        self.commands = bench.node.create_publisher(kind, 'cmd_vel_in', 10)
        self.lock = bench.node.create_publisher(Bool, 'stop_lock', 10)
        bench.node.create_timer(0.05, self.command)
        self.timer = bench.node.create_timer(0.1, self.say_lock)

    def command(self) -> None:
        message: Any = self.kind()
        (message.twist if self.kind is TwistStamped else message).linear.x = self.value
        if self.commanding:
            self.commands.publish(message)

    def say_lock(self) -> None:
        self.lock.publish(Bool(data=self.locked))

    def speed(self) -> float | None:
        if not self.out.messages:
            return None
        last = self.out.last
        return float((last.twist if self.kind is TwistStamped else last).linear.x)


@pytest.mark.parametrize('kind', [Twist, TwistStamped])
def test_gate_follows_the_lock_and_its_silence(bench: Bench, kind: type) -> None:
    base = Base(bench, kind)
    base.timer.cancel()
    bench.add(VelocityGate, stamped=kind is TwistStamped)
    bench.until('zeros before the first lock', lambda: len(base.out) >= 3)
    assert base.speed() == 0.0
    base.timer.reset()
    bench.until('commands pass', lambda: base.speed() == 0.4)
    base.locked = True
    bench.until('zero', lambda: base.speed() == 0.0)
    base.out.messages.clear()
    bench.until('zero again and again', lambda: len(base.out) >= 5)
    assert base.speed() == 0.0
    base.locked = False
    bench.until('commands pass again', lambda: base.speed() == 0.4)
    base.timer.cancel()
    bench.until('silence of the navigator stops', lambda: base.speed() == 0.0)


def test_gate_lets_no_wild_command_pass_and_ends_what_nobody_commands(bench: Bench) -> None:
    base = Base(bench)
    bench.add(VelocityGate)
    bench.until('commands pass', lambda: base.speed() == 0.4)
    base.value = math.nan
    bench.until('a command that is none stops', lambda: base.speed() == 0.0)
    base.value = 0.4
    bench.until('commands pass again', lambda: base.speed() == 0.4)
    base.commanding = False
    bench.until('nobody commands: zero', lambda: base.speed() == 0.0)


def test_of_two_locks_the_stricter_wins(bench: Bench) -> None:
    base = Base(bench)
    bench.add(VelocityGate, lock_timeout_s=10.0)
    bench.until('commands pass', lambda: base.speed() == 0.4)
    second = bench.node.create_publisher(Bool, 'stop_lock', 10)
    bench.node.create_timer(0.1, lambda: second.publish(Bool(data=True)))
    bench.until('zero', lambda: base.speed() == 0.0)
    bench.spin_for(0.3)
    base.out.messages.clear()
    bench.until('zero again and again', lambda: len(base.out) >= 20)
    assert {message.linear.x for message in base.out.messages} == {0.0}


def test_gate_leaves_the_base_with_a_zero(
    bench: Bench, start_node: Callable[..., NodeProcess]
) -> None:
    base = Base(bench)
    process = start_node(module=PATIENTLY + 'alexnet_ros.ros.velocity_gate_node')
    bench.until('commands pass', lambda: base.speed() == 0.4)
    process.signal(signal.SIGTERM)
    bench.until('it has ended', lambda: not process.alive())
    bench.until('the last word', lambda: base.speed() == 0.0)
    assert process.wait() == 0
