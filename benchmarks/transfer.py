"""
Transfer learning against a linear probe: accuracy over pictures a class.

``python benchmarks/transfer.py FEATURES GTSRB_CSV VIDEO [--sizes 10,25] [--seeds 1,2]``
trains the recipe of docs/transfer_learning.md on pictures of five road signs
(crops) and of three headings cut from a video (whole frames), and fits logistic
regression to the frozen features of the same pictures. The test pictures are of
other signs, or of the last part of the video. Prints a Markdown table.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.checkpoint import network_from_checkpoint
from alexnet_ros.training.evaluate import whole_images
from alexnet_ros.training.initial import frozen_features, initialise, logistic_regression
from alexnet_ros.training.layouts import DataSet, read_data
from alexnet_ros.training.loop import logits_of
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.run import train
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank, Record
from alexnet_ros.training.weights import load_weights, read_weights

SIGNS = (1, 12, 13, 14, 38)  # speed 30, priority road, yield, stop, keep right
TEST_TRACKS = 5  # of each sign, the last ones; every tenth picture of each counts
PIXELS = 128
ROOT = Path(__file__).resolve().parents[1]
Set = tuple[list[Record], list[Record], list[str]]  # to learn from, to test on, class names


def crops(csv: Path) -> Set:
    """Return pictures of five signs: tracks to learn from, others to test on."""
    data = read_data(csv)
    learn: list[Record] = []
    test: list[Record] = []
    for place, class_id in enumerate(SIGNS):
        mine = [r for r in data.records if r.class_id == class_id]
        tracks = sorted({r.group for r in mine}, key=lambda g: int(g.split('/')[1]))
        unseen = set(tracks[-TEST_TRACKS:])
        own = [replace(record, class_id=place) for record in mine]
        test += [r for r in own if r.group in unseen][::3]
        learn += [r for r in own if r.group not in unseen]
    return learn, test, [data.names[class_id] for class_id in SIGNS]


def frames(video: Path, folder: Path) -> Set:
    """Return headings cut out of a video, the last part of the time to test on."""
    tool = ROOT / 'tools/make_heading_set.py'
    subprocess.run([sys.executable, tool, video, folder], check=True, stdout=subprocess.DEVNULL)
    learn, test = read_data(folder / 'train'), read_data(folder / 'test')
    return learn.records, test.records[::2], learn.names


def accuracy(guess: np.ndarray, truth: np.ndarray) -> float:
    return 100 * float((guess == truth).mean())


def compare(what: Set, size: int, seed: int, features: Path) -> tuple[float, float, float]:
    """Return the accuracy of the recipe and of the probe in per cent, and the minutes it took."""
    learn, test, names = what
    rng = np.random.default_rng(seed)
    kept = []
    for class_id in range(len(names)):
        mine = [r for r in learn if r.class_id == class_id]
        kept += [mine[i] for i in rng.permutation(len(mine))[:size]]
    spec = InputSpec(PIXELS, PIXELS)
    truth = np.array([r.class_id for r in test])
    bank = ImageBank(test)
    plain = AlexNet(Architecture(classes=len(names), fc6_rank=2, fc7_rank=2, input_px=PIXELS))
    initialise(plain)
    load_weights(plain, read_weights(features))
    own = ImageBank(kept)
    x = frozen_features(plain, whole_images(own, range(len(kept)), spec), hidden=False)
    ids = torch.tensor([r.class_id for r in kept])
    probe = logistic_regression(x, ids, len(names))
    unseen = frozen_features(plain, whole_images(bank, range(len(test)), spec), hidden=False)
    by_probe = (unseen @ probe.weight.T + probe.bias).argmax(1).numpy()
    settings = TrainSettings(
        initial=str(features),
        features_factor=0.0,
        augmentation='paper',
        fc6_rank=64,
        fc7_rank=64,
        input_px=PIXELS,
        steps=150,
        batch=16,
        lr=0.002,
        ema_decay=0.95,
        threads=0,
        hold_out_every=0,
        seed=seed,
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        labels = [replace(label, name=names[i]) for i, label in enumerate(_labels(len(names)))]
        train(
            settings,
            DataSet(kept, labels, origin='benchmark'),
            Path(folder),
            report=lambda _: None,
        )
        minutes = (time.perf_counter() - start) / 60
        network, _ = network_from_checkpoint(Path(folder) / 'checkpoint.safetensors')
    by_recipe = logits_of(network, bank, range(len(test)), spec).argmax(1)
    return accuracy(by_recipe, truth), accuracy(by_probe, truth), minutes


def _labels(count: int) -> list:
    from alexnet_ros.labels import Label

    return [Label(index, f'c{index}', '') for index in range(count)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('features', type=Path)
    parser.add_argument('gtsrb', type=Path)
    parser.add_argument('video', type=Path)
    parser.add_argument('--sizes', default='10,25,50,100')
    parser.add_argument('--seeds', default='1,2')
    args = parser.parse_args()
    torch.set_num_threads(1)
    seeds = [int(word) for word in args.seeds.split(',')]
    print('| pictures | a class | minutes | recipe | linear probe |\n|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as scratch:
        sets = {'crops': crops(args.gtsrb), 'whole frames': frames(args.video, Path(scratch))}
        for size in map(int, args.sizes.split(',')):
            for name, what in sets.items():
                rows = [compare(what, size, seed, args.features) for seed in seeds]
                minutes = max(row[2] for row in rows)
                told = [', '.join(f'{row[i]:.1f}' for row in rows) for i in (0, 1)]
                line = f'| {name} | {size} | {minutes:.1f} | {told[0]} | {told[1]} |'
                print(line, flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
