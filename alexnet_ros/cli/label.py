"""``alexnet_ros label``: label pictures in the browser, live or recorded."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alexnet_ros.cli.options import above, add_number, whole
from alexnet_ros.dataset.label_page import Image, Labelling, Shown, Source, page_server
from alexnet_ros.errors import ConfigError, DatasetError
from alexnet_ros.training.layouts import UNLABELLED, labels_from
from alexnet_ros.training.sources import SUFFIXES, Record, decode

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('folder', type=Path, help='gets one folder per class')
    parser.add_argument(
        '--classes', metavar='A,B,...', help='default: the class folders that exist'
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--topic', help='image topic of a running camera')
    what.add_argument('--source', type=Path, metavar='VIDEO|BAG|DIR', help='recorded pictures')
    add_number(parser, '--step', whole(1, 10000), 10, 'N', 'take every Nth frame')
    text = 'frames labelled within this many seconds stay on one side of the split'
    add_number(parser, '--scene-s', above(0, 86400), 10.0, 'S', text)
    text = 'one scene in N goes to val/, the others to train/; 0 = no split'
    add_number(parser, '--val-every', whole(0, 1000), 5, 'N', text)
    parser.add_argument(
        '--port', type=whole(0, 65_535), default=8765, help='port of the page; 0 = any free one'
    )


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    classes = [word.strip() for word in (args.classes or '').split(',') if word.strip()]
    classes = classes or _classes_in(args.folder)
    if len(set(classes)) < 2:
        raise ConfigError('give two or more classes, such as --classes blocked,free')
    with contextlib.ExitStack() as stack:
        if args.topic is not None:
            source: Source = _Live(stack, args.topic)
        else:
            source = Source(_pictures(args.source or args.folder / UNLABELLED, args.step))
        sorting = args.topic is None and args.source is None
        parts = 0 if sorting else args.val_every
        labelling = Labelling(args.folder, classes, source, args.scene_s, parts)
        try:
            server = stack.enter_context(page_server(labelling, args.port))
        except OSError as error:
            raise ConfigError(
                f'port {args.port} cannot be used ({error.strerror}); give another --port'
            ) from error
        print(f'http://127.0.0.1:{server.server_port}', flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    told = ', '.join(f'{name} {labelling.counts[name]}' for name in classes)
    print(f'{args.folder}: {told}')
    return 0


def _classes_in(folder: Path) -> list[str]:
    """Return the classes that a folder has already."""
    if (folder / 'labels.csv').is_file():
        return [label.name for label in labels_from(folder / 'labels.csv')]
    if (folder / 'train').is_dir():
        folder /= 'train'
    if not folder.is_dir():
        return []
    places = [item.name for item in folder.iterdir() if item.is_dir()]
    return sorted(name for name in places if name != UNLABELLED and name[0] != '.')


class _Live(Source):
    """The newest frame of a topic; needs ROS."""

    def __init__(self, stack: contextlib.ExitStack, topic: str) -> None:
        from alexnet_ros.ros.clients.recorder import LatestImage
        from alexnet_ros.ros.clients.session import Session

        session = stack.enter_context(Session('alexnet_ros_label'))
        self._latest = LatestImage(session.node, topic)

    def current(self) -> Shown | None:
        """Return the newest frame."""
        found = self._latest.image()
        return None if found is None else Shown(*found)

    def advance(self) -> None:
        """Wait for the camera."""


def _pictures(place: Path, step: int) -> 'Iterator[tuple[Image, Path | None]]':
    """Yield the pictures of a folder, a video or a bag; files of a folder with their place."""
    from alexnet_ros.bags.find import camera_names, is_bag
    from alexnet_ros.bags.frames import every_frame
    from alexnet_ros.bags.reader import BagReader

    if not place.exists():
        raise DatasetError(f'{place} does not exist; give --topic, or --source VIDEO, BAG or DIR')
    if place.is_dir() and not is_bag(place):
        for path in sorted(place.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                yield decode(Record(path, 0, '')), path
        return
    with BagReader(place) as reader:
        cameras = camera_names(reader.image_topics())
        for number, (one,) in enumerate(every_frame(reader, cameras)):
            if number % step == 0 and one.frame is not None:
                yield np.array(one.frame.image_rgb), None
