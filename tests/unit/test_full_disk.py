"""A disk that fills at any point, a kill at any point: nothing kept is lost, one line is said."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.dataset.collection import Collection, Item
from alexnet_ros.errors import AlexnetRosError, FileWriteError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import replay_bag
from alexnet_ros.report.write import read_report
from tests.boxes_bag import write_frames
from tests.limited import limited_files
from tests.models import tiny_package

CLASSES = [0] * 6 + [1] * 6


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp('bags') / 'bag', CLASSES)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_package(tmp_path_factory.mktemp('models') / 'tiny').folder


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.rglob('*')) if one.is_file()}


@pytest.mark.parametrize('most', [1, 1000, 5000, 20_000])
def test_replay_on_a_full_disk_leaves_the_report_of_before(
    tmp_path: Path, bag: Path, model: Path, most: int
) -> None:
    out = tmp_path / 'out'
    with Recognizer.open(model, backend='cpu') as recognizer:
        replay_bag(bag, out, recognizer)
        before = contents(out)
        with limited_files(most), pytest.raises(AlexnetRosError) as caught:
            replay_bag(bag, out, recognizer)
        assert '\n' not in str(caught.value)
        after = contents(out)
        assert after['results.mcap'] == before['results.mcap']
        assert after['report.html'].endswith(before['report.html'][-20:])
        assert read_report(out)['cameras']
        assert not [name for name in after if name.startswith('.')]
        replay_bag(bag, out, recognizer)


@pytest.mark.parametrize(
    ('command', 'most'), [('replay', 1), ('replay', 400), ('replay', 3000), ('collect', 1)]
)
def test_a_command_on_a_full_disk_says_one_line_and_goes_on_later(  # noqa: PLR0917
    tmp_path: Path,
    bag: Path,
    model: Path,
    command: str,
    most: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [command, str(bag), '--model', str(model), '--backend', 'cpu']
    words += ['--output', str(tmp_path / 'out')]
    with limited_files(most):
        assert main(words) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if 'cannot' in line]
    assert len(errors) == 1
    assert f'alexnet_ros {command}: ' in errors[0]
    assert main(words) == 0


def item(index: int) -> Item:
    return Item(f'{index}.jpg', 1, 0.5, '=x', 'bag', '', 7, 't', (0.0, 0.0, 8.0, 8.0))


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)


def test_a_collection_keeps_what_it_reported_at_every_size_of_the_disk(tmp_path: Path) -> None:
    for most in range(100, 2500, 400):
        folder = tmp_path / str(most)
        kept = 0
        with limited_files(most), contextlib.suppress(FileWriteError):
            made = Collection(folder, {0: 'a', 1: '=1+1|calc'})
            for index in range(40):
                kept += made.add(item(index), picture(index))
        again = Collection(folder, {0: 'a', 1: '=1+1|calc'})
        for index in range(40):
            again.add(item(index), picture(index))
        assert again.write_manifest()['labelled'] == 40
        assert not list(folder.rglob('.*'))
        text = (folder / 'manifest.csv').read_text() + (folder / 'labels.csv').read_text()
        assert not any(
            cell.startswith('=') for line in text.splitlines() for cell in line.split(',')
        )
        assert kept < 40


KILLED = """
import os, sys
import numpy as np
from pathlib import Path
from alexnet_ros.dataset.collection import Collection, Item
real, left = os.fsync, [int(sys.argv[2])]
def killed(handle):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    real(handle)
os.fsync = killed
made = Collection(Path(sys.argv[1]), {0: 'b', 1: 'a'})
for index in range(9):
    picture = np.random.default_rng(index).integers(0, 255, (32, 32, 3), np.uint8)
    made.add(Item(f'{index}.jpg', 1, 0.5, '', 'b', '', 7, 't', (0.0, 0.0, 8.0, 8.0)), picture)
    print(index, flush=True)
"""


@pytest.mark.parametrize('nth', [1, 2, 4, 9])
def test_a_killed_collection_has_what_it_said_and_no_drafts(tmp_path: Path, nth: int) -> None:
    words = [sys.executable, '-c', KILLED, str(tmp_path / 'c'), str(nth)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -9
    said = len(done.stdout.split())
    again = Collection(tmp_path / 'c', {0: 'b', 1: 'a'})
    assert again.write_manifest()['labelled'] >= said
    assert not list((tmp_path / 'c').glob('.*'))


def test_half_a_row_and_half_a_draft_are_mended(tmp_path: Path) -> None:
    made = Collection(tmp_path, {0: 'b', 1: 'a'})
    made.add(item(0), picture(0))
    with (tmp_path / 'items.csv').open('a') as file:
        file.write('1.jpg,00ff')
    again = Collection(tmp_path, {0: 'b', 1: 'a'})
    assert again.add(item(1), picture(1))
    rows = (tmp_path / 'items.csv').read_text().splitlines()
    assert [row.split(',')[0] for row in rows] == ['name', '0.jpg', '1.jpg']


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_read_only_folder_is_said_in_one_line(
    tmp_path: Path, bag: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    words = ['--model', str(model), '--backend', 'cpu', '--output', str(tmp_path / 'out')]
    assert main(['replay', str(bag), *words]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert 'cannot be written' in line
    tmp_path.chmod(0o700)
