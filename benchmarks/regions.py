"""
A frame with 1 to 32 given regions: the cost of each candidate.

``python benchmarks/regions.py [--model M] [--rounds N]`` prints a JSON row for each number.
"""

import argparse
import json
from functools import partial

import numpy as np

from alexnet_ros.bench.recognition import Clock, Row, rows_from
from alexnet_ros.bench.timing import alternate
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Region

SIZE_WH = (640, 480)


def region_rows(package: ModelPackage, *, rounds: int) -> list[Row]:
    """Time a frame of noise with boxes in random places."""
    settings = settings_from_mapping(RecognizerSettings, {'regions': 'detections'})
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    with Recognizer.open(package, settings=settings) as recognizer:
        clock = Clock()

        def case(count: int) -> object:
            return recognizer.recognize(clock.frames([image]), [boxes[:count]])

        places = rng.integers(0, np.array(SIZE_WH) - 64, (32, 2)).tolist()
        boxes = [Region((float(x), float(y), 64.0, 64.0), 1.0, 'detection') for x, y in places]
        counts = (1, 2, 4, 8, 16, 32)
        timings = alternate({f'{n} regions': partial(case, n) for n in counts}, rounds=rounds)
    return rows_from('regions', timings, '1 regions')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='signs')
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    for row in region_rows(ModelPackage.load(args.model), rounds=args.rounds):
        print(json.dumps(row))


if __name__ == '__main__':
    main()
