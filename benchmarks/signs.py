"""
What finding signs costs: candidates, the time of each stage, frames a second.

Times are the least over many calls, since a shared machine is only ever
slowed; ``cpu_ms`` is the processor time of all threads of one call. Frames are
the road frames and the drive beside the checkout in ``../shared``.

    python benchmarks/signs.py [--model signs] [--repeats 30] [--json]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from alexnet_ros.bench.machine import machine
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.signs.finder import SignFinder, decode, fill_canvas, views_of

SIZES = ((960, 540), (1920, 1080))


def least(call: Callable[[], Any], repeats: int) -> tuple[float, float, Any]:
    """Return the least wall and processor time in milliseconds, and the result."""
    wall, cpu, result = [], [], None
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        result = call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - busy)
    return min(wall) * 1e3, min(cpu) * 1e3, result


def frames_of(shared: Path, size_wh: tuple[int, int]) -> list[np.ndarray]:
    """Return road frames and drive frames at one size."""
    paths = [
        *sorted((shared / 'road').glob('*.jpg')),
        *sorted((shared / 'drive/frames').glob('*.jpg')),
    ]
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    return [
        image
        if image.shape[1::-1] == size_wh
        else cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        for image in images
    ]


def hostile_frames(size_wh: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return pictures that would cost much if the work depended on what is shown."""
    width, height = size_wh
    tile = np.full((40, 40, 3), 90, np.uint8)
    cv2.fillPoly(tile, [np.array([[2, 37], [37, 37], [20, 3]])], (220, 20, 20))
    cv2.fillPoly(tile, [np.array([[10, 33], [30, 33], [20, 13]])], (255, 255, 255))
    papered = np.tile(tile, (-(-height // 40), -(-width // 40), 1))[:height, :width]
    return {
        'black': np.zeros((height, width, 3), np.uint8),
        'noise': np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8),
        'triangles': np.ascontiguousarray(papered),
    }


def finder_stages(finder: SignFinder, image: np.ndarray, repeats: int) -> dict[str, float]:
    """Return the least time of each step of the finder, one after the other."""
    spec = finder.package.input
    canvas = np.empty((1, spec.height, spec.width, 3), np.uint8)
    (view, *_) = views_of(image.shape[1::-1], (spec.width, spec.height))
    stages = {}
    stages['canvas'], _, _ = least(lambda: fill_canvas(image, view, canvas[0]), repeats)
    stages['network'], _, outputs = least(lambda: finder.engine.infer(canvas), repeats)
    stages['decode'], _, _ = least(lambda: decode(outputs.logits[0], -1.0), repeats)
    return stages


def recognize_ms(recognizer: Recognizer, image: np.ndarray, repeats: int) -> dict[str, float]:
    """Return the least time of each stage, and of ``all``."""
    best: dict[str, float] = {}
    for _ in range(max(3, repeats // 4)):
        start = time.perf_counter()
        result = recognizer.recognize([Frame(image, time.monotonic_ns())])[0]
        times = {**result.stage_ms, 'all': (time.perf_counter() - start) * 1e3}
        best = {name: min(best.get(name, 1e9), value) for name, value in times.items()}
    return best


def measure(recognizer: Recognizer, shared: Path, size_wh: tuple[int, int], repeats: int) -> dict:
    """Return the figures for one frame size, means over its frames."""
    finder = recognizer.finder
    stages: dict[str, list[float]] = {}
    wall, cpu, candidates, whole = [], [], [], []
    for image in frames_of(shared, size_wh):
        wall_ms, cpu_ms, (regions,) = least(
            lambda image=image: finder.find([image], recognizer.settings.finder), repeats
        )
        wall.append(wall_ms)
        cpu.append(cpu_ms)
        candidates.append(len(regions))
        for name, value in finder_stages(finder, image, repeats).items():
            stages.setdefault(f'finder: {name}', []).append(value)
        best = recognize_ms(recognizer, image, repeats)
        whole.append(best.pop('all'))
        for name, value in best.items():
            stages.setdefault(name, []).append(value)
    worst = {
        name: round(recognize_ms(recognizer, image, repeats)['all'], 2)
        for name, image in hostile_frames(size_wh).items()
    }
    return {
        'size_wh': size_wh,
        'frames': len(wall),
        'find_ms': round(statistics.mean(wall), 2),
        'find_cpu_ms': round(statistics.mean(cpu), 2),
        'find_worst_frame_ms': round(max(wall), 2),
        'candidates': round(statistics.mean(candidates), 1),
        'recognize_ms': round(statistics.mean(whole), 2),
        'recognize_median_ms': round(statistics.median(whole), 2),
        'recognize_hostile_ms': worst,
        'frames_a_second': round(1e3 / statistics.mean(whole), 1),
        'stages_ms': {name: round(statistics.mean(values), 2) for name, values in stages.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--model', default='signs')
    parser.add_argument('--shared', type=Path, default=Path(__file__).parents[2] / 'shared')
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    settings = settings_from_mapping(RecognizerSettings, {'regions': 'signs'})
    cv2.setNumThreads(1)
    facts = machine()
    with Recognizer.open(args.model, backend='cpu', settings=settings) as recognizer:
        for size_wh in SIZES:
            row = measure(recognizer, args.shared, size_wh, args.repeats)
            row['machine'] = facts
            if args.json:
                print(json.dumps(row), flush=True)
                continue
            for key, value in row.items():
                print(f'  {key}: {value}', flush=True)


if __name__ == '__main__':
    main()
