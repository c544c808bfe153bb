"""
Sign candidates from masks of one colour: outlines, holes and joined halves.

A mask at one threshold shows some signs whole; faded, shaded and overexposed
ones each come out at another, so several are looked at. A red rim also shows
as a hole (its face), which tells signs apart that touch each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.sign_candidates import KINDS, Boxes, Candidates
from alexnet_ros.sign_shapes import SHAPES, rim_share, shape_fit, support

Plane = NDArray[Any]  # (H, W) uint8; OpenCV does not tell its arrays' types
Outline = NDArray[Any]  # (points, 1, 2) int32

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

ALLOWED = {
    'red': ('disc', 'triangle', 'yield'), 'blue': ('disc',), 'yellow': ('diamond',),
    'hole': ('disc', 'triangle', 'yield'),
}
"""Outlines that signs of each colour have; ``hole``: of the face inside a red rim."""

POLE = 0.4
"""Width below a sign, as a share of the sign's, under which it is cut off."""

MOST_TALL = 12
"""Tall outlines of one mask that are cut, to bound the time."""

LEAST_SHARE = {'yellow': 0.45}
"""Least side of a colour's outline as a share of the sign's; 0.9 for the others."""

GROWTH = {  # left, top, right, bottom as shares of the outline's box
    'outer': (0.04, 0.04, 0.04, 0.04),
    'yellow': (0.44, 0.44, 0.44, 0.44),
    'disc': (0.18, 0.18, 0.18, 0.18),
    'triangle': (0.21, 0.29, 0.21, 0.14),
    'yield': (0.21, 0.16, 0.21, 0.27),
}
"""From the coloured outline to the whole sign, medians over GTSRB's training part."""


def _grown(boxes: Boxes, growth: NDArray[np.float32]) -> Boxes:
    """Widen boxes xywh (N, 4) by shares (N, 4) of their own size."""
    size = boxes[:, [2, 3, 2, 3]]
    pad = growth * size
    return np.stack([
        boxes[:, 0] - pad[:, 0], boxes[:, 1] - pad[:, 1],
        boxes[:, 2] + pad[:, 0] + pad[:, 2], boxes[:, 3] + pad[:, 1] + pad[:, 3],
    ], axis=1)


@dataclass(frozen=True)
class _Outlines:
    """Outlines of one mask that have a sign's size."""

    contours: list[Outline]
    hulls: list[Outline]
    boxes: Boxes  # (N, 4) xywh
    holes: NDArray[np.bool_]  # (N,)


def _outlines(mask: Plane, least: float, largest: float) -> _Outlines:
    """
    Return the outlines of a mask and of its holes.

    :param least: least side of an outline, pixels; holes may be smaller.
    """
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    long = [i for i, contour in enumerate(contours) if len(contour) >= 8]
    boxes = np.array([cv2.boundingRect(contours[i]) for i in long], np.float32).reshape(-1, 4)
    holes = tree[0][long, 3] >= 0 if long else np.zeros(0, np.bool_)
    width, height = boxes[:, 2], boxes[:, 3]
    low = least * np.where(holes, 0.73, 1.0)
    fits = (
        (width >= low) & (height >= 0.3 * low) & (np.maximum(width, height) <= largest)
        & (height <= 2.2 * width) & (width <= 3.5 * height)
    )
    kept = [contours[long[i]] for i in np.flatnonzero(fits)]
    tall = ~holes & (width >= low) & (width <= largest) & (height > 1.12 * width)
    heads = [
        head for i in np.flatnonzero(tall)[:MOST_TALL]
        if (head := _head(contours[long[i]], boxes[i])) is not None
    ]
    head_boxes = np.array([cv2.boundingRect(c) for c in heads], np.float32).reshape(-1, 4)
    return _Outlines(
        kept + heads, [cv2.convexHull(c) for c in kept + heads],
        np.concatenate([boxes[fits], head_boxes]),
        np.concatenate([holes[fits], np.zeros(len(heads), np.bool_)]),
    )


def _head(contour: Outline, box: Boxes) -> Outline | None:
    """Return a tall outline without what is thin below it, a sign without its pole."""
    x, y, width, height = (int(value) for value in box)
    height = min(height, 3 * width)
    filled = np.zeros((height, width), np.uint8)
    cv2.drawContours(filled, [contour], -1, 1, -1, offset=(-x, -y))
    across = cv2.reduce(filled, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    widest = int(across.argmax())
    thin = np.flatnonzero(across[widest:] < POLE * across[widest])
    if not len(thin):
        return None
    end = widest + int(thin[0])
    contours, _ = cv2.findContours(
        filled[:end], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y)
    )
    return max(contours, key=len)


def _paired(outlines: _Outlines) -> _Outlines:
    """
    Join outlines that lie right above each other and are equally wide.

    A white bar across a sign (no entry), or letters, cut its colour in two.
    """
    flat = np.flatnonzero(~outlines.holes & (outlines.boxes[:, 2] > 1.25 * outlines.boxes[:, 3]))
    x, y, width, height = outlines.boxes[flat].T  # each (F,)
    whole = y[None] + height[None] - y[:, None]  # (F upper, F lower)
    gap = y[None] - (y + height)[:, None]
    match = (
        (gap > -0.5 * height[:, None]) & (gap < 0.4 * whole)
        & (np.abs(x[None] - x[:, None]) < 0.2 * width[:, None])
        & (np.abs(width[None] - width[:, None]) < 0.25 * width[:, None])
        & (whole > 0.7 * width[:, None]) & (whole < 1.4 * width[:, None])
    )
    joined = [
        np.concatenate([outlines.contours[flat[upper]], outlines.contours[flat[lower]]])
        for upper, lower in zip(*np.nonzero(match), strict=True)
    ]
    boxes = np.array([cv2.boundingRect(both) for both in joined], np.float32).reshape(-1, 4)
    return _Outlines(
        joined, [cv2.convexHull(both) for both in joined], boxes, np.zeros(len(joined), np.bool_)
    )


def _joined(parts: Sequence[_Outlines]) -> _Outlines:
    """Return the outlines of several masks as one."""
    return _Outlines(
        [contour for part in parts for contour in part.contours],
        [hull for part in parts for hull in part.hulls],
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.holes for part in parts]),
    )


def colour_candidates(
    plane: Plane, colour: str, smallest: float, largest: float
) -> Candidates:
    """
    Return what may be signs of one colour.

    :param plane: the colour's map, shape (H, W), uint8.
    :param colour: a key of :data:`LEVELS`.
    :param smallest: least side of a sign, pixels of the map.
    :param largest: largest side of a sign, pixels of the map.
    :returns: boxes of whole signs; the same sign may come several times.
    """
    parts = []
    least = smallest * LEAST_SHARE.get(colour, 0.9)
    for mask in _masks(plane, LEVELS[colour]):
        parts.append(_outlines(mask, least, largest))
        if colour != 'yellow':
            parts.append(_paired(parts[-1]))
    return _rated(_joined(parts), colour, least)


def _rated(outlines: _Outlines, colour: str, least: float) -> Candidates:
    """Return the outlines that have a shape of the colour, grown to whole signs."""
    boxes, holes = outlines.boxes, outlines.holes
    if not outlines.hulls:
        return Candidates.none()
    supports = support(outlines.hulls, boxes)
    shapes, fit = shape_fit(supports, boxes)
    names = np.array(SHAPES)[shapes]
    allowed = np.where(
        holes, np.isin(names, ALLOWED['hole']) & (colour == 'red'), np.isin(names, ALLOWED[colour])
    )
    allowed &= (fit > 0.1) & (boxes[:, 3] > 0.66 * least)
    picks = np.flatnonzero(allowed)
    if not len(picks):
        return Candidates.none()
    rim = rim_share([outlines.contours[i] for i in picks], boxes[picks], supports[picks])
    growth = np.array([
        GROWTH[str(names[i])] if holes[i] else GROWTH['yellow' if colour == 'yellow' else 'outer']
        for i in picks
    ], np.float32)
    scores = (fit[picks] * np.clip((rim - 0.4) / 0.5, 0, 1)) ** 3  # near the share of signs
    kinds = np.array([KINDS.index(f'{colour} {names[i]}') for i in picks], np.intp)
    return Candidates(_grown(boxes[picks], growth), scores.astype(np.float32), kinds)


def _masks(plane: Plane, levels: Sequence[tuple[int, bool]]) -> list[Plane]:
    """Return one binary mask for each threshold, gaps of a pixel closed where asked."""
    kernel = np.ones((3, 3), np.uint8)
    masks = []
    for level, closed in levels:
        mask = cv2.threshold(plane, level, 255, cv2.THRESH_BINARY)[1]
        masks.append(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel) if closed else mask)
    return masks
