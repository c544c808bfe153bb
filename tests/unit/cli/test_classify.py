import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.engine.host import has_nvidia_gpu
from alexnet_ros.model_package import ScoreSpec
from tests.models import colour_of, tiny_package

Captured = pytest.CaptureFixture[str]


@pytest.fixture(name='model', scope='module')
def _model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp('models') / 'tiny', classes=6).folder)


def picture(folder: Path, class_id: int, name: str = '') -> str:
    path = folder / (name or f'{class_id}.png')
    rgb = np.full((40, 50, 3), colour_of(class_id), np.uint8)
    cv2.imwrite(str(path), rgb[..., ::-1])
    return str(path)


def classify(model: str, *words: str) -> int:
    return main(['classify', '--model', model, '--backend', 'cpu', *words])


def test_each_image_is_one_json_line_in_order(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    paths = [picture(tmp_path, class_id % 6, f'{class_id}.png') for class_id in range(20)]
    assert classify(model, '--json', '--top-k', '3', *paths) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row['file'] for row in rows] == paths
    assert [row['class_id'] for row in rows] == [class_id % 6 for class_id in range(20)]
    first = rows[0]
    assert list(first) == ['file', 'class_id', 'class_name', 'score', 'unknown', 'results']
    assert first['class_name'] == 'red'
    assert first['unknown'] is False
    assert 0.9 < first['score'] <= 1
    assert len(first['results']) == 3
    assert first['results'][0] == {key: first[key] for key in ('class_id', 'class_name', 'score')}


def test_without_a_gpu_the_cpu_is_no_trouble_to_tell(model: str, tmp_path: Path) -> None:
    if has_nvidia_gpu():
        pytest.skip('this machine has a GPU')
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'alexnet_ros',
            'classify',
            '--model',
            model,
            '--json',
            picture(tmp_path, 1),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)['class_name'] == 'green'
    assert done.stderr == ''
    assert done.returncode == 0


def test_unknown_image_keeps_its_hypotheses(tmp_path: Path, capsys: Captured) -> None:
    strict = tiny_package(tmp_path / 'strict', scores=ScoreSpec(energy=-1000.0))
    assert classify(str(strict.folder), '--json', picture(tmp_path, 2)) == 0
    row = json.loads(capsys.readouterr().out)
    assert row['class_id'] == -1
    assert row['class_name'] == 'unknown'
    assert row['unknown'] is True
    assert row['score'] == row['results'][0]['score']
    assert row['results'][0]['class_name'] == 'blue'


def test_threshold_makes_unsure_images_unknown(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    path = picture(tmp_path, 1)
    assert classify(model, '--score-threshold', '1', path) == 0
    assert f'{path}: unknown' in capsys.readouterr().out


def test_text_says_name_and_score(model: str, tmp_path: Path, capsys: Captured) -> None:
    path = picture(tmp_path, 1)
    assert classify(model, '--top-k', '2', path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{path}: green (')
    assert len(lines) == 3
    assert lines[1].endswith('green [1]')


def test_unreadable_image_is_one_line_and_the_others_go_on(
    model: str, tmp_path: Path, capsys: Captured
) -> None:
    text = tmp_path / 'text.png'
    text.write_text('no image')
    whole = tmp_path / 'whole.jpg'
    cv2.imwrite(str(whole), np.full((90, 90, 3), 128, np.uint8))
    cut = tmp_path / 'cut.jpg'
    cut.write_bytes(whole.read_bytes()[:-30])
    gone = str(tmp_path / 'gone.png')
    good = picture(tmp_path, 0)
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert classify(model, '--json', gone, str(text), good, str(cut), str(empty)) == 1
    output = capsys.readouterr()
    assert [json.loads(line)['class_name'] for line in output.out.splitlines()] == ['red']
    errors = [line for line in output.err.splitlines() if line.startswith('alexnet_ros classify')]
    assert len(errors) == 4
    assert 'gone.png: unreadable: No such file' in errors[0]
    assert 'text.png: bad_format' in errors[1]
    assert 'cut.jpg: truncated' in errors[2]
    assert 'Is a directory' in errors[3]


def test_missing_model_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    assert classify(str(tmp_path / 'none'), picture(tmp_path, 0)) == 1
    output = capsys.readouterr()
    assert output.out == ''
    assert output.err.count('\n') == 1
    assert 'model.yaml does not exist' in output.err


@pytest.mark.parametrize(
    'words',
    [
        ['--top-k', '0', 'x.png'],
        ['--top-k', 'many', 'x.png'],
        ['--score-threshold', 'nan', 'x.png'],
        ['--backend', 'tpu', 'x.png'],
        ['--threads', '-1', 'x.png'],
        [],
    ],
)
def test_wrong_usage_exits_with_two(model: str, words: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['classify', '--model', model, *words])
    assert caught.value.code == 2
    assert capsys.readouterr().out == ''


def test_name_that_is_no_text_is_printed(model: str, tmp_path: Path, capsys: Captured) -> None:
    path = Path(f'{tmp_path}/{chr(0xDCFF)}.png')  # a file name with the byte 0xff
    Path(picture(tmp_path, 0)).rename(path)
    assert classify(model, str(path)) == 0
    assert classify(model, '--json', str(path)) == 0
    assert '\ufffd.png' in json.loads(capsys.readouterr().out.splitlines()[-1])['file']
