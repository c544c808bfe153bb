"""
Where to look in a frame: the whole of it, given boxes, or sign candidates.

Sign candidates come from two independent sources: outlines and holes in masks
of sign colours at several thresholds (so that faded, shaded and overexposed
signs each stand out in one of them, and signs that touch are told apart by
their holes), and centres of radial symmetry of the brightness (white discs,
washed-out signs). Recall comes first: the classifier's unknown decides after.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import FinderSettings
from alexnet_ros.geometry import clip_to_frame
from alexnet_ros.records import Region
from alexnet_ros.signs.candidates import KINDS, Candidates, merged
from alexnet_ros.signs.colours import Plane, colour_maps, halvings, shrunk
from alexnet_ros.signs.outlines import colour_candidates
from alexnet_ros.signs.rating import rated
from alexnet_ros.signs.symmetry import discs

LEAST_OUTLINE = 0.6
"""Share of a disc's outline that must be an edge, where colour does not help."""

LEAST_SOURCE = 0.02
"""Score from which a source's candidate gets a closer look."""


def disc_candidates(grey: Plane, smallest: float, largest: float) -> Candidates:
    """
    Return discs found by their outline alone, looked for at half the size.

    :param grey: shape (H, W), uint8.
    :param smallest: least diameter, pixels.
    :param largest: largest diameter, pixels.
    """
    found = discs(shrunk(grey, 1), smallest / 2, largest / 2)
    found = found[found[:, 3] >= LEAST_OUTLINE]
    middles, radii = 2 * found[:, :2], 2 * found[:, 2:3]
    return Candidates(
        np.concatenate([middles - radii, 2 * radii, 2 * radii], axis=1),
        0.75 * found[:, 3] ** 6,  # about the share of such discs that are signs
        np.full(len(found), KINDS.index('disc')),
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
        if min(height, width) < self.settings.min_size_px:
            return []
        count = halvings((width, height), self.settings.min_size_px)
        small = shrunk(image_rgb, count)
        smallest = self.settings.min_size_px / (1 << count)
        largest = min(self.settings.max_size_px / (1 << count), float(max(small.shape[:2])))
        maps = colour_maps(small)
        rated_ones = rated(maps, self._candidates(maps, smallest, largest))
        good = rated_ones.scores >= self.settings.min_candidate_score
        boxes, scores = rated_ones.boxes[good], rated_ones.scores[good]
        boxes = boxes * (1 << count)
        regions = []
        for box, score in zip(boxes, scores, strict=True):
            x, y, wide, tall = (float(value) for value in box)
            inside = clip_to_frame((x, y, wide, tall), (width, height))
            if min(inside[2:]) >= self.settings.min_size_px:
                regions.append(Region(inside, float(score), 'sign'))
        return regions[: self.settings.max_regions]

    @staticmethod
    def _candidates(maps: Mapping[str, Plane], smallest: float, largest: float) -> Candidates:
        """Return what any source takes for a sign, each sign once."""
        together = Candidates.joined(
            [
                colour_candidates(maps, smallest, largest),
                disc_candidates(maps['grey'], smallest, largest),
            ]
        )
        return merged(together.taken(together.scores >= LEAST_SOURCE))
