"""Time that jumps, images that stop, messages that lie."""

import math

import pytest

from alexnet_ros.navigation import Score, SignFrame, SignSeen, event_json
from tests.unit.navigation.harness import (
    END_OF_ALL,
    LIMIT_30,
    LIMIT_50,
    LIMIT_120,
    START_NS,
    STOP,
    YIELD,
    Drive,
    sign,
)


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
    assert drive.navigator.stale
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
        SignSeen('1', 40, (Score(STOP, 0.9),), (math.nan, 0.0)),
        SignSeen('1', 40, (Score(STOP, 0.9),), (0.0, -math.inf)),
    ],
)
def test_message_with_one_impossible_value_is_refused_whole(bad: SignSeen) -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.see(sign(LIMIT_30), bad, seconds=3)
    assert drive.fault.startswith('bad_')
    assert drive.last.speed_limit_mps is None
    assert drive.navigator.stale  # a failing recogniser is no sign of life
    drive.see(sign(LIMIT_30))
    assert drive.last.speed_limit_mps is not None
    assert drive.kinds() == ['fresh', 'rejected', 'stale', 'fresh', 'seen', 'limit']


def test_message_with_too_many_signs_is_refused() -> None:
    drive = Drive()
    drive.see(*[sign(STOP)] * 1001)
    assert drive.fault == 'too_many'


def test_made_up_cameras_keep_no_real_one_out() -> None:
    drive = Drive()
    drive.see(seconds=1, camera='known')
    for index in range(40):
        drive.see(camera=f'stranger {index}')
    assert drive.see(sign(LIMIT_50), camera='known').speed_limit_mps == pytest.approx(50 / 3.6)
    assert drive.see(sign(LIMIT_30), camera='new').speed_limit_mps == pytest.approx(30 / 3.6)
    assert 'evicted' in drive.kinds()


def test_cameras_that_speak_and_matter_are_not_given_up_for_another() -> None:
    drive = Drive()
    for _ in range(3):
        for index in range(16):
            drive.see(camera=f'camera {index}')
            drive.ros_ns -= 90_000_000  # all within a tenth of a second
            drive.steady_ns -= 90_000_000
        drive.wait(0.1)
    drive.see(camera='another')
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


def test_raising_sign_unseen_during_an_outage_was_not_passed() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.see(seconds=3)
    drive.approach(END_OF_ALL, '2', 15, 30)
    drive.wait(5)
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(30 / 3.6)


@pytest.mark.parametrize('height_px', [12, 25, 31])
def test_stop_sign_unseen_during_an_outage_may_have_been_passed(height_px: float) -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.approach(STOP, '1', height_px - 4, height_px)
    assert not drive.wait(0.9).stop_lock
    assert drive.wait(0.3).stop_lock  # nobody sees what becomes of it
    assert drive.wait(60).stop_lock
    assert drive.see(seconds=2.5).stop_lock  # its time begins with the first image
    assert not drive.see(seconds=2).stop_lock


def test_stop_sign_gone_between_irregular_images_may_have_been_passed() -> None:
    drive = Drive()
    for lost in (4, 3, 2, 4, 2):  # so many that nobody knows the frame period
        drive.wait(lost / 10)
        drive.see()
    drive.see(sign(STOP, '1', 11))
    drive.wait(0.4)
    drive.see(sign(STOP, '1', 18))
    drive.wait(0.2)
    drive.see(seconds=0.5)
    assert not drive.last.stop_lock  # it may be found again
    assert drive.see(seconds=0.3).stop_lock


def test_stop_sign_gone_between_two_slow_images_stops_at_the_first_of_them() -> None:
    drive = Drive()
    for lost in (19, 14, 19, 19):
        drive.wait(lost / 10)
        drive.see()
    drive.wait(1.9)
    drive.see(sign(STOP, '1', 18))
    drive.wait(1.9)
    assert drive.see().stop_lock


def test_stop_sign_gone_while_it_was_far_does_not_stop() -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.approach(STOP, '1', 10, 11)
    assert not drive.see(seconds=3).stop_lock


@pytest.mark.parametrize(('before_s', 'after_s'), [(0, -1), (0, -3600), (1.9, 0), (-3600, 0)])
def test_step_of_the_clock_does_not_hide_that_a_stop_sign_came_near(
    before_s: float, after_s: float
) -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.see(sign(STOP, '1', 10))
    drive.ros_ns += round(before_s * 1e9)
    drive.approach(STOP, '1', 10.5, 13, seconds=0.4)
    drive.wait(0.2)
    drive.ros_ns += round(after_s * 1e9)
    drive.wait(0.6)
    assert drive.see().stop_lock


def test_stop_assumed_in_a_short_gap_does_not_use_up_the_stop_at_the_line() -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.approach(STOP, '1', 18, 22)
    drive.wait(0.3)
    assert drive.see().stop_lock
    assert drive.see(sign(STOP, '1', 23), seconds=3.5).stop_lock
    assert not drive.see(sign(STOP, '1', 24), seconds=1).stop_lock
    assert drive.see(sign(STOP, '1', 60)).stop_lock


def test_stop_assumed_in_an_outage_does_not_use_up_the_stop_at_the_line() -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.approach(STOP, '1', 18, 22)
    drive.wait(1.5)
    assert drive.see(sign(STOP, '1', 23), seconds=2).stop_lock
    assert not drive.see(sign(STOP, '1', 24), seconds=3).stop_lock
    assert drive.see(sign(STOP, '1', 60), seconds=2.9).stop_lock
    assert not drive.see(sign(STOP, '1', 80), seconds=0.5).stop_lock


@pytest.mark.parametrize('gap_s', [0.3, 0.6, 0.7, 0.9, 1.1, 3.0])
@pytest.mark.parametrize('class_id', [LIMIT_120, END_OF_ALL])
def test_raising_sign_still_far_after_a_gap_raises_nothing(class_id: int, gap_s: float) -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.see(seconds=3)
    drive.approach(class_id, '2', 20, 23)
    drive.wait(gap_s)
    assert drive.see(sign(class_id, '2', 23.5), seconds=2).speed_limit_mps == pytest.approx(
        30 / 3.6
    )
    assert drive.see(sign(class_id, '2', 33)).speed_limit_mps != pytest.approx(30 / 3.6)


def test_one_lost_frame_at_three_hertz_is_no_passage() -> None:
    drive = Drive()
    for index in range(30):
        drive.wait(0.2)  # with the tick of see() one image in 0.3 s
        if index != 24:
            signs = [sign(LIMIT_30)] if index < 2 else [sign(END_OF_ALL, '2', 20 + index / 4)]
            drive.see(*signs if index < 2 or index > 15 else [])
    assert drive.last.speed_limit_mps == pytest.approx(30 / 3.6)


def test_id_that_begins_anew_after_an_outage_is_another_sign() -> None:
    drive = Drive({'stop_hold_s': 1.0, 'stop_again_s': 2.0})
    drive.see(sign(STOP, '1'))
    drive.see(seconds=4)
    drive.wait(2)  # the classifier is started anew
    assert drive.see(sign(STOP, '1'), seconds=0.2).stop_lock
    assert drive.kinds('stop') == ['stop', 'stop']


def test_clock_back_forgets_raising_signs_and_holds_limits() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30, '1'), seconds=1)
    drive.see(seconds=3)
    drive.approach(END_OF_ALL, '2', 20, 28)
    drive.ros_ns -= 30 * 10**9  # a bag begins again
    assert drive.see(seconds=3).speed_limit_mps is not None
    assert drive.fault == ''
    assert 'clock_jump' in drive.kinds()
    assert drive.see(sign(END_OF_ALL, '2')).speed_limit_mps is None  # and is heeded at once


def test_stop_sign_on_its_way_when_the_clock_jumps_is_not_lost() -> None:
    drive = Drive()
    drive.see(seconds=1)
    drive.approach(STOP, '2', 20, 28)
    drive.ros_ns -= 30 * 10**9
    assert drive.see(seconds=0.2).stop_lock


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


def test_many_track_ids_are_forgotten_the_least_important_first() -> None:
    drive = Drive()
    drive.see(sign(STOP, 'stop', 20), seconds=0.5)
    for index in range(200):
        crowd = [sign(12, f'{index} {one}', 15) for one in range(70)]
        drive.see(*crowd, sign(STOP, 'stop', 21), sign(99, f'x{index}'))
    assert drive.navigator.cameras.signs_in_view == 64
    assert len(drive.navigator._noted) <= 256
    assert max(len(command.events) for command in drive.commands) <= 65
    assert drive.see(seconds=1).stop_lock  # it was passed
    drive.see(seconds=20)
    assert drive.navigator.cameras.signs_in_view == 0
    assert not any(camera.signs for camera in drive.navigator.cameras)


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
    drive.see(seconds=2, camera='front')
    drive.see(sign(END_OF_ALL, '8'), camera='front')
    released = next(e for e in drive.last.events if e.kind == 'release')
    text = event_json(released, drive.last, drive.now)
    assert '\n' not in text
    assert json.loads(text)['speed_limit_mps'] is None


def test_another_camera_lets_no_hold_run() -> None:
    drive = Drive()
    drive.see(seconds=1, camera='front')
    drive.see(sign(STOP), sign(YIELD, '2'), camera='front')
    last = drive.see(seconds=20, camera='rear')
    assert (last.stop_lock, last.speed_limit_mps) == (True, 2.8)


@pytest.mark.parametrize('zero_s', [0.1, 3.0])
def test_clock_that_begins_again_from_zero_hides_no_sign(zero_s: float) -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30), seconds=1)
    drive.ros_ns = 0  # a simulation is reset, and waits
    for _ in range(round(zero_s * 10)):
        drive.steady_ns += 10**8
        drive.commands.append(drive.navigator.step(drive.now))
    drive.ros_ns = 5 * 10**9
    assert drive.see(sign(STOP, '2')).stop_lock
    assert drive.kinds('clock_jump') == ['clock_jump']
    assert drive.last.speed_limit_mps is not None


def test_camera_that_is_expected_keeps_its_place_before_it_has_spoken() -> None:
    drive = Drive()
    drive.navigator.cameras.expect('front', drive.steady_ns)
    drive.wait(2)
    for index in range(40):
        drive.see(camera=f'stranger {index}')
    assert drive.navigator.cameras.get('front') is not None
