"""The navigator on the wire: signs in, limits and locks out."""

from itertools import pairwise
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from nav2_msgs.msg import SpeedLimit
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import LabelInfo, VisionClass

from alexnet_ros.errors import ConfigError
from alexnet_ros.ros.clients.findings import ERROR, OK, STALE
from alexnet_ros.ros.sign_navigator_node import SignNavigator
from tests.ros.navigator_bench import (
    END_OF_ALL,
    LIMIT_30,
    LIMIT_50,
    STOP,
    YIELD,
    CalmNavigator,
    Ears,
    Recogniser,
    detection,
)
from tests.ros.robot import Bench

MPS_30 = pytest.approx(30 / 3.6)


def robot(bench: Bench, **parameters: Any) -> tuple[SignNavigator, Ears, Recogniser]:
    ears = Ears(bench)
    node = bench.add(CalmNavigator, **{'max_speed_mps': 36.2, **parameters})
    assert isinstance(node, SignNavigator)
    recogniser = Recogniser(bench)
    bench.until('the lock is told', lambda: ears.locks.messages)
    return node, ears, recogniser


def test_limit_is_repeated_until_the_end_sign_releases_it_once(bench: Bench) -> None:
    _, ears, recogniser = robot(bench)
    bench.until('an unlocked robot', lambda: ears.locked is False)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    recogniser.show()
    bench.until('the limit again and again', lambda: len(ears.limits) >= 4)
    recogniser.show(detection(END_OF_ALL, '2'))
    bench.until('the release', lambda: ears.values == [MPS_30, 0.0])
    heard = len(ears.limits)
    bench.spin_for(1.2)
    assert len(ears.limits) == heard
    assert ears.kinds() == ['fresh', 'seen', 'limit', 'seen', 'ended', 'release']
    limit = ears.events[2]
    assert (limit['class_id'], limit['camera'], limit['track_id']) == (LIMIT_30, 'front', '1')
    assert limit['stamp_s'] <= limit['time_s']
    assert (ears.events[4]['class_id'], ears.events[4]['track_id']) == (END_OF_ALL, '2')


def test_lock_is_told_all_the_time_even_before_the_first_image(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator)
    bench.until('20 locks', lambda: len(ears.locks) >= 20)
    assert not ears.limits.messages
    bench.until('a diagnostic', lambda: ears.status)
    assert ears.status.name == 'sign_navigator: navigation'
    assert ears.status.level == STALE


def test_stop_is_held_and_let_go_once(bench: Bench) -> None:
    _, ears, recogniser = robot(bench, stop_hold_s=0.8)
    recogniser.show(detection(STOP, height_px=25))
    bench.until('the sign is seen', lambda: 'seen' in ears.kinds())
    assert ears.locked is False
    recogniser.show(detection(STOP, height_px=50))
    bench.until('the lock', lambda: ears.locked)
    bench.until('it is let go', lambda: ears.locked is False)
    bench.spin_for(0.8)
    assert ears.locked is False
    assert ears.kinds('stop', 'go') == ['stop', 'go']
    assert not ears.limits.messages  # 0.0 would mean "no limit"
    values = [message.data for message in ears.locks.messages]
    assert sum(now != last for last, now in pairwise(values)) == 2


def test_lowest_of_competing_limits_counts(bench: Bench) -> None:
    _, ears, recogniser = robot(bench, max_speed_mps=20.0, yield_hold_s=0.5)
    other = bench.node.create_publisher(SpeedLimit, 'speed_limit_in', 10)
    bench.until('the arbiter listens', other.get_subscription_count)
    recogniser.show(detection(LIMIT_30, '1'), detection(LIMIT_50, '2'))
    bench.until('the lower sign', lambda: ears.values == [MPS_30])
    other.publish(SpeedLimit(percentage=True, speed_limit=25.0))
    bench.until('the filter', lambda: ears.values[-1] == 5.0)
    recogniser.show(detection(YIELD, '3'))
    bench.until('the yield', lambda: ears.values[-1] == 2.8)
    recogniser.show()
    bench.until('the filter again', lambda: ears.values[-1] == 5.0)
    for bad in (float('nan'), -1.0, float('inf')):
        other.publish(SpeedLimit(percentage=False, speed_limit=bad))
    bench.until('the refusals', lambda: 'rejected' in ears.kinds())
    other.publish(SpeedLimit(percentage=False, speed_limit=0.0))
    bench.until('the sign again', lambda: ears.values[-1] == MPS_30)
    assert 0.0 not in ears.values


def test_consumer_that_restarts_hears_the_limit_again(bench: Bench) -> None:
    _, ears, recogniser = robot(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values)
    recogniser.show()
    bench.node.destroy_subscription(ears.limits.subscription)
    again = bench.listen(SpeedLimit, 'speed_limit')
    bench.until('the limit at the new consumer', lambda: again.messages)
    assert again.last.speed_limit == MPS_30


def test_limit_above_the_cap_is_the_cap_and_the_cap_is_live(bench: Bench) -> None:
    node, ears, recogniser = robot(bench, max_speed_mps=5.0)
    recogniser.show(detection(8))  # 120 km/h
    bench.until('the cap', lambda: ears.values == [5.0])
    assert node.set_parameters([Parameter('max_speed_mps', value=1.5)])[0].successful
    bench.until('the new cap', lambda: ears.values == [5.0, 1.5])


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('max_speed_mps', 0.0),
        ('max_speed_mps', -1.0),
        ('max_speed_mps', float('nan')),
        ('max_speed_mps', float('inf')),
        ('max_age_s', 0.0),
        ('on_stale', 'drive'),
        ('actions', 'blocked_actions.yaml'),
        ('velocity_source', 'odom'),
        ('limit_distance_m', 10.0),
    ],
)
def test_bad_change_of_a_parameter_is_refused_with_its_reason(
    bench: Bench, name: str, value: Any
) -> None:
    node = bench.add(CalmNavigator)
    before = node.get_parameter(name).value
    answer = node.set_parameters([Parameter(name, value=value)])[0]
    assert not answer.successful
    assert answer.reason
    assert node.get_parameter(name).value == before


def test_a_whole_number_is_a_cap(bench: Bench) -> None:
    node = bench.add(CalmNavigator, max_speed_mps=2)
    assert isinstance(node, SignNavigator)
    assert node.settings.max_speed_mps == 2.0
    assert node.set_parameters([Parameter('max_speed_mps', value=3)])[0].successful


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('max_speed_mps', 0.0),
        ('max_speed_mps', 'fast'),
        ('on_stale', 'drive'),
        ('actions', 'none_such.yaml'),
        ('limit_distance_m', 5.0),
        ('stop_hold_s', 1),
    ],
)
def test_bad_start_is_refused_in_one_line(bench: Bench, name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        bench.add(CalmNavigator, **{name: value})
    assert name in str(caught.value) or str(value) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_limit_ends_by_the_distance_that_velocity_measures(bench: Bench) -> None:
    _, ears, recogniser = robot(bench, limit_distance_m=10.0, velocity_source='twist')
    speed = bench.node.create_publisher(TwistStamped, 'velocity', 10)
    bench.until('velocity is heard', speed.get_subscription_count)
    fast = TwistStamped()
    fast.twist.linear.x = 20.0
    bench.node.create_timer(0.05, lambda: speed.publish(fast))
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    recogniser.show()
    bench.until('the release', lambda: ears.values == [MPS_30, 0.0])


def test_odometry_lets_a_stop_run_from_standstill(bench: Bench) -> None:
    odometry = pytest.importorskip('nav_msgs.msg').Odometry
    _, ears, recogniser = robot(bench, velocity_source='odom', stop_hold_s=0.3)
    moving = odometry()
    moving.twist.twist.linear.x = 3.0
    odom = bench.node.create_publisher(odometry, 'odom', 10)
    bench.until('odometry is heard', odom.get_subscription_count)
    bench.node.create_timer(0.05, lambda: odom.publish(moving))
    bench.spin_for(0.2)
    recogniser.show(detection(STOP))
    bench.until('the stop', lambda: ears.locked)
    bench.spin_for(1.0)
    assert ears.locked
    moving.twist.twist.linear.x = 0.0
    bench.until('it is let go', lambda: ears.locked is False)


def test_odometry_without_its_messages_is_refused_at_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_kind: str) -> type:
        raise ImportError

    monkeypatch.setattr('alexnet_ros.ros.sign_navigator_node.message_class', missing)
    with pytest.raises(ConfigError, match='nav_msgs'):
        bench.add(CalmNavigator, velocity_source='odom')


def test_table_for_another_model_does_nothing_and_says_so(bench: Bench) -> None:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    labels = bench.node.create_publisher(LabelInfo, 'label_info', latched)
    labels.publish(
        LabelInfo(class_map=[VisionClass(class_id=i, class_name=f'animal {i}') for i in range(43)])
    )
    _, ears, recogniser = robot(bench)
    bench.until('the labels are compared', lambda: 'labels' in ears.kinds())
    recogniser.show(detection(STOP, '1'), detection(LIMIT_30, '2'))
    bench.until('the signs are ignored', lambda: ears.kinds('ignored') == ['ignored'] * 2)
    ears.clear()
    bench.until('an error', lambda: ears.status and ears.status.level == ERROR)
    assert 'does not fit the model' in ears.status.message
    assert ears.locked is False
    assert not ears.limits.messages


def test_diagnostics_tell_limit_lock_and_cause(bench: Bench) -> None:
    _, ears, recogniser = robot(bench)
    recogniser.show(detection(LIMIT_30, '1'), detection(STOP, '2'))
    bench.until('the lock', lambda: ears.locked)
    ears.clear()
    bench.until('a diagnostic', lambda: ears.status)
    values = {one.key: one.value for one in ears.status.values}
    assert ears.status.level == OK
    assert ears.status.hardware_id
    assert values['speed limit (m/s)'] == '8.33'
    assert values['limited by'] == 'sign'
    assert values['locked by'] == 'stop sign'
