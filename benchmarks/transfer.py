"""
Transfer learning against a linear probe: accuracy over pictures a class.

``python benchmarks/transfer.py FEATURES GTSRB_CSV ROAD_JSON RESULTS`` trains the
recipe of docs/transfer_learning.md on pictures of five road signs, and fits logistic
regression to the frozen features of the same pictures. ``crops`` are the pictures of
GTSRB; for ``whole frames`` each is set, small, somewhere into a piece of another road
frame (GTSDB, ``annotations.json``) in which none of the five signs stands. The test
pictures are of other physical signs before other frames. What is measured is added to
the CSV file RESULTS and not measured again; a Markdown table of it is printed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch

from alexnet_ros.labels import Label
from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.checkpoint import network_from_checkpoint
from alexnet_ros.training.evaluate import whole_images
from alexnet_ros.training.initial import frozen_features, initialise, logistic_regression
from alexnet_ros.training.layouts import DataSet, read_data
from alexnet_ros.training.loop import logits_of
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.run import train
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank, Record, decode, is_dev, read_rows
from alexnet_ros.training.weights import load_weights, read_weights

SIGNS = (1, 12, 13, 14, 38)  # speed 30, priority road, yield, stop, keep right
TEST_TRACKS = 5  # of each sign, the last ones; every third picture of each counts
PIXELS = 128
LONGER = 150  # steps of the same recipe when it goes on
FRAME_PX, PIECE_PX = 256, 480  # of a whole frame, and what it shows of a road frame
SIGN_FRACTION = (0.3, 0.45)  # of the whole frame's side: 38 to 58 px of the network's input
COLUMNS = ('pictures', 'per_class', 'seed', 'minutes', 'recipe', 'longer', 'probe')
Set = tuple[list[Record], list[Record], list[str]]  # to learn from, to test on, class names
Road = tuple[Path, np.ndarray]  # a frame, and boxes x, y, width, height in it


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


def frames(records: list[Record], roads: list[Road], folder: Path, seed: int) -> list[Record]:
    """Return the same pictures, each set into a piece of a road frame."""
    rng = np.random.default_rng(seed)
    made = []
    for number, record in enumerate(records):
        path = folder / f'{number:05}.png'
        piece = clear_piece(roads, rng)
        set_into(piece, cv2.cvtColor(decode(record), cv2.COLOR_RGB2BGR), rng)
        cv2.imwrite(str(path), piece)
        made.append(Record(path, record.class_id, record.group))
    return made


def road_frames(annotations: Path, *, dev: bool) -> list[Road]:
    """Return frames with the boxes of the five signs in them."""
    return [
        (annotations.parent / name, np.array([e['bbox'] for e in found if e['gtsrb'] in SIGNS]))
        for name, found in json.loads(annotations.read_text()).items()
        if is_dev(name) == dev
    ]


def clear_piece(roads: list[Road], rng: np.random.Generator) -> np.ndarray:
    """Return a square of a road frame without the five signs."""
    while True:
        path, boxes = roads[int(rng.integers(len(roads)))]
        image, boxes = cv2.imread(str(path)), boxes.reshape(-1, 4)
        x, y = (int(rng.integers(side - PIECE_PX + 1)) for side in image.shape[1::-1])
        low, high = boxes[:, :2] - (x, y), boxes[:, :2] + boxes[:, 2:] - (x, y)
        if not ((high > 0) & (low < PIECE_PX)).all(1).any():
            piece = image[y : y + PIECE_PX, x : x + PIECE_PX]
            return cv2.resize(piece, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_AREA)


def set_into(piece: np.ndarray, sign: np.ndarray, rng: np.random.Generator) -> None:
    """Blend a sign's picture into a random place, with a soft edge."""
    side = round(rng.uniform(*SIGN_FRACTION) * FRAME_PX)
    sign = cv2.resize(sign, (side, side), interpolation=cv2.INTER_AREA)
    x, y = rng.integers(FRAME_PX - side, size=2).tolist()
    cover = np.zeros((side, side, 1), np.float32)
    cover[3:-3, 3:-3] = 1
    cover = cv2.GaussianBlur(cover, (0, 0), 1.2)[..., None]
    place = piece[y : y + side, x : x + side]
    place[:] = np.rint(place + (sign.astype(np.float32) - place) * cover)


def accuracy(guess: np.ndarray, truth: np.ndarray) -> float:
    return 100 * float((guess == truth).mean())


def chosen(what: Set, size: int, seed: int) -> list[Record]:
    """Return so many pictures of each class to learn from."""
    rng = np.random.default_rng(seed)
    kept = []
    for class_id in range(len(what[2])):
        mine = [record for record in what[0] if record.class_id == class_id]
        kept += [mine[i] for i in rng.permutation(len(mine))[:size]]
    return kept


def compare(
    kept: list[Record], test: list[Record], names: list[str], seed: int, features: Path
) -> tuple[float, float, float, float]:
    """Return the recipe's processor minutes, its accuracy, that of more steps, the probe's, %."""
    spec = InputSpec(PIXELS, PIXELS)
    truth = np.array([r.class_id for r in test])
    bank = ImageBank(test)
    settings = TrainSettings(
        initial=str(features),
        features_factor=0.0,
        augmentation='paper',
        fc6_rank=64,
        fc7_rank=64,
        input_px=PIXELS,
        steps=1,
        batch=16,
        lr=0.002,
        ema_decay=0.95,
        threads=0,
        hold_out_every=0,
        seed=seed,
    )
    by_recipe, minutes = [], []
    for steps in (settings.steps, LONGER):
        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            labels = [Label(index, name, '') for index, name in enumerate(names)]
            data = DataSet(kept, labels)
            train(replace(settings, steps=steps), data, Path(folder), report=lambda _: None)
            minutes.append((time.process_time() - start) / 60)
            network, _ = network_from_checkpoint(Path(folder) / 'checkpoint.safetensors')
        by_recipe.append(logits_of(network, bank, range(len(test)), spec).argmax(1))
    by_probe = probe(features, ImageBank(kept), [r.class_id for r in kept], bank, len(names))
    shares = [accuracy(guess, truth) for guess in (*by_recipe, by_probe)]
    return (minutes[0], *shares)


def probe(
    features: Path, learn: ImageBank, class_ids: list[int], test: ImageBank, classes: int
) -> np.ndarray:
    """Return what logistic regression on the frozen features says of the test pictures."""
    spec = InputSpec(PIXELS, PIXELS)
    plain = AlexNet(Architecture(classes=classes, fc6_rank=2, fc7_rank=2, input_px=PIXELS))
    initialise(plain)
    load_weights(plain, read_weights(features))
    known, unseen = (
        frozen_features(plain, whole_images(bank, range(len(bank)), spec), hidden=False)
        for bank in (learn, test)
    )
    weight, bias = logistic_regression(known, torch.tensor(class_ids), classes)
    return (unseen @ weight.T + bias).argmax(1).numpy()


def table(rows: list[dict[str, str]]) -> str:
    """Return the Markdown table of a results file."""
    cells = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row['seed'])):
        cells[row['pictures'], int(row['per_class'])].append(row)
    lines = [
        f'| pictures | a class | minutes | recipe | {LONGER} steps | linear probe |',
        '|---' * 6 + '|',
    ]
    for (name, size), mine in sorted(cells.items()):
        minutes = max(float(row['minutes']) for row in mine)
        told = [', '.join(f'{float(r[c]):.1f} %' for r in mine) for c in COLUMNS[4:]]
        lines.append(f'| {name} | {size} | {minutes:.1f} | {" | ".join(told)} |')
    return '\n'.join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('features', type=Path)
    parser.add_argument('gtsrb', type=Path)
    parser.add_argument('road', type=Path)
    parser.add_argument('results', type=Path)
    parser.add_argument('--sizes', default='10,25,50,100')
    parser.add_argument('--seeds', default='1,2')
    parser.add_argument('--pictures', default='crops,whole frames')
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.results.exists():
        args.results.write_text(','.join(COLUMNS) + '\n')
    what = crops(args.gtsrb)
    _, test, names = what
    for seed, size, name in product(
        map(int, args.seeds.split(',')), map(int, args.sizes.split(',')), args.pictures.split(',')
    ):
        key = f'{name},{size},{seed},'
        if key in args.results.read_text():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            sets = [chosen(what, size, seed), test]
            if name == 'whole frames':
                for place, dev in enumerate((False, True)):
                    folder = Path(scratch, str(dev))
                    folder.mkdir()
                    roads = road_frames(args.road, dev=dev)
                    sets[place] = frames(sets[place], roads, folder, 0 if dev else seed)
            found = compare(*sets, names, seed, args.features)
        with args.results.open('a') as file:
            file.write(key + ','.join(f'{value:.2f}' for value in found) + '\n')
    print(table(read_rows(args.results, COLUMNS)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
