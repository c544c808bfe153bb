"""Whole-frame models: blocked or free, and where to head."""

import pytest

from alexnet_ros.navigation import Action, ActionTable, find_table, read_table
from tests.unit.navigation.harness import Drive

BLOCKED = read_table(find_table('blocked_actions.yaml'))
HEADING = read_table(find_table('heading_actions.yaml'))
SLOW = ActionTable(
    'classification',
    {
        0: Action(0, 'blocked', 'lock'),
        1: Action(1, 'narrow', 'slow', percent=20.0),
        2: Action(2, 'wide', 'slow', percent=60.0),
        3: Action(3, 'free', 'none'),
    },
)


def test_blocked_locks_after_few_frames_and_free_unlocks_after_more() -> None:
    drive = Drive(table=BLOCKED)
    drive.classify((1, 0.9), frames=10)
    assert not drive.classify((0, 0.9), (1, 0.1)).stop_lock
    assert drive.classify((0, 0.9), (1, 0.1)).stop_lock
    assert drive.classify((1, 0.9), (0, 0.1), frames=4).stop_lock
    assert not drive.classify((1, 0.9), (0, 0.1)).stop_lock
    assert drive.kinds('lock', 'unlock') == ['lock', 'unlock']


def test_flicker_does_not_unlock() -> None:
    drive = Drive(table=BLOCKED)
    drive.classify((0, 0.9), frames=2)
    for _ in range(10):
        drive.classify((1, 0.9), frames=4)
        assert drive.classify((0, 0.9)).stop_lock


def test_blocked_holds_while_stale_whatever_the_policy() -> None:
    drive = Drive(table=BLOCKED)
    drive.classify((0, 0.9), frames=6)
    assert drive.wait(100).stop_lock
    assert drive.classify((1, 0.9), frames=4).stop_lock
    assert not drive.classify((1, 0.9)).stop_lock


@pytest.mark.parametrize('scores', [(), ((0, 0.4),), ((7, 0.9),), ((-1, 0.9),)])
def test_uncertain_frames_change_nothing_and_become_stale(
    scores: tuple[tuple[int, float], ...],
) -> None:
    drive = Drive({'on_stale': 'stop'}, table=BLOCKED)
    drive.classify((1, 0.9), frames=6)
    assert not drive.classify(*scores, frames=8).stop_lock
    assert drive.classify(*scores, frames=10).stop_lock
    assert drive.navigator.locked_by == ['stale']


@pytest.mark.parametrize('score', [float('nan'), float('inf'), -0.1, 1.5])
def test_impossible_scores_are_refused(score: float) -> None:
    drive = Drive(table=BLOCKED)
    assert not drive.classify((0, score), frames=20).stop_lock
    assert drive.fault == 'bad_score'


def test_slow_is_a_percentage_of_the_cap_and_the_strictest_of_the_streak_holds() -> None:
    drive = Drive({'max_speed_mps': 10.0}, table=SLOW)
    drive.classify((3, 0.9), frames=5)
    assert drive.last.speed_limit_mps is None
    assert drive.classify((1, 0.9), frames=2).speed_limit_mps == pytest.approx(2.0)
    drive.classify((2, 0.9))
    assert drive.classify((3, 0.9), frames=4).speed_limit_mps == pytest.approx(6.0)
    assert drive.classify((0, 0.9), (1, 0.1), frames=2).stop_lock
    assert not drive.classify((3, 0.9), frames=5).stop_lock
    assert drive.last.speed_limit_mps is None
    assert drive.kinds('release') == ['release']


def test_stricter_frames_of_different_classes_add_up() -> None:
    drive = Drive({'max_speed_mps': 10.0}, table=SLOW)
    drive.classify((3, 0.9), frames=5)
    drive.classify((1, 0.9))
    assert drive.classify((0, 0.9)).stop_lock


def test_a_looser_frame_is_no_step_towards_a_stricter_state() -> None:
    drive = Drive({'max_speed_mps': 10.0}, table=SLOW)
    drive.classify((1, 0.9), frames=2)
    drive.classify((3, 0.9))
    assert not drive.classify((0, 0.9)).stop_lock
    assert drive.classify((0, 0.9)).stop_lock


def test_heading_is_the_weighted_mean_smoothed() -> None:
    drive = Drive({'heading_smoothing': 0.0}, table=HEADING)
    assert drive.classify((0, 0.6), (1, 0.3), (2, 0.1)).heading == pytest.approx(-0.5)
    assert drive.classify((2, 1.0)).heading == 1.0
    assert drive.wait(0.1).heading is None  # never told twice
    smooth = Drive({'heading_smoothing': 0.5}, table=HEADING)
    smooth.classify((1, 1.0))
    assert smooth.classify((2, 1.0)).heading == pytest.approx(0.5)


def test_turning_slows_and_straight_lets_go() -> None:
    drive = Drive({'max_speed_mps': 10.0}, table=HEADING)
    assert drive.classify((0, 0.9), frames=6).speed_limit_mps == pytest.approx(6.0)
    assert drive.classify((1, 0.9), frames=5).speed_limit_mps is None


def test_class_that_the_model_calls_otherwise_is_uncertain() -> None:
    drive = Drive(table=BLOCKED)
    drive.navigator.observe_labels({0: 'free', 1: 'blocked'})
    assert not drive.classify((0, 0.9), frames=5).stop_lock
    assert drive.fault == 'misnamed'


def test_frames_that_are_missing_do_not_count_towards_letting_go() -> None:
    drive = Drive(table=BLOCKED)
    drive.classify((0, 0.9), frames=6)
    for _ in range(10):  # the frames between may have said otherwise
        drive.classify((1, 0.9), frames=2)
        assert drive.wait(0.1).stop_lock
    assert not drive.classify((1, 0.9), frames=6).stop_lock


def test_another_camera_lets_go_nothing() -> None:
    drive = Drive(table=BLOCKED)
    drive.classify((0, 0.9), frames=6)
    drive.camera = 'rear'
    assert drive.classify((1, 0.9), frames=50).stop_lock


def test_lock_of_a_camera_that_was_forgotten_needs_as_many_free_frames() -> None:
    drive = Drive({'engage_frames': 1}, table=BLOCKED, camera='new')
    assert drive.classify((0, 0.9), frames=2).stop_lock
    assert drive.wait(6).stop_lock
    assert drive.classify((1, 0.9), frames=4).stop_lock
    assert not drive.classify((1, 0.9), frames=8).stop_lock


def test_lock_of_a_silent_camera_outlives_any_crowd_of_others() -> None:
    drive = Drive(table=BLOCKED, camera='front')
    drive.classify((0, 0.9), frames=5)
    drive.wait(2)
    for index in range(40):
        drive.camera = f'stranger {index}'
        drive.classify((1, 0.9))
    drive.camera = 'front'
    assert drive.classify((1, 0.9), frames=4).stop_lock


def test_cameras_whose_names_differ_by_a_blank_are_two() -> None:
    drive = Drive(table=BLOCKED, camera='front')
    drive.classify((0, 0.9), frames=5)
    drive.camera = 'front '
    assert drive.classify((1, 0.9), frames=20).stop_lock
