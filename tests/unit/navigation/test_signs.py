"""What confirmed signs do: limits, ends, stops, yields, and what does nothing."""

import math

import pytest

from alexnet_ros.navigation import Action, ActionTable
from tests.unit.navigation.harness import (
    END_OF_80,
    END_OF_ALL,
    LIMIT_30,
    LIMIT_50,
    LIMIT_80,
    LIMIT_120,
    ROAD_WORK,
    STOP,
    YIELD,
    Drive,
    sign,
)


def mps(kmh: float) -> float:
    return kmh / 3.6


def test_nothing_seen_gives_no_limit_and_no_lock() -> None:
    drive = Drive()
    last = drive.see(seconds=2)
    assert (last.speed_limit_mps, last.release, last.stop_lock) == (None, False, False)
    assert drive.kinds() == ['fresh']


def test_limit_holds_after_its_sign_until_the_end_sign_releases_it_once() -> None:
    drive = Drive()
    assert drive.see(sign(LIMIT_30)).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(seconds=60).speed_limit_mps == pytest.approx(mps(30))
    drive.commands.clear()
    drive.see(sign(END_OF_ALL, '2'), seconds=2)
    assert sum(one.release for one in drive.commands) == 1
    assert drive.last.speed_limit_mps is None
    assert drive.kinds('limit', 'release') == ['release']


def test_limit_above_the_cap_is_the_cap() -> None:
    drive = Drive({'max_speed_mps': 5.0})
    assert drive.see(sign(LIMIT_120)).speed_limit_mps == 5.0


def test_cap_lowered_while_a_limit_is_in_force_lowers_it() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_50))
    drive.navigator.settings = Drive({'max_speed_mps': 3.0}).navigator.settings
    assert drive.see().speed_limit_mps == 3.0


def test_lower_limit_acts_at_once_and_a_higher_one_at_its_sign() -> None:
    drive = Drive()
    assert drive.see(sign(LIMIT_80, '1', 21)).speed_limit_mps == pytest.approx(mps(80))
    assert drive.see(sign(LIMIT_30, '2', 21)).speed_limit_mps == pytest.approx(mps(30))
    drive.see(seconds=3)
    assert drive.see(sign(LIMIT_50, '3', 25), seconds=2).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(sign(LIMIT_50, '3', 33)).speed_limit_mps == pytest.approx(mps(50))


def test_higher_limit_that_was_passed_counts_and_one_that_was_not_does_not() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.see(seconds=3)
    drive.approach(LIMIT_50, '2', 15, 25)
    assert drive.see(seconds=1).speed_limit_mps == pytest.approx(mps(50))
    drive.approach(LIMIT_80, '4', 25, 25)  # does not grow: nobody came nearer
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(mps(50))
    drive.approach(LIMIT_80, '5', 28, 21)  # shrinks: the robot turned away
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(mps(50))
    drive.approach(LIMIT_80, '6', 15, 30)
    drive.approach(LIMIT_80, '6', 29, 22)  # grew before the robot turned away
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(mps(50))
    drive.see(sign(LIMIT_80, '3', 15))  # never large: another road's
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(mps(50))


@pytest.mark.parametrize('order', [(LIMIT_30, LIMIT_50), (LIMIT_50, LIMIT_30)])
def test_of_competing_limits_at_one_place_the_lowest_counts(order: tuple[int, int]) -> None:
    drive = Drive()
    both = [sign(class_id, str(class_id)) for class_id in order]
    assert drive.see(*both, seconds=3).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(seconds=3).speed_limit_mps == pytest.approx(mps(30))


def test_end_of_a_limit_ends_only_that_limit() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.see(seconds=2)
    assert drive.see(sign(END_OF_80, '2'), seconds=3).speed_limit_mps == pytest.approx(mps(30))
    drive.see(seconds=1)
    drive.see(sign(LIMIT_80, '3'), seconds=3)
    drive.see(seconds=2)
    assert drive.see(sign(END_OF_80, '4'), seconds=3).speed_limit_mps is None


def test_end_of_limits_seen_from_afar_waits_for_its_place() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    drive.see(seconds=3)
    assert drive.approach(END_OF_ALL, '2', 15, 25).speed_limit_mps is not None
    assert drive.see(seconds=1).speed_limit_mps is None


def test_end_sign_on_the_pole_of_a_new_limit_does_not_end_that() -> None:
    drive = Drive()
    drive.see(sign(END_OF_ALL, '1'), sign(LIMIT_30, '2'), seconds=2)
    assert drive.see(seconds=2).speed_limit_mps == pytest.approx(mps(30))


def test_release_to_cap_never_releases() -> None:
    drive = Drive({'release_to': 'cap', 'max_speed_mps': 12.0})
    assert drive.wait(1).speed_limit_mps == 12.0
    drive.see(sign(LIMIT_30))
    drive.see(seconds=2)
    assert drive.see(sign(END_OF_ALL, '2'), seconds=2).speed_limit_mps == 12.0
    assert not any(one.release for one in drive.commands)


def test_limit_expires_by_time_only_while_images_come() -> None:
    drive = Drive({'limit_time_s': 5.0})
    drive.see(sign(LIMIT_30))
    assert drive.see(seconds=4).speed_limit_mps == pytest.approx(mps(30))
    assert drive.wait(60).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(seconds=5).speed_limit_mps is None
    assert sum(one.release for one in drive.commands) == 1


def test_limit_expires_by_distance_travelled() -> None:
    drive = Drive({'limit_distance_m': 20.0, 'velocity_source': 'twist'})
    drive.see(sign(LIMIT_30))
    for _ in range(30):
        drive.navigator.observe_speed(-5.0, drive.now)
        drive.see()
    assert drive.last.speed_limit_mps is not None  # 15 m
    for _ in range(20):
        drive.navigator.observe_speed(5.0, drive.now)
        drive.see()
    assert drive.last.speed_limit_mps is None
    assert drive.navigator.observe_speed(math.nan, drive.now) == 'bad_speed'


def test_stop_is_held_and_released_once_for_one_track() -> None:
    drive = Drive({'stop_hold_s': 2.0})
    drive.see(sign(STOP, height_px=25), seconds=1)
    assert not drive.last.stop_lock
    assert drive.see(sign(STOP, height_px=40)).stop_lock
    assert drive.see(sign(STOP, height_px=80), seconds=1.8).stop_lock
    assert not drive.see(sign(STOP, height_px=80), seconds=0.4).stop_lock
    assert not drive.see(sign(STOP, height_px=90), seconds=20).stop_lock
    assert not drive.see(seconds=5).stop_lock
    assert not drive.see(sign(STOP, height_px=90), seconds=2).stop_lock  # seen again
    assert drive.kinds('stop', 'go') == ['stop', 'go']
    assert drive.last.speed_limit_mps is None  # a stop is never a limit


def test_stop_sign_that_was_passed_stops() -> None:
    drive = Drive()
    drive.see(sign(STOP, height_px=24), seconds=1)
    assert drive.see(seconds=1).stop_lock


def test_stop_sign_lost_far_away_and_seen_again_stops_again_where_it_stands() -> None:
    drive = Drive({'stop_hold_s': 1.0, 'stop_again_s': 0.0})
    drive.see(sign(STOP, height_px=22), seconds=1)
    assert drive.see(seconds=1).stop_lock  # gone: it may have been passed
    assert not drive.see(seconds=1).stop_lock
    drive.approach(STOP, '1', 24, 40)  # the tracker knows it by its id
    assert drive.last.stop_lock


def test_stop_sign_of_the_same_place_does_not_stop_again() -> None:
    drive = Drive({'stop_hold_s': 1.0, 'stop_again_s': 4.0})
    drive.see(sign(STOP, '1'), sign(STOP, '2'), seconds=2)
    assert not drive.see(sign(STOP, '3')).stop_lock
    drive.see(seconds=5)
    assert drive.see(sign(STOP, '4')).stop_lock
    assert drive.kinds('stop') == ['stop', 'stop']


@pytest.mark.parametrize('measured', [None, math.nan, math.inf, 1e200, -1e308, 8.0])
def test_stop_is_not_over_while_the_robot_is_not_known_to_stand(measured: float | None) -> None:
    drive = Drive({'stop_hold_s': 2.0, 'velocity_source': 'twist'})
    drive.see(seconds=1)
    drive.navigator.observe_speed(8.0, drive.now)
    drive.see(sign(STOP))
    for _ in range(200):
        if measured is not None:
            drive.navigator.observe_speed(measured, drive.now)
        drive.see()
    assert drive.last.stop_lock


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_one_more_sign_of_a_kind_never_loosens_another(order: tuple[int, int]) -> None:
    strict = Action(60, 'Yield here', 'yield', percent=10.0, seconds=60.0)
    loose = Action(61, 'Yield there', 'yield', percent=80.0, seconds=0.1)
    drive = Drive(table=ActionTable('detections', {60: strict, 61: loose}))
    for index in order:
        drive.see(sign((60, 61)[index], str(index)), seconds=1)
    assert drive.last.speed_limit_mps == pytest.approx(3.0)
    assert drive.see(seconds=50).speed_limit_mps == pytest.approx(3.0)


def test_stop_signs_one_after_another_each_have_their_time() -> None:
    drive = Drive({'stop_hold_s': 3.0})
    drive.see(seconds=2)
    drive.approach(STOP, '1', 20, 40)
    drive.approach(STOP, '2', 20, 40)  # reached when a second of the first stop is left
    assert drive.see(seconds=2.5).stop_lock
    assert not drive.see(seconds=0.5).stop_lock
    drive.approach(STOP, '3', 20, 40)  # not found anew: it was seen to come up
    assert drive.last.stop_lock


def test_stop_runs_from_standstill_where_the_speed_is_known() -> None:
    drive = Drive({'stop_hold_s': 2.0, 'velocity_source': 'twist'})
    drive.see(sign(STOP))
    for _ in range(50):
        drive.navigator.observe_speed(3.0, drive.now)
        drive.see()
    assert drive.last.stop_lock
    for _ in range(25):
        drive.navigator.observe_speed(0.0, drive.now)
        drive.see()
    assert not drive.last.stop_lock


def test_yield_slows_for_a_time_and_releases() -> None:
    drive = Drive({'yield_speed_mps': 2.0, 'yield_hold_s': 3.0})
    assert drive.see(sign(YIELD), seconds=5).speed_limit_mps == 2.0
    assert drive.see(seconds=2.5).speed_limit_mps == 2.0
    assert drive.see(seconds=1).speed_limit_mps is None
    assert drive.kinds('limit', 'release') == ['limit', 'release']


def test_yield_seen_on_does_not_get_faster_within_its_time() -> None:
    drive = Drive({'yield_speed_mps': 2.0})
    drive.see(sign(YIELD))
    drive.navigator.settings = Drive({'yield_speed_mps': 3.0}).navigator.settings
    assert drive.see(sign(YIELD)).speed_limit_mps == 2.0
    drive.see(seconds=5)
    assert drive.see(sign(YIELD)).speed_limit_mps == 3.0


def test_warning_is_an_event_and_slows_where_the_table_says_so() -> None:
    drive = Drive()
    assert drive.see(sign(ROAD_WORK), seconds=1).speed_limit_mps is None
    assert drive.kinds('seen') == ['seen']


def test_lowest_of_all_sources_counts_and_another_source_releases_its_own_only() -> None:
    drive = Drive({'max_speed_mps': 20.0, 'yield_speed_mps': 4.0, 'yield_hold_s': 2.0})
    drive.navigator.observe_limit(50.0, drive.now, percentage=True)
    assert drive.see().speed_limit_mps == 10.0
    drive.see(sign(LIMIT_30))
    assert drive.last.speed_limit_mps == pytest.approx(mps(30))
    drive.navigator.observe_limit(1.5, drive.now, percentage=False)
    assert drive.see(sign(YIELD, '2')).speed_limit_mps == 1.5
    drive.navigator.observe_limit(0.0, drive.now, percentage=False)
    assert drive.see().speed_limit_mps == 4.0
    assert drive.see(seconds=4).speed_limit_mps == pytest.approx(mps(30))
    assert not any(one.release for one in drive.commands)


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf, -1.0, -1e-300])
def test_limit_of_another_source_that_is_no_limit_is_refused(value: float) -> None:
    drive = Drive()
    drive.navigator.observe_limit(3.0, drive.now, percentage=False)
    assert drive.navigator.observe_limit(value, drive.now, percentage=False) == 'bad_limit'
    assert drive.see().speed_limit_mps == 3.0


@pytest.mark.parametrize(
    ('value', 'percentage', 'limit'),
    [(400.0, True, 30.0), (400.0, False, 30.0), (5e-324, True, 0.01), (5e-324, False, 0.01)],
)
def test_limit_of_another_source_is_kept_inside_the_range(
    value: float, percentage: bool, limit: float
) -> None:
    drive = Drive()
    drive.navigator.observe_limit(value, drive.now, percentage=percentage)
    assert drive.wait(0.1).speed_limit_mps == limit


def test_unconfirmed_sign_does_nothing() -> None:
    drive = Drive()
    assert drive.see(sign(STOP, track_id=''), seconds=5).stop_lock is False
    assert drive.kinds() == ['fresh']


@pytest.mark.parametrize(
    ('seen', 'why'),
    [(sign(99), 'not_in_table'), (sign(-1), 'not_in_table'), (sign(STOP, score=0.4), 'score')],
)
def test_sign_that_cannot_be_acted_on_is_told_once(seen: object, why: str) -> None:
    drive = Drive()
    drive.see(seen, seconds=3)  # type: ignore[arg-type]
    assert (drive.last.stop_lock, drive.last.speed_limit_mps) == (False, None)
    assert [event.did for event in drive.events if event.kind == 'ignored'] == [why]
    assert drive.navigator.refused[f'sign_{why}'] == 1


def test_unknown_sign_is_told_once_and_does_nothing() -> None:
    drive = Drive()
    unknown = sign(STOP)
    drive.see(type(unknown)('1', 50.0, ()), seconds=3)
    assert [event.did for event in drive.events if event.kind == 'ignored'] == ['unknown']
    assert not drive.last.stop_lock


def test_track_that_is_read_otherwise_keeps_its_strictest_limit() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_50, '1'), seconds=1)
    assert drive.see(sign(LIMIT_30, '1')).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(sign(LIMIT_80, '1'), seconds=3).speed_limit_mps == pytest.approx(mps(30))
    assert drive.see(sign(END_OF_ALL, '1'), seconds=3).speed_limit_mps == pytest.approx(mps(30))


def test_class_that_the_model_calls_otherwise_does_nothing() -> None:
    drive = Drive()
    names = {i: one.class_name for i, one in drive.table.items()}
    drive.navigator.observe_labels({**names, STOP: 'Give way'})
    drive.see(sign(STOP), sign(LIMIT_30, '2'))
    assert (drive.last.stop_lock, drive.last.speed_limit_mps) == (False, pytest.approx(mps(30)))
    drive.navigator.observe_labels(names)
    assert drive.see(sign(STOP)).stop_lock
    assert [e.did[:9] for e in drive.events if e.kind == 'labels'] == ['1 classes', 'the table']


def test_labels_required_but_not_given_let_nothing_act() -> None:
    drive = Drive({'require_label_info': True})
    assert drive.see(sign(LIMIT_30), seconds=1).speed_limit_mps is None
    drive.navigator.observe_labels({i: one.class_name for i, one in drive.table.items()})
    assert drive.see(sign(LIMIT_30)).speed_limit_mps is not None


@pytest.mark.parametrize('rate', [1, 2])
def test_robot_does_not_stand_while_one_of_two_odometries_says_that_it_drives(rate: int) -> None:
    drive = Drive({'stop_hold_s': 2.0, 'velocity_source': 'twist'})
    drive.see(seconds=1)
    drive.see(sign(STOP))
    for index in range(100):
        if index % rate == 0:
            drive.navigator.observe_speed(8.0, drive.now)
        drive.navigator.observe_speed(0.0, drive.now)
        drive.see()
    assert drive.last.stop_lock


def test_distance_counts_by_the_slowest_of_what_is_measured() -> None:
    drive = Drive({'limit_distance_m': 50.0, 'velocity_source': 'twist'})
    drive.see(sign(LIMIT_30))
    for index in range(30):
        drive.navigator.observe_speed(90.0 if index % 7 == 3 else 1.0, drive.now)
        drive.see()
    assert drive.last.speed_limit_mps == pytest.approx(30 / 3.6)


def test_right_model_of_one_camera_does_not_speak_for_that_of_another() -> None:
    drive = Drive()
    names = {i: one.class_name for i, one in drive.table.items()}
    drive.navigator.observe_labels({**names, STOP: 'Give way'}, 'left')
    drive.navigator.observe_labels(names, 'front')
    assert not drive.see(sign(STOP)).stop_lock
    assert list(drive.navigator.misnamed) == [STOP]
    drive.navigator.observe_labels(names, 'left')
    assert drive.see(sign(STOP)).stop_lock
