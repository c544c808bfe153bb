"""
Colour maps of a frame: how red, blue, yellow or bright each pixel is.

Each map is the lead of one colour over the others divided by brightness
(Ruta et al. 2010; Greenhalgh and Mirmehdi 2012), so that a sign keeps its
value in shade, dusk and backlight. All steps are saturated 8-bit operations.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # (H, W) uint8; OpenCV does not tell its arrays' types

FLOOR = 8
"""Added to the brightness before dividing, grey levels: mutes noise in the dark."""


LEAST_SIDE = 12
"""Pixels that the smallest sign keeps in the image worked on."""

MOST_AREA = 1_100_000
"""Largest image worked on, pixels."""


def halvings(size_wh: tuple[int, int], min_size_px: int) -> int:
    """
    Return how often a frame is halved before signs are looked for.

    :param size_wh: width and height of the frame, pixels.
    :param min_size_px: side of the smallest sign in the frame, pixels.
    """
    width, height = size_wh
    count = 0
    while min_size_px >> (count + 1) >= LEAST_SIDE:
        count += 1
    while (width >> count) * (height >> count) > MOST_AREA:
        count += 1
    return count


def shrunk(image_rgb: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """
    Halve a frame by exact area averaging, ``count`` times.

    :param image_rgb: shape (H, W, 3), uint8; odd last rows or columns are cut.
    :returns: shape (H >> count, W >> count, 3); the input itself for 0.
    """
    if count == 0:
        return image_rgb
    step = 1 << count
    height, width = (side // step * step for side in image_rgb.shape[:2])
    size = (width // step, height // step)
    half = cv2.resize(image_rgb[:height, :width], size, interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.uint8)


def _share(lead: Plane, brightness: Plane) -> Plane:
    """Return 255 * lead / (brightness + FLOOR), rounded."""
    lifted = cv2.add(brightness, np.full_like(brightness, FLOOR))
    return np.asarray(cv2.divide(lead, lifted, scale=255.0), np.uint8)


def colour_maps(image_rgb: NDArray[np.uint8]) -> dict[str, Plane]:
    """
    Return the planes in which signs stand out.

    :param image_rgb: shape (H, W, 3), uint8.
    :returns: ``red``, ``blue``, ``yellow`` (0 to 255, share of the colour's
        lead in its brightness) and ``grey`` (mean brightness), each (H, W).
    """
    planes = [np.empty(image_rgb.shape[:2], np.uint8) for _ in range(3)]  # splits faster
    red, green, blue = cv2.split(image_rgb, planes)
    warm = cv2.min(red, green)
    not_green = cv2.convertScaleAbs(cv2.subtract(blue, green), alpha=8.0)  # 0 for green lights
    return {
        'red': _share(cv2.subtract(red, cv2.max(green, blue)), red),
        'blue': _share(cv2.min(cv2.subtract(blue, red), not_green), blue),
        'yellow': _share(cv2.subtract(warm, blue), warm),
        'grey': np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), np.uint8),
    }
