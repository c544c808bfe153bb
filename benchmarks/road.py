"""
How many signs are found and named right, and how many things are named that are none.

Two kinds of material, as data lie beside the checkout in ``../shared``:

- real road frames with annotated signs, each frame on its own: German ones that no
  training saw, and Slovenian ones;
- drives past pasted signs: held-out GTSRB tracks in frames of a real drive,
  coming nearer, with changing light and motion blur, followed by the tracker;
- clips without any sign of the classes: whatever is confirmed is wrong.

    python benchmarks/road.py --model signs [--part german|road|clips|stills|pasted] [--json]

The first three parts take ten seconds. Each report ends in what was missed and
what was wrong, by file.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pasted import Box, Image, Truth, approach, read_tracks, stills

from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.geometry import pairwise_iou
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Detection, Frame, Recognition
from alexnet_ros.training.sources import is_dev

MIN_PX = 32
MIN_IOU = 0.5


def iou(box: Box, others: list[Box]) -> np.ndarray:
    """Return the overlap of one box with others, shape (N,)."""
    many = np.array(others, np.float32).reshape(-1, 4)
    return pairwise_iou(np.array([box], np.float32), many)[0]


def rgb(path: Path) -> Image:
    """Read a picture."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


class Score:
    """Counts over single frames."""

    def __init__(self) -> None:
        self.frames = self.wanted = self.right = self.candidates_right = self.candidates = 0
        self.by_size: dict[str, list[bool]] = {}
        self.misses: list[str] = []
        self.wrong: list[str] = []

    def add(
        self,
        name: str,
        signs: list[Truth],
        ignored: list[Box],
        result: Recognition,
        candidates: list[Box],
    ) -> None:
        """
        Count one frame.

        :param signs: of known classes, class -1 for signs without class.
        :param ignored: boxes in which nothing counts.
        """
        self.frames += 1
        self.candidates += len(candidates)
        named = [
            (found.bbox_xywh, found.classification.best.class_id, found.classification.best.score)
            for found in result.detections
            if found.classification.best
        ]
        for sign in signs:
            if sign.class_id < 0 or sign.bbox[2] < MIN_PX:
                continue
            self.wanted += 1
            seen = bool((iou(sign.bbox, candidates) >= MIN_IOU).any())
            near = [n for n in named if iou(sign.bbox, [n[0]])[0] >= MIN_IOU]
            right = any(n[1] == sign.class_id for n in near)
            self.candidates_right += seen
            self.right += right
            size = '32-47' if sign.bbox[2] < 48 else '48-95' if sign.bbox[2] < 96 else '96+'
            self.by_size.setdefault(size, []).append(right)
            if not right:
                called = ', '.join(f'{n[1]} ({n[2]:.2f})' for n in near) or (
                    'unknown' if seen else 'not found'
                )
                self.misses.append(f'{name}: class {sign.class_id} {sign.bbox} was {called}')
        for box, class_id, score in named:
            same = [sign.bbox for sign in signs if sign.class_id == class_id]
            if (iou(box, same) >= 0.3).any() or (iou(box, ignored) > 0.1).any():
                continue
            over = [sign.class_id for sign in signs if iou(box, [sign.bbox])[0] > 0.3]
            where = tuple(round(v) for v in box)
            self.wrong.append(f'{name}: {class_id} ({score:.2f}) at {where}, truth {over}')

    def report(self) -> dict[str, Any]:
        """Return what was counted."""
        return {
            'frames': self.frames,
            'signs': self.wanted,
            'right': self.right,
            'missed_or_unknown': len(self.misses),
            'wrong_reports': len(self.wrong),
            'found_and_right': round(self.right / max(self.wanted, 1), 4),
            'by_width_px': {k: f'{sum(v)}/{len(v)}' for k, v in sorted(self.by_size.items())},
            'candidate_recall': round(self.candidates_right / max(self.wanted, 1), 4),
            'candidates_a_frame': round(self.candidates / max(self.frames, 1), 2),
            'wrong_a_frame': round(len(self.wrong) / max(self.frames, 1), 4),
            'misses': self.misses,
            'wrong': self.wrong,
        }


def road_frames(folder: Path) -> Iterator[tuple[str, Image, list[Truth], list[Box]]]:
    """Yield name, frame, signs and boxes to ignore."""
    for name, items in json.loads((folder / 'annotations.json').read_text()).items():
        signs, ignored = [], []
        for item in items:
            box = tuple(float(v) for v in item['bbox'])
            if item['ignore']:
                ignored.append(box)
            else:
                signs.append(Truth(-1 if item['gtsrb'] is None else item['gtsrb'], box))
        yield name, rgb(folder / name), signs, ignored


def candidates_of(recognizer: Recognizer, image: Image) -> list[Box]:
    """Return what the finder takes for signs."""
    (regions,) = recognizer.finder.find([image], recognizer.settings.finder)
    return [region.bbox_xywh for region in regions]


def measure_road(recognizer: Recognizer, folder: Path, *, dev: bool = False) -> dict[str, Any]:
    """Return the counts on annotated road frames; ``dev`` takes those that training left out."""
    score = Score()
    for name, image, signs, ignored in road_frames(folder):
        if dev and not is_dev(name):
            continue
        recognizer.reset()
        boxes = candidates_of(recognizer, image)
        score.add(name, signs, ignored, recognizer.recognize([Frame(image, 0)])[0], boxes)
    return score.report()


def measure_stills(recognizer: Recognizer, shared: Path, rounds: int) -> dict[str, Any]:
    """Return the counts on road frames with more signs pasted in, all classes alike."""
    score = Score()
    tracks = read_tracks(shared / 'gtsrb')
    frames = list(road_frames(shared / 'road'))
    for seed in range(rounds):
        places = [
            (image, [*(s.bbox for s in signs), *ignored]) for _, image, signs, ignored in frames
        ]
        scenes = stills(tracks, places, seed=seed, signs=4)
        for (name, _, signs, ignored), (image, pasted) in zip(frames, scenes, strict=True):
            recognizer.reset()
            boxes = candidates_of(recognizer, image)
            result = recognizer.recognize([Frame(image, 0)])[0]
            real = [*(sign.bbox for sign in signs), *ignored]
            score.add(f'{name}/{seed}', pasted, real, result, boxes)
    return score.report()


def video_frames(path: Path) -> list[Image]:
    """Return all frames of a video."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        good, image_bgr = video.read()
        if not good:
            return frames
        frames.append(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB))


def measure_approaches(
    recognizer: Recognizer, shared: Path, drives: int, scale: float
) -> dict[str, Any]:
    """Return the counts on drives past pasted signs."""
    tracks = read_tracks(shared / 'gtsrb')
    frames = video_frames(shared / 'drive/solidWhiteRight.mp4')
    size = tuple(round(side * scale) for side in frames[0].shape[1::-1])
    frames = [cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in frames]
    rng = np.random.default_rng(11)
    signs = confirmed = twice = 0
    sides: list[float] = []
    wrong: list[str] = []
    missed: list[str] = []
    for drive in range(drives):
        chosen = [tracks[i] for i in rng.permutation(len(tracks))[:4]]
        signs += len(chosen)
        recognizer.reset()
        seen: dict[int, int] = {}
        for stamp_ns, image, truth in approach(frames, chosen, seed=drive):
            result = recognizer.recognize([Frame(image, stamp_ns)])[0]
            for found in result.detections:
                best = found.classification.best
                if not found.newly_confirmed or best is None:
                    continue
                over = [t for t in truth if iou(found.bbox_xywh, [t.bbox])[0] > 0.3]
                if any(t.class_id == best.class_id for t in over):
                    sign = next(t for t in over if t.class_id == best.class_id)
                    twice += sign.sign in seen
                    seen[sign.sign] = seen.get(sign.sign, 0) + 1
                    sides.append(sign.bbox[2])
                else:
                    wrong.append(
                        f'drive {drive} at {stamp_ns / 1e9:.2f} s: {best.class_name} '
                        f'({best.score:.2f}), truth {[t.class_id for t in over]}'
                    )
        confirmed += len(seen)
        missed += [
            f'drive {drive}: class {track.class_id}'
            for index, track in enumerate(chosen)
            if index not in seen
        ]
    return {
        'size_wh': size,
        'drives': drives,
        'frames': drives * len(frames),
        'signs': signs,
        'confirmed_right': round(confirmed / max(signs, 1), 4),
        'confirmed_twice': twice,
        'confirmed_wrong': len(wrong),
        'confirmed_wrong_share': round(len(wrong) / max(len(wrong) + confirmed, 1), 4),
        'width_px_when_confirmed': round(float(np.median(sides)), 1) if sides else None,
        'missed': missed,
        'wrong': wrong,
    }


def told(found: Detection) -> str:
    """Return what a detection is called, with its score."""
    best = found.classification.best
    return f'{best.class_name} {best.score:.2f}' if best else 'unknown'


def measure_clips(recognizer: Recognizer, shared: Path) -> dict[str, Any]:
    """Return what is named on clips and pictures that hold no sign of the classes."""
    report: dict[str, Any] = {'frames': 0, 'named': 0, 'confirmed': []}
    for path in sorted((shared / 'drive').glob('*.mp4')):
        recognizer.reset()
        for number, image in enumerate(video_frames(path)):
            report['frames'] += 1
            for found in recognizer.recognize([Frame(image, number * 40_000_000)])[0].detections:
                report['named'] += found.classification.best is not None
                if found.newly_confirmed:
                    report['confirmed'].append(f'{path.name} frame {number}: {told(found)}')
    report['stills'] = {}
    for path in sorted((shared / 'drive/frames').glob('*.jpg')):
        recognizer.reset()
        result = recognizer.recognize([Frame(rgb(path), 0)])[0]
        report['stills'][path.name] = [told(found) for found in result.detections]
    return report


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--model', default='signs')
    parser.add_argument('--shared', type=Path, default=Path(__file__).parents[2] / 'shared')
    parser.add_argument(
        '--part',
        action='append',
        choices=('german', 'road', 'clips', 'stills', 'pasted'),
        help='default: all',
    )
    parser.add_argument('--rounds', type=int, default=3, help='pasted signs: times each frame')
    parser.add_argument('--drives', type=int, default=8, help='drives of 221 frames, 4 signs each')
    parser.add_argument('--scale', type=float, default=1.0, help='of the 960x540 drive')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    wanted: dict[str, Any] = {'regions': 'signs'}
    for item in args.set:
        name, value = item.split('=')
        wanted[name] = json.loads(value)
    settings = settings_from_mapping(RecognizerSettings, wanted)
    with Recognizer.open(args.model, backend='cpu', settings=settings) as recognizer:
        parts = {
            'german': lambda: measure_road(recognizer, args.shared / 'gtsdb', dev=True),
            'road': lambda: measure_road(recognizer, args.shared / 'road'),
            'clips': lambda: measure_clips(recognizer, args.shared),
            'stills': lambda: measure_stills(recognizer, args.shared, args.rounds),
            'pasted': lambda: measure_approaches(recognizer, args.shared, args.drives, args.scale),
        }
        for name in args.part or parts:
            report = {'part': name, 'model': recognizer.package.version, **parts[name]()}
            if args.json:
                print(json.dumps(report), flush=True)
                continue
            for key, value in report.items():
                if isinstance(value, list) and len(value) > 2:
                    print(f'  {key}:', *value, sep='\n    ')
                else:
                    print(f'  {key}: {value}', flush=True)


if __name__ == '__main__':
    main()
