"""Small networks and data for the tests of training."""

import importlib.util
from pathlib import Path

import pytest

from tests.unit.training.generated import write_folder

if importlib.util.find_spec('torch') is None:  # test_needs_torch.py says so
    collect_ignore_glob = ['test_[!n]*.py', 'test_ne[!e]*.py']


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small networks are fastest on one thread, above all on a busy machine."""
    torch = pytest.importorskip('torch')
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def memory_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what training asks of the C library out of the process of the tests."""
    monkeypatch.setattr('alexnet_ros.cli.train.MALLOPT', {})


@pytest.fixture(scope='session')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with four classes of drawn shapes, four pictures a group."""
    return write_folder(tmp_path_factory.mktemp('shapes'))
