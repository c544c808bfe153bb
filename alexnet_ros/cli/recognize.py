"""``alexnet_ros recognize``: find and classify signs in images and videos."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.cli.options import (
    SOURCES,
    add_model_options,
    add_number,
    add_regions_option,
    add_threshold_option,
    open_recognizer,
    whole,
)
from alexnet_ros.cli.output import knows, print_error, print_json, shown_path
from alexnet_ros.cli.progress import Progress
from alexnet_ros.config import FinderSettings, RecognizerSettings, settings_from_mapping
from alexnet_ros.errors import AlexnetRosError, ImageFormatError
from alexnet_ros.files import make_folder
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Detection, Frame, Recognition
from alexnet_ros.video import Media, VideoFile, open_media, sources_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_model_options(parser)
    parser.add_argument('files', nargs='+', metavar='SOURCE', help=SOURCES)
    add_regions_option(parser)
    parser.add_argument(
        '--output', type=Path, metavar='DIR', help='write annotated pictures and videos there'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object a frame')
    add_number(parser, '--every', whole(1, 10000), 1, 'N', 'process every Nth frame of a video')
    add_threshold_option(parser)
    text = 'maximum candidates classified per frame; 0 = 8, of which 1 scored below 0.08'
    add_number(parser, '--max-regions', whole(0, 64), FinderSettings().max_regions, 'N', text)


def run(args: argparse.Namespace) -> int:
    """Recognise file after file; 1 if one of them could not be read."""
    settings = settings_from_mapping(
        RecognizerSettings,
        {
            'regions': args.regions,
            'score_threshold': args.score_threshold,
            'max_regions': args.max_regions,
        },
    )
    failed = False
    with open_recognizer(args, settings) as recognizer:
        writer = _MediaWriter(args.output) if args.output else None
        for name in sources_in(args.files):
            try:
                with open_media(name) as media:
                    _recognize_file(media, recognizer, args, writer)
            except ImageFormatError as error:
                print_error('recognize', f'{shown_path(name)}: {error}')
                failed = True
    return int(failed)


def _recognize_file(
    media: Media, recognizer: Recognizer, args: argparse.Namespace, writer: '_MediaWriter | None'
) -> None:
    """Recognise the frames of one file and tell about each."""
    recognizer.reset()
    out = writer.sink(media) if writer else None
    told = 0
    bar = Progress(media.frames, media.path.name, disable=media.frames == 1)
    try:
        for number, frame, recognition in recognized(media, recognizer, args.every):
            if args.json:
                print_json(json_from_recognition(media.name, number, recognition))
            else:
                told += _print_text(media, number, recognition)
            if out:
                out.write(overlay.draw(frame.image_rgb, recognition))
            bar.update(number + 1 - bar.n)
    finally:
        bar.close()
        if out:
            out.close()
            print(f'{shown_path(out.path)} written', file=sys.stderr)
    if not told and not args.json:
        package = recognizer.package
        what = 'no sign found' if media.frames == 1 else 'no sign confirmed'
        print(f'{shown_path(media.name)}: {what}; the model {package.name} {knows(package)}')


def recognized(
    media: Media, recognizer: Recognizer, every: int = 1
) -> Iterator[tuple[int, Frame, Recognition]]:
    """Yield number, frame and recognition of the frames of one file."""
    for number, (stamp_ns, image_rgb) in enumerate(media):
        if number % every == 0:
            frame = Frame(image_rgb, stamp_ns)
            yield number, frame, recognizer.recognize([frame])[0]


def json_from_detection(detection: Detection) -> dict[str, Any]:
    """Return the contract's object for one detection; -1 and ``unknown`` without a class."""
    found = detection.classification
    best = found.best
    first = found.results[0].score if found.results else 0.0
    return {
        'bbox_xywh': [round(value, 1) for value in detection.bbox_xywh],
        'class_id': -1 if best is None else best.class_id,
        'class_name': 'unknown' if best is None else best.class_name,
        'score': round(first, 4),
        'unknown': best is None,
        'track_id': detection.track_id,
    }


def json_from_recognition(
    path: Path | str, number: int, recognition: Recognition
) -> dict[str, Any]:
    """Return the contract's object for one frame."""
    return {
        'file': shown_path(path),
        'frame': number,
        'stamp_s': round(recognition.stamp_ns / 1e9, 6),
        'detections': [json_from_detection(found) for found in recognition.detections],
    }


def _print_text(media: Media, number: int, recognition: Recognition) -> int:
    """Print the detections of an image, of a video what is confirmed; return how many."""
    told = 0
    for found in recognition.detections:
        if media.frames != 1 and not found.newly_confirmed:
            continue
        x, y, width, height = (round(value) for value in found.bbox_xywh)
        where = f'{width}x{height} at {x},{y}'
        when = '' if media.frames == 1 else f' {recognition.stamp_ns / 1e9:.2f} s frame {number}'
        print(f'{shown_path(media.name)}{when}: {overlay.caption(found)} ({where})', flush=True)
        told += 1
    return told


class _PictureFile:
    """One annotated picture, written as :class:`~alexnet_ros.video.VideoFile` is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, image_rgb: NDArray[np.uint8]) -> None:
        """Write it."""
        if not cv2.imwrite(str(self.path), np.ascontiguousarray(image_rgb[..., ::-1])):
            raise AlexnetRosError(f'cannot write {self.path}')

    def close(self) -> None:
        """Do nothing; a video has something to finish."""


class _MediaWriter:
    """Makes a sink for each file in one folder, none twice under the same name."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder
        self._names: set[str] = set()

    def sink(self, media: Media) -> _PictureFile | VideoFile:
        """Return where the annotated frames of one file go."""
        is_video = media.frames != 1
        suffix = '.webm' if is_video else media.path.suffix.lower()
        if not is_video and suffix not in {'.jpg', '.jpeg', '.png', '.bmp', '.webp'}:
            suffix = '.jpg'
        name, count = f'{media.path.stem}{suffix}', 1
        while name in self._names:
            count += 1
            name = f'{media.path.stem}_{count}{suffix}'
        self._names.add(name)
        path = self._folder / name
        return VideoFile(path, media.rate_hz) if is_video else _PictureFile(path)
