"""Fixtures of the fault suite: real processes, watched from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed here')
pytest.importorskip('vision_msgs', reason='vision_msgs is not built here')
pytest.importorskip('onnx', reason='onnx is not installed here')

from tests.faults.shared import Shared
from tests.faults.wire import Wire
from tests.ros.conftest import bench, model, start_node  # noqa: F401 - fixtures
from tests.ros.robot import Bench, NodeProcess

FAULTY = 'tests.faults.faulty_classifier'


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones to ``make faults``."""
    if config.pluginmanager.has_plugin('faults-table'):
        return
    for item in items:
        if 'tests/faults' in item.nodeid and item.get_closest_marker('slow'):
            item.add_marker(pytest.mark.skip(reason='takes minutes: runs with `make faults`'))


@contextmanager
def opened(module: ModuleType, model: Path) -> Iterator[Wire]:  # noqa: F811
    """Run a classifier process, expect it to be well at the end and to stop with 0."""
    robot = Bench()
    parameters = {
        'model': model,
        'autostart': True,
        'lazy': False,
        'diagnostics_period_s': 0.1,
    } | getattr(module, 'PARAMETERS', {})
    words = []
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += ['-p', f'{name}:={text}']
    node = NodeProcess(words, {}, FAULTY)
    try:
        options = {'kind': module.KIND, 'good': module.GOOD} if hasattr(module, 'KIND') else {}
        made = Wire(robot, node, **options)
        made.recovers()
        yield made
        made.check()
        assert node.stop() == 0, node.log
    finally:
        node.close()
        robot.close()


@pytest.fixture(scope='module')
def wires(request: pytest.FixtureRequest, model: Path) -> Iterator[Shared[Wire]]:  # noqa: F811
    """Hold the process of a module."""
    shared = Shared(lambda: opened(request.module, model))
    yield shared
    shared.close()


@pytest.fixture
def wire(request: pytest.FixtureRequest, wires: Shared[Wire]) -> Iterator[Wire]:
    """
    Lend an active classifier process that the tests of a module share.

    A module may set ``PARAMETERS`` (of the node) and ``KIND`` with ``GOOD``.
    """
    yield from wires.lent(request)
