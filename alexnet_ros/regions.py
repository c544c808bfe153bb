"""
Where to look in a frame: the whole of it, given boxes, or sign candidates.

Sign candidates come from two independent sources: outlines and holes in masks
of sign colours at several thresholds (so that faded, shaded and overexposed
signs each stand out in one of them, and signs that touch are told apart by
their holes), and centres of radial symmetry of the brightness (white discs,
washed-out signs). Recall comes first: the classifier's unknown decides after.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import FinderSettings
from alexnet_ros.records import BBoxXYWH, Region
from alexnet_ros.sign_colours import Plane, colour_maps, halvings, shrunk
from alexnet_ros.sign_outlines import LEVELS, Boxes, Scores, colour_candidates
from alexnet_ros.sign_symmetry import discs

LEAST_OUTLINE = 0.6
"""Share of a disc's outline that must be an edge, where colour does not help."""

def _from_symmetry(grey: Plane, smallest: float, largest: float) -> tuple[Boxes, Scores]:
    """Return discs found by their outline alone, looked for at half the size."""
    half = shrunk(grey, 1)
    found = discs(half, smallest / 2, largest / 2)
    found = found[found[:, 3] >= LEAST_OUTLINE]
    middles, radii = 2 * found[:, :2], 2 * found[:, 2:3]
    boxes = np.concatenate([middles - radii, 2 * radii, 2 * radii], axis=1)
    return boxes, 0.75 * found[:, 3] ** 6


def overlaps(first: Boxes, second: Boxes) -> Scores:
    """
    Return intersection over union of every pair of boxes.

    :param first: xywh, shape (N, 4).
    :param second: xywh, shape (M, 4).
    :returns: shape (N, M), 0 to 1.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(
        (first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None]
    )
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1)[None]
    return np.asarray(common / np.maximum(areas - common, 1e-6), np.float32)


def merged(boxes: Boxes, scores: Scores, least_iou: float = 0.45) -> tuple[Boxes, Scores]:
    """
    Keep the best of each group of overlapping boxes, best first.

    A box that several sources or thresholds give is likelier a sign: their
    scores add up like half independent probabilities.

    :param boxes: xywh, shape (N, 4).
    :param scores: shape (N,), 0 to 1.
    :param least_iou: overlap from which two boxes are one candidate.
    """
    order = np.argsort(-scores, kind='stable')
    boxes, scores = boxes[order], scores[order]
    same = overlaps(boxes, boxes) >= least_iou
    alive = np.ones(len(boxes), np.bool_)
    kept, rated = [], []
    for index in range(len(boxes)):
        if not alive[index]:
            continue
        group = alive & same[index]
        alive &= ~group
        kept.append(index)
        rated.append(1 - np.sqrt(np.prod(1 - scores[group]) * (1 - scores[index])))
    ranks = np.argsort(-np.array(rated), kind='stable')
    return boxes[kept][ranks], np.array(rated, np.float32)[ranks]


class SignFinder:
    """
    Finds boxes that may hold a traffic sign.

    :param settings: sizes, least score and number of candidates.
    """

    def __init__(self, settings: FinderSettings | None = None) -> None:
        self.settings = settings or FinderSettings()
        self._helper = ThreadPoolExecutor(1, 'signs')  # red takes as long as all the rest

    def find(self, image_rgb: NDArray[np.uint8]) -> list[Region]:
        """
        Return sign candidates, best first.

        :param image_rgb: shape (H, W, 3), uint8, channels R, G, B; not modified.
        :returns: at most ``max_regions`` tight boxes in pixels of the frame,
            inside it.
        """
        height, width = image_rgb.shape[:2]
        count = halvings((width, height), self.settings.min_size_px)
        small = shrunk(image_rgb, count)
        smallest = self.settings.min_size_px / (1 << count)
        largest = min(self.settings.max_size_px / (1 << count), float(max(small.shape[:2])))
        maps = colour_maps(small)
        red = self._helper.submit(colour_candidates, maps['red'], 'red', smallest, largest)
        found = [
            colour_candidates(maps[colour], colour, smallest, largest)
            for colour in LEVELS if colour != 'red'
        ]
        found.append(_from_symmetry(maps['grey'], smallest, largest))
        found.append(red.result())
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        good = scores >= self.settings.min_candidate_score
        boxes, scores = merged(boxes[good], scores[good])
        boxes = boxes * (1 << count)
        regions = []
        for box, score in zip(boxes, scores, strict=True):
            x, y, wide, tall = (float(value) for value in box)
            inside = clipped((x, y, wide, tall), (width, height))
            if min(inside[2:]) >= self.settings.min_size_px:
                regions.append(Region(inside, float(score), 'sign'))
        return regions[:self.settings.max_regions]


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
