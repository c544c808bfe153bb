"""
What of the classified candidates of a frame is reported, and as what.

A network asked about hundreds of pieces of road sometimes sees a sign in one.
So its word is weighed with how much the candidate looked like a sign at all,
and one sign is reported once however many candidates showed it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import intersection_area
from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection

Floats = NDArray[np.float32]

MIN_UNKNOWN = 0.5  # candidate score from which something without class is reported


@dataclass(frozen=True)
class SignResults:
    """
    What is left of N classified candidates.

    :param rows: indices of those kept, ascending.
    :param detections: those kept.
    :param log_probs: their log-probabilities, candidate's score included.
    """

    rows: NDArray[np.intp]
    detections: list[Detection]
    log_probs: Floats


def weighed(log_probs: Floats, candidate_scores: Floats, background: int) -> Floats:
    """
    Return the log-probabilities given the candidates' own scores as well.

    The odds of each row's best class against all else are multiplied by the
    odds of its candidate; what all classes lose goes to the background. A high
    score does not make the network surer than it is.

    :param log_probs: shape (N, C).
    :param candidate_scores: shape (N,), 0 to 1.
    :param background: the class that stands for no sign.
    """
    chance = np.clip(candidate_scores.astype(np.float64), 1e-4, 0.5)
    shares = np.exp(log_probs.astype(np.float64))
    shares[:, background] = 0.0
    best = np.clip(shares.max(axis=1), 1e-12, 1 - 1e-9)
    joint = best * chance / (best * chance + (1 - best) * (1 - chance))
    shares *= (joint / best)[:, None]
    shares[:, background] = np.maximum(1 - shares.sum(axis=1), 0.0)
    return np.log(np.maximum(shares, 1e-300)).astype(np.float32)


def distinct(
    boxes: Sequence[BBoxXYWH], ranks: Sequence[float], max_covered: float = 0.5
) -> list[int]:
    """
    Return which boxes stay when one thing must not be reported twice.

    Best first; a box of which more than a share is covered by a better one, or
    that covers such a share of a better one, goes.

    :param boxes: xywh, N boxes.
    :param ranks: how good each is; equals keep their order.
    :param max_covered: share of the smaller box.
    :returns: indices of those kept, ascending.
    """
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -ranks[i]):
        area = boxes[index][2] * boxes[index][3]
        for other in kept:
            smaller = min(area, boxes[other][2] * boxes[other][3])
            if intersection_area(boxes[index], boxes[other]) > max_covered * smaller:
                break
        else:
            kept.append(index)
    return sorted(kept)


def sign_results(
    detections: Sequence[Detection], log_probs: Floats, background: int | None, min_score: float
) -> SignResults:
    """
    Say what is reported of the classified candidates of one frame.

    Candidates that the network takes for no sign go; those of too low a joint
    score, and those that it calls unknown, stay as unknown if they looked like
    a sign to the finder.

    :param detections: N classified candidates.
    :param log_probs: shape (N, C).
    :param background: the class that stands for no sign, None where the model
        has none.
    :param min_score: least joint probability of a named sign, 0 to 1.
    """
    if background is not None and len(detections):
        scores = np.array([found.region_score for found in detections], np.float32)
        joint = weighed(log_probs, scores, background)
    else:
        joint = log_probs
    rows, kept, ranks = [], [], []
    for row, found in enumerate(detections):
        if background is not None and int(log_probs[row].argmax()) == background:
            continue
        told = _joint(found, joint[row], min_score)
        if told.unknown and found.region_score < MIN_UNKNOWN:
            continue
        rows.append(row)
        kept.append(replace(found, classification=told))
        best = told.results[0].score if told.results else 0.0
        ranks.append(best + (0.0 if told.unknown else 1.0) + 0.1 * found.region_score)
    stay = distinct([found.bbox_xywh for found in kept], ranks)
    chosen = np.array([rows[i] for i in stay], np.intp)
    return SignResults(chosen, [kept[i] for i in stay], joint[chosen])


def _joint(found: Detection, log_probs: Floats, min_score: float) -> Classification:
    old = found.classification
    results = tuple(
        ClassScore(one.class_id, one.class_name, math.exp(float(log_probs[one.class_id])))
        for one in old.results
    )
    weak = not results or results[0].score < min_score
    return Classification(results, old.unknown or weak, old.energy)
