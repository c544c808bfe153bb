from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.recognizer import Recognizer


@pytest.fixture(scope='session')
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small real model: its class is the dominant colour."""
    from tests.models import tiny_package

    folder = tmp_path_factory.mktemp('models') / 'colours'
    tiny_package(folder)
    return folder


@pytest.fixture
def recognizer(colours: Path) -> Iterator[Recognizer]:
    """That model over whole frames."""
    with Recognizer.open(
        colours, backend='cpu', settings=RecognizerSettings(regions='frame')
    ) as made:
        yield made
