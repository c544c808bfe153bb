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
from alexnet_ros.sign_shapes import SHAPES, shape_fit, support

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

LEVELS = {'red': (36, 64, 100), 'blue': (60, 100, 150), 'yellow': (70, 120)}
"""Thresholds on each colour map; signs from faded to saturated pass one of them."""

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


def _outlines(
    mask: Plane, smallest: float, largest: float
) -> tuple[list[NDArray[np.int32]], Boxes, Scores, NDArray[np.bool_]]:
    """
    Return hulls, boxes, solidity and whether each is a hole, of a mask's outlines.

    :param smallest: least side of an outline, pixels; holes may be smaller.
    """
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    hulls, boxes, solid, holes = [], [], [], []
    for contour, node in zip(contours, tree[0] if len(contours) else (), strict=True):
        if len(contour) < 5:
            continue
        hole = node[3] >= 0
        low = smallest * 0.66 if hole else smallest * 0.9
        x, y, width, height = cv2.boundingRect(contour)
        if (
            min(width, height) < low or max(width, height) > largest
            or not 0.4 < width / height < 2.5
        ):
            continue
        area = cv2.contourArea(contour)
        if area < 0.3 * (width - 1) * (height - 1):
            continue
        hull = cv2.convexHull(contour)
        hulls.append(hull)
        boxes.append((x, y, width, height))
        solid.append(area / max(cv2.contourArea(hull), 1.0))
        holes.append(hole)
    return (
        hulls, np.array(boxes, np.float32).reshape(-1, 4), np.array(solid, np.float32),
        np.array(holes, np.bool_),
    )


def _from_mask(mask: Plane, colour: str, smallest: float, largest: float) -> _Found:
    """Return the candidates of one colour mask."""
    hulls, boxes, solid, holes = _outlines(mask, smallest, largest)
    if not hulls:
        return _Found(boxes, solid)
    shapes, fit = shape_fit(support(hulls, boxes), boxes)
    names = np.array(SHAPES)[shapes]
    allowed = np.where(
        holes, np.isin(names, ALLOWED['hole']) & (colour == 'red'), np.isin(names, ALLOWED[colour])
    )
    growth = np.array([
        GROWTH[str(name)] if hole else GROWTH['yellow' if colour == 'yellow' else 'outer']
        for name, hole in zip(names[allowed], holes[allowed], strict=True)
    ], np.float32).reshape(-1, 4)
    scores = fit * np.clip((solid - 0.5) / 0.4, 0, 1)
    return _Found(_grown(boxes[allowed], growth), scores[allowed])


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
            _from_mask(mask, colour, smallest, largest)
            for colour, levels in LEVELS.items()
            for mask in _masks(maps[colour], levels)
        ]
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
