"""A small bag for tests: coloured discs on grey, with known classes and boxes."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.pictures import jpeg_from_rgb
from tests.models import colour_of
from tests.split_bag import bag_writer

START_NS = 10**18
PERIOD_NS = 33_333_333


def frame_of(
    class_id: int, size_wh: tuple[int, int] = (96, 72), seed: int = 0
) -> NDArray[np.uint8]:
    """Return a frame filled with a class' colour and a little noise."""
    rng = np.random.default_rng(seed)
    image = np.full((size_wh[1], size_wh[0], 3), colour_of(class_id), np.int16)
    image += rng.integers(-6, 7, image.shape, np.int16)
    cv2.circle(image, (seed % 40, 10), 4, (40, 40, 40), -1)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def write_frames(
    folder: Path,
    classes: list[int],
    *,
    compressed: bool = False,
    topics: tuple[str, ...] = ('/camera/image',),
    **how: Any,
) -> Path:
    """Write one frame a class id, on every topic; return the folder."""
    with bag_writer(folder, **how) as bag:
        for index, class_id in enumerate(classes):
            stamp_ns = START_NS + index * PERIOD_NS
            for topic in topics:
                image = frame_of(class_id, seed=index)
                if compressed:
                    bag.write_jpeg(f'{topic}/compressed', stamp_ns, jpeg_from_rgb(image, 95))
                else:
                    bag.write_image(topic, stamp_ns, image)
    return folder
