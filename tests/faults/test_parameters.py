"""Parameters that must not be taken, over the services of both processes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from tests.faults.faults import fault
from tests.faults.shared import Shared
from tests.faults.wire import Wire, set_parameter
from tests.ros.navigator_bench import Ears
from tests.ros.robot import Bench, NodeProcess

REFUSED = 'refused with its reason; the value stays'
BAD: list[tuple[str, str, Any, str]] = [
    ('out of range', 'top_k', 0, 'range'),
    ('far out of range', 'top_k', 2**62, 'range'),
    ('NaN', 'score_threshold', math.nan, 'range'),
    ('infinity', 'max_rate_hz', math.inf, 'range'),
    ('int for a double', 'score_threshold', 1, 'type'),
    ('text for a number', 'stale_after_s', 'soon', 'type'),
    ('needs a reload while active', 'regions', 'signs', 'active'),
    ('another model while active', 'model', '/etc', 'active'),
    ('against another setting', 'confirm_hits', 50, 'confirm_window'),
]


def value_of(bench: Bench, node: str, name: str) -> Any:
    answer = bench.call(
        GetParameters, f'{node}/get_parameters', GetParameters.Request(names=[name])
    )
    return parameter_value_to_python(answer.values[0])


@pytest.mark.parametrize(
    ('name', 'value', 'says'),
    [
        pytest.param(
            name,
            value,
            says,
            id=case,
            marks=fault('parameters', case, f'classifier: {name} = {value!r}', REFUSED),
        )
        for case, name, value, says in BAD
    ],
)
def test_classifier_refuses_and_works_on(wire: Wire, name: str, value: Any, says: str) -> None:
    before = value_of(wire.bench, '/alexnet', name)
    result = wire.set(name, value)
    assert not result.successful
    assert says in result.reason
    assert value_of(wire.bench, '/alexnet', name) == before
    wire.recovers()


@fault(
    'parameters',
    'changed while active',
    'score_threshold live, 30 times under images',
    'taken; results go on',
)
def test_live_parameter_changes_under_images(wire: Wire) -> None:
    for count in range(30):
        assert wire.set('score_threshold', count % 10 / 100).successful
        wire.send(wire.good_image(), answerable=True)
    wire.recovers()


@contextmanager
def opened() -> Iterator[tuple[Bench, Ears, NodeProcess]]:
    robot = Bench()
    ears = Ears(robot)
    node = NodeProcess([], {}, 'alexnet_ros.ros.sign_navigator_node')
    try:
        robot.until('it speaks', lambda: ears.locked is False)
        yield robot, ears, node
        assert node.stop() == 0, node.log
    finally:
        node.close()
        robot.close()


@pytest.fixture(scope='module')
def navigators() -> Iterator[Shared[tuple[Bench, Ears, NodeProcess]]]:
    shared = Shared(opened)
    yield shared
    shared.close()


@pytest.fixture
def navigator(
    request: pytest.FixtureRequest, navigators: Shared[tuple[Bench, Ears, NodeProcess]]
) -> Iterator[tuple[Bench, Ears, NodeProcess]]:
    yield from navigators.lent(request)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        pytest.param(
            name,
            value,
            id=f'{name} {value}',
            marks=fault('parameters', f'navigator: {case}', f'{name} = {value!r}', REFUSED),
        )
        for case, name, value in (
            ('cap 0', 'max_speed_mps', 0.0),
            ('cap NaN', 'max_speed_mps', math.nan),
            ('cap infinite', 'max_speed_mps', math.inf),
            ('negative age', 'max_age_s', -1.0),
            ('unknown policy', 'on_stale', 'drive'),
            ('wrong type', 'max_speed_mps', 'fast'),
            ('table while running', 'actions', '/etc/passwd'),
        )
    ],
)
def test_navigator_refuses_and_speaks_on(
    navigator: tuple[Bench, Ears, NodeProcess], name: str, value: Any
) -> None:
    robot, ears, node = navigator
    before = value_of(robot, '/sign_navigator', name)
    result = set_parameter(robot, '/sign_navigator', name, value)
    assert not result.successful
    assert result.reason
    assert value_of(robot, '/sign_navigator', name) == before
    ears.clear()
    robot.until('the lock is told on', lambda: len(ears.locks) >= 2)
    assert ears.locked is False
    assert not ears.limits.messages
    assert node.alive()
