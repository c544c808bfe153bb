"""A generated set of four classes that a small network learns in seconds."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ('cross', 'disc', 'square', 'triangle')


def picture(class_id: int, rng: np.random.Generator, side: int = 48) -> NDArray[np.uint8]:
    """Draw one shape of any colour on any ground, (side, side, 3) RGB."""
    ground = rng.integers(0, 120, 3)
    image = np.full((side, side, 3), ground, np.uint8)
    colour = tuple(int(v) for v in rng.integers(150, 256, 3))
    middle, reach = side // 2 + int(rng.integers(-3, 4)), int(side * rng.uniform(0.28, 0.38))
    if class_id == 0:
        cv2.line(image, (middle - reach, middle), (middle + reach, middle), colour, 6)
        cv2.line(image, (middle, middle - reach), (middle, middle + reach), colour, 6)
    elif class_id == 1:
        cv2.circle(image, (middle, middle), reach, colour, -1)
    elif class_id == 2:
        low, high = middle - reach, middle + reach
        cv2.rectangle(image, (low, low), (high, high), colour, -1)
    else:
        corners = [
            [middle, middle - reach],
            [middle - reach, middle + reach],
            [middle + reach, middle + reach],
        ]
        cv2.fillPoly(image, [np.array(corners, np.int32)], colour)
    noise = rng.normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_folder(folder: Path, count: int = 40, seed: int = 0) -> Path:
    """Write ``count`` pictures of each class; names are group_number.png, 4 a group."""
    rng = np.random.default_rng(seed)
    for class_id, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            path = folder / name / f'{number // 4:03}_{number % 4}.png'
            cv2.imwrite(str(path), picture(class_id, rng)[..., ::-1])
    return folder
