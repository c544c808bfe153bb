"""A disk that fills, fails or refuses at any write of a training run: what was saved stands."""

import errno
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.training.checkpoint import load_checkpoint
from tests.limited import limited_files

OPTIONS = (
    *('--input-px', '67', '--fc6-rank', '4', '--fc7-rank', '4', '--batch', '4'),
    *('--val-interval', '1', '--save-interval', '1', '--hold-out-every', '20'),
    *('--threads', '0', '--cores', '1', '--augmentation', 'none', '--no-bf16'),
)


def train(shapes: Path, run: Path, *more: str) -> int:
    words = ['train', '--data', str(shapes), '--group', '(.*)_[0-9]', '--output', str(run)]
    return main([*words, *OPTIONS, '--steps', '1', *more])


@pytest.fixture(scope='module')
def begun(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of one step."""
    run = tmp_path_factory.mktemp('begun') / 'run'
    assert train(shapes, run) == 0
    return run


def step_of(run: Path) -> int:
    return int(load_checkpoint(run / 'checkpoint.safetensors')[1]['run']['step'])


def failing(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, nth: int, number: int
) -> Callable[[], bool]:
    """Let the nth call of a function fail, and all behind it; return whether one did."""
    real, calls = getattr(place, name), itertools.count(1)
    failed = []

    def maybe(*words: Any, **options: Any) -> Any:
        if next(calls) >= nth:
            failed.append(name)
            raise OSError(number, os.strerror(number))
        return real(*words, **options)

    monkeypatch.setattr(place, name, maybe)
    return lambda: bool(failed)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    errors = capsys.readouterr().err
    assert 'Traceback' not in errors
    (line,) = [one for one in errors.splitlines() if one.startswith('alexnet_ros train: ')]
    return line


@pytest.mark.parametrize('nth', [1, 2, 3, 4])
@pytest.mark.parametrize(
    ('place', 'name', 'number'),
    [(os, 'fsync', errno.EIO), (os, 'fsync', errno.ENOSPC), (Path, 'replace', errno.EROFS)],
    ids=['EIO', 'ENOSPC', 'rename'],
)
def test_a_write_that_fails_leaves_the_run_as_it_was_saved(  # noqa: PLR0917
    begun: Path,
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: Any,
    name: str,
    number: int,
    nth: int,
) -> None:
    run = tmp_path / 'run'
    shutil.copytree(begun, run)
    with monkeypatch.context() as patch:
        did_fail = failing(patch, place, name, nth, number)
        assert train(shapes, run, '--more-steps', '2') == 1
        assert did_fail()
    line = said(capsys)
    assert os.strerror(number) in line
    assert str(run) in line
    assert step_of(run) >= 1
    rows = (run / 'metrics.csv').read_text().splitlines()
    assert rows[0].startswith('step,')
    assert all(row.count(',') == rows[0].count(',') for row in rows)
    assert not list(run.glob('.*'))


@pytest.mark.parametrize('most', [1, 5000])
def test_a_run_that_met_a_full_disk_goes_on_when_there_is_room(
    begun: Path, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], most: int
) -> None:
    run = tmp_path / 'run'
    shutil.copytree(begun, run)
    with limited_files(most):
        assert train(shapes, run, '--more-steps', '1') == 1
    said(capsys)
    assert step_of(run) == 1
    assert train(shapes, run, '--more-steps', '1') == 0
    assert step_of(run) == 2
    steps = [row.split(',')[0] for row in (run / 'metrics.csv').read_text().splitlines()[1:]]
    assert steps == ['1', '2']


def test_a_first_run_on_a_full_disk_leaves_nothing_that_looks_like_one(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / 'run'
    with limited_files(1):
        assert train(shapes, run) == 1
    assert 'cannot be written' in said(capsys)
    assert not (run / 'checkpoint.safetensors').exists()
    assert train(shapes, run) == 0


def test_compress_on_a_full_disk_leaves_the_file_of_before(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / 'small.safetensors'
    small.write_bytes(b'what was there')
    words = ['compress', str(begun / 'checkpoint.safetensors'), '--fc6-rank', '2']
    with limited_files(5000):
        assert main([*words, '--output', str(small)]) == 1
    assert 'cannot be written' in capsys.readouterr().err
    assert small.read_bytes() == b'what was there'
    assert [one.name for one in tmp_path.iterdir()] == [small.name]
