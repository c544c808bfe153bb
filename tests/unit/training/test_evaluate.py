import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import DatasetError
from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.evaluate import evaluate, ten_views
from tests.models import colour_of, tiny_package

KEYS = {'images', 'top1', 'top5', 'macro_recall', 'ece', 'unknown_rate', 'confusion'}


def crop(class_id: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 6, (40, 36, 3))
    return np.clip(np.array(colour_of(class_id)) + noise, 0, 255).astype(np.uint8)


def write_set(folder: Path, count: int = 24) -> Path:
    """Write crops and a manifest; the fourth crop is labelled wrongly."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        class_id = number % 3
        cv2.imwrite(str(folder / f'{number}.png'), crop(class_id, rng)[..., ::-1])
        rows.append(f'{number}.png,{1 if number == 3 else class_id}')
    (folder / 'm.csv').write_text('file,class_id\n' + '\n'.join(rows) + '\n')
    return folder / 'm.csv'


def test_json_has_the_stated_keys_and_true_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tiny_package(tmp_path / 'model', classes=4, background=True)
    manifest = write_set(tmp_path)
    code = main(
        [
            'evaluate',
            '--model',
            str(package.folder),
            '--manifest',
            str(manifest),
            '--images',
            str(tmp_path),
            '--json',
            '--report',
            str(tmp_path / 'report'),
        ]
    )
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert set(found) == KEYS
    assert found['images'] == 24
    assert found['top1'] == pytest.approx(23 / 24)
    assert found['confusion'][1][0] == 1
    assert len(found['confusion']) == 3  # the background class is none of the known
    assert found['unknown_rate'] == 0.0
    with (tmp_path / 'report/per_class.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['images'] for row in rows] == ['7', '9', '8']
    for name in ('confusion.png', 'errors.png'):
        assert cv2.imread(str(tmp_path / 'report' / name)) is not None


def test_folder_of_classes_goes_by_names_not_by_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tiny_package(tmp_path / 'model', classes=3)
    rng = np.random.default_rng(0)
    for class_id, label in enumerate(package.labels):
        (tmp_path / 'set' / label.name).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / 'set' / label.name / f'{number}.png'
            cv2.imwrite(str(path), crop(class_id, rng)[..., ::-1])
    main(['evaluate', '--model', str(package.folder), '--images', str(tmp_path / 'set'), '--json'])
    assert json.loads(capsys.readouterr().out)['top1'] == 1.0


@pytest.mark.parametrize('mirror', [True, False])
def test_ten_views_are_parts_of_the_image(mirror: bool) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:8, :8] = 255  # a mark in the upper left corner
    views = ten_views(image, InputSpec(56, 56), mirror)
    assert views.shape == (10, 56, 56, 3)
    seen = views.reshape(10, -1).max(1) > 128
    assert seen[0]
    assert not seen[3]  # the lower right view
    if mirror:
        np.testing.assert_array_equal(views[5], views[0][:, ::-1])


def test_ten_views_agree_on_an_even_picture(tmp_path: Path) -> None:
    package = tiny_package(tmp_path / 'model', classes=3)
    rng = np.random.default_rng(0)
    images, truth = [crop(c, rng) for c in (0, 1, 2, 1)], [0, 1, 2, 1]
    with OnnxRuntimeEngine(package, threads=1) as engine:
        one, first = evaluate(package, engine, images, truth)
        ten, second = evaluate(package, engine, images, truth, views=10)
    assert one.top1 == ten.top1 == 1.0
    assert first.probabilities.shape == second.probabilities.shape


@pytest.mark.parametrize(
    ('truth', 'text'), [([], 'no images'), ([3], 'unknown label 3'), ([-1], 'unknown label -1')]
)
def test_nothing_or_unknown_labels_are_refused(
    truth: list[int], text: str, tmp_path: Path
) -> None:
    package = tiny_package(tmp_path / 'model', classes=4, background=True)
    images = [crop(0, np.random.default_rng(0))] * len(truth)
    with OnnxRuntimeEngine(package, threads=1) as engine, pytest.raises(DatasetError, match=text):
        evaluate(package, engine, images, truth)


@pytest.mark.parametrize(
    ('row', 'text'),
    [
        ('missing.png,0', 'missing.png is in none'),
        ('0.png,9', "unknown label '9'"),
        ('0.png,' + '9' * 5000, "unknown label '9999"),
        ('bad.png,0', 'unreadable image'),
    ],
)
def test_bad_input_is_one_clear_line(
    row: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tiny_package(tmp_path / 'model', classes=4)
    write_set(tmp_path, 1)
    (tmp_path / 'bad.png').write_bytes(b'nothing')
    (tmp_path / 'm.csv').write_text(f'file,class_id\n{row}\n')
    code = main(
        [
            'evaluate',
            '--model',
            str(package.folder),
            '--json',
            '--manifest',
            str(tmp_path / 'm.csv'),
            '--images',
            str(tmp_path),
        ]
    )
    output = capsys.readouterr()
    assert code == 1
    assert not output.out
    lines = [line for line in output.err.splitlines() if line.startswith('alexnet_ros')]
    assert len(lines) == 1
    assert text in lines[0]
