"""Tracks that change their class, their number, or both: what a sign asked for stays."""

from dataclasses import replace

import pytest

from alexnet_ros.navigation import Score, SignSeen, restore_navigator, text_from_navigator
from tests.unit.navigation.harness import (
    END_OF_ALL,
    LIMIT_30,
    LIMIT_120,
    ROAD_WORK,
    STOP,
    YIELD,
    Drive,
)

UNKNOWN, WEAK = -1, -2  # no hypotheses; a stop sign below min_score
READ_AS = [
    ('1', YIELD), ('1', UNKNOWN), ('1', WEAK), ('1', 99), ('1', END_OF_ALL), ('1', LIMIT_120),
    ('2', YIELD), ('2', 12), ('2', 99), ('2', UNKNOWN), ('2', LIMIT_120), ('', YIELD),
    ('', UNKNOWN), ('', STOP),
]  # fmt: skip


def box(class_id: int, track_id: str, height_px: float, x_px: float = 600.0) -> SignSeen:
    scores = {UNKNOWN: (), WEAK: (Score(STOP, 0.4),)}.get(class_id, (Score(class_id, 0.9),))
    return SignSeen(track_id, height_px, scores, (x_px + 5 * height_px, 300.0))


def approach(
    drive: Drive, class_id: int, track_id: str, first_px: float, last_px: float, *, count: int = 8
) -> None:
    """Come nearer at constant speed: one over the height falls evenly."""
    for index in range(count):
        part = index / (count - 1)
        height_px = 1 / (1 / first_px + part * (1 / last_px - 1 / first_px))
        drive.see(box(class_id, track_id, height_px))


@pytest.mark.parametrize('last_px', [12, 18, 24, 31])
@pytest.mark.parametrize(('track_id', 'class_id'), READ_AS)
def test_stop_sign_read_otherwise_before_its_line_still_stops_at_it(
    track_id: str, class_id: int, last_px: float
) -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, last_px)
    approach(drive, class_id, track_id, last_px + 0.5, 31.9)
    locked_before = drive.last.stop_lock
    drive.see(box(class_id, track_id, 33))
    assert drive.last.stop_lock
    assert drive.see(seconds=2.5).stop_lock
    assert not drive.see(seconds=2.5).stop_lock
    assert not locked_before or last_px >= 18  # it may have been passed where it was lost


@pytest.mark.parametrize('end_px', [21, 28, 31])
@pytest.mark.parametrize(('track_id', 'class_id'), READ_AS)
def test_stop_sign_read_otherwise_and_passed_stops(
    track_id: str, class_id: int, end_px: float
) -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 15)
    approach(drive, class_id, track_id, 15.5, end_px)
    assert drive.see(seconds=0.8).stop_lock


def test_stop_sign_read_as_one_thing_after_another_stops() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 14)
    for number, class_id in enumerate((YIELD, UNKNOWN, 12, 99, LIMIT_120)):
        track_id = str(number + 2) if number % 2 else ''
        approach(drive, class_id, track_id, 14.2 + number, 15 + number, count=4)
        drive.see()  # and seen by nobody for a moment
    assert not drive.last.stop_lock
    drive.see(box(YIELD, '9', 33))
    assert drive.last.stop_lock


def test_stop_sign_read_right_again_stops_once() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 14)
    approach(drive, YIELD, '1', 14.5, 20)
    approach(drive, STOP, '1', 20.5, 40)
    assert drive.last.stop_lock
    drive.see(box(STOP, '1', 60), seconds=8)
    assert drive.kinds('stop', 'go') == ['stop', 'go']


def test_two_tracks_that_change_their_names_leave_both_stops() -> None:
    drive = Drive({'stop_again_s': 0.0})
    drive.see(seconds=1)
    for height_px in (10, 11, 12, 13, 14):
        drive.see(box(STOP, '1', height_px), box(STOP, '2', height_px / 1.4, 200))
    for height_px in (16, 18, 20, 25, 30, 33):
        drive.see(box(YIELD, '2', height_px), box(YIELD, '1', height_px / 1.4, 200))
    assert drive.last.stop_lock
    assert not drive.see(box(YIELD, '1', 24, 200), seconds=4).stop_lock
    assert drive.see(box(YIELD, '1', 33, 200)).stop_lock


def test_assumed_stop_comes_again_at_the_line_under_another_name() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 15)
    drive.wait(1.5)  # nobody sees: it may have come
    assert drive.last.stop_lock
    drive.see(box(YIELD, '2', 16), seconds=6)
    assert not drive.last.stop_lock
    assert drive.see(box(YIELD, '2', 33)).stop_lock


def test_robot_that_stands_before_a_sign_read_otherwise_does_not_stand_for_ever() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 26)
    for index in range(100):  # it is lost in every third image
        drive.see(*[box(YIELD, '', 26)] if index % 3 else [])
    assert not drive.last.stop_lock


def test_killed_navigator_hands_on_a_stop_sign_that_was_read_otherwise() -> None:
    first = Drive()
    first.see(seconds=1)
    approach(first, STOP, '1', 10, 13)
    approach(first, YIELD, '2', 13.5, 15)
    second = Drive(ros_ns=first.ros_ns, steady_ns=first.steady_ns)
    restore_navigator(second.navigator, text_from_navigator(first.navigator), second.now)
    approach(second, YIELD, '2', 15.5, 16)
    second.see(box(YIELD, '2', 16), seconds=10)
    assert not second.last.stop_lock
    assert second.see(box(YIELD, '2', 33)).stop_lock


def test_stop_sign_gone_far_away_is_not_found_in_the_next_sign() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 11)
    drive.see(box(YIELD, '2', 60, 355))  # hidden by a near sign
    for height_px in range(11, 41):
        drive.see(box(YIELD, '3', height_px, 200))
    drive.see(seconds=1)
    assert 'stop' not in drive.kinds()


@pytest.mark.parametrize(('track_id', 'class_id'), [('2', 12), ('', YIELD), ('2', UNKNOWN)])
@pytest.mark.parametrize('first', [YIELD, LIMIT_30])
def test_hold_does_not_run_while_its_sign_is_in_view_under_another_name(
    track_id: str, class_id: int, first: int
) -> None:
    drive = Drive({'yield_hold_s': 2.0, 'limit_time_s': 2.0})
    drive.see(seconds=1)
    approach(drive, first, '1', 10, 15)
    approach(drive, class_id, track_id, 15.2, 30, count=40)
    limit_mps = drive.last.speed_limit_mps
    assert limit_mps is not None
    assert drive.see(seconds=1.9).speed_limit_mps == limit_mps
    assert drive.see(seconds=0.5).speed_limit_mps is None


def test_end_sign_on_the_pole_of_a_renumbered_limit_does_not_end_that() -> None:
    drive = Drive()
    drive.see(seconds=1)
    for height_px in range(10, 35):
        name = ('1', LIMIT_30) if height_px < 16 else ('', UNKNOWN)
        drive.see(box(name[1], name[0], height_px), box(END_OF_ALL, '9', height_px, 680))
    assert drive.see(seconds=2).speed_limit_mps == pytest.approx(30 / 3.6)


@pytest.mark.parametrize('first', [STOP, YIELD, ROAD_WORK, 12, LIMIT_120])
@pytest.mark.parametrize(('track_id', 'end_px'), [('1', 40), ('2', 40), ('1', 31), ('2', 31)])
def test_sign_that_was_read_otherwise_before_raises_nothing(
    first: int, track_id: str, end_px: float
) -> None:
    drive = Drive()
    drive.see(box(LIMIT_30, '0', 40), seconds=0.5)
    drive.see(seconds=3)
    approach(drive, first, '1', 10, 20)
    approach(drive, END_OF_ALL, track_id, 21, end_px)
    assert drive.last.speed_limit_mps is not None
    assert drive.see(seconds=6).speed_limit_mps == pytest.approx(30 / 3.6)
    approach(drive, END_OF_ALL, '5', 10, 40)
    assert drive.last.speed_limit_mps is None


def test_end_sign_renumbered_far_away_ends_nothing_before_its_place() -> None:
    drive = Drive()
    drive.see(box(LIMIT_30, '0', 40), seconds=0.5)
    drive.see(seconds=3)
    approach(drive, END_OF_ALL, '1', 10, 21)
    approach(drive, END_OF_ALL, '2', 21.5, 24, count=20)
    assert drive.last.speed_limit_mps == pytest.approx(30 / 3.6)
    drive.see(box(UNKNOWN, '', 24), seconds=2)
    assert drive.last.speed_limit_mps == pytest.approx(30 / 3.6)
    drive.see(box(UNKNOWN, '', 15), seconds=2)  # the robot has turned away
    assert drive.see(seconds=2).speed_limit_mps == pytest.approx(30 / 3.6)


def test_end_sign_beside_another_that_is_missed_for_a_moment_still_ends_limits() -> None:
    drive = Drive()
    drive.see(box(LIMIT_30, '0', 40), seconds=0.5)
    drive.see(seconds=3)
    approach(drive, 41, '1', 10, 12)
    drive.see(box(END_OF_ALL, '2', 12, 612))
    for height_px in range(13, 34):
        drive.see(box(END_OF_ALL, '2', height_px, 612), box(41, '1', height_px))
    assert drive.last.speed_limit_mps is None


def test_stop_sign_gone_far_away_is_not_found_in_the_sign_beside_it() -> None:
    drive = Drive()
    drive.see(seconds=1)
    for height_px in (10, 10.3, 10.6, 11):
        drive.see(box(STOP, '1', height_px), box(12, '2', height_px, 615))
    for height_px in range(11, 41):
        drive.see(box(12, '2', height_px, 615))
    drive.see(seconds=1)
    assert 'stop' not in drive.kinds()


def test_stop_sign_gone_far_away_is_not_found_in_a_sign_that_comes_by() -> None:
    drive = Drive()
    drive.see(seconds=1)
    for step in range(4):
        drive.see(box(STOP, '1', 10 + step / 4), box(12, '2', 11, 680))
    for x_px in (660, 640, 620, 600, 620, 640):
        drive.see(box(12, '2', 11, x_px))
    for height_px in range(12, 41):
        drive.see(box(12, '2', height_px, 640))
    drive.see(seconds=1)
    assert 'stop' not in drive.kinds()


@pytest.mark.parametrize('first', [YIELD, LIMIT_30])
def test_outage_does_not_let_the_hold_of_a_renumbered_sign_run(first: int) -> None:
    drive = Drive({'yield_hold_s': 2.0, 'limit_time_s': 2.0})
    drive.see(seconds=1)
    approach(drive, first, '1', 10, 15)
    drive.wait(1.2)
    approach(drive, UNKNOWN, '', 16, 30, count=40)
    limit_mps = drive.last.speed_limit_mps
    assert limit_mps is not None
    assert drive.see(seconds=1.9).speed_limit_mps == limit_mps
    assert drive.see(seconds=0.5).speed_limit_mps is None


def test_track_that_changes_its_class_for_ever_keeps_no_chain_of_what_it_was() -> None:
    drive = Drive()
    for index in range(50):
        drive.see(box((LIMIT_120, YIELD, END_OF_ALL, 12)[index % 4], '1', 20))
    camera = drive.navigator.cameras.get('')
    assert camera is not None
    for one in camera.signs.values():
        assert (
            one.instead is None
            or one.instead.instead is None
            or one.instead.instead.instead is None
        )


def test_stop_stays_with_the_track_that_has_inherited_it() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 14)
    drive.see(box(YIELD, '2', 14.5))
    for height_px in range(15, 32):  # another sign appears where it was
        drive.see(box(YIELD, '2', height_px), box(12, '3', 14.5))
        assert not drive.last.stop_lock
    drive.see(box(YIELD, '2', 33), box(12, '3', 14.5))
    assert drive.last.stop_lock


def test_crowd_of_signs_that_slow_does_not_push_out_a_stop_sign() -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 14)
    drive.see(*[box(YIELD, f'y{one}', 14, 10.0 * one) for one in range(70)])
    assert not drive.last.stop_lock  # it is only hidden for a moment
    drive.see(box(STOP, '1', 33))
    assert drive.last.stop_lock


def test_end_sign_after_a_jump_of_the_clock_is_not_taken_for_a_limit_that_was_gone() -> None:
    drive = Drive()
    drive.see(box(LIMIT_30, '1', 60), seconds=1)
    drive.see(seconds=0.4)
    drive.ros_ns -= 30 * 10**9
    drive.see(seconds=0.2)
    drive.see(box(END_OF_ALL, '3', 60), seconds=2)
    assert drive.last.speed_limit_mps is None


@pytest.mark.parametrize('track_id', ['1', '2'])
def test_end_sign_held_before_the_camera_in_place_of_a_limit_ends_it_in_time(
    track_id: str,
) -> None:
    drive = Drive()
    drive.see(box(LIMIT_30, '1', 40), seconds=3)
    drive.see(box(END_OF_ALL, track_id, 40), seconds=4.9)
    assert drive.last.speed_limit_mps == pytest.approx(30 / 3.6)
    assert drive.see(box(END_OF_ALL, track_id, 40), seconds=2).speed_limit_mps is None


def test_where_middles_are_not_filled_in_another_track_is_another_sign() -> None:
    drive = Drive()
    nowhere = (0.0, 0.0)
    drive.see(replace(box(LIMIT_30, '1', 40), middle_px=nowhere), seconds=3)
    end = replace(box(END_OF_ALL, '2', 40), middle_px=nowhere)
    assert drive.see(end, seconds=0.9).speed_limit_mps == pytest.approx(30 / 3.6)
    assert drive.see(end, seconds=0.3).speed_limit_mps is None


@pytest.mark.parametrize(('track_id', 'class_id'), [('1', YIELD), ('2', YIELD), ('', UNKNOWN)])
def test_inherited_stop_does_not_move_on_to_the_next_sign(track_id: str, class_id: int) -> None:
    drive = Drive()
    drive.see(seconds=1)
    approach(drive, STOP, '1', 10, 14)
    approach(drive, class_id, track_id, 14.5, 21)
    drive.see(seconds=0.2)
    drive.see(box(12, '3', 14), seconds=1)  # the next one, of the same side of the road
    assert drive.last.stop_lock
