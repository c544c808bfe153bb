"""
Cut a heading set out of a forward video: what a camera turned left or right sees.

``python3 tools/make_heading_set.py VIDEO OUTPUT`` writes OUTPUT/train (the
first 70 % of the time) and OUTPUT/test (the rest), each with the folders left,
straight and right: where the way goes on. A crop from the left part of the
frame shows the road as a robot that points too far left would see it, so for
that robot the way goes on to the right. Files are SSS_FFFF.jpg: the second
(frames of one second are nearly one picture and stay together) and the frame.
"""

import argparse
import sys
from pathlib import Path

import cv2

PLACES = {'left': 1.0, 'straight': 0.5, 'right': 0.0}  # of the crop, share of the room
TRAIN_SHARE = 0.7
CROP_SHARE = 0.5  # of the frame's width


def main() -> int:
    """Write the set; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('video', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    video = cv2.VideoCapture(str(args.video))
    frames, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS) or 25.0
    if frames < 10:
        print(f'{args.video} is not a readable video', file=sys.stderr)
        return 1
    for number in range(frames):
        good, frame = video.read()
        if not good:
            break
        side = round(frame.shape[1] * CROP_SHARE)
        part = 'train' if number < TRAIN_SHARE * frames else 'test'
        for name, place in PLACES.items():
            x = round(place * (frame.shape[1] - side))
            crop = cv2.resize(
                frame[-side:, x : x + side], (256, 256), interpolation=cv2.INTER_AREA
            )
            folder = args.output / part / name
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f'{int(number / rate):03}_{number:04}.jpg'), crop)
    rows = ''.join(f'{index},{name}\n' for index, name in enumerate(PLACES))
    (args.output / 'labels.csv').write_text('class_id,name\n' + rows, encoding='utf-8')
    print(f'{args.output}: {frames} frames, three crops each')
    return 0


if __name__ == '__main__':
    sys.exit(main())
