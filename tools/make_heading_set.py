"""
Cut a heading set out of a forward drive: what a camera turned left or right sees.

``make_heading_set.py VIDEO OUTPUT`` cuts a video: OUTPUT/train is the first
70 % of the time, OUTPUT/test the rest. ``make_heading_set.py rendered OUTPUT``
needs no video: it renders drives past other signs and trees for train, val and
test. Each part has the folders left, straight and right: where the way goes
on. A crop from the left part of the frame shows the road as a robot that
points too far left would see it, so for that robot the way goes on to the
right. Files are SSS_FFFF.jpg: the second (frames of one second are nearly one
picture and stay together) and the frame.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PLACES = {'left': 1.0, 'straight': 0.5, 'right': 0.0}  # of the crop, fraction of the room
TRAIN_FRACTION = 0.7
CROP_FRACTION = 0.5  # of the frame's width
RENDERED = {'train': (21, 22, 23, 24), 'val': (31,), 'test': (41, 42)}  # seeds of drives
DRIVE_S, DRIVE_HZ = 9.0, 5.0

Frames = Iterator[tuple[str, int, int, NDArray[np.uint8]]]


def video_frames(path: str) -> Frames:
    """Yield part, second, number and BGR pixels of each frame."""
    video = cv2.VideoCapture(path)
    count, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS) or 25.0
    for number in range(count if count >= 10 else 0):
        good, frame = video.read()
        if not good:
            return
        part = 'train' if number < TRAIN_FRACTION * count else 'test'
        yield part, int(number / rate), number, np.asarray(frame, np.uint8)


def rendered_frames() -> Frames:
    """Yield the same of rendered drives, each with its own world and light."""
    from alexnet_ros.synthetic.drive import drive_frames

    for part, seeds in RENDERED.items():
        for seed in seeds:
            light = np.random.default_rng(seed).uniform(0.6, 1.2)
            drive = drive_frames(
                size_wh=(640, 360), rate_hz=DRIVE_HZ, duration_s=DRIVE_S, seed=seed
            )
            for number, frame in enumerate(drive):
                pixels = np.clip(frame.image_rgb[..., ::-1] * light, 0, 255).astype(np.uint8)
                yield part, 100 * seed + int(number / DRIVE_HZ), number, pixels


def main() -> int:
    """Write the set; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('video', help='a video file, or the word rendered')
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    frames = rendered_frames() if args.video == 'rendered' else video_frames(args.video)
    done = 0
    for part, second, number, frame in frames:
        side = min(round(frame.shape[1] * CROP_FRACTION), frame.shape[0])
        for name, place in PLACES.items():
            x = round(place * (frame.shape[1] - side))
            crop = cv2.resize(
                frame[-side:, x : x + side], (256, 256), interpolation=cv2.INTER_AREA
            )
            folder = args.output / part / name
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f'{second:03}_{number:04}.jpg'), crop)
        done += 1
    if not done:
        print(f'{args.video} is not a readable video', file=sys.stderr)
        return 1
    rows = ''.join(f'{index},{name},heading\n' for index, name in enumerate(PLACES))
    (args.output / 'labels.csv').write_text('class_id,name,role\n' + rows, encoding='utf-8')
    print(f'{args.output}: {done} frames, three crops each')
    return 0


if __name__ == '__main__':
    sys.exit(main())
