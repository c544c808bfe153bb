"""What one navigator leaves to the next, and what others may say."""

import math

import pytest

from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation import (
    Action,
    ActionTable,
    find_table,
    read_table,
    restore_navigator,
    text_from_navigator,
)
from tests.unit.navigation.harness import END_OF_ALL, LIMIT_30, STOP, YIELD, Drive, sign

WHOLE = '{"version": 1, "restrictions": [%s], "stop_signs": [], "cameras": []}'
MPS_30 = pytest.approx(30 / 3.6)


def successor(drive: Drive) -> Drive:
    """Return a drive that goes on with a new navigator."""
    made = Drive(drive.settings, drive.table, drive.ros_ns, drive.steady_ns)
    restore_navigator(made.navigator, text_from_navigator(drive.navigator), made.now)
    made.wait(0.1)
    return made


def test_limits_are_said_again_at_once_and_end_by_their_own_means_only() -> None:
    first = Drive()
    first.see(sign(LIMIT_30), seconds=1)
    first.navigator.observe_limit(2.0, first.now, percentage=False)
    first.see(sign(YIELD, '2'), seconds=2)
    second = successor(first)
    assert second.last.changed
    assert second.last.speed_limit_mps == 2.0
    second.navigator.observe_limit(0.0, second.now, percentage=False)
    assert second.see(seconds=0.5).speed_limit_mps == 2.8  # the yield begins anew
    assert second.see(seconds=5).speed_limit_mps == MPS_30
    third = successor(second)
    third.approach(END_OF_ALL, '9', 10, 30, seconds=0.5)  # not near, and not seen to pass yet
    assert third.last.speed_limit_mps == MPS_30
    assert third.see(sign(END_OF_ALL, '9', 33), seconds=2).speed_limit_mps is None


def test_a_stop_in_progress_begins_anew() -> None:
    first = Drive()
    first.see(seconds=1)
    first.see(sign(STOP))
    assert first.see(seconds=2.5).stop_lock
    second = successor(first)
    assert second.last.stop_lock
    assert second.wait(60).stop_lock
    assert second.see(seconds=2.5).stop_lock
    assert not second.see(seconds=1).stop_lock


def test_a_stop_that_began_early_keeps_its_longer_time() -> None:
    first = Drive()
    first.see(seconds=1)
    first.approach(STOP, '1', 18, 22)
    first.wait(0.3)
    assert first.see().stop_lock
    first.see(sign(STOP, '2'))  # prolongs it by less
    second = successor(first)
    assert second.see(seconds=5.5).stop_lock  # and longer: nobody knows where the sign is
    assert not second.see(seconds=0.5).stop_lock


def test_of_two_stops_the_longer_time_is_handed_on() -> None:
    table = ActionTable(
        'detections',
        {
            60: Action(60, 'Long stop', 'stop', seconds=8.0),
            61: Action(61, 'Short stop', 'stop', seconds=1.0),
        },
    )
    first = Drive(table=table)
    first.see(seconds=2)
    for class_id in (60, 61):
        first.approach(class_id, str(class_id), 20, 40)
    second = successor(first)
    assert second.see(seconds=7.8).stop_lock
    assert not second.see(seconds=0.5).stop_lock


@pytest.mark.parametrize('down_s', [0.1, 0.5, 5.0])
def test_a_stop_sign_that_was_on_its_way_is_not_forgotten(down_s: float) -> None:
    first = Drive()
    first.see(seconds=1)
    first.approach(STOP, '1', 10, 22)
    first.ros_ns += round(down_s * 1e9)
    first.steady_ns += round(down_s * 1e9)
    second = successor(first)
    assert second.see(seconds=0.5).stop_lock  # it is gone, nobody saw how


def test_a_camera_that_mattered_is_waited_for() -> None:
    first = Drive({'on_stale': 'stop'})
    first.see(seconds=1, camera='front')
    second = successor(first)
    assert second.see(seconds=1, camera='rear').stop_lock
    second.see(camera='front')
    assert not second.see(camera='rear').stop_lock


def test_the_text_changes_only_with_what_is_in_force() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    text = text_from_navigator(drive.navigator)
    drive.see(sign(LIMIT_30), seconds=1)
    drive.see(seconds=5)
    changed = text_from_navigator(drive.navigator)
    assert '"cameras": [""]' in changed
    assert text.split('"cameras"')[0] == changed.split('"cameras"')[0]


@pytest.mark.parametrize(
    'text',
    [
        '',
        '{',
        '[]',
        'null',
        '{"version": 2, "restrictions": [], "stop_signs": [], "cameras": []}',
        '{"version": 1, "restrictions": {}, "stop_signs": [], "cameras": []}',
        '{"version": 1, "restrictions": [{"speed_mps": 3}], "stop_signs": [], "cameras": []}',
        WHOLE % '{"name": "a", "speed_mps": NaN}',
        WHOLE % '{"name": "a", "percent": Infinity}',
        WHOLE % '{"name": "a", "speed_mps": -1}',
        WHOLE % '{"name": "a", "locks": 1}',
        '{"version": 1, "restrictions": [], "stop_signs": [["a", "1", 14]], "cameras": []}',
        '{"version": 1, "restrictions": [], "stop_signs": [], "cameras": [1]}',
        '[' * 100_000,
        '{"version": ' + '9' * 5000 + '}',
    ],
)
def test_a_text_that_is_none_is_refused(text: str) -> None:
    drive = Drive()
    with pytest.raises(ConfigError):
        restore_navigator(drive.navigator, text, drive.now)


def test_a_class_that_is_no_number_of_a_class_is_restored_as_strictly() -> None:
    track = '9' * 5000
    text = (
        WHOLE
        % f'{{"name": "frame front", "camera": "front", "track_id": "{track}", "locks": true}}'
    )
    drive = Drive(table=read_table(find_table('blocked_actions.yaml')), camera='front')
    restore_navigator(drive.navigator, text, drive.now)
    assert drive.classify((1, 0.9), frames=4).stop_lock


def test_an_operator_lets_everything_go() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30), sign(STOP, '2'), seconds=0.5)
    drive.navigator.release()
    last = drive.see()
    assert (last.release, last.stop_lock) == (True, False)
    assert drive.kinds('operator') == ['operator']


def test_a_late_word_of_the_other_source_may_only_be_stricter() -> None:
    drive = Drive()
    observe = drive.navigator.observe_limit
    for value, stamp_ns in ((5.0, 20), (0.0, 10), (9.0, 10), (math.nan, 30)):
        observe(value, drive.now, percentage=False, stamp_ns=stamp_ns)
        assert drive.wait(0.1).speed_limit_mps == 5.0
    observe(3.0, drive.now, percentage=False, stamp_ns=10)
    assert drive.wait(0.1).speed_limit_mps == 3.0
    observe(0.0, drive.now, percentage=False, stamp_ns=40)
    assert drive.wait(0.1).speed_limit_mps is None


def test_what_another_publisher_says_only_tightens_until_it_is_gone() -> None:
    drive = Drive()
    drive.see(sign(LIMIT_30))
    others = drive.navigator.others
    others.observe_publishers(('/stray (/speed_limit)',))
    for value in (0.0, 20.0, math.nan, -1.0, math.inf):
        others.hear_limit(value, percentage=False)
        assert drive.wait(0.1).speed_limit_mps == MPS_30
    others.hear_limit(10.0, percentage=True)
    assert drive.wait(0.1).speed_limit_mps == 3.0
    others.hear_lock()
    assert drive.wait(0.1).stop_lock
    others.observe_publishers(())
    last = drive.wait(0.1)
    assert (last.stop_lock, last.speed_limit_mps) == (False, MPS_30)


def test_without_a_cap_only_percentages_are_said() -> None:
    drive = Drive({'max_speed_mps': None})
    assert drive.see(sign(LIMIT_30), seconds=1).speed_limit_mps is None
    assert drive.navigator.unsaid == ['sign 1']
    drive.navigator.observe_limit(40.0, drive.now, percentage=True)
    last = drive.see()
    assert (last.speed_limit_mps, last.speed_limit_percent) == (None, 40.0)
    drive.navigator.observe_limit(3.0, drive.now, percentage=False)
    assert drive.see().stop_lock
    assert drive.navigator.settings.max_speed_mps is None


def test_release_to_none_live_is_no_reason_for_a_release() -> None:
    drive = Drive({'release_to': 'cap', 'max_speed_mps': 12.0})
    assert drive.wait(0.1).speed_limit_mps == 12.0
    drive.navigator.settings = Drive({'max_speed_mps': 12.0}).navigator.settings
    assert drive.wait(1).speed_limit_mps == 12.0
    assert not any(one.release for one in drive.commands)


def test_cap_that_is_unset_while_driving_stays() -> None:
    drive = Drive({'max_speed_mps': 20.0})
    drive.see(sign(LIMIT_30))
    drive.navigator.observe_limit(90.0, drive.now, percentage=True)
    drive.navigator.settings = Drive({'max_speed_mps': None}).navigator.settings
    last = drive.see(seconds=2)
    assert (last.speed_limit_mps, last.speed_limit_percent) == (MPS_30, None)
    assert not any(one.release for one in drive.commands)


def test_of_several_publishers_of_one_limit_none_lets_go_what_another_has_said() -> None:
    drive = Drive()
    observe = drive.navigator.observe_limit
    observe(5.0, drive.now, percentage=False)
    for value, percentage in ((0.0, False), (9.0, False), (80.0, True), (0.0, True)):
        fault = observe(value, drive.now, percentage=percentage, alone=False)
        assert fault == ('' if value else 'several_sources')
        assert drive.wait(0.1).speed_limit_mps == 5.0
    for value, percentage in ((10.0, True), (2.0, False)):  # 3 m/s, then 2
        assert not observe(value, drive.now, percentage=percentage, alone=False)
        assert drive.wait(0.1).speed_limit_mps == min(value, 3.0)
    observe(0.0, drive.now, percentage=False)
    assert drive.wait(0.1).speed_limit_mps is None


@pytest.mark.parametrize('ahead_s', [1, 3600, 10**6])
def test_one_word_from_the_future_does_not_make_all_others_late(ahead_s: int) -> None:
    drive = Drive({'velocity_source': 'twist', 'stop_hold_s': 1.0})
    observe = drive.navigator.observe_limit
    observe(5.0, drive.now, percentage=False, stamp_ns=drive.ros_ns + ahead_s * 10**9)
    drive.navigator.observe_speed(0.0, drive.now, stamp_ns=drive.ros_ns + ahead_s * 10**9)
    drive.wait(0.1)
    assert not drive.navigator.observe_speed(0.0, drive.now, stamp_ns=drive.ros_ns)
    assert not observe(0.0, drive.now, percentage=False, stamp_ns=drive.ros_ns)
    assert drive.wait(0.1).speed_limit_mps is None
