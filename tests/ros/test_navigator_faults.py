"""The navigator on the wire when what it is fed is old, wrong or gone."""

import math
import time
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from alexnet_ros.ros.clients.findings import ERROR, OK, STALE
from alexnet_ros.ros.sign_navigator_node import SignNavigator
from tests.ros.navigator_bench import (
    END_OF_ALL,
    LIMIT_30,
    PATIENT,
    STOP,
    CalmNavigator,
    Ears,
    Recogniser,
    detection,
)
from tests.ros.robot import Bench

MPS_30 = pytest.approx(30 / 3.6)


def robot(bench: Bench, **parameters: Any) -> tuple[Ears, Recogniser]:
    ears = Ears(bench)
    bench.add(CalmNavigator, **{'max_speed_mps': 36.2, **parameters})
    recogniser = Recogniser(bench)
    bench.until('the lock is told', lambda: ears.locks.messages)
    return ears, recogniser


class SimClock:
    """A ``/clock`` at 50 Hz that the test sets, stops and lets jump."""

    def __init__(self, bench: Bench, start_s: float) -> None:
        self.now_ns = round(start_s * 1e9)
        self.running = True
        self._publisher = bench.node.create_publisher(Clock, '/clock', 10)
        self._timer = bench.node.create_timer(0.02, self.tick)

    def tick(self) -> None:
        if self.running:
            self.now_ns += 20_000_000
            self._publisher.publish(
                Clock(clock=Time(sec=self.now_ns // 10**9, nanosec=self.now_ns % 10**9))
            )


@pytest.mark.parametrize(('policy', 'locked'), [('hold', False), ('stop', True)])
def test_stale_images_hold_the_limit_and_lock_as_configured(
    bench: Bench, policy: str, locked: bool
) -> None:
    ears, recogniser = robot(bench, on_stale=policy, stale_after_s=0.4)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values == [MPS_30])
    bench.until('no lock', lambda: ears.locked is False)
    recogniser.running = False  # the camera or the recogniser dies
    bench.until('it is noticed', lambda: ears.kinds('stale'))
    bench.until('the lock follows', lambda: ears.locked is locked)
    ears.clear()
    bench.until('an error', lambda: ears.status and ears.status.level == ERROR)
    bench.until('both are said again', lambda: ears.limits.messages and ears.locks.messages)
    assert ears.values == [MPS_30]
    assert {message.data for message in ears.locks.messages} == {locked}
    recogniser.running = True
    bench.until('recovery', lambda: ears.kinds() == ['fresh'] and ears.locked is False)
    bench.until('all is well', lambda: ears.status.level == OK)


@pytest.mark.parametrize(
    ('shift_s', 'why'), [(-5.0, 'too_old'), (-1e6, 'too_old'), (0.5, 'future'), (1e6, 'future')]
)
def test_old_and_future_images_do_nothing(bench: Bench, shift_s: float, why: str) -> None:
    ears, recogniser = robot(bench)
    recogniser.shift_s = shift_s
    recogniser.show(detection(STOP, '1'), detection(LIMIT_30, '2'))
    bench.until('the refusal', lambda: ears.kinds() == ['rejected'])
    assert ears.events[0]['did'] == why
    ears.clear()
    bench.until('it is in the diagnostics', lambda: ears.status and ears.locks.messages)
    assert (ears.status.level, why in ears.status.message) == (STALE, True)
    assert not ears.limits.messages
    assert {message.data for message in ears.locks.messages} == {False}
    recogniser.shift_s = 0.0
    bench.until('the next good image acts', lambda: ears.values == [MPS_30] and ears.locked)


def test_image_without_stamp_does_nothing(bench: Bench) -> None:
    ears, recogniser = robot(bench)
    recogniser.now_ns = lambda: 0
    recogniser.show(detection(STOP))
    bench.until('the refusal', lambda: ears.kinds() == ['rejected'])
    assert ears.events[0]['did'] == 'no_stamp'
    assert ears.locked is False


@pytest.mark.parametrize('score', [math.nan, math.inf, -0.5, 17.0])
def test_score_that_is_no_probability_does_nothing(bench: Bench, score: float) -> None:
    ears, recogniser = robot(bench, on_stale='stop', stale_after_s=0.4)
    recogniser.show()
    bench.until('no lock', lambda: ears.locked is False)
    recogniser.show(detection(LIMIT_30, '1', score=score), detection(LIMIT_30, '2'))
    bench.until('the refusal', lambda: ears.kinds('rejected'))
    bench.until('a failing recogniser counts as none', lambda: ears.locked)
    assert not ears.limits.messages
    recogniser.show(detection(LIMIT_30, '2'))
    bench.until('recovery', lambda: ears.values == [MPS_30] and not ears.locked)


@pytest.mark.parametrize('class_id', ['99', '-1', 'stop', '1e1', '', '99999999999999999999'])
def test_class_missing_in_the_table_does_nothing_and_is_told_once(
    bench: Bench, class_id: str
) -> None:
    ears, recogniser = robot(bench)
    recogniser.show(detection(class_id))
    bench.until('it is ignored', lambda: ears.kinds('ignored'))
    recogniser.show(detection(class_id), detection(LIMIT_30, '2'))
    bench.until('the next sign acts', lambda: ears.values == [MPS_30])
    assert [one['did'] for one in ears.events if one['event'] == 'ignored'] == ['not_in_table']
    assert ears.locked is False


def test_unknown_sign_and_unconfirmed_sign_do_nothing(bench: Bench) -> None:
    ears, recogniser = robot(bench)
    unknown = detection(STOP, '1')
    unknown.results = []
    recogniser.show(unknown, detection(STOP, ''))
    bench.until('it is told', lambda: ears.kinds('ignored'))
    bench.spin_for(0.3)
    assert ears.events[-1]['did'] == 'unknown'
    assert ears.locked is False
    assert not ears.limits.messages


def test_image_repeated_or_late_does_nothing(bench: Bench) -> None:
    ears, recogniser = robot(bench)
    recogniser.show()
    bench.until('images come', lambda: ears.kinds('fresh'))
    stamp_ns = recogniser.now_ns() - 500_000_000
    recogniser.now_ns = lambda: stamp_ns
    recogniser.show(detection(STOP))
    bench.until('the refusal', lambda: ears.kinds('rejected'))
    assert ears.events[-1]['did'] == 'out_of_order'
    assert ears.locked is False


def test_no_clock_yet_does_nothing_and_the_first_clock_is_no_jump(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, max_speed_mps=36.2, use_sim_time=True)
    recogniser = Recogniser(bench)
    recogniser.show(detection(STOP))
    bench.until('the refusal', lambda: ears.kinds('rejected'))
    assert ears.events[-1]['did'] == 'no_clock'
    bench.until('the lock is told without a clock', lambda: len(ears.locks) >= 10)
    assert ears.locked is False
    clock = SimClock(bench, 1_000)
    recogniser.now_ns = lambda: clock.now_ns
    bench.until('the sign acts', lambda: ears.locked)
    bench.until('it is told', lambda: 'stop' in ears.kinds())  # what came before it as well
    assert 'clock_jump' not in ears.kinds()


def test_bag_loop_forgets_signs_and_holds_limits(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(
        SignNavigator,
        **PATIENT,
        max_speed_mps=36.2,
        use_sim_time=True,
        stop_hold_s=0.4,
        stop_again_s=0.0,
    )
    clock = SimClock(bench, 1_000)
    recogniser = Recogniser(bench)
    recogniser.now_ns = lambda: clock.now_ns
    for round_ in (1, 2):
        recogniser.show(detection(LIMIT_30, '1'), detection(STOP, '2'))
        bench.until('the stop', lambda n=round_: ears.kinds('stop') == ['stop'] * n)
        recogniser.show()
        bench.until('the stop is over', lambda n=round_: ears.kinds('go') == ['go'] * n)
        clock.now_ns = 1_000 * 10**9  # the bag begins again, with the same ids
        bench.until('the jump', lambda n=round_: ears.kinds('clock_jump') == ['clock_jump'] * n)
    said = len(ears.limits)
    bench.until('the limit is said again', lambda: len(ears.limits) > said)
    assert ears.values == [MPS_30]
    recogniser.show(detection(END_OF_ALL, '3', x_px=4000.0))
    bench.until('the release', lambda: ears.values == [MPS_30, 0.0])


@pytest.mark.parametrize('jump_s', [-600, 600])
def test_clock_jump_does_not_end_a_stop(bench: Bench, jump_s: int) -> None:
    ears = Ears(bench)
    bench.add(CalmNavigator, max_speed_mps=36.2, use_sim_time=True, stop_hold_s=2.0)
    clock = SimClock(bench, 10_000)
    recogniser = Recogniser(bench)
    recogniser.now_ns = lambda: clock.now_ns
    begin_s = time.monotonic()  # simulated time falls behind where the machine is busy
    recogniser.show(detection(STOP))
    bench.until('the stop', lambda: ears.locked)
    recogniser.show()
    clock.now_ns += jump_s * 10**9
    bench.until('the jump', lambda: ears.kinds('clock_jump'))
    assert ears.locked
    bench.until('the stop ends nonetheless', lambda: ears.locked is False)
    assert time.monotonic() - begin_s >= 2.0, 'the jump was counted as time'
    bench.until('it is told', lambda: ears.kinds('clock_jump', 'go') == ['clock_jump', 'go'])


def test_paused_bag_is_stale_on_the_steady_clock(bench: Bench) -> None:
    ears = Ears(bench)
    bench.add(
        SignNavigator, max_speed_mps=36.2, use_sim_time=True, on_stale='stop', stale_after_s=0.4
    )
    clock = SimClock(bench, 1_000)
    recogniser = Recogniser(bench)
    recogniser.now_ns = lambda: clock.now_ns
    recogniser.show()
    bench.until('no lock', lambda: ears.locked is False)
    clock.running = recogniser.running = False
    bench.until('the lock', lambda: ears.locked)
    clock.running = recogniser.running = True
    bench.until('recovery', lambda: ears.locked is False)


def test_policy_is_live(bench: Bench) -> None:
    ears = Ears(bench)
    node = bench.add(CalmNavigator)
    bench.until('no lock', lambda: ears.locked is False)
    assert node.set_parameters([Parameter('on_stale', value='stop')])[0].successful
    bench.until('the lock', lambda: ears.locked)
