"""Figures of merit from probabilities and truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """
    How good the answers are, all shares from 0 to 1.

    :param top1: the best known class is right, rejected or not.
    :param macro_recall: recall of each class that occurs, averaged.
    :param ece: expected calibration error in 15 bins (Guo et al. 2017).
    :param unknown_rate: share of the images told as unknown.
    :param confusion: (C, C) counts, rows the truth, columns the answer.
    :param recalls: recall of each class, NaN where it does not occur, (C,).
    """

    images: int
    top1: float
    top5: float
    macro_recall: float
    ece: float
    unknown_rate: float
    confusion: NDArray[np.int64]
    recalls: NDArray[np.float64]


def calibration_error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """
    Return the expected calibration error.

    :param confidence: of each answer, 0 to 1, (N,).
    :param right: whether it was right, (N,).
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = place == number
        if inside.any():
            gap = abs(float(confidence[inside].mean()) - float(right[inside].mean()))
            error += gap * float(inside.mean())
    return error


def figures_from(probabilities: Floats, truth: Ids, unknown: NDArray[np.bool_]) -> Figures:
    """
    Measure answers against the truth.

    :param probabilities: of the known classes, (N, C); rows need not sum to 1.
    :param truth: class ids, (N,).
    :param unknown: which images were rejected, (N,).
    """
    classes = probabilities.shape[1]
    order = np.argsort(-probabilities, axis=1, kind='stable')[:, :5]  # (N, 5)
    guess = order[:, 0]
    right = guess == truth
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, guess), 1)
    totals = confusion.sum(1)
    recalls = np.full(classes, np.nan)
    there = totals > 0
    recalls[there] = np.diag(confusion)[there] / totals[there]
    return Figures(
        images=len(truth),
        top1=float(right.mean()),
        top5=float((order == truth[:, None]).any(1).mean()),
        macro_recall=float(recalls[there].mean()),
        ece=calibration_error(probabilities.max(1), right),
        unknown_rate=float(unknown.mean()),
        confusion=confusion,
        recalls=recalls,
    )


def fit_temperature(logits: Floats, truth: Ids) -> float:
    """
    Return the temperature with the least negative log-likelihood.

    :param logits: (N, C), of images that training has not seen.
    """
    best, least = 1.0, np.inf
    for temperature in np.geomspace(0.3, 4.0, 120):
        scaled = logits.astype(np.float64) / temperature
        scaled -= scaled.max(1, keepdims=True)
        log_sum = np.log(np.exp(scaled).sum(1))
        loss = float((log_sum - scaled[np.arange(len(truth)), truth]).mean())
        if loss < least:
            best, least = float(temperature), loss
    return round(best, 4)


def score_limit(
    known: Floats, negative: Floats, accepted: float = 0.0005, rejected: float = 0.004
) -> float:
    """
    Return the least score that still counts as known.

    As low as lets at most ``accepted`` of the negatives through, but never so
    high that more than ``rejected`` of the known ones are lost.

    :param known: best score of images of known classes; those that the
        background class took have -1, (N,).
    :param negative: the same of images that show none of them, (M,).
    """
    limit = float(np.quantile(negative, 1 - accepted)) if len(negative) else 0.0
    most = float(np.quantile(known, rejected)) if len(known) else 1.0
    return round(max(0.0, min(limit, most, 0.99)), 4)
