"""Bags made from videos, pictures and cameras."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alexnet_ros.bags.pictures import PICTURE_RATE_HZ, START_NS, TOPIC, stamped_frames
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.errors import BagError, ImageFormatError
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.video import sources_in


def bag_from_sources(
    folder: str | Path,
    names: Iterable[str],
    *,
    topic: str = TOPIC,
    compressed: bool = False,
    rate_hz: float = PICTURE_RATE_HZ,
    seconds: float = 0.0,
    start_ns: int = START_NS,
    **how: Any,
) -> int:
    """
    Write the frames of videos, pictures and cameras into a new bag.

    Videos are stamped by their own frame rate, a camera by the clock.

    :param compressed: JPEG on ``TOPIC/compressed`` in place of raw images.
    :param seconds: stop after so much, 0 for all; a camera never ends by itself.
    :param start_ns: stamp of the first frame of a file, nanoseconds.
    :param how: storage, compression and splitting, see
        :class:`~alexnet_ros.bags.writer.BagWriter`.
    :returns: how many frames were written.
    :raises BagError: a source cannot be read, or the folder exists.
    """
    frames = 0
    try:
        read = stamped_frames(sources_in(names), rate_hz)
        first = next(read, None)
        if first is None:
            raise BagError('there are no frames')
        first_ns = first[0]
        with BagWriter(folder, **how) as bag:
            for read_ns, image_rgb in itertools.chain([first], read):
                if seconds and read_ns - first_ns > seconds * 1e9:
                    break
                stamp_ns = read_ns - START_NS + start_ns if first_ns == START_NS else read_ns
                if compressed:
                    bag.write_jpeg(f'{topic}/compressed', stamp_ns, jpeg_from_rgb(image_rgb, 90))
                else:
                    bag.write_image(topic, stamp_ns, image_rgb)
                frames += 1
    except ImageFormatError as error:
        raise BagError(f'{error.detail} (after {frames} frames)') from error
    return frames
