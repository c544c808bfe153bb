"""What people do with their own classes: folders renamed, groups, parts, odd files, resuming."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from alexnet_ros.cli.main import main
from alexnet_ros.errors import DatasetError
from alexnet_ros.labels import Label
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.checkpoint import load_checkpoint, network_from_checkpoint
from alexnet_ros.training.initial import frozen_features, logistic_regression, start_from_probe
from alexnet_ros.training.layouts import class_of, labels_from, read_data
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.sources import decode
from alexnet_ros.training.weights import write_features
from tests.models import colour_of, tiny_package
from tests.unit.training.generated import picture

SMALL = ['--input-px', '67', '--fc6-rank', '8', '--fc7-rank', '8', '--batch', '4']
SMALL += ['--threads', '0', '--augmentation', 'none', '--no-bf16', '--no-batch-norm']


def two_classes(
    folder: Path, names: tuple[str, str] = ('blocked', 'free'), count: int = 8
) -> Path:
    rng = np.random.default_rng(0)
    for class_id, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            path = folder / name / f'{number // 2:02}_{number % 2}.png'
            cv2.imwrite(str(path), picture(class_id + 1, rng)[..., ::-1])
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def trained(tmp_path: Path, *words: object) -> Path:
    data = two_classes(tmp_path / 'data')
    assert (
        run('train', '--data', data, *SMALL, '--steps', 2, *words, '--output', tmp_path / 'r') == 0
    )
    return tmp_path / 'r/checkpoint.safetensors'


def test_a_renamed_class_never_swaps_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = trained(tmp_path)
    before = checkpoint.read_bytes()
    command = ['train', '--data', tmp_path / 'data', *SMALL, '--output', tmp_path / 'r']
    assert run(*command, '--steps', 2) == 0
    assert 'is finished at step 2; --more-steps' in capsys.readouterr().err
    (tmp_path / 'data/free').rename(tmp_path / 'data/a_free')
    for more in ([], ['--more-steps', 2], ['--steps', 9]):
        assert run(*command, '--steps', 2, *more) == 1
        assert 'trained on the classes blocked, free in this order' in capsys.readouterr().err
    assert checkpoint.read_bytes() == before
    assert run('export', checkpoint, '--data', tmp_path / 'data', '--output', tmp_path / 'm') == 1
    assert 'unknown label' in capsys.readouterr().err
    (tmp_path / 'data/a_free').rename(tmp_path / 'data/free')
    assert run(*command, '--steps', 2, '--more-steps', 3) == 0
    assert load_checkpoint(checkpoint)[1]['run']['step'] == 5


def test_export_knows_names_groups_and_split_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'order.csv').write_text('class_id,name,role\n0,free,way\n1,blocked,stop\n')
    pattern = r'([0-9]+)_[0-9]\.png'
    checkpoint = trained(
        tmp_path, '--labels', tmp_path / 'order.csv', '--group', pattern, '--hold-out-every', 2
    )
    moved = (tmp_path / 'data').rename(tmp_path / 'elsewhere')
    command = ['export', checkpoint, '--data', moved, '--output', tmp_path / 'm']
    assert run(*command) == 0
    package = ModelPackage.load(tmp_path / 'm')
    assert [(label.name, label.role) for label in package.labels] == [
        ('free', 'way'),
        ('blocked', 'stop'),
    ]
    assert '8 images of 4 groups that the run held out' in package.metrics['split']
    assert package.metrics['int8']['images'] == 8
    capsys.readouterr()
    assert run(*command, '--group', 'other') == 1
    assert 'was trained with --group' in capsys.readouterr().err
    (tmp_path / 'swapped.txt').write_text('blocked\nfree\n')
    assert run(*command, '--labels', tmp_path / 'swapped.txt') == 1
    assert 'leave --labels out' in capsys.readouterr().err
    two_classes(tmp_path / 'strange', count=2)
    for path in (tmp_path / 'strange').rglob('*.png'):
        path.rename(path.with_name(f'9{path.name}'))
    assert (
        run('export', checkpoint, '--data', tmp_path / 'strange', '--output', tmp_path / 'n') == 1
    )
    assert 'none of the images that the run learnt from' in capsys.readouterr().err


def test_nothing_held_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = trained(tmp_path, '--group', '([a-z]+)/')
    assert 'nothing is held out' in capsys.readouterr().err
    assert run('export', checkpoint, '--data', tmp_path / 'data', '--output', tmp_path / 'm') == 0
    package = ModelPackage.load(tmp_path / 'm')
    assert package.metrics['split'].startswith('nothing was held out')
    assert package.scores.temperature == 1.0


def test_learning_rate_too_high_can_be_lowered_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = two_classes(tmp_path / 'data')
    command = ['train', '--data', data, *SMALL, '--steps', 30, '--clip-norm', 0]
    command += ['--save-interval', 1, '--output', tmp_path / 'r']
    assert run(*command, '--lr', 10) == 1
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith('alexnet_ros')]
    assert len(lines) == 1
    assert 'with a lower --lr' in lines[0]
    if (tmp_path / 'r/checkpoint.safetensors').exists():
        tensors, _ = load_checkpoint(tmp_path / 'r/checkpoint.safetensors')
        assert max(float(t.float().abs().max()) for t in tensors.values()) < 1e4
    assert run(*command, '--lr', 1e-6) == 0


def test_out_of_memory_names_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError('[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: no memory')

    monkeypatch.setattr('alexnet_ros.training.loop.Trainer._learn', full)
    data = two_classes(tmp_path / 'data')
    assert run('train', '--data', data, *SMALL, '--steps', 2, '--output', tmp_path / 'r') == 1
    assert 'out of memory with --batch 4' in capsys.readouterr().err


def test_a_run_is_validated_twenty_times_unasked(tmp_path: Path) -> None:
    trained(tmp_path, '--steps', 40)
    rows = (tmp_path / 'r/metrics.csv').read_text().splitlines()[1:]
    assert len(rows) == 20
    assert (tmp_path / 'r/metrics.png').is_file()


@pytest.mark.parametrize('features_factor', [0, 0.1])
def test_a_fine_tuned_file_starts_a_run_and_its_features_stay_what_they_were(
    features_factor: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    start = AlexNet(Architecture(classes=2, fc6_rank=2, fc7_rank=2))
    content = {'arch': 'alexnet', 'state_dict': start.state_dict()}
    torch.save(content, tmp_path / 'best.pth.tar')
    words = ['--initial', tmp_path / 'best.pth.tar', '--features-factor', features_factor]
    checkpoint = trained(tmp_path, *words, '--batch-norm', '--lr', 1e-7)
    assert 'conv1, conv2, conv3, conv4, conv5' in capsys.readouterr().err
    network, facts = network_from_checkpoint(checkpoint)
    assert facts['architecture']['batch_norm'] is (features_factor > 0)
    data = read_data(tmp_path / 'data')
    images = np.stack([cv2.resize(decode(record), (67, 67)) for record in data.records])
    wanted = frozen_features(start, images, hidden=False)
    found = frozen_features(network, images, hidden=False)
    # measured statistics, no fresh ones: half the pictures were not among those measured
    assert float((found - wanted).norm() / wanted.norm()) < 0.1


def test_early_stopping_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ['--patience', 2, '--val-interval', 1, '--lr', 1e-7, '--steps', 50]
    trained(tmp_path, *words)
    assert 'stopped early' in capsys.readouterr().err
    assert len((tmp_path / 'r/metrics.csv').read_text().splitlines()) < 10
    assert (
        run('train', '--data', tmp_path / 'data', *SMALL, *words, '--output', tmp_path / 'r') == 0
    )
    assert 'is finished' in capsys.readouterr().err


def test_old_option_names_still_work(tmp_path: Path) -> None:
    words = ['--rate', 0.001, '--average-decay', 0.9, '--check-every', 1, '--smoothing', 0.1]
    checkpoint = trained(tmp_path, *words)
    settings = load_checkpoint(checkpoint)[1]['settings']
    assert (settings['lr'], settings['ema_decay'], settings['val_interval']) == (0.001, 0.9, 1)


def test_preview_shows_what_training_sees(tmp_path: Path) -> None:
    data = two_classes(tmp_path / 'data')
    page = tmp_path / 'p.png'
    assert run('train', '--data', data, '--augmentation', 'photo', '--preview', page) == 0
    assert cv2.imread(str(page)).shape == (2 * (112 + 16), 8 * 112, 3)  # a row a class
    assert run('train', '--data', data, '--preview', tmp_path / 'p.odd') == 1


# --- layouts -------------------------------------------------------------------------------


@pytest.mark.parametrize('names', [('train', 'val', 'test'), ('Training', 'valid', 'testing')])
def test_parts_of_a_data_set_are_recognised(
    names: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, count in zip(names, (8, 4, 6), strict=True):
        two_classes(tmp_path / 'set' / part, count=count)
    (tmp_path / 'set/labels.txt').write_text('free\nblocked\n')
    data = read_data(tmp_path / 'set')
    assert data.names == ['free', 'blocked']
    parts = [record.part for record in data.records]
    assert (parts.count('train'), parts.count('val'), parts.count('test')) == (16, 8, 12)
    words = ['--steps', 1, '--output', tmp_path / 'r']
    assert run('train', '--data', tmp_path / 'set', *SMALL, *words) == 0
    assert 'free 8+4, blocked 8+4' in capsys.readouterr().err
    export = ['export', tmp_path / 'r/checkpoint.safetensors', '--data', tmp_path / 'set']
    assert run(*export, '--output', tmp_path / 'm') == 0
    assert ModelPackage.load(tmp_path / 'm').metrics['int8']['images'] == 8
    capsys.readouterr()
    assert run('evaluate', '--model', tmp_path / 'm', '--images', tmp_path / 'set', '--json') == 0
    assert json.loads(capsys.readouterr().out)['images'] == 12


def test_hidden_places_and_other_files_are_left_out_and_said(tmp_path: Path) -> None:
    folder = two_classes(tmp_path / 'set')
    for place in ('.ipynb_checkpoints', 'free/.ipynb_checkpoints', '__MACOSX', 'free/.thumbs'):
        (folder / place).mkdir()
        shutil.copy(folder / 'free/00_0.png', folder / place / 'copy.png')
    (folder / 'free/photo.heic').write_bytes(b'x')
    (folder / 'free/notes.txt').write_text('x')
    data = read_data(folder)
    assert data.names == ['blocked', 'free']
    assert len(data.records) == 16
    text = ' '.join(data.notes)
    assert 'ignored 4 files in hidden places' in text
    assert '1 .heic' in text


@pytest.mark.parametrize('suffix', ['.tif', '.gif', '.jfif', '.pgm', '.JPEG', '.webp', '.bmp'])
def test_every_common_kind_of_picture_is_read(suffix: str, tmp_path: Path) -> None:
    folder = two_classes(tmp_path / 'set', count=2)
    kinds = {'.jfif': 'JPEG', '.JPEG': 'JPEG', '.pgm': 'PPM', '.tif': 'TIFF'}
    with Image.open(folder / 'free/00_0.png') as image:
        grey = image.convert('L') if suffix == '.pgm' else image
        grey.save(folder / f'free/more{suffix}', kinds.get(suffix, suffix[1:].upper()))
    data = read_data(folder)
    (more,) = (record for record in data.records if 'more' in record.name)
    assert decode(more).shape == (48, 48, 3)


def test_one_folder_round_all_others_is_looked_through(tmp_path: Path) -> None:
    two_classes(tmp_path / 'download/dataset')
    assert read_data(tmp_path / 'download').names == ['blocked', 'free']


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ('file,class_id\na.png,0\nb.png\n', 'line 3: the row is too short'),
        ('file,class_id,track\na.png\n', 'line 2: the row is too short'),
    ],
)
def test_short_rows_are_named(content: str, text: str, tmp_path: Path) -> None:
    (tmp_path / 'm.csv').write_text(content)
    with pytest.raises(DatasetError, match=text):
        read_data(tmp_path / 'm.csv')


def test_short_label_rows_are_named(tmp_path: Path) -> None:
    (tmp_path / 'l.csv').write_text('class_id,name\n0,a\n1\n')
    with pytest.raises(DatasetError, match='line 3: the row is too short'):
        labels_from(tmp_path / 'l.csv')


@pytest.mark.parametrize(
    ('name', 'found'),
    [('Stop', 0), ('stop', 0), ('13', 13 - 11), ('give-way', 1), ('GIVE WAY', 1), ('other', None)],
)
def test_folders_are_found_by_name_or_id(name: str, found: int | None) -> None:
    labels = [Label(0, 'Stop', ''), Label(1, 'give_way', ''), Label(2, 'x', '')]
    assert class_of('2' if name == '13' else name, labels) == found


@pytest.mark.parametrize(
    ('folders', 'top1'),
    [({'red': 0}, 1.0), ({'RED': 0, 'blue': 2}, 1.0), ({'2': 2, '0': 0}, 1.0), ({'odd': 0}, None)],
)
def test_evaluate_goes_by_names_and_refuses_strangers(
    folders: dict[str, int], top1: float | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tiny_package(tmp_path / 'model', classes=3)
    names = {'red': package.labels.names[0], 'RED': package.labels.names[0].upper()}
    names['blue'] = package.labels.names[2]
    for folder, class_id in folders.items():
        place = tmp_path / 'set' / names.get(folder, folder)
        place.mkdir(parents=True)
        image = np.full((40, 40, 3), colour_of(class_id), np.uint8)
        cv2.imwrite(str(place / '0.png'), image[..., ::-1])
    code = run('evaluate', '--model', package.folder, '--images', tmp_path / 'set', '--json')
    output = capsys.readouterr()
    assert code == (1 if top1 is None else 0)
    if top1 is None:
        assert 'unknown label' in output.err
    else:
        assert json.loads(output.out)['top1'] == top1


# --- starting as a linear probe --------------------------------------------------------------


@pytest.mark.parametrize('ranks', [(16, 16), (0, 16)])
def test_network_starts_as_the_linear_probe(ranks: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = AlexNet(
        Architecture(classes=4, fc6_rank=ranks[0], fc7_rank=ranks[1], input_px=67)
    ).eval()
    rng = np.random.default_rng(0)
    ids = np.arange(40) % 4
    images = np.stack([cv2.resize(picture(int(c), rng), (67, 67)) for c in ids])
    assert start_from_probe(network, images, ids)
    x = frozen_features(network, images, hidden=False)
    weight, bias = logistic_regression(x, torch.from_numpy(ids), 4)
    with torch.no_grad():
        logits = network(torch.from_numpy(images))[0]
    wanted = x @ weight.T + bias
    torch.testing.assert_close(logits, wanted, atol=1e-3, rtol=1e-3)
    assert (logits.argmax(1).numpy() == ids).mean() == 1.0


def test_thin_layers_keep_their_random_start() -> None:
    network = AlexNet(Architecture(classes=4, fc6_rank=3, fc7_rank=16, input_px=67))
    images: Any = np.zeros((4, 67, 67, 3), np.uint8)
    assert not start_from_probe(network, images, np.arange(4))


def test_frozen_features_have_no_batch_norm_and_begin_as_a_probe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    torch.save(
        AlexNet(Architecture(classes=2, fc6_rank=2, fc7_rank=2)).state_dict(), tmp_path / 'x.pth'
    )
    write_features(tmp_path / 'x.pth', tmp_path / 'f.npz')
    words = ['--initial', tmp_path / 'f.npz', '--features-factor', 0, '--batch-norm']
    checkpoint = trained(tmp_path, *words)
    assert 'start as a linear probe' in capsys.readouterr().err
    tensors, facts = load_checkpoint(checkpoint)
    assert not facts['architecture']['batch_norm']
    with np.load(tmp_path / 'f.npz') as start:
        np.testing.assert_array_equal(
            tensors['ema.features.0.weight'].numpy(), start['features.0.weight']
        )
