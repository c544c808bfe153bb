"""
Fit the weights of alexnet_ros/signs/weights.py.

Signs of GTSRB's training tracks (those that validation does not use) are pasted
into road and drive frames; every candidate that the finder's sources give is a
sign (overlap 0.5 or more) or not (0.2 or less). One logistic model for each
kind of candidate, with a small penalty on the weights' squares.

    python benchmarks/fit_rating.py ../shared > alexnet_ros/signs/weights.py
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pasted import Image, Track, read_tracks, stills

from alexnet_ros.config import FinderSettings
from alexnet_ros.geometry import pairwise_iou
from alexnet_ros.regions import SignFinder
from alexnet_ros.signs.candidates import KINDS
from alexnet_ros.signs.colours import colour_maps, halvings, shrunk
from alexnet_ros.signs.rating import FEATURES, features

ROUNDS = 30
SHARES = {12: 8.0, 13: 8.0, 14: 4.0, 17: 4.0}  # the only ones of their shape
PENALTY = 0.5


def backgrounds(shared: Path) -> list[tuple[Image, list[tuple[float, ...]]]]:
    """Return frames and the boxes of the signs in them."""
    found = []
    for name, signs in json.loads((shared / 'road/annotations.json').read_text()).items():
        found.append((rgb(cv2.imread(str(shared / 'road' / name))), [s['bbox'] for s in signs]))
    paths = sorted(shared.glob('drive/frames/*.jpg'))
    found.extend((rgb(cv2.imread(str(path))), []) for path in paths)
    video = cv2.VideoCapture(str(shared / 'drive/solidWhiteRight.mp4'))
    number = 0
    while True:
        good, frame = video.read()
        if not good:
            return found
        if number % 20 == 0:
            found.append((rgb(frame), []))
        number += 1


def rgb(image_bgr: Image) -> Image:
    return cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)


def samples(
    tracks: list[Track], frames: list[tuple[Image, list[tuple[float, ...]]]]
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]]:
    """Return features (N, F), kinds (N,), whether each is a sign (N,) and its frame (N,)."""
    finder = SignFinder(FinderSettings())
    rows, kinds, truths, owners = [], [], [], []
    for seed in range(ROUNDS):
        scenes = stills(tracks, frames, seed=1000 + seed, sides=(26, 170), signs=5, shares=SHARES)
        for number, ((image, truth), (_, taken)) in enumerate(zip(scenes, frames, strict=True)):
            count = halvings(image.shape[1::-1], finder.settings.min_size_px)
            maps = colour_maps(shrunk(image, count))
            step = 1 << count
            found = finder._candidates(maps, 24 / step, 480 / step)  # noqa: SLF001
            signs = np.array([t.bbox for t in truth], np.float32).reshape(-1, 4) / step
            real = np.array([t for t in taken if min(t[2:]) > 0], np.float32).reshape(-1, 4) / step
            near = pairwise_iou(found.boxes, signs).max(axis=1, initial=0)
            covered = pairwise_iou(found.boxes, real).max(axis=1, initial=0) > 0.05
            clear = ((near >= 0.5) | (near <= 0.2)) & ~covered
            rows.append(features(maps, found)[clear])
            kinds.append(found.kinds[clear])
            truths.append(near[clear] >= 0.5)
            owners.append(np.full(int(clear.sum()), number))
    return (
        np.concatenate(rows),
        np.concatenate(kinds),
        np.concatenate(truths),
        np.concatenate(owners),
    )


def logistic(inputs: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights by Newton's method."""
    weights = np.zeros(inputs.shape[1])
    penalty = PENALTY * np.eye(len(weights))
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (truth - chance) - penalty @ weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + penalty
        weights += np.linalg.solve(curve, slope)
    return weights


def fitted(
    inputs: NDArray[np.float32], kinds: NDArray[np.intp], truth: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the weights of each kind of candidate."""
    return {
        kind: logistic(inputs[kinds == index].astype(np.float64), truth[kinds == index])
        for index, kind in enumerate(KINDS)
    }


def training_tracks(shared: Path) -> list[Track]:
    """Return the signs that are pasted."""
    return read_tracks(shared / 'gtsrb', held=False, step=6)


def main(shared: Path) -> None:
    inputs, kinds, truth, _ = samples(training_tracks(shared), backgrounds(shared))
    found = fitted(inputs, kinds, truth)
    print('"""')
    print('Weights of the logistic models of sign_rating, one row a kind of candidate.')
    print('\nMade by benchmarks/fit_rating.py; do not edit.\n"""\n')
    print(f'# {", ".join(FEATURES[:6])},\n# {", ".join(FEATURES[6:])}')
    print('WEIGHTS = {')
    for index, kind in enumerate(KINDS):
        rows = kinds == index
        weights = found[kind]
        print(f"    '{kind}': (  # {int(truth[rows].sum())} signs of {int(rows.sum())} candidates")
        for first in range(0, len(weights), 6):
            print('        ' + ', '.join(f'{w:.3f}' for w in weights[first : first + 6]) + ',')
        print('    ),')
        chance = 1 / (1 + np.exp(-inputs[rows] @ weights))
        shares = [
            f'{truth[rows][(chance >= low) & (chance < low + 0.2)].mean():.2f}'
            for low in (0.0, 0.2, 0.4, 0.6, 0.8)
        ]
        print(f'{kind}: share of signs at chances 0.1 to 0.9: {shares}', file=sys.stderr)
    print('}')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
