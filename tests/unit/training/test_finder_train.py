import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')

import torch

from alexnet_ros.cli.main import main
from alexnet_ros.config import FinderSettings, RecognizerSettings
from alexnet_ros.errors import DatasetError, TrainingError
from alexnet_ros.model_package.write import write_finder
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.signs.finder import SignFinder
from alexnet_ros.training.checkpoint import load_checkpoint
from alexnet_ros.training.finder_data import FinderData, maker_for, scenes_from
from alexnet_ros.training.finder_export import finder_scales, measure_finder, onnx_from_finder
from alexnet_ros.training.finder_scenes import SceneMaker
from alexnet_ros.training.finder_train import FinderTrainer, finder_from_checkpoint
from alexnet_ros.training.settings import FinderTrainSettings
from alexnet_ros.training.sources import is_dev
from tests.finders import SMALL, disc_data
from tests.models import tiny_package

QUIET = {'side_px': 96, 'largest_px': 60.0, 'pasted': 0.0, 'decoys': 0.5}


@pytest.fixture(name='annotations', scope='module')
def _annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disc_data(tmp_path_factory.mktemp('discs'))


def trainer(annotations: Path, folder: Path, **settings: float) -> FinderTrainer:
    made = FinderTrainSettings(**{'batch': 4, 'ema_decay': 0.9, **QUIET, **settings})
    maker = maker_for(made, FinderData([annotations]), lambda _text: None)
    return FinderTrainer(made, maker, folder, form=SMALL, workers=0, report=lambda _text: None)


def test_a_finder_learns_to_find_discs_on_frames_it_never_saw(
    annotations: Path, tmp_path: Path
) -> None:
    run = trainer(annotations, tmp_path / 'run', steps=220, batch=8, lr=0.01)
    losses = run.train()
    assert losses['box_loss'] < 0.35
    network, facts = finder_from_checkpoint(run.checkpoint)
    assert facts['run']['step'] == 220
    dev = scenes_from(annotations, dev=True)
    assert dev
    assert all(is_dev(name) for name in dev)
    images = [run.maker[number][0] for number in range(8)]
    model = onnx_from_finder(network, 128, 160, scales=finder_scales(network, images))
    package = write_finder(
        tmp_path, model.SerializeToString(), height=128, width=160, min_score=0.3
    )
    settings = FinderSettings(min_size_px=8)
    with SignFinder.open(package, 'cpu', threads=1) as finder:
        found = measure_finder(finder, dev.values(), settings)
    assert found.recall >= 0.8
    assert found.mean_iou >= 0.6
    assert found.candidates <= 4


def test_a_stopped_run_goes_on_to_the_same_weights(annotations: Path, tmp_path: Path) -> None:
    straight = trainer(annotations, tmp_path / 'one', steps=6)
    straight.train()
    first = trainer(annotations, tmp_path / 'two', steps=6)

    def stopping(_progress: float, step: int, _loss: float) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    first.on_step = stopping
    first.train()
    second = trainer(annotations, tmp_path / 'two', steps=6)
    assert second.resume()
    assert second.step == 2
    second.train()
    one, two = (load_checkpoint(made.checkpoint)[0] for made in (straight, second))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], msg=name)


def test_another_architecture_is_not_taken_up(annotations: Path, tmp_path: Path) -> None:
    trainer(annotations, tmp_path / 'run', steps=1).train()
    settings = FinderTrainSettings(**QUIET)
    maker = maker_for(settings, FinderData([annotations]), lambda _text: None)
    other = FinderTrainer(settings, maker, tmp_path / 'run', workers=0)
    with pytest.raises(TrainingError, match='not of this finder'):
        other.resume()


def test_pictures_depend_on_seed_and_number_alone(annotations: Path) -> None:
    scenes = list(scenes_from(annotations, dev=False).values())
    sizes = {'side_px': 96, 'largest_px': 60.0, 'decoys': 1.0}
    makers = [
        SceneMaker(scenes, [], [], FinderTrainSettings(seed=seed, **sizes)) for seed in (1, 1, 2)
    ]
    makers[1][7]
    pictures = [maker[3][0] for maker in makers]
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] != pictures[2]).any()


def objects_csv(folder: Path, outline: str = 'triangle') -> Path:
    """Write a photographed class of two tracks, one of them kept apart, and a drawn one."""
    photo = np.full((40, 40, 3), 90, np.uint8)
    cv2.imwrite(str(folder / 'photo.png'), photo)
    drawing = np.zeros((30, 20, 4), np.uint8)
    drawing[5:25, 4:16] = 255
    cv2.imwrite(str(folder / 'drawing.png'), drawing)
    path = folder / 'objects.csv'
    path.write_text(
        'file,class_id,track,split,outline,ignore,roi_x1,roi_y1,roi_x2,roi_y2\n'
        f'photo.png,0,1,train,{outline},,4,5,36,35\n'
        f'photo.png,0,2,val,{outline},,4,5,36,35\n'
        'drawing.png,1,,train,,1,,,,\n'
    )
    return path


def test_objects_to_paste_come_from_crops_and_drawings(annotations: Path, tmp_path: Path) -> None:
    told: list[str] = []
    data = FinderData([annotations], [objects_csv(tmp_path)])
    maker = maker_for(FinderTrainSettings(**QUIET), data, told.append)
    (photo,), (drawing,) = maker.classes[:2]
    assert (photo.box, photo.outline, photo.counts) == ((4, 5, 36, 35), 'triangle', True)
    assert (drawing.box, drawing.counts) == ((4, 5, 16, 25), False)
    assert drawing.alpha is not None
    assert '2 classes of crops' in told[0]
    with pytest.raises(DatasetError, match=r"expected an outline of .*, got 'star'"):
        maker_for(FinderTrainSettings(), FinderData([], [objects_csv(tmp_path, 'star')]), print)


@pytest.mark.parametrize('text', ['[]', '{"a.png": 3}', '{', '{"a.png": [{"bbox": [1, 2]}]}'])
def test_annotations_of_another_form_are_refused(text: str, tmp_path: Path) -> None:
    path = disc_data(tmp_path, 1)
    (tmp_path / '000.png').rename(tmp_path / 'a.png')
    path.write_text(text)
    with pytest.raises(DatasetError, match=r'annotations|a\.png'):
        scenes_from(path, dev=is_dev('a.png'))


def test_the_commands_train_and_export_a_finder_for_other_objects(
    annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tiny_package(tmp_path / 'mine')
    words = ['train-finder', '--frames', str(annotations), '--output', str(tmp_path / 'run')]
    options = ['--steps', '2', '--batch', '2', '--side-px', '64', '--largest-px', '40']
    assert main([*words, *options, '--cores', '1']) == 0
    checkpoint = tmp_path / 'run/checkpoint.safetensors'
    words = ['export-finder', str(checkpoint), '--frames', str(annotations)]
    assert main([*words, '--package', str(package.folder), '--size', '160x128']) == 0
    assert 'has a finder for frames scaled to 160x128' in capsys.readouterr().out
    settings = RecognizerSettings(
        regions='signs', finder=FinderSettings(min_candidate_score=0.001, min_size_px=8)
    )
    with Recognizer.open(package.folder, backend='cpu', settings=settings) as recognizer:
        assert recognizer.finder.package.folder == package.folder
        recognizer.recognize([Frame(np.zeros((128, 160, 3), np.uint8), 1)])
    assert main([*words, '--package', str(tmp_path / 'none'), '--size', '160x128']) == 1
    with pytest.raises(SystemExit, match='2'):
        main([*words, '--package', str(package.folder), '--size', '160'])
