"""
Replay: memory over the length of a bag, and speed against the recognizer alone.

Memory is the peak of a process of its own for each length. For the speed the
same frames go through the recognizer from memory and through a replay with
reading, results and pictures, by turns. On a busy machine the best of the
rounds is the figure to take: nothing else makes a round quicker than it is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bags.frames import decoded
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.bench.machine import machine
from alexnet_ros.config import RecognizerSettings
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.replay.replay import replay_bag
from alexnet_ros.synthetic.drive import START_NS, drive_frames, write_drive_bag

PERIOD_NS = 33_333_333


def long_bag(folder: Path, frames: int, pictures: list[NDArray[np.uint8]]) -> None:
    """Write a bag of small JPEG frames: the same drive again and again."""
    encoded = [jpeg_from_rgb(picture, 80) for picture in pictures]
    with BagWriter(folder) as bag:
        for index, data in enumerate(islice(cycle(encoded), frames)):
            bag.write_jpeg('/camera/image/compressed', START_NS + index * PERIOD_NS, data)


def opened(model: str, regions: str) -> Recognizer:
    return Recognizer.open(model, settings=RecognizerSettings(regions=regions))


def peak_mb(bag: Path, output: Path, model: str, regions: str) -> dict[str, float]:
    """Replay a bag in a process of its own; return its peak and settled memory."""
    words = [sys.executable, __file__, '--model', model, '--regions', regions]
    words += ['--child', str(bag), str(output)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(bag: str, output: str, model: str, regions: str) -> None:
    with opened(model, regions) as recognizer:
        run = replay_bag(bag, output, recognizer)
    status = Path('/proc/self/status').read_text()
    peak = next(line for line in status.splitlines() if line.startswith('VmHWM'))
    print(
        json.dumps(
            {
                'peak_mb': int(peak.split()[1]) / 1024,
                'frames': run.processed,
                'signs': len(run.timeline.entries),
            }
        )
    )


def memory(
    folder: Path, model: str, regions: str, lengths: tuple[int, ...]
) -> list[dict[str, float]]:
    pictures = [f.image_rgb for f in drive_frames(size_wh=(320, 240), rate_hz=10.0)]
    rows = []
    for frames in lengths:
        long_bag(folder / f'bag{frames}', frames, pictures)
        rows.append(peak_mb(folder / f'bag{frames}', folder / f'out{frames}', model, regions))
        print(rows[-1], file=sys.stderr)
    return rows


def speed(
    folder: Path, model: str, regions: str, seconds: float, rounds: int
) -> dict[str, object]:
    """Compare frames a second, the two by turns; the median of the ratios counts."""
    write_drive_bag(folder / 'drive', duration_s=seconds)
    with BagReader(folder / 'drive') as bag:
        frames = [decoded(image, '').frame for image in bag.images()]
    alone, replayed = [], []
    with opened(model, regions) as recognizer:
        for number in range(rounds + 1):  # the first round warms up
            recognizer.reset()
            start = time.perf_counter()
            for frame in frames:
                if isinstance(frame, Frame):
                    recognizer.recognize([frame])
            middle = time.perf_counter()
            replay_bag(folder / 'drive', folder / 'out', recognizer)
            if number:
                alone.append(len(frames) / (middle - start))
                replayed.append(len(frames) / (time.perf_counter() - middle))
            print(f'round {number} of {rounds}', file=sys.stderr)
    ratios = np.divide(replayed, alone)
    return {
        'frames': len(frames),
        'recognizer_alone_fps': round(float(np.median(alone)), 1),
        'replay_fps': round(float(np.median(replayed)), 1),
        'best_fps': {'recognizer_alone': round(max(alone), 1), 'replay': round(max(replayed), 1)},
        'ratio_of_best': round(max(replayed) / max(alone), 3),
        'ratio_median': round(float(np.median(ratios)), 3),
        'ratio_range': [round(float(v), 3) for v in (ratios.min(), ratios.max())],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='signs')
    parser.add_argument('--regions', choices=('signs', 'frame'), default='signs')
    parser.add_argument('--lengths', type=int, nargs='+', default=[1000, 10_000])
    parser.add_argument('--seconds', type=float, default=6.0, help='of the drive, for the speed')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(*args.child, args.model, args.regions)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            'machine': machine(),
            'speed': speed(folder, args.model, args.regions, args.seconds, args.rounds),
            'memory': memory(folder, args.model, args.regions, tuple(args.lengths)),
        }
    peaks = [row['peak_mb'] for row in found['memory']]
    found['memory_growth'] = round(peaks[-1] / peaks[0] - 1, 4)
    print(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
