"""Bags made from video files."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.errors import BagError
from alexnet_ros.pictures import jpeg_from_rgb

START_NS = 1_750_000_000 * 10**9  # some day; a stamp of 0 means "not set"


def bag_from_video(
    folder: str | Path,
    video: str | Path,
    *,
    topic: str = '/camera/image',
    compressed: bool = False,
    start_ns: int = START_NS,
    **how: Any,
) -> int:
    """
    Write the frames of a video into a new bag, stamped by its frame rate.

    :param folder: the new bag; must not exist.
    :param compressed: JPEG on ``TOPIC/compressed`` in place of raw images.
    :param start_ns: stamp of the first frame, nanoseconds.
    :param how: storage, compression and splitting, see
        :class:`~alexnet_ros.bags.writer.BagWriter`.
    :returns: how many frames were written.
    :raises BagError: the video cannot be read, or the folder exists.
    """
    source = cv2.VideoCapture(str(video))
    rate_hz = source.get(cv2.CAP_PROP_FPS)
    if not source.isOpened() or rate_hz <= 0:
        raise BagError(f'{video} cannot be read as a video')
    frames = 0
    try:
        with BagWriter(folder, **how) as bag:
            while True:
                good, image_bgr = source.read()
                if not good:
                    break
                image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
                stamp_ns = start_ns + round(frames * 1e9 / rate_hz)
                if compressed:
                    bag.write_jpeg(f'{topic}/compressed', stamp_ns, jpeg_from_rgb(image_rgb, 90))
                else:
                    bag.write_image(topic, stamp_ns, image_rgb)
                frames += 1
    finally:
        source.release()
    if not frames:
        raise BagError(f'{video} has no frames')
    return frames
