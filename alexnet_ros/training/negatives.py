"""What shows none of the classes: backgrounds, textures, pieces of the pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError, ImageFormatError
from alexnet_ros.training.sources import ImageBank
from alexnet_ros.video import open_media

Image = NDArray[np.uint8]


def video_frames(path: Path, start: float = 0.0, stop: float = 1.0, step: int = 1) -> list[Image]:
    """
    Return frames of a video between two shares of its length, RGB.

    :raises DatasetError: not a readable video.
    """
    try:
        with open_media(path) as video:
            frames = [frame for _, frame in video]
    except ImageFormatError as error:
        raise DatasetError(f'{path} is not a readable video') from error
    return frames[round(start * len(frames)) : round(stop * len(frames)) : step]


def random_crop(frame: Image, rng: np.random.Generator, low: int = 18, high: int = 220) -> Image:
    """Return a nearly square piece of a frame, its side drawn on a log scale."""
    height, width = frame.shape[:2]
    side = float(np.exp(rng.uniform(np.log(low), np.log(min(high, height - 1)))))
    w, h = (
        int(np.clip(side * f, 8, s - 1))
        for f, s in zip(rng.uniform(0.8, 1.25, 2), (width, height), strict=True)
    )
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    piece: Image = frame[y : y + h, x : x + w].copy()
    if max(w, h) <= 96:
        return piece
    return np.asarray(cv2.resize(piece, (96, 96), interpolation=cv2.INTER_AREA), np.uint8)


def texture(rng: np.random.Generator, side: int) -> Image:
    """Return noise of some grain, a ramp or one colour, (side, side, 3)."""
    cells = int(rng.choice([2, 3, 5, 9, 20, side]))
    base = rng.integers(0, 256, (cells, cells, 3)).astype(np.float32)
    if rng.random() < 0.5:
        base = base.mean(2, keepdims=True).repeat(3, 2)
    smooth = cv2.resize(base, (side, side), interpolation=cv2.INTER_CUBIC)
    level = rng.uniform(0, 255, 3)
    strength = float(rng.uniform(0.02, 1))
    return np.asarray(np.clip(level + (smooth - level) * strength, 0, 255), np.uint8)


def negatives(
    bank: ImageBank, frames: Sequence[Image], rng: np.random.Generator, count: int
) -> list[Image]:
    """
    Return pictures that show none of the classes; augmentation varies them later.

    :param bank: pictures of the classes, each with a border of about 10 %.
    :param frames: frames that show none of them; may be empty.
    """

    def piece() -> Image:
        return random_crop(frames[int(rng.integers(len(frames)))], rng)

    made = []
    for pick in rng.random(count).tolist():
        if pick < 0.46:
            made.append(piece() if frames else texture(rng, 64))
        elif pick < 0.55:
            made.append(texture(rng, int(rng.integers(24, 80))))
        else:
            side = int(rng.integers(40, 110))
            real = frames and rng.random() < 0.75
            ground = cv2.resize(piece(), (side, side)) if real else texture(rng, side)
            canvas = np.asarray(ground, np.uint8)
            _displace(canvas, bank[int(rng.integers(len(bank)))], rng)
            made.append(canvas)
    return made


def _displace(canvas: Image, picture: Image, rng: np.random.Generator) -> None:
    """Put half of an object or less onto the canvas, or one much too small for it."""
    side = len(canvas)
    if rng.random() < 0.45:
        size = int(side * rng.uniform(0.2, 0.48))
        x, y = rng.integers(0, side - size + 1, 2).tolist()
    else:
        size = int(side * rng.uniform(0.7, 2.0))
        far = size * rng.uniform(0.55, 0.8) * rng.choice([-1, 1])
        near = size * rng.uniform(-0.5, 0.5)
        dx, dy = (far, near) if rng.random() < 0.5 else (near, far)
        x, y = (int((side - size) / 2 + d) for d in (dx, dy))
    _paste(canvas, _trimmed(picture, size), x, y)


def _trimmed(sign: Image, size: int) -> Image:
    """Return the sign without most of its border, (size, size, 3)."""
    height, width = sign.shape[:2]
    inner = sign[height // 12 : height - height // 12, width // 12 : width - width // 12]
    return cv2.resize(inner, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _paste(canvas: Image, patch: Image, x: int, y: int) -> None:
    """Put the patch onto the canvas where they overlap, as a disc with soft edge."""
    height, width = canvas.shape[:2]
    size = patch.shape[0]
    disc = np.zeros((size, size), np.float32)
    cv2.circle(disc, (size // 2, size // 2), int(size * 0.56), 1.0, -1)
    mask = cv2.GaussianBlur(disc, (0, 0), 0.02 * size + 0.5)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + size), min(height, y + size)
    if x1 <= x0 or y1 <= y0:
        return
    weight = mask[y0 - y : y1 - y, x0 - x : x1 - x, None]
    part = canvas[y0:y1, x0:x1]
    part[:] = part * (1 - weight) + patch[y0 - y : y1 - y, x0 - x : x1 - x] * weight
