"""Time that jumps, images that stop, messages that lie."""

import math

import pytest

from alexnet_ros.navigation import Score, SignFrame, SignSeen, event_json
from tests.unit.navigation.harness import END_OF_ALL, LIMIT_30, START_NS, STOP, YIELD, Drive, sign


@pytest.mark.parametrize(
    ('age_ns', 'why'),
    [
        (1_100_000_000, 'too_old'),
        (3600 * 10**9, 'too_old'),
        (-60_000_000, 'future'),
        (-3600 * 10**9, 'future'),
    ],
)
def test_old_and_future_images_do_nothing_and_are_no_sign_of_life(age_ns: int, why: str) -> None:
    drive = Drive(age_ns=age_ns)
    drive.see(sign(STOP), sign(LIMIT_30, '2'), seconds=3)
    assert (drive.last.stop_lock, drive.last.speed_limit_mps) == (False, None)
    assert drive.navigator.clock.stale
    assert drive.navigator.refused == {why: 30}
    assert [event.did for event in drive.events] == [why]


def test_stamp_a_little_ahead_of_a_ticking_clock_acts() -> None:
    drive = Drive(age_ns=-40_000_000)
    assert drive.see(sign(LIMIT_30)).speed_limit_mps is not None


def test_image_without_a_stamp_does_nothing() -> None:
    drive = Drive(age_ns=START_NS + 10**8)
    drive.see(sign(STOP))
    assert drive.fault == 'no_stamp'


def test_no_clock_yet_does_nothing() -> None:
    drive = Drive(ros_ns=0)
    for stamp in (0, 1, START_NS):
        frame = SignFrame('', stamp, (sign(STOP),))
        assert drive.navigator.observe_signs(frame, drive.now) == 'no_clock'
    assert not drive.navigator.step(drive.now).stop_lock
    drive.ros_ns = START_NS  # the first /clock is no jump
    drive.see(sign(LIMIT_30))
    assert 'clock_jump' not in drive.kinds()
    assert drive.last.speed_limit_mps is not None


def test_repeated_or_reordered_images_do_nothing() -> None:
    drive = Drive()
    drive.see()
    frame = SignFrame('', drive.ros_ns - drive.age_ns, (sign(STOP),))
    assert drive.navigator.observe_signs(frame, drive.now) == 'out_of_order'
    assert not drive.wait(0.1).stop_lock


@pytest.mark.parametrize(
    'bad',
    [
        sign(STOP, score=math.nan),
        sign(STOP, score=math.inf),
        sign(STOP, score=1.0001),
        sign(STOP, score=-0.1),
        sign(STOP, height_px=math.nan),
        sign(STOP, height_px=math.inf),
        sign(STOP, height_px=-1),
        sign(STOP, track_id='x' * 257),
        SignSeen('1', 40, (Score(STOP, 0.9), Score(1, math.nan))),
    ],
)
def test_message_with_one_impossible_value_is_refused_whole(bad: SignSeen) -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.see(sign(LIMIT_30), bad, seconds=3)
    assert drive.fault.startswith('bad_')
    assert drive.last.speed_limit_mps is None
    assert drive.navigator.clock.stale  # a failing recogniser is no sign of life
    drive.see(sign(LIMIT_30))
    assert drive.last.speed_limit_mps is not None
    assert drive.kinds() == ['fresh', 'rejected', 'stale', 'fresh', 'seen', 'limit']


def test_message_with_too_many_signs_and_too_many_cameras_are_refused() -> None:
    drive = Drive()
    drive.see(*[sign(STOP)] * 1001)
    assert drive.fault == 'too_many'
    for index in range(16):
        drive.see(camera=f'camera{index}')
        assert drive.fault == ''
    drive.see(camera='camera16')
    assert drive.fault == 'too_many_cameras'


@pytest.mark.parametrize(('policy', 'locked'), [('hold', False), ('stop', True)])
def test_stale_input_holds_the_limit_and_locks_as_configured(policy: str, locked: bool) -> None:
    drive = Drive({'on_stale': policy})
    assert drive.wait(0.1).stop_lock is locked  # nothing has come yet
    drive.see(sign(LIMIT_30))
    assert not drive.last.stop_lock
    last = drive.wait(1000)
    assert (last.stop_lock, last.speed_limit_mps) == (locked, pytest.approx(30 / 3.6))
    assert drive.navigator.locked_by == (['stale'] if locked else [])
    assert not drive.see().stop_lock
    assert drive.kinds('stale', 'fresh') == ['fresh', 'stale', 'fresh']
    assert not any(one.release for one in drive.commands)


def test_stale_input_lets_no_stop_go_and_no_slow_end() -> None:
    drive = Drive({'stop_hold_s': 2.0, 'yield_hold_s': 2.0})
    drive.see(sign(STOP), sign(YIELD, '2'))
    last = drive.wait(100)
    assert (last.stop_lock, last.speed_limit_mps) == (True, 2.8)
    last = drive.see()  # the gap does not count
    assert (last.stop_lock, last.speed_limit_mps) == (True, 2.8)
    last = drive.see(seconds=2.2)
    assert (last.stop_lock, last.speed_limit_mps) == (False, None)


def test_sign_unseen_during_an_outage_was_not_passed() -> None:
    drive = Drive()
    drive.see(sign(STOP, height_px=25))
    drive.wait(5)
    assert not drive.see(seconds=3).stop_lock


def test_id_that_begins_anew_after_an_outage_is_another_sign() -> None:
    drive = Drive({'stop_hold_s': 1.0, 'stop_again_s': 2.0})
    drive.see(sign(STOP, '1'))
    drive.see(seconds=4)
    drive.wait(2)  # the classifier is started anew
    assert drive.see(sign(STOP, '1'), seconds=0.2).stop_lock
    assert drive.kinds('stop') == ['stop', 'stop']


def test_clock_back_forgets_signs_and_holds_limits() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30, '1'), sign(STOP, '2', 25))
    drive.ros_ns -= 30 * 10**9  # a bag begins again
    assert drive.see(seconds=0.1).speed_limit_mps is not None
    assert drive.fault == ''
    assert not drive.see(seconds=2).stop_lock  # the far stop sign was not passed
    assert 'clock_jump' in drive.kinds()
    assert drive.see(sign(STOP, '2')).stop_lock  # the same id is another sign now


def test_bag_loop_lets_the_same_id_stop_again() -> None:
    drive = Drive({'stop_hold_s': 1.0, 'stop_again_s': 0.0})
    for _ in range(2):
        assert drive.see(sign(STOP), seconds=0.5).stop_lock
        assert not drive.see(sign(STOP), seconds=1).stop_lock
        drive.ros_ns -= 10**9
    assert drive.kinds('stop') == ['stop', 'stop']


def test_bag_loop_late_message_of_the_last_round_does_nothing() -> None:
    drive = Drive()
    drive.see(seconds=1)
    late = SignFrame('', drive.ros_ns - drive.age_ns + 1, (sign(STOP),))
    drive.ros_ns -= 30 * 10**9
    assert drive.navigator.observe_signs(late, drive.now) == 'future'
    assert not drive.see().stop_lock


@pytest.mark.parametrize('jump_s', [-3600, -1, 3, 3600, 10**8])
def test_clock_jump_neither_ends_nor_prolongs_a_stop(jump_s: int) -> None:
    drive = Drive({'stop_hold_s': 3.0, 'limit_time_s': 10.0})
    drive.see(sign(LIMIT_30, '2'))
    drive.see(sign(STOP))
    drive.ros_ns += jump_s * 10**9
    assert drive.see(seconds=2.5).stop_lock
    last = drive.see(seconds=1)
    assert (last.stop_lock, last.speed_limit_mps is None) == (False, False)
    assert drive.see(seconds=8).speed_limit_mps is None
    assert drive.kinds('clock_jump') == ['clock_jump']


def test_small_step_back_of_the_clock_is_no_jump() -> None:
    drive = Drive()
    drive.see()
    drive.ros_ns -= 10_000_000
    drive.commands.append(drive.navigator.step(drive.now))
    drive.wait(0.1)
    assert 'clock_jump' not in drive.kinds()


def test_long_stall_of_the_process_is_no_jump() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.ros_ns += 10**10
    drive.steady_ns += 10**10
    drive.see()
    assert 'clock_jump' not in drive.kinds()
    assert drive.last.speed_limit_mps is not None


def test_paused_clock_makes_the_input_stale() -> None:
    drive = Drive({'on_stale': 'stop'})
    drive.see()
    for _ in range(20):  # a paused bag: /clock stands, real time does not
        drive.steady_ns += 10**8
        drive.commands.append(drive.navigator.step(drive.now))
    assert drive.last.stop_lock


def test_many_track_ids_are_forgotten_in_order() -> None:
    drive = Drive()
    for index in range(500):
        drive.see(sign(LIMIT_30, str(index)), sign(99, f'x{index}'))
    drive.see(*[sign(LIMIT_30, f'y{index}') for index in range(100)])
    assert drive.navigator.signs_in_view == 64
    assert len(drive.navigator._noted) <= 256
    drive.see(seconds=20)
    assert drive.navigator.signs_in_view == 0
    assert len(drive.navigator._sightings._seen) == 0


def test_event_is_one_line_of_json_with_the_state_after_it() -> None:
    import json

    drive = Drive()
    drive.see(sign(LIMIT_30, '7'), camera='front')
    told = {e.kind: json.loads(event_json(e, drive.last, drive.now)) for e in drive.last.events}
    assert told['limit'] == {
        'event': 'limit',
        'time_s': drive.ros_ns / 1e9,
        'stamp_s': (drive.ros_ns - drive.age_ns) / 1e9,
        'camera': 'front',
        'track_id': '7',
        'class_id': 1,
        'class_name': 'Speed limit (30km/h)',
        'score': 0.99,
        'did': 'sign: 8.33 m/s',
        'speed_limit_mps': 8.3333,
        'stop_lock': False,
    }
    drive.see(seconds=2)
    drive.see(sign(END_OF_ALL, '8'))
    released = next(e for e in drive.last.events if e.kind == 'release')
    text = event_json(released, drive.last, drive.now)
    assert '\n' not in text
    assert json.loads(text)['speed_limit_mps'] is None
