"""
Sign mode on real street frames, beside a detector that a user would pick instead.

``python benchmarks/street.py [FOLDER…]`` times finding and naming signs on the
frames of folders (default: the road frames in the folder "shared" beside the
checkout), scaled to 1920x1080, and YOLOv8n at 640x640 in the same runtime, in
alternating rounds. The detector gets its input ready-made; sign mode pays for
everything from the decoded frame on. One JSON row a case.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from detectors import exported
from engines import openvino_case, ort_case
from tqdm import tqdm

from alexnet_ros.bench.timing import alternate, ratio
from alexnet_ros.config import RecognizerSettings
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame
from alexnet_ros.synthetic.signs import SIGNS, sign_texture

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / 'shared'
PERIOD_NS = 33_000_000
RUNTIMES = {'cpu': 'ONNX Runtime', 'openvino': 'OpenVINO', 'auto': 'the default'}


def street_frames(
    folders: Sequence[Path], size_wh: tuple[int, int], count: int
) -> list[np.ndarray]:
    """Return RGB frames of one size, evenly taken from the JPEG files of folders."""
    paths = [path for folder in folders for path in sorted(folder.glob('*.jpg'))]
    chosen = paths[:: max(len(paths) // count, 1)][:count]
    frames = []
    for path in chosen:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        frames.append(cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR))
    return frames


def worst_frames(size_wh: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return pictures made to be expensive: many signs, noise, a wallpaper of small triangles."""
    width, height = size_wh
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    wallpaper = np.full((height, width, 3), 255, np.uint8)
    for y in range(0, height, 24):
        for x in range(0, width, 24):
            triangle = np.array([[x + 2, y + 21], [x + 21, y + 21], [x + 11, y + 3]], np.int32)
            cv2.polylines(wallpaper, [triangle], True, (220, 20, 20), 3)
    signs = np.full((height, width, 3), 110, np.uint8)
    for index, class_id in enumerate(SIGNS):
        sign = cv2.resize(sign_texture(class_id), (96, 96), interpolation=cv2.INTER_AREA)
        y, x = (height // 4 * (1 + index // 6), width // 7 * (1 + index % 6))
        place = signs[y : y + 96, x : x + 96]
        place[:] = sign[..., :3] + place * (1 - sign[..., 3:] / 255)
    return {'full of signs': signs, 'noise': noise, 'wallpaper': wallpaper, 'black': 0 * noise}


def sign_case(recognizer: Recognizer, frames: Sequence[np.ndarray]) -> Callable[[], object]:
    """Return a call that recognises the next frame."""
    at = [0]

    def run() -> object:
        at[0] += 1
        frame = Frame(frames[at[0] % len(frames)], at[0] * PERIOD_NS, '')
        return recognizer.recognize([frame])

    return run


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'folders', nargs='*', type=Path, default=[SHARED / 'road', SHARED / 'gtsdb']
    )
    parser.add_argument('--model', default='signs')
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    size_wh = (1920, 1080)
    frames = street_frames(args.folders, size_wh, args.frames)
    if not frames:
        print('no JPEG frames in the folders; name some', file=sys.stderr)
        return 1
    network = exported('yolov8n', ROOT / 'build/bench')
    feed = np.random.default_rng(1).random((1, 3, 640, 640), np.float32)
    settings = RecognizerSettings(regions='signs')
    for backend, runtime in RUNTIMES.items():
        with Recognizer.open(args.model, backend=backend, settings=settings) as recognizer:
            chosen = recognizer.finder.engine.info.backend
            detector = (openvino_case if chosen == 'openvino' else ort_case)(network, feed)
            cases = {'sign mode, street frames': sign_case(recognizer, frames)} | {
                f'sign mode, {name}': sign_case(recognizer, [frame])
                for name, frame in worst_frames(size_wh).items()
                if backend != 'auto'
            }
            cases |= {'YOLOv8n at 640x640': detector}
            with tqdm(total=args.rounds * len(cases), desc=runtime, file=sys.stderr) as bar:
                timings = alternate(cases, rounds=args.rounds, tick=bar.update)
        for name, timing in timings.items():
            row = {'group': 'street 1920x1080', 'name': f'{name}, {runtime}', **timing.row()}
            row['faster'] = round(ratio(timings['YOLOv8n at 640x640'], timing)[0], 2)
            row['baseline'] = f'YOLOv8n at 640x640, {runtime}'
            print(json.dumps(row))
    return 0


if __name__ == '__main__':
    sys.exit(main())
