"""Sign candidates as arrays: boxes, kinds and scores, and merging of those that overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import pairwise_iou

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]

KINDS = ('red disc', 'red triangle', 'red yield', 'blue disc', 'yellow diamond', 'disc')
"""What a candidate was taken for: the colour that showed it and its outline."""


@dataclass(frozen=True)
class Candidates:
    """
    N candidates.

    :param boxes: whole signs xywh, shape (N, 4), pixels of the image searched.
    :param scores: how likely each is a sign, shape (N,), 0 to 1.
    :param kinds: index into :data:`KINDS`, shape (N,).
    """

    boxes: Boxes
    scores: Scores
    kinds: NDArray[np.intp]

    @classmethod
    def none(cls) -> 'Candidates':
        """Return no candidates."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.intp))

    @classmethod
    def joined(cls, parts: 'list[Candidates]') -> 'Candidates':
        """Return the candidates of several sources as one."""
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.kinds for part in parts]),
        )

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.scores)

    def taken(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> 'Candidates':
        """Return some of them, by index or mask."""
        return Candidates(self.boxes[rows], self.scores[rows], self.kinds[rows])


def merged(candidates: Candidates, least_iou: float = 0.45) -> Candidates:
    """
    Keep the best of each group of overlapping candidates, best first.

    What several sources or thresholds give is likelier a sign: their scores
    add up like half independent probabilities.

    :param least_iou: overlap from which two boxes are one candidate.
    """
    found = candidates.taken(np.argsort(-candidates.scores, kind='stable'))
    same = pairwise_iou(found.boxes, found.boxes) >= least_iou
    scores = found.scores.copy()
    lack = 1 - scores
    alive = np.ones(len(found), np.bool_)
    for index in np.flatnonzero(same.sum(axis=1) > 1).tolist():  # the others stay as they are
        if not alive[index]:
            continue
        group = alive & same[index]
        group[index] = False
        alive &= ~group
        scores[index] = 1 - lack[index] * np.sqrt(np.prod(lack[group]))
    best, scores = found.taken(alive), scores[alive]
    ranks = np.argsort(-scores, kind='stable')
    return Candidates(best.boxes[ranks], scores[ranks], best.kinds[ranks])
