"""Fixtures of the node tests; the machinery is in :mod:`tests.ros.robot`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed here')
pytest.importorskip('vision_msgs', reason='vision_msgs is not built here')

from tests.ros.robot import Bench, NodeProcess


@pytest.fixture
def bench() -> Iterator[Bench]:
    """The rest of the robot."""
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def start_node() -> Iterator[Callable[..., NodeProcess]]:
    """Start a node as a process: ``start_node(model=path, ...)``."""
    started: list[NodeProcess] = []

    def start(
        *arguments: str,
        environment: dict[str, str] | None = None,
        module: str = 'alexnet_ros.ros.classifier_node',
        **parameters: Any,
    ) -> NodeProcess:
        words = list(arguments)
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ['-p', f'{name}:={text}']
        process = NodeProcess(words, environment or {}, module)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope='session')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model package: its class is the dominant colour."""
    from tests.models import tiny_package

    folder = tmp_path_factory.mktemp('models') / 'colours'
    tiny_package(folder)
    return folder
