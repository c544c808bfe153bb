"""
Sign candidates from colour masks: outlines, holes and joined halves.

A red rim also shows as a hole (its face), which tells signs apart that touch
each other. What all masks of a frame show is measured at once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.signs.candidates import KINDS, Boxes, Candidates
from alexnet_ros.signs.masks import (
    COLOURS,
    MASKS,
    MOST_SPECK,
    Plane,
    packed_masks,
    unpacked,
    without_specks,
)
from alexnet_ros.signs.shapes import SHAPES, Points, shape_fit

Outline = NDArray[Any]  # (points, 1, 2) int32

ALLOWED = {
    'red': ('disc', 'triangle', 'yield'),
    'blue': ('disc',),
    'yellow': ('diamond',),
    'hole': ('disc', 'triangle', 'yield'),
}
"""Outlines that signs of each colour have; ``hole``: of the face inside a red rim."""

POLE = 0.4
"""Width below a sign, as a share of the sign's, under which it is cut off."""

MOST_TALL = 12
"""Tall outlines of one mask that are cut, to bound the time."""

LEAST_POINTS = 8
"""Points from which an outline may be a sign's; those of specks have fewer."""

LEAST_FIT = 0.25
"""Fit of a shape from which an outline may score enough for a closer look."""

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

_COLOUR = np.array([COLOURS.index(colour) for colour, _, _ in MASKS])  # (masks,)


def _kind(colour: str, shape: str, *, hole: bool) -> int:
    """Return what an outline of a colour and shape may be, index into KINDS, or -1."""
    if shape in ALLOWED['hole' if hole else colour] and (colour == 'red' or not hole):
        return KINDS.index(f'{colour} {shape}')
    return -1


def _growth(colour: str, shape: str, *, hole: bool) -> tuple[float, ...]:
    """Return by how much of its own size an outline is less than the whole sign."""
    name = shape if hole and shape in GROWTH else 'yellow' if colour == 'yellow' else 'outer'
    return GROWTH[name]


_KINDS = np.array(
    [  # (colours, hole, shapes)
        [[_kind(colour, shape, hole=hole) for shape in SHAPES] for hole in (False, True)]
        for colour in COLOURS
    ]
)
_GROWTHS = np.array(
    [  # (colours, hole, shapes, 4)
        [[_growth(colour, shape, hole=hole) for shape in SHAPES] for hole in (False, True)]
        for colour in COLOURS
    ],
    np.float32,
)


@dataclass(frozen=True)
class _Outlines:
    """
    N outlines of all masks.

    :param boxes: xywh, shape (N, 4).
    :param holes: whether each is a hole in its mask, shape (N,).
    :param masks: index of each one's mask in the thresholds of all colours, (N,).
    """

    contours: list[Outline]
    boxes: Boxes
    holes: NDArray[np.bool_]
    masks: NDArray[np.intp]

    def taken(self, rows: NDArray[np.bool_]) -> '_Outlines':
        """Return some of them."""
        contours = [self.contours[i] for i in np.flatnonzero(rows).tolist()]
        return _Outlines(contours, self.boxes[rows], self.holes[rows], self.masks[rows])

    def joined(self, contours: list[Outline], masks: list[int]) -> '_Outlines':
        """Return them and more, which are no holes."""
        if not contours:
            return self
        boxes = np.array([cv2.boundingRect(contour) for contour in contours], np.float32)
        return _Outlines(
            self.contours + contours,
            np.concatenate([self.boxes, boxes]),
            np.concatenate([self.holes, np.zeros(len(contours), np.bool_)]),
            np.concatenate([self.masks, masks]),
        )


def colour_candidates(maps: Mapping[str, Plane], smallest: float, largest: float) -> Candidates:
    """
    Return what may be signs by its colour and outline.

    :param maps: planes (H, W), uint8, by colour, keys of :data:`sign_masks.LEVELS`; others
        are left alone.
    :param smallest: least side of a sign, pixels of the maps.
    :param largest: largest side of a sign, pixels of the maps.
    :returns: boxes of whole signs; the same sign may come several times.
    """
    shares = [LEAST_SHARE.get(colour, 0.9) for colour in COLOURS]
    least = smallest * np.array(shares, np.float32)  # (colours,)
    speck = min(math.ceil(least.min()) - 1, MOST_SPECK)
    found = _all_outlines(maps, speck)
    found = _of_size(found, least[_COLOUR[found.masks]], largest)
    found = found.joined(*_paired(found))
    if not found.contours:
        return Candidates.none()
    return _rated(found, least[_COLOUR[found.masks]])


def _all_outlines(maps: Mapping[str, Plane], speck: int) -> _Outlines:
    """
    Return the outlines in the masks of all colours.

    :param speck: side of what is certainly too small, pixels.
    """
    packed = without_specks(packed_masks(maps), speck)
    contours: list[Outline] = []
    holes: list[bool] = []
    masks: list[int] = []
    for number, (colour, _, _) in enumerate(MASKS):
        if colour not in maps:
            continue
        found, tree = cv2.findContours(
            unpacked(packed, number), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
        )
        if not found:
            continue
        parents = tree[0, :, 3].tolist()  # -1 but for holes
        long = [
            index
            for index, contour in enumerate(found)
            if len(contour) >= LEAST_POINTS and (parents[index] < 0 or colour == 'red')
        ]
        contours += [found[index] for index in long]
        holes += [parents[index] >= 0 for index in long]
        masks += [number] * len(long)
    boxes = Points(contours).boxes if contours else np.zeros((0, 4), np.float32)
    return _Outlines(contours, boxes, np.array(holes, np.bool_), np.array(masks, np.intp))


def _of_size(outlines: _Outlines, least: NDArray[np.float32], largest: float) -> _Outlines:
    """
    Return the outlines that are as large as signs, and the heads of tall ones.

    :param least: least side of each outline, pixels, shape (N,); holes may be smaller.
    """
    width, height = outlines.boxes[:, 2], outlines.boxes[:, 3]
    low = least * np.where(outlines.holes, np.float32(0.73), np.float32(1))
    wide = (width >= low) & (width <= largest)
    fits = (
        wide
        & (height >= 0.3 * low)
        & (height <= largest)
        & (height <= 2.2 * width)
        & (width <= 3.5 * height)
    )
    tall = np.flatnonzero(wide & ~outlines.holes & (height > 1.12 * width))
    masks = outlines.masks[tall]
    places = np.arange(len(tall)) - np.searchsorted(masks, masks)  # among those of the same mask
    heads: list[Outline] = []
    owners: list[int] = []
    for index in tall[places < MOST_TALL].tolist():
        head = _head(outlines.contours[index], outlines.boxes[index])
        if head is not None:
            heads.append(head)
            owners.append(int(outlines.masks[index]))
    return outlines.taken(fits).joined(heads, owners)


def _head(contour: Outline, box: Boxes) -> Outline | None:
    """Return a tall outline without what is thin below it, a sign without its pole."""
    x, y, width, height = (int(value) for value in box.tolist())
    height = min(height, 3 * width)
    filled = np.zeros((height, width), np.uint8)
    cv2.drawContours(filled, [contour], -1, 1, -1, offset=(-x, -y))
    across = cv2.reduce(filled, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    widest = int(across.argmax())
    thin = across[widest:] < POLE * across[widest]
    end = int(thin.argmax())  # the first of them
    if not thin[end]:
        return None
    contours, _ = cv2.findContours(
        filled[: widest + end], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y)
    )
    return max(contours, key=len)


def _paired(outlines: _Outlines) -> tuple[list[Outline], list[int]]:
    """
    Join outlines of one mask that lie right above each other and are equally wide.

    A white bar across a sign (no entry), or letters, cut its colour in two.

    :returns: the pairs, and the mask of each.
    """
    boxes, masks = outlines.boxes, outlines.masks
    flat = np.flatnonzero(
        ~outlines.holes
        & (boxes[:, 2] > 1.25 * boxes[:, 3])
        & (_COLOUR[masks] != COLOURS.index('yellow'))
    )
    x, y, width, height = boxes[flat].T  # each (F,)
    whole = y[None] + height[None] - y[:, None]  # (F upper, F lower)
    gap = y[None] - (y + height)[:, None]
    match = (
        (gap > -0.5 * height[:, None])
        & (gap < 0.4 * whole)
        & (np.abs(x[None] - x[:, None]) < 0.2 * width[:, None])
        & (np.abs(width[None] - width[:, None]) < 0.25 * width[:, None])
        & (whole > 0.7 * width[:, None])
        & (whole < 1.4 * width[:, None])
        & (masks[flat][None] == masks[flat][:, None])
    )
    pairs = flat[np.argwhere(match)].tolist()
    return (
        [
            np.concatenate([outlines.contours[upper], outlines.contours[lower]])
            for upper, lower in pairs
        ],
        [int(masks[upper]) for upper, _ in pairs],
    )


def _rated(outlines: _Outlines, least: NDArray[np.float32]) -> Candidates:
    """Return the outlines that have a shape of their colour, grown to whole signs."""
    points = Points(outlines.contours)
    supports = points.support()
    shapes, fit = shape_fit(supports, outlines.boxes)
    which = (_COLOUR[outlines.masks], outlines.holes.astype(np.intp), shapes)
    kinds = _KINDS[which]
    good = (kinds >= 0) & (fit > LEAST_FIT) & (outlines.boxes[:, 3] > 0.66 * least)
    rim = points.rim_share(supports)
    scores = (fit * np.clip((rim - 0.4) / 0.5, 0, 1)) ** 3  # near the share of signs
    boxes = _grown(outlines.boxes, _GROWTHS[which])
    return Candidates(boxes[good], scores[good].astype(np.float32), kinds[good])


def _grown(boxes: Boxes, growth: NDArray[np.float32]) -> Boxes:
    """Widen boxes xywh (N, 4) by left, top, right, bottom shares (N, 4) of their own size."""
    pad = growth * boxes[:, [2, 3, 2, 3]]
    return np.concatenate(
        [boxes[:, :2] - pad[:, :2], boxes[:, 2:] + pad[:, :2] + pad[:, 2:]], axis=1
    )
