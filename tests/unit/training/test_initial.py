import csv
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from alexnet_ros.errors import TrainingError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from alexnet_ros.postprocess import correlated
from alexnet_ros.training.drafts import measured_from
from alexnet_ros.training.export import Logits, calibrated_scores, onnx_files, with_centres
from alexnet_ros.training.layouts import DataSet
from alexnet_ros.training.network import AlexNet
from alexnet_ros.training.run import architecture_for, new_network, sources_for
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank, Record
from tests.unit.training.generated import NAMES, picture

SETTINGS = TrainSettings(fc6_rank=4, fc7_rank=4, input_px=67, normalisation='contrast')


def images(count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([cv2.resize(picture(i % 4, rng), (67, 67)) for i in range(count)])


def package_in(folder: Path, precision: str) -> tuple[ModelPackage, AlexNet]:
    torch.manual_seed(3)
    architecture = architecture_for(SETTINGS, 4)
    network = AlexNet(architecture).eval()
    package = write_package(
        folder,
        files=onnx_files(network, images(), [precision]),
        scores=ScoreSpec(),
        metrics={},
        name='small',
        version='1.0.0',
        input=InputSpec(67, 67),
        labels=Labels(Label(i, name, 'sign') for i, name in enumerate(NAMES)),
        architecture=asdict(architecture),
        origin={},
    )
    return package, network


@pytest.mark.parametrize(('precision', 'most'), [('fp32', 1e-3), ('int8', 0.05)])
def test_training_goes_on_from_a_package(tmp_path: Path, precision: str, most: float) -> None:
    package, network = package_in(tmp_path / 'small', precision)
    start = TrainSettings(**{**vars(SETTINGS), 'initial': str(package.folder)})
    again = new_network(architecture_for(start, 4), start, images()).eval()
    with torch.no_grad():
        wanted, _ = network(torch.from_numpy(images()))
        got, _ = again(torch.from_numpy(images()))
    assert (got - wanted).abs().max() <= most * wanted.abs().max()


def test_other_classes_keep_all_but_the_last_layer(tmp_path: Path) -> None:
    package, network = package_in(tmp_path / 'small', 'fp32')
    start = TrainSettings(**{**vars(SETTINGS), 'initial': str(package.folder)})
    again = new_network(architecture_for(start, 7), start, images())
    torch.testing.assert_close(
        again.classifier[1].first.weight, network.classifier[1].first.weight
    )
    assert again.classifier[6].weight.shape == (7, 4096)


def test_another_rank_is_refused_by_name(tmp_path: Path) -> None:
    package, _ = package_in(tmp_path / 'small', 'fp32')
    start = TrainSettings(**{**vars(SETTINGS), 'initial': str(package.folder), 'fc6_rank': 8})
    with pytest.raises(TrainingError, match='fc6a_weight'):
        new_network(architecture_for(start, 4), start, images())


def test_added_crops_are_drawn_by_their_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with (tmp_path / 'crops.csv').open('w', newline='') as file:
        rows = csv.writer(file)
        rows.writerow(('file', 'class_id', 'weight'))
        for index, (class_id, weight) in enumerate([(4, 3), (0, 1), (1, 0)]):
            cv2.imwrite(str(tmp_path / f'{index}.png'), picture(class_id % 4, rng))
            rows.writerow((f'{index}.png', class_id, weight))
    settings = TrainSettings(added_data=str(tmp_path / 'crops.csv'), added_share=0.4)
    bank = ImageBank([Record(tmp_path / '0.png', 0, 'a')])
    own, added = sources_for(settings, bank, np.zeros(1, np.int64), 4)
    assert (own.share, added.share) == (pytest.approx(0.6), 0.4)
    drawn = [int(added.class_ids[added.draw(rng)]) for _ in range(400)]
    assert drawn.count(1) == 0
    assert drawn.count(4) == pytest.approx(300, abs=40)


def test_negatives_can_come_from_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    records = []
    for index in range(16):
        cv2.imwrite(str(tmp_path / f'{index}.png'), picture(index % 4, rng))
        records.append(Record(tmp_path / f'{index}.png', index % 4, f'{index % 4}/{index // 4}'))
    (tmp_path / 'none.csv').write_text('file,class_id\n0.png,4\n1.png,2\n2.png,4\n')
    facts = {
        'names': [*NAMES, 'background'],
        'background': True,
        'settings': {**vars(SETTINGS), 'hold_out_every': 2},
    }
    labels = [Label(i, name, 'sign') for i, name in enumerate(NAMES)]
    data = DataSet(records, labels, [])
    measured = measured_from(data, facts, negatives_from=tmp_path / 'none.csv')
    assert len(measured.negatives) == 2


def test_the_temperature_counts_what_is_none() -> None:
    labels = Labels(
        Label(i, name, 'background' if i == 4 else 'sign')
        for i, name in enumerate([*NAMES, 'background'])
    )
    known = np.eye(5, dtype=np.float32)[[0, 1, 2, 3] * 10] * 6
    fooled = known[:10]  # none of the classes, and named with the same certainty
    start, truth = ScoreSpec(unknown_class_id=4), np.arange(40) % 4
    sure = calibrated_scores(labels, start, Logits(known, known[:0]), truth)
    doubtful = calibrated_scores(labels, start, Logits(known, fooled), truth)
    assert doubtful.temperature > 2 * sure.temperature


def test_similarity_is_limited_where_it_tells_none_from_known() -> None:
    labels = Labels(
        Label(i, name, 'background' if i == 4 else 'sign')
        for i, name in enumerate([*NAMES, 'background'])
    )
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 4
    usual = 8 * np.eye(5, dtype=np.float32)[:4] - 4 * np.eye(5, dtype=np.float32)[[1, 2, 3, 0]]
    known = usual[truth] + rng.normal(0, 0.3, (400, 5)).astype(np.float32)
    odd = 8 * np.eye(5, dtype=np.float32)[truth]  # as sure, and without the usual runner-up
    start = ScoreSpec(unknown_class_id=4)
    pattern = correlated(np.concatenate([usual, np.zeros((1, 5), np.float32)]))
    told = Logits(known, odd, pattern)
    scores = with_centres(labels, start, told, truth)
    accepted, fooled = told.accepted(labels, scores)
    assert accepted.mean() == pytest.approx(0.995, abs=0.006)
    assert not fooled.any()
    assert scores.centres is not None
    assert not scores.centres[4].any()
    alike = with_centres(labels, start, Logits(known, known[:50], pattern), truth)
    assert alike.centres is None  # what it cannot tell apart it leaves alone
    missing = Logits(known, odd, pattern * (np.arange(5) > 0)[:, None])
    assert with_centres(labels, start, missing, truth).centres is None
