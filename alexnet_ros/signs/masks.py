"""
Masks of sign colours: which pixels are coloured more than a threshold.

A mask at one threshold shows some signs whole; faded, shaded and overexposed
ones each come out at another, so several are looked at. The masks of a frame
are held as one bit each of a few planes, so that one operation works on eight.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # (H, W) uint8; OpenCV does not tell its arrays' types

LEVELS = {
    'red': ((24, True), (44, False), (80, True), (125, False)),
    'blue': ((45, True), (80, False), (115, True), (150, False), (190, True)),
    'yellow': ((50, False), (100, False)),
}
"""
Thresholds on each colour map, and whether gaps of a pixel are closed.

Signs from faded to saturated pass one of them; closing mends thin rims, and
keeping gaps keeps a sign apart from a background of its colour.
"""

COLOURS = tuple(LEVELS)

MASKS = tuple((colour, *level) for colour in LEVELS for level in LEVELS[colour])
"""Colour, threshold and closing of each mask; mask n is bit n % 8 of plane n // 8."""

MOST_SPECK = 5
"""Largest side of what is taken out as a speck, pixels."""

_NEAR = np.ones((3, 3), np.uint8)


def packed_masks(maps: Mapping[str, Plane]) -> NDArray[np.uint8]:
    """
    Return all of :data:`MASKS`, those of colours that are not given empty.

    :param maps: planes (H, W), uint8, by colour; at least one of a sign's colour.
    :returns: shape (planes, H, W), uint8, a bit a mask.
    """
    colours = [colour for colour in COLOURS if colour in maps]
    closed_maps = {  # closing before the threshold is closing after it
        colour: cv2.morphologyEx(maps[colour], cv2.MORPH_CLOSE, _NEAR)
        for colour in colours
        if any(closed for _, closed in LEVELS[colour])
    }
    packed = np.zeros((-(-len(MASKS) // 8), *maps[colours[0]].shape), np.uint8)
    for number, (colour, level, closed) in enumerate(MASKS):
        if colour in maps:
            plane = closed_maps[colour] if closed else maps[colour]
            bit = 1 << number % 8
            packed[number // 8] |= cv2.threshold(plane, level, bit, cv2.THRESH_BINARY)[1]
    return packed


def unpacked(packed: NDArray[np.uint8], number: int) -> Plane:
    """Return one of the masks, shape (H, W), set pixels not 0."""
    return np.asarray(packed[number // 8] & np.uint8(1 << number % 8), np.uint8)


def without_specks(packed: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """
    Take out of every mask what lies free within a square.

    Busy frames have a thousand specks, each of which would cost an outline.
    Larger things stay as they are, to the pixel: a square is emptied where the
    ring of pixels round it is empty. Across a frame's side the square goes on
    at the other side, which does no harm.

    :param packed: shape (planes, H, W), uint8, a bit a mask; not modified.
    :param side: of the square, pixels; 0 takes out nothing.
    """
    wide, span = packed.shape[2], side + 2
    if side < 1 or min(packed.shape[1:]) <= span:
        return packed
    flat = packed.ravel()
    across, down = _runs(np.bitwise_or, flat, span, 1), _runs(np.bitwise_or, flat, span, wide)
    count = len(flat) - (span - 1) * (wide + 1)
    ring = across[:count] | across[(span - 1) * wide :][:count]
    ring |= down[:count]
    ring |= down[span - 1 :][:count]  # of the square whose first pixel is wide + 1 further
    kept = _runs(np.bitwise_and, _runs(np.bitwise_and, ring, side, 1), side, wide)
    clean = flat.copy()
    clean[side * (wide + 1) :][: len(kept)] &= kept
    return np.asarray(clean.reshape(packed.shape), np.uint8)


def _runs(combine: np.ufunc, flat: NDArray[np.uint8], length: int, step: int) -> NDArray[np.uint8]:
    """Return the combination of each value with the next ``length - 1``, ``step`` apart."""
    have = 1
    while have < length:
        more = min(have, length - have)
        flat = combine(flat[: -more * step], flat[more * step :])
        have += more
    return flat
