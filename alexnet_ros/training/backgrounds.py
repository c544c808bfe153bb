"""How often something that is none of the classes is taken for one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.engine.base import Engine
from alexnet_ros.errors import DatasetError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.evaluate import answers_from, logits_from_engine
from alexnet_ros.training.negatives import random_crop, video_frames
from alexnet_ros.training.sources import SUFFIXES

Image = NDArray[np.uint8]


def background_images(place: Path, start: float, count: int, seed: int = 11) -> list[Image]:
    """
    Return crops of a video, or the images of a folder whole.

    :param start: share of the video's length from which it is used.
    :param count: how many crops; a folder gives at most so many.
    :raises DatasetError: nothing usable.
    """
    if not place.exists():
        raise DatasetError(f'{place} does not exist')
    if place.is_dir():
        files = sorted(p for p in place.rglob('*') if p.suffix.lower() in SUFFIXES)[:count]
        read = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in files]
        whole = [np.asarray(image, np.uint8) for image in read if image is not None]
        if not whole:
            raise DatasetError(f'no readable image in {place}')
        return whole
    frames = video_frames(place, start)
    if not frames:
        raise DatasetError(f'{place} has no frames after {start:.0%} of its length')
    rng = np.random.default_rng(seed)
    return [random_crop(frames[int(rng.integers(len(frames)))], rng) for _ in range(count)]


def acceptance(
    package: ModelPackage, engine: Engine, place: Path, start: float, count: int
) -> dict[str, Any]:
    """Return how many background images were looked at and which share passed for a class."""
    images = background_images(place, start, count)
    return accepted_share(package, engine, images)


def accepted_share(
    package: ModelPackage, engine: Engine, images: Sequence[Image]
) -> dict[str, Any]:
    """Return ``background_images`` and ``background_accepted`` for some crops."""
    logits = logits_from_engine(engine, package.input, images, len(images))
    answers = answers_from(logits, package.labels, package.scores)
    return {
        'background_images': len(images),
        'background_accepted': float((~answers.unknown).mean()),
    }
