"""
Where to look in a frame: the whole of it, given boxes, or sign candidates.

Sign candidates come from two independent sources: outlines and holes in masks
of sign colours at several thresholds (so that faded, shaded and overexposed
signs each stand out in one of them, and signs that touch are told apart by
their holes), and centres of radial symmetry of the brightness (white discs,
washed-out signs). Recall comes first: the classifier's unknown decides after.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import FinderSettings
from alexnet_ros.records import BBoxXYWH, Region
from alexnet_ros.sign_colours import Plane, colour_maps, halvings, shrunk
from alexnet_ros.sign_shapes import SHAPES, rim_share, shape_fit, support
from alexnet_ros.sign_symmetry import discs

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

LEVELS = {'red': (24, 40, 64, 100), 'blue': (45, 75, 105, 150), 'yellow': (45, 70, 120)}
"""Thresholds on each colour map; signs from faded to saturated pass one of them."""

LEAST_OUTLINE = 0.6
"""Share of a disc's outline that must be an edge, where colour does not help."""

ALLOWED = {
    'red': ('disc', 'triangle', 'yield'), 'blue': ('disc',), 'yellow': ('diamond',),
    'hole': ('disc', 'triangle', 'yield'),
}
"""Outlines that signs of each colour have; ``hole``: of the face inside a red rim."""

GROWTH = {  # left, top, right, bottom as shares of the outline's box
    'outer': (0.04, 0.04, 0.04, 0.04),
    'yellow': (0.44, 0.44, 0.44, 0.44),
    'disc': (0.18, 0.18, 0.18, 0.18),
    'triangle': (0.21, 0.29, 0.21, 0.14),
    'yield': (0.21, 0.16, 0.21, 0.27),
}
"""From the coloured outline to the whole sign, medians over GTSRB's training part."""


@dataclass(frozen=True)
class _Found:
    """Candidates of one source in pixels of the shrunk frame."""

    boxes: Boxes  # (N, 4) xywh
    scores: Scores  # (N,)


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

    contours: list[NDArray[np.int32]]
    hulls: list[NDArray[np.int32]]
    boxes: Boxes  # (N, 4) xywh
    holes: NDArray[np.bool_]  # (N,)


def _outlines(mask: Plane, smallest: float, largest: float) -> _Outlines:
    """
    Return the outlines of a mask and of its holes.

    :param smallest: least side of an outline, pixels; holes may be smaller.
    """
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    kept, hulls, boxes, holes = [], [], [], []
    for contour, node in zip(contours, tree[0] if len(contours) else (), strict=True):
        if len(contour) < 6:
            continue
        hole = node[3] >= 0
        low = smallest * (0.66 if hole else 0.9)
        x, y, width, height = cv2.boundingRect(contour)
        if width < low or height < 0.3 * low or max(width, height) > largest:
            continue
        if height > 2.2 * width or width > 3.5 * height:
            continue
        kept.append(contour)
        hulls.append(cv2.convexHull(contour))
        boxes.append((x, y, width, height))
        holes.append(hole)
    return _Outlines(
        kept, hulls, np.array(boxes, np.float32).reshape(-1, 4), np.array(holes, np.bool_)
    )


def _paired(outlines: _Outlines) -> _Outlines:
    """
    Join outlines that lie right above each other and are equally wide.

    A white bar across a sign (no entry), or letters, cut its colour in two.
    """
    boxes = outlines.boxes
    flat = np.flatnonzero(~outlines.holes & (boxes[:, 2] > 1.25 * boxes[:, 3]))
    contours, hulls, joined = [], [], []
    for upper in flat:
        x, y, width, height = boxes[upper]
        for lower in flat:
            left, top, wide, tall = boxes[lower]
            whole = top + tall - y
            if (
                top > y + 0.5 * height and abs(left - x) < 0.2 * width
                and abs(wide - width) < 0.25 * width and 0.7 < whole / width < 1.4
                and top - y - height < 0.4 * whole
            ):
                both = np.concatenate([outlines.contours[upper], outlines.contours[lower]])
                contours.append(both)
                hulls.append(cv2.convexHull(both))
                joined.append(cv2.boundingRect(both))
    return _Outlines(
        contours, hulls, np.array(joined, np.float32).reshape(-1, 4),
        np.zeros(len(joined), np.bool_),
    )


def _from_mask(mask: Plane, colour: str, smallest: float, largest: float) -> list[_Found]:
    """Return the candidates of one colour mask."""
    outlines = _outlines(mask, smallest, largest)
    found = [_rated(outlines, colour, smallest)]
    if colour != 'yellow':
        found.append(_rated(_paired(outlines), colour, smallest))
    return found


def _rated(outlines: _Outlines, colour: str, smallest: float) -> _Found:
    """Return the outlines that have a shape of the colour, grown to whole signs."""
    boxes, holes = outlines.boxes, outlines.holes
    if not outlines.hulls:
        return _Found(boxes, np.zeros(0, np.float32))
    supports = support(outlines.hulls, boxes)
    shapes, fit = shape_fit(supports, boxes)
    names = np.array(SHAPES)[shapes]
    allowed = np.where(
        holes, np.isin(names, ALLOWED['hole']) & (colour == 'red'), np.isin(names, ALLOWED[colour])
    )
    allowed &= (fit > 0.1) & (boxes[:, 3] > 0.6 * smallest)
    picks = np.flatnonzero(allowed)
    if not len(picks):
        return _Found(boxes[:0], np.zeros(0, np.float32))
    rim = rim_share([outlines.contours[i] for i in picks], boxes[picks], supports[picks])
    growth = np.array([
        GROWTH[str(names[i])] if holes[i] else GROWTH['yellow' if colour == 'yellow' else 'outer']
        for i in picks
    ], np.float32)
    scores = fit[picks] * np.clip((rim - 0.4) / 0.5, 0, 1)
    return _Found(_grown(boxes[picks], growth), scores.astype(np.float32))


def _from_symmetry(grey: Plane, smallest: float, largest: float) -> _Found:
    """Return discs found by their outline alone, looked for at half the size."""
    half = shrunk(grey, 1)
    found = discs(half, smallest / 2, largest / 2)
    found = found[found[:, 3] >= LEAST_OUTLINE]
    middles, radii = 2 * found[:, :2], 2 * found[:, 2:3]
    boxes = np.concatenate([middles - radii, 2 * radii, 2 * radii], axis=1)
    return _Found(boxes, 0.6 * found[:, 3])


def _overlap(boxes: Boxes, box: Boxes) -> Scores:
    """Return intersection over union of boxes xywh (N, 4) with one box (4,)."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(boxes[:, 2:], axis=1) + np.prod(box[2:]) - common
    return np.asarray(common / np.maximum(union, 1e-6), np.float32)


def merged(boxes: Boxes, scores: Scores, least_iou: float = 0.45) -> tuple[Boxes, Scores]:
    """
    Keep the best of each group of overlapping boxes, best first.

    A box that several sources or thresholds give is likelier a sign: each
    further one takes a quarter of what the score lacks to 1.

    :param boxes: xywh, shape (N, 4).
    :param scores: shape (N,), 0 to 1.
    :param least_iou: overlap from which two boxes are one candidate.
    """
    order = np.argsort(-scores, kind='stable')
    boxes, scores = boxes[order], scores[order]
    kept, rated = [], []
    alive = np.ones(len(boxes), np.bool_)
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        same = alive & (_overlap(boxes, boxes[index]) >= least_iou)
        same[index] = True
        alive &= ~same
        support_by = float(np.sum(scores[same])) - float(scores[index])
        kept.append(boxes[index])
        rated.append(1 - (1 - scores[index]) * 0.75 ** min(support_by, 4.0))
    ranks = np.argsort(-np.array(rated), kind='stable')
    return (
        np.array(kept, np.float32).reshape(-1, 4)[ranks], np.array(rated, np.float32)[ranks]
    )


class SignFinder:
    """
    Finds boxes that may hold a traffic sign.

    :param settings: sizes, least score and number of candidates.
    """

    def __init__(self, settings: FinderSettings | None = None) -> None:
        self.settings = settings or FinderSettings()

    def find(self, image_rgb: NDArray[np.uint8]) -> list[Region]:
        """
        Return sign candidates, best first.

        :param image_rgb: shape (H, W, 3), uint8, channels R, G, B; not modified.
        :returns: at most ``max_regions`` tight boxes in pixels of the frame,
            inside it.
        """
        height, width = image_rgb.shape[:2]
        count = halvings((width, height))
        small = shrunk(image_rgb, count)
        smallest = self.settings.min_size_px / (1 << count)
        largest = min(self.settings.max_size_px / (1 << count), float(max(small.shape[:2])))
        maps = colour_maps(small)
        found = [
            part
            for colour, levels in LEVELS.items()
            for mask in _masks(maps[colour], levels)
            for part in _from_mask(mask, colour, smallest, largest)
        ]
        found.append(_from_symmetry(maps['grey'], smallest, largest))
        boxes = np.concatenate([part.boxes for part in found])
        scores = np.concatenate([part.scores for part in found])
        good = scores >= self.settings.min_candidate_score
        boxes, scores = merged(boxes[good], scores[good])
        boxes = boxes * (1 << count)
        regions = []
        for box, score in zip(boxes, scores, strict=True):
            inside = clipped(tuple(float(v) for v in box), (width, height))
            if min(inside[2:]) >= self.settings.min_size_px:
                regions.append(Region(inside, float(score), 'sign'))
        return regions[:self.settings.max_regions]


def _masks(plane: Plane, levels: Sequence[int]) -> list[Plane]:
    """Return one binary mask for each threshold; gaps of one pixel are closed."""
    kernel = np.ones((3, 3), np.uint8)
    return [
        cv2.morphologyEx(
            cv2.threshold(plane, level, 255, cv2.THRESH_BINARY)[1], cv2.MORPH_CLOSE, kernel
        )
        for level in levels
    ]


def clipped(bbox_xywh: BBoxXYWH, size_wh: tuple[int, int]) -> BBoxXYWH:
    """
    Return the part of a box inside the frame; width and height are 0 outside it.

    >>> clipped((-5.0, 2.0, 10.0, 4.0), (100, 50))
    (0.0, 2.0, 5.0, 4.0)
    """
    x, y, width, height = bbox_xywh
    left, top = min(max(x, 0.0), size_wh[0]), min(max(y, 0.0), size_wh[1])
    right, bottom = min(max(x + width, 0.0), size_wh[0]), min(max(y + height, 0.0), size_wh[1])
    return left, top, right - left, bottom - top
