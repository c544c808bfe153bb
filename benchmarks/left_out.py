"""
How well the finder's rating does on frames that it was not fitted with.

The background of the sixteen road frames is among the negatives of
``fit_rating.py``. Here the rating is fitted anew without a frame before that
frame is looked at, and once more with the motorway frames alone, and each is
used on the road frames as they are and with held-out signs pasted in.

    python benchmarks/left_out.py ../shared [--rounds 2]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fit_rating import backgrounds, fitted, samples, training_tracks
from pasted import Box, Image, Truth, read_tracks, stills
from road import Score, road_frames

from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.regions import SignFinder
from alexnet_ros.signs.rating import WEIGHTS

Weights = Mapping[str, Sequence[float]]


def measure(
    recognizer: Recognizer, shared: Path, weights: Sequence[Weights], rounds: int
) -> dict[str, Any]:
    """
    Return the counts on the road frames as they are and with pasted signs.

    :param weights: the rating for each road frame.
    :param rounds: how often signs are pasted into each.
    """
    frames = list(road_frames(shared / 'road'))
    finder = SignFinder(recognizer.settings.finder)
    real, pasted = Score(), Score()

    def look(
        number: int, image: Image, score: Score, truth: list[Truth], ignored: list[Box]
    ) -> None:
        name = frames[number][0]
        with patch.dict(WEIGHTS, weights[number]):
            recognizer.reset()
            boxes = [region.bbox_xywh for region in finder.find(image)]
            score.add(name, truth, ignored, recognizer.recognize([Frame(image, 0)])[0], boxes)

    for number, (_, image, signs, ignored) in enumerate(frames):
        look(number, image, real, signs, ignored)
    tracks = read_tracks(shared / 'gtsrb')
    taken = [[*(sign.bbox for sign in signs), *ignored] for _, _, signs, ignored in frames]
    places = [(image, boxes) for (_, image, _, _), boxes in zip(frames, taken, strict=True)]
    for seed in range(rounds):
        for number, (image, truth) in enumerate(stills(tracks, places, seed=seed, signs=4)):
            look(number, image, pasted, truth, taken[number])
    return {'road': real.report(), 'pasted': pasted.report()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('shared', type=Path)
    parser.add_argument('--model', default='signs')
    parser.add_argument('--rounds', type=int, default=2, help='pasted signs: times each frame')
    args = parser.parse_args()
    inputs, kinds, truth, owners = samples(training_tracks(args.shared), backgrounds(args.shared))
    count = len(list((args.shared / 'road').glob('*.jpg')))  # backgrounds begins with them
    without = [
        fitted(inputs[owners != number], kinds[owners != number], truth[owners != number])
        for number in range(count)
    ]
    drive = owners >= count
    alone = fitted(inputs[drive], kinds[drive], truth[drive])
    cases: dict[str, Sequence[Weights]] = {
        'as shipped': [dict(WEIGHTS)] * count,
        'without the frame': without,
        'motorway alone': [alone] * count,
    }
    settings = settings_from_mapping(RecognizerSettings, {'regions': 'signs'})
    with Recognizer.open(args.model, backend='cpu', settings=settings) as recognizer:
        for name, weights in cases.items():
            report = measure(recognizer, args.shared, weights, args.rounds)
            print(json.dumps({'rating': name, **report}), flush=True)


if __name__ == '__main__':
    main()
