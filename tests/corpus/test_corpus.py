"""What must be read of each kind of bag, to the frame."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.recognizer import Recognizer
from tests.corpus.kinds import KINDS, Kind
from tests.corpus.outcome import outcome_of
from tests.models import tiny_package


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recognizer]:
    """A small real model: its class is the dominant colour."""
    folder = tmp_path_factory.mktemp('models') / 'colours'
    tiny_package(folder)
    settings = RecognizerSettings(regions='frame')
    with Recognizer.open(folder, backend='cpu', settings=settings) as made:
        yield made


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_kind_is_read_to_the_frame(kind: Kind, tmp_path: Path, recognizer: Recognizer) -> None:
    found = outcome_of(kind, tmp_path, recognizer)
    assert found.read == kind.read, found.said
    assert (found.lost, found.rejected) == (kind.lost, kind.rejected)
    assert kind.said in found.said
    assert found.signs == kind.signs
    if not kind.said:
        assert not found.said
