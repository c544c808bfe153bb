"""Trouble on the wire: lost images, kill -9, a second commander, wild values, no cap."""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from nav2_msgs.msg import SpeedLimit
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2D, Detection2DArray

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.ros.clients.findings import ERROR
from alexnet_ros.ros.sign_navigator_node import SignNavigator
from tests.ros.navigator_bench import (
    END_OF_ALL,
    LIMIT_30,
    PATIENT,
    STOP,
    YIELD,
    CalmNavigator,
    Ears,
    Recogniser,
    detection,
)
from tests.ros.robot import Bench, NodeProcess

Start = Callable[..., NodeProcess]
MODULE = 'alexnet_ros.ros.sign_navigator_node'
MPS_30 = pytest.approx(30 / 3.6)
CAP = {'max_speed_mps': 36.2}
YIELD_MPS = 2.8
PROCESS = CAP | PATIENT


def restart(bench: Bench, process: NodeProcess, ears: Ears, start_node: Start) -> NodeProcess:
    """Kill a navigator and start another; what was heard of the first is forgotten."""
    process.signal(signal.SIGKILL)
    bench.until('it is dead', lambda: not process.alive())
    ears.clear()
    made = start_node(module=MODULE, **PROCESS)
    bench.until('the next one speaks', lambda: ears.locks.messages)
    return made


def test_killed_navigator_hands_limits_on(bench: Bench, start_node: Start) -> None:
    ears = Ears(bench)
    first = start_node(module=MODULE, **PROCESS)
    recogniser = Recogniser(bench)
    other = bench.node.create_publisher(SpeedLimit, 'speed_limit_in', 10)
    bench.until('the arbiter listens', other.get_subscription_count)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    other.publish(SpeedLimit(speed_limit=2.0))
    bench.until('the zone', lambda: ears.values[-1] == 2.0)
    recogniser.show()
    second = restart(bench, first, ears, start_node)
    bench.until('the limit of before', lambda: ears.values == [2.0])
    recogniser.show(detection(YIELD, '7'), detection(8, '8', 12.0))  # 120, far ahead
    bench.until('the signs are seen', lambda: ears.kinds('seen') == ['seen'] * 2)
    recogniser.show()
    bench.spin_for(1.0)
    assert ears.values == [2.0]
    third = restart(bench, second, ears, start_node)
    bench.until('the limit of before', lambda: ears.values == [2.0])
    other.publish(SpeedLimit(speed_limit=0.0))
    bench.until('the sign below it', lambda: ears.values[-1] == MPS_30)
    assert {2.0, ears.values[-1]} <= set(ears.values) <= {2.0, YIELD_MPS, ears.values[-1]}
    assert third.alive()


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_stop_goes_on_after_the_navigator_has_ended(
    bench: Bench, start_node: Start, number: int
) -> None:
    ears = Ears(bench)
    first = start_node(module=MODULE, **PROCESS)
    recogniser = Recogniser(bench)
    recogniser.show(detection(STOP))
    bench.until('the stop', lambda: ears.locked)
    bench.spin_for(1.0)
    first.signal(number)
    bench.until('it has ended', lambda: not first.alive())
    recogniser.show()
    ears.clear()
    begin_s = time.monotonic()
    start_node(module=MODULE, **PROCESS)
    bench.until('it is let go in the end', lambda: ears.locked is False)
    assert time.monotonic() - begin_s >= NavigatorSettings().stop_hold_s  # its time began anew
    assert ears.locks.messages[0].data


def test_state_that_cannot_be_read_locks_until_an_operator_lets_go(
    bench: Bench, start_node: Start, tmp_path: Path
) -> None:
    state = tmp_path / 'state.json'
    state.write_text('{"version": 1, "restr')
    ears = Ears(bench)
    start_node(module=MODULE, state_file=state, **PROCESS)
    bench.until('it locks', lambda: ears.locked)
    assert bench.call(Trigger, '/sign_navigator/release').success
    bench.until('it is let go', lambda: ears.locked is False)
    assert json.loads(state.read_text())['restrictions'] == []


@pytest.mark.parametrize('class_id', [8, END_OF_ALL])
def test_images_missing_before_a_raising_sign_raise_nothing(bench: Bench, class_id: int) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, **CAP)
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    recogniser.show()
    bench.spin_for(1.5)
    recogniser.show(detection(class_id, '2', 22.0))
    bench.spin_for(0.4)
    for gap_s in (0.7, 0.9, 1.5):
        recogniser.running = False
        bench.spin_for(gap_s)
        recogniser.show(detection(class_id, '2', 23.0))
        bench.spin_for(0.3)
    assert ears.values == [MPS_30]


def test_stop_sign_is_heeded_after_missing_images(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, **CAP, stop_hold_s=0.5)
    recogniser = Recogniser(bench)
    recogniser.show()
    bench.spin_for(1.0)
    recogniser.show(detection(STOP, '1', 31.0))
    bench.until('the sign is seen', lambda: 'seen' in ears.kinds())
    assert ears.locked is False
    recogniser.running = False
    bench.until('nobody knows where it is', lambda: ears.locked)
    recogniser.show(detection(STOP, '1', 31.5))
    bench.until('it is still ahead', lambda: ears.locked is False)
    recogniser.show(detection(STOP, '1', 60.0))
    bench.until('the line', lambda: ears.locked)


def test_two_navigators_notice_each_other_and_the_stricter_wins(
    bench: Bench, start_node: Start
) -> None:
    ears = Ears(bench)
    start_node(module=MODULE, **PROCESS)
    recogniser = Recogniser(bench)
    recogniser.show()
    second = start_node(
        '-r', 'detections:=other', '-r', '__node:=second_navigator', module=MODULE, **CAP
    )

    def complaints() -> set[str]:
        status = [one for message in ears.diagnostics.messages for one in message.status]
        wrong = [one for one in status if one.level == ERROR and 'end all' in one.message]
        return {one.name.split(':')[0] for one in wrong}

    bench.until('both say so', lambda: complaints() == {'sign_navigator', 'second_navigator'})
    recogniser.show(detection(STOP), detection(LIMIT_30, '2'))
    bench.until('the stop', lambda: ears.locked)
    bench.spin_for(1.0)
    ears.clear()
    bench.until('both go on', lambda: len(ears.locks) >= 40 and len(ears.limits) >= 3)
    told = {message.data for message in ears.locks.messages}
    assert told == {True}  # the second has seen nothing and says the same
    assert ears.values == [MPS_30]
    assert second.stop() == 0
    recogniser.show()
    bench.until('one alone goes on', lambda: ears.locked is False)


def test_without_a_cap_percentages_pass_and_metres_a_second_do_not(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator)
    other = bench.node.create_publisher(SpeedLimit, 'speed_limit_in', 10)
    bench.until('the arbiter listens', other.get_subscription_count)
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('the sign is seen', lambda: ears.kinds('seen'))
    for value in (50.0, 400.0):
        other.publish(SpeedLimit(percentage=True, speed_limit=value))
    bench.until('the percentages', lambda: len({m.speed_limit for m in ears.limits.messages}) == 2)
    assert [(m.percentage, m.speed_limit) for m in ears.limits.messages][:1] == [(True, 50.0)]
    assert {(m.percentage, m.speed_limit) for m in ears.limits.messages} == {
        (True, 50.0),
        (True, 100.0),
    }
    bench.until('no lock', lambda: ears.locked is False)
    other.publish(SpeedLimit(speed_limit=3.0))
    bench.until('a limit that cannot be said locks', lambda: ears.locked)
    ears.clear()
    bench.until('an error', lambda: ears.status and 'max_speed_mps' in ears.status.message)
    assert node.set_parameters([Parameter('max_speed_mps', value=2)])[0].successful
    bench.until('it is said', lambda: ears.values == [2.0] and ears.locked is False)


def test_wild_velocities_are_unknown_and_end_nothing(bench: Bench, start_node: Start) -> None:
    ears = Ears(bench)
    process = start_node(module=MODULE, velocity_source='twist', stop_hold_s=0.3, **PROCESS)
    recogniser = Recogniser(bench)
    speed = bench.node.create_publisher(TwistStamped, 'velocity', 10)
    bench.until('velocity is heard', speed.get_subscription_count)
    recogniser.show(detection(STOP))
    for value in (1e200, -1e308, math.nan, math.inf, -math.inf, 8.0):
        message = TwistStamped()
        message.twist.linear.x = message.twist.linear.y = value
        for _ in range(10):
            speed.publish(message)
        bench.spin_for(0.1)
    bench.until('the stop', lambda: ears.locked)
    bench.spin_for(1.5)
    assert ears.locked
    timer = bench.node.create_timer(0.05, lambda: speed.publish(TwistStamped()))
    bench.until('the robot stands', lambda: ears.locked is False)
    timer.cancel()
    assert process.alive()
    assert 'Traceback' not in process.log


def test_huge_messages_are_refused_before_they_are_converted(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator, **CAP)
    assert isinstance(node, SignNavigator)
    raw = bench.node.create_publisher(Detection2DArray, 'detections', 10)
    bench.until('it listens', raw.get_subscription_count)
    many = Detection2DArray(detections=[Detection2D()] * 1000)
    many.header.frame_id = 'front'
    raw.publish(serialize_message(many))
    bench.until('too many', lambda: node.navigator.refused['too_many'])
    raw.publish(Detection2DArray(detections=[Detection2D(id='x' * 3_000_000)]))
    bench.until('too large', lambda: node.navigator.refused['too_large'])
    raw.publish(serialize_message(Detection2DArray(detections=[detection(STOP)]))[:40])
    bench.until('unreadable', lambda: node.navigator.refused['unreadable'])
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('a good one acts', lambda: ears.values == [MPS_30])


def test_each_camera_has_its_topic_and_its_silence(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator, **CAP, cameras=['front', 'rear'], on_stale='stop')
    assert isinstance(node, CalmNavigator)
    bench.until('locked for want of both', lambda: ears.locked)
    publishers = {
        name: bench.node.create_publisher(Detection2DArray, f'{name}/detections', 10)
        for name in ('front', 'rear')
    }
    alive = ['front']

    def publish() -> None:
        for name in alive:
            message = Detection2DArray()
            stamp_ns = node.calm.ros_ns()
            message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
            message.header.frame_id = 'the same for both'
            publishers[name].publish(message)

    bench.node.create_timer(0.05, publish)
    bench.until('the front camera is not enough', lambda: len(ears.locks) >= 15)
    assert ears.locked
    alive.append('rear')
    bench.until('both speak', lambda: ears.locked is False)
    alive.remove('front')
    bench.until('the front camera has died', lambda: ears.locked)


def test_second_publisher_of_no_limit_is_answered_with_the_limit(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, **CAP)
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    stray = bench.node.create_publisher(SpeedLimit, 'speed_limit', 10)
    lock: Any = bench.node.create_publisher(Bool, 'stop_lock', 10)
    bench.until('it is noticed', lambda: 'commander' in ears.kinds())
    stray.publish(SpeedLimit())
    bench.until('no limit was said', lambda: 0.0 in ears.values)
    bench.until('and the limit again', lambda: ears.values[-1] == MPS_30)
    lock.publish(Bool(data=True))
    bench.until('the stricter wins', lambda: ears.locked and len(ears.locks) > 3)
    stray.publish(SpeedLimit(speed_limit=1.0))
    bench.until('the lower limit', lambda: ears.values[-1] == 1.0)


@pytest.mark.parametrize(('track_id', 'class_id'), [('1', YIELD), ('2', END_OF_ALL), ('', STOP)])
def test_stop_sign_read_otherwise_before_its_line_still_locks(
    bench: Bench, track_id: str, class_id: int
) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, **CAP, stop_hold_s=0.3)
    recogniser = Recogniser(bench)
    recogniser.show(detection(STOP, '1', 14, x_px=320))
    bench.until('the sign is seen', lambda: 'seen' in ears.kinds())
    recogniser.show(detection(class_id, track_id, 18, x_px=320))
    bench.spin_for(1.5)  # it may have stopped for a sign that was lost so soon
    bench.until('the way is free', lambda: ears.locked is False)
    recogniser.show(detection(class_id, track_id, 33, x_px=320))
    bench.until('the stop', lambda: ears.locked)


def test_of_two_sources_of_a_limit_neither_lets_go_the_others(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator, **CAP)
    assert isinstance(node, SignNavigator)
    sources = [bench.node.create_publisher(SpeedLimit, 'speed_limit_in', 10) for _ in range(2)]
    for one in sources:
        bench.until('it listens', one.get_subscription_count)
    sources[0].publish(SpeedLimit(speed_limit=2.0))
    bench.until('the limit', lambda: ears.values == [2.0])
    sources[1].publish(SpeedLimit(speed_limit=0.0))
    bench.until('it is refused', lambda: node.navigator.refused['several_sources'])
    assert ears.values == [2.0]
    bench.node.destroy_publisher(sources.pop())
    bench.until('one is left', lambda: node.count_publishers('speed_limit_in') == 1)
    sources[0].publish(SpeedLimit(speed_limit=0.0))
    bench.until('the release', lambda: ears.values == [2.0, 0.0])


def test_cap_that_is_deleted_while_driving_releases_nothing(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator, **CAP)
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('the limit', lambda: ears.values == [MPS_30])
    assert node.set_parameters([Parameter('max_speed_mps')])[0].successful
    bench.spin_for(1.0)
    assert ears.values == [MPS_30]
