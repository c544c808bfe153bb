"""``alexnet_ros classify``: what whole images show."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alexnet_ros.cli.options import (
    SOURCES,
    add_model_options,
    add_number,
    add_threshold_option,
    open_recognizer,
    whole,
)
from alexnet_ros.cli.output import print_error, print_json, shown_path
from alexnet_ros.config import RecognizerSettings
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Classification, Frame
from alexnet_ros.video import Media, open_media, sources_in

AT_ONCE = 8  # images in one batch; more would only hold more memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_options(parser)
    add_number(parser, '--top-k', whole(1, 100), 5, 'K', 'hypotheses per image')
    add_threshold_option(parser)
    parser.add_argument('--json', action='store_true', help='print one JSON object an image')
    parser.add_argument('images', nargs='+', metavar='SOURCE', help=SOURCES)


def run(args: argparse.Namespace) -> int:
    """Classify all images; 1 if one of them could not be read."""
    settings = RecognizerSettings(
        regions='frame', top_k=args.top_k, score_threshold=args.score_threshold
    )
    failed = False
    with open_recognizer(args, settings) as recognizer:
        for group in _groups(sources_in(args.images)):
            frames: list[Frame] = []
            for name in group:
                try:
                    with open_media(name) as media:
                        if media.frames == 1:
                            frames.append(Frame(next(iter(media))[1], 0, name))
                        else:
                            _film(media, recognizer, as_json=args.json)
                except ImageFormatError as error:
                    print_error('classify', f'{shown_path(name)}: {error}')
                    failed = True
            for frame, found in zip(frames, recognizer.recognize(frames), strict=True):
                _print(frame.camera, found.detections[0].classification, as_json=args.json)
    return int(failed)


def _film(media: Media, recognizer: Recognizer, *, as_json: bool) -> None:
    """Classify the frames of a video or a camera one after the other."""
    for number, (stamp_ns, image_rgb) in enumerate(media):
        (found,) = recognizer.recognize([Frame(image_rgb, stamp_ns, media.name)])
        _print(media.name, found.detections[0].classification, as_json=as_json, frame=number)


def _groups(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def json_of(path: Path | str, found: Classification) -> dict[str, Any]:
    """
    Return what ``--json`` prints for one image.

    An unknown image has class_id -1 and keeps its hypotheses; its score is
    that of the best one.
    """
    best = found.best
    return {
        'file': shown_path(path),
        'class_id': best.class_id if best else -1,
        'class_name': best.class_name if best else 'unknown',
        'score': found.results[0].score if found.results else 0.0,
        'unknown': found.unknown,
        'results': [
            {'class_id': one.class_id, 'class_name': one.class_name, 'score': one.score}
            for one in found.results
        ],
    }


def _print(path: str, found: Classification, *, as_json: bool, frame: int | None = None) -> None:
    """Print one image: the answer, then the hypotheses below it."""
    if as_json:
        print_json({**json_of(path, found), **({} if frame is None else {'frame': frame})})
        return
    best = found.best
    answer = f'{best.class_name} ({best.score:.1%})' if best else 'unknown'
    place = '' if frame is None else f' frame {frame}'
    print(f'{shown_path(path)}{place}: {answer}')
    for one in found.results:
        print(f'  {one.score:6.1%}  {one.class_name} [{one.class_id}]')
