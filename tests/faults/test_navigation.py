"""What must never reach the wheels: bad limits and bad detections, to a navigator process."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nav2_msgs.msg import SpeedLimit
from vision_msgs.msg import Detection2D

from alexnet_ros.ros.clients.findings import OK, WARN
from tests.faults.faults import fault
from tests.faults.shared import Shared
from tests.ros.navigator_bench import (
    END_OF_ALL,
    LIMIT_30,
    LIMIT_50,
    STOP,
    Ears,
    Recogniser,
    detection,
)
from tests.ros.robot import Bench, NodeProcess

CAP = 10.0
MPS_30 = 30 / 3.6


class Road:
    """A navigator process, a recogniser and another source of limits."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.ears = Ears(self.bench)
        self.node = NodeProcess(
            [
                '-p',
                f'max_speed_mps:={CAP}',
                '-p',
                'stale_after_s:=60.0',
                '-p',
                'max_age_s:=60.0',
                '-p',
                'stop_hold_s:=0.3',
                '-p',
                'stop_again_s:=0.0',
            ],
            {},
            'alexnet_ros.ros.sign_navigator_node',
        )
        self.recogniser = Recogniser(self.bench)
        self.others = self.bench.node.create_publisher(SpeedLimit, 'speed_limit_in', 10)
        self.bench.until('the navigator listens', self.others.get_subscription_count)
        self._track = 0

    def track(self) -> str:
        self._track += 1
        return str(self._track)

    def other(self, value: float, *, percentage: bool = False) -> None:
        self.others.publish(SpeedLimit(percentage=percentage, speed_limit=value))

    @property
    def current(self) -> float | None:
        return self.ears.values[-1] if self.ears.values else None

    def end_of_all(self) -> Detection2D:
        """Return an end of all limits, too far from any other sign to be the same one misread."""
        return detection(END_OF_ALL, self.track(), x_px=4000.0)

    def clear(self) -> None:
        """End every limit by its own means and forget what was heard."""
        self.other(0.0)
        self.recogniser.show(self.end_of_all())
        self.bench.until('no limit', lambda: not self.current)  # None or released with 0.0
        self.recogniser.show()
        self.bench.spin_for(0.1)
        for listener in (self.ears.limits, self.ears.locks, self.ears.told):
            listener.messages.clear()  # the diagnostics stay: their counters only rise

    def limited(self) -> None:
        self.recogniser.show(detection(LIMIT_30, self.track()))
        self.bench.until('30 km/h', lambda: self.current == pytest.approx(MPS_30))

    def value(self, key: str) -> str:
        status = self.ears.status
        found = {} if status is None else {one.key: one.value for one in status.values}
        return found.get(key, '')

    def refuses(self, reason: str, send: Callable[[], None]) -> None:
        """Send what must be counted as refused, and must neither slow nor lock."""
        before, last = self._refused(reason), self.current
        send()

        def acts() -> bool:
            return self.current != last or self.ears.locked is True

        self.bench.until('it is counted', lambda: self._refused(reason) > before or acts())
        self.bench.until('the lock is said', lambda: self.ears.locks.messages)
        assert not acts()
        assert self._refused(reason) > before

    def _refused(self, reason: str) -> int:
        return int(self.value(f'refused: {reason}') or 0)

    def check(self) -> None:
        """Check the promises on everything that was published."""
        assert self.node.alive(), self.node.log
        assert 'Traceback' not in self.node.log
        for message in self.ears.limits.messages:
            value = message.speed_limit
            assert math.isfinite(value)
            assert 0.0 <= value <= CAP


@contextmanager
def opened() -> Iterator[Road]:
    made = Road()
    try:
        yield made
        made.check()
        assert made.node.stop() == 0, made.node.log
    finally:
        made.node.close()
        made.bench.close()


@pytest.fixture(scope='module')
def roads() -> Iterator[Shared[Road]]:
    shared = Shared(opened)
    yield shared
    shared.close()


@pytest.fixture
def drive(request: pytest.FixtureRequest, roads: Shared[Road]) -> Iterator[Road]:
    yield from roads.lent(request)


@pytest.fixture
def road(drive: Road) -> Road:
    drive.clear()
    return drive


@pytest.mark.parametrize(
    'value',
    [
        pytest.param(
            value,
            id=name,
            marks=fault(
                'Nav2',
                f'limit from another source: {name}',
                f'speed_limit_in = {value!r}',
                'refused and counted; the limit in force stays',
            ),
        )
        for name, value in (
            ('negative', -1.0),
            ('tiny negative', -1e-300),
            ('NaN', math.nan),
            ('infinite', math.inf),
            ('minus infinity', -math.inf),
        )
    ],
)
@pytest.mark.parametrize('percentage', [False, True], ids=['m/s', 'percent'])
def test_limit_that_is_none_is_refused(road: Road, value: float, percentage: bool) -> None:
    road.limited()
    said = len(road.ears.limits)
    road.refuses('bad_limit', lambda: road.other(value, percentage=percentage))
    assert road.ears.status.level == WARN
    road.bench.until('the limit is said again', lambda: len(road.ears.limits) > said + 1)
    assert road.ears.values == [pytest.approx(MPS_30)]
    road.other(3.0)
    road.bench.until('a good one acts', lambda: road.current == 3.0)
    road.bench.until('all is well', lambda: road.ears.status.level == OK)
    road.check()


@pytest.mark.parametrize(
    ('value', 'percentage', 'expected'),
    [
        pytest.param(
            value,
            percentage,
            expected,
            id=name,
            marks=fault(
                'Nav2',
                f'limit from another source: {name}',
                f'speed_limit_in = {value!r}' + (' percent' if percentage else ''),
                f'clamped to {expected:g} m/s',
            ),
        )
        for name, value, percentage, expected in (
            ('above the cap', 50.0, False, CAP),
            ('1e300', 1e300, False, CAP),
            ('1000 percent', 1000.0, True, CAP),
            ('next to nothing', 1e-300, False, 0.01),
            ('a millionth percent', 1e-6, True, 0.01),
        )
    ],
)
def test_limit_out_of_range_is_clamped(
    road: Road, value: float, percentage: bool, expected: float
) -> None:
    road.other(value, percentage=percentage)
    road.bench.until('a limit', lambda: road.ears.values)
    assert road.ears.values == [pytest.approx(expected)]
    road.check()


@fault(
    'Nav2',
    'limit from another source: 0',
    "0 while a sign's limit is in force",
    'ends that source alone; 0.0 goes out only when nothing is left',
)
def test_zero_releases_its_own_source_only(road: Road) -> None:
    road.limited()
    road.other(2.0)
    road.bench.until('the lower one', lambda: road.current == 2.0)
    road.other(0.0)
    road.bench.until('back to the sign', lambda: road.current == pytest.approx(MPS_30))
    said = len(road.ears.limits)
    road.bench.until('it is said again', lambda: len(road.ears.limits) > said + 1)
    assert 0.0 not in road.ears.values
    road.recogniser.show(road.end_of_all())
    road.bench.until('the release', lambda: road.current == 0.0)
    road.bench.spin_for(1.0)
    assert [one.speed_limit for one in road.ears.limits.messages].count(0.0) == 1
    road.check()


@fault(
    'Nav2',
    'competing SpeedFilter',
    'SpeedFilter and two signs ask for limits in turn',
    'the lowest of all sources is in force',
)
def test_lowest_of_all_sources_is_in_force(road: Road) -> None:
    road.recogniser.show(detection(LIMIT_50, road.track()))
    road.bench.until('the cap is below 50 km/h', lambda: road.current == CAP)
    road.other(4.0)
    road.bench.until('the filter', lambda: road.current == 4.0)
    road.other(9.5)
    road.bench.until('the filter, higher', lambda: road.current == 9.5)
    road.recogniser.show(detection(LIMIT_30, road.track()))
    road.bench.until('the sign', lambda: road.current == pytest.approx(MPS_30))
    road.check()


def with_box(height: float) -> Detection2D:
    return detection(LIMIT_30, '77', height_px=height)


BAD: list[tuple[str, str, Callable[[Road], list[Any]]]] = [
    ('score NaN', 'bad_score', lambda _r: [detection(LIMIT_30, '71', score=math.nan)]),
    ('score above 1', 'bad_score', lambda _r: [detection(STOP, '72', score=1.5)]),
    ('negative score', 'bad_score', lambda _r: [detection(STOP, '73', score=-0.1)]),
    ('box height NaN', 'bad_box', lambda _r: [with_box(math.nan)]),
    ('box height infinite', 'bad_box', lambda _r: [with_box(math.inf)]),
    ('negative box height', 'bad_box', lambda _r: [with_box(-5.0)]),
    (
        '2000 signs in one image',
        'too_many',
        lambda _r: [detection(LIMIT_30, str(n)) for n in range(2000)],
    ),
    ('track id of 10 kB', 'bad_name', lambda _r: [detection(LIMIT_30, 'x' * 10_000)]),
]


@pytest.mark.parametrize(
    ('reason', 'make'),
    [
        pytest.param(
            reason,
            make,
            id=name,
            marks=fault(
                'Nav2',
                f'detections: {name}',
                'among the confirmed signs of an image',
                'refused and counted; no limit, no lock',
            ),
        )
        for name, reason, make in BAD
    ],
)
def test_impossible_detections_do_nothing(
    road: Road, reason: str, make: Callable[[Road], list[Any]]
) -> None:
    road.refuses(reason, lambda: road.recogniser.show(*make(road)))
    road.recogniser.show()
    assert not road.ears.limits.messages
    assert {one.data for one in road.ears.locks.messages} == {False}
    road.limited()
    road.check()


@pytest.mark.parametrize(
    'shift_s',
    [
        pytest.param(
            shift_s,
            id=name,
            marks=fault(
                'time',
                f'stamp {name}',
                f'a stop and a limit stamped {shift_s:+g} s from now',
                'refused and counted; no limit, no lock',
            ),
        )
        for name, shift_s in (
            ('too old', -300.0),
            ('of 1970', -1.5e9),
            ('in the future', 300.0),
            ('far in the future', 1e8),
        )
    ],
)
def test_stamps_of_another_time_do_nothing(road: Road, shift_s: float) -> None:
    reason = 'too_old' if shift_s < 0 else 'future'
    road.recogniser.shift_s = shift_s
    road.recogniser.camera = f'{shift_s:g} s'  # the first of a camera: only its time forbids it
    try:
        road.refuses(
            reason,
            lambda: road.recogniser.show(
                detection(STOP, road.track()), detection(LIMIT_30, road.track())
            ),
        )
    finally:
        road.recogniser.show()
        road.recogniser.shift_s, road.recogniser.camera = 0.0, 'front'
    assert not road.ears.limits.messages
    assert {one.data for one in road.ears.locks.messages} == {False}
    road.limited()
    road.check()


@fault('time', 'stamp 0', 'a stop sign without a stamp', 'refused and counted; no lock')
def test_no_stamp_does_nothing(road: Road) -> None:
    now_ns, road.recogniser.now_ns = road.recogniser.now_ns, lambda: 0
    try:
        road.refuses('no_stamp', lambda: road.recogniser.show(detection(STOP, road.track())))
    finally:
        road.recogniser.show()
        road.recogniser.now_ns = now_ns
    assert {one.data for one in road.ears.locks.messages} == {False}
    road.limited()
    road.check()
