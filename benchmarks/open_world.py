"""
What a model makes of crops: known signs, look-alikes, other countries' signs, road.

    python benchmarks/open_world.py --model signs --crops build/signs/held_out/crops.csv
        [--tt100k ../shared/tt100k] [--json]

``--crops`` is a manifest of ``python -m tools.open_world … --held-out``; 43 is
"none". TT100K measures only: nothing learns from it.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_ros.engine.select import open_engine
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.postprocess import classifications_from_logits
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.records import Region
from alexnet_ros.training.sources import ImageBank, Record, tar_members

LIMITS = (0, 1, 2, 3, 4, 5, 7, 8)
LIMIT_LIKE = ('pl', 'pr', 'pm', 'ph', 'pa', 'pw', 'il')  # TT100K: limits, ends, weights, heights …


class Told:
    """
    What a model says of crops.

    :param margin: of the box; 0 for crops that have their border already.
    """

    def __init__(self, package: ModelPackage, least: float) -> None:
        self.package, self.least = package, least
        self.engine = open_engine(package, 'cpu')

    def __call__(self, images: Any, count: int, margin: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the best known class, -1 for unknown, and its score."""
        ids, best = np.full(count, -1), np.zeros(count)
        for start in range(0, count, 16):
            part = [images[i] for i in range(start, min(start + 16, count))]
            kind = 'sign' if margin else 'frame'
            items = [
                (
                    image,
                    Region((0.0, 0.0, float(image.shape[1]), float(image.shape[0])), 1.0, kind),
                )
                for image in part
            ]
            logits = self.engine.infer(batch_from_regions(items, self.package.input)).logits
            found, _ = classifications_from_logits(
                logits, self.package.labels, self.package.scores, 1, self.least
            )
            for row, one in enumerate(found, start):
                best[row] = one.results[0].score
                if not one.unknown:
                    ids[row] = one.results[0].class_id
        return ids, best


def rates(truth: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    """Return counts and shares for one kind; ``truth`` is -1 for none of the classes."""
    none, row = truth < 0, {'crops': len(truth)}
    if none.any():
        row['accepted'] = round(float((ids[none] >= 0).mean()), 4)
        row['named_a_limit'] = round(float(np.isin(ids[none], LIMITS).mean()), 4)
    if not none.all():
        row['right'] = round(float((ids == truth)[~none].mean()), 4)
        row['wrong'] = round(float(((ids >= 0) & (ids != truth))[~none].mean()), 4)
    return row


def records_of(manifest: Path) -> tuple[list[Record], list[dict[str, str]]]:
    """Return the crops of a manifest whose tars lie beside it, and its rows."""
    with manifest.open(newline='') as file:
        rows = list(csv.DictReader(file))
    members = {
        name: (tar, offset, size)
        for tar in sorted(manifest.parent.glob('*.tar'))
        for name, (offset, size) in tar_members(tar).items()
    }
    short = {Path(name).name: place for name, place in members.items()}
    records = []
    for row in rows:
        tar, offset, size = members.get(row['file']) or short[Path(row['file']).name]
        records.append(Record(tar, 0, '', row['file'], offset, size))
    return records, rows


def measure_crops(told: Told, manifest: Path) -> dict[str, Any]:
    """Return the rates of each kind of made crop."""
    records, rows = records_of(manifest)
    truth = np.array([int(row['class_id']) for row in rows])
    truth[truth == told.package.scores.unknown_class_id] = -1
    ids, _ = told(ImageBank(records), len(rows), margin=False)
    kinds = np.array([row['kind'] for row in rows])
    return {kind: rates(truth[kinds == kind], ids[kinds == kind]) for kind in dict.fromkeys(kinds)}


def measure_tt100k(told: Told, folder: Path) -> dict[str, Any]:
    """Return the rates on TT100K's crops and the categories that pass most."""
    records, rows = records_of(folder / 'manifest.csv')
    truth = np.array([-1 if r['class_id'] == 'none' else int(r['class_id']) for r in rows])
    ids, _ = told(ImageBank(records), len(rows), margin=True)
    category = np.array([row['category'].removeprefix('TT ') for row in rows])
    like = np.array([name.startswith(LIMIT_LIKE) for name in category])
    none = truth < 0
    passed = {
        name: [
            int((ids[here] >= 0).sum()),
            int(here.sum()),
            int(np.bincount(ids[here][ids[here] >= 0]).argmax()),
        ]
        for name in np.unique(category[none])
        if (ids[here := (category == name)] >= 0).any()
    }
    return {
        'none': rates(truth[none], ids[none]),
        'like_a_limit': rates(truth[none & like], ids[none & like]),
        'known': rates(truth[~none], ids[~none]),
        'passed': dict(sorted(passed.items(), key=lambda item: -item[1][0])[:25]),
        'known_by_class': {
            int(c): round(float((ids[truth == c] == c).mean()), 3) for c in np.unique(truth[~none])
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--model', default='signs')
    parser.add_argument('--crops', type=Path)
    parser.add_argument('--tt100k', type=Path)
    parser.add_argument(
        '--least', type=float, default=0.0, help='score below which all is unknown'
    )
    args = parser.parse_args()
    told = Told(ModelPackage.load(args.model), args.least)
    parts = {'crops': (args.crops, measure_crops), 'tt100k': (args.tt100k, measure_tt100k)}
    for name, (place, measure) in parts.items():
        if place:
            print(name)
            for kind, row in measure(told, place).items():
                print(f'  {kind}: {json.dumps(row)}', flush=True)


if __name__ == '__main__':
    main()
