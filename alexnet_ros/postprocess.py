"""Logits to calibrated probabilities, the best classes, and "unknown"."""

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import EngineRunError
from alexnet_ros.labels import Labels
from alexnet_ros.model_package import ScoreSpec
from alexnet_ros.records import Classification, ClassScore

Floats = NDArray[np.float32]
MIN_LOG = -1000.0  # of a probability: zero for all that multiplies a few of them


def log_probabilities(
    logits: Floats, temperature: float = 1.0, activation: str = 'softmax'
) -> Floats:
    """
    Return the logarithm of the calibrated probabilities.

    :param logits: shape (N, C), finite.
    :param temperature: logits are divided by it (Guo et al. 2017).
    :param activation: ``softmax``, or ``sigmoid`` for each class on its own.
    :returns: shape (N, C), float32, at least -1000; with softmax each row's
        exponentials sum to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    if activation == 'sigmoid':
        return (-np.logaddexp(0.0, -scaled)).clip(MIN_LOG).astype(np.float32)
    scaled -= scaled.max(axis=1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return scaled.clip(MIN_LOG).astype(np.float32)


def free_energies(logits: Floats) -> Floats:
    """
    Return the free energy of each row: high where no class fits.

    :param logits: shape (N, C), finite; all classes, a background class
        included, and not divided by any temperature.
    :returns: shape (N,), float32: minus the log of the sum of exponentials
        (Liu et al. 2020, equation 4, T = 1).
    """
    wide = logits.astype(np.float64)
    highest = wide.max(axis=1)
    total = np.log(np.exp(wide - highest[:, None]).sum(axis=1))
    return np.asarray(-(highest + total), np.float32)


def correlated(logits: Floats) -> Floats:
    """Return rows of mean 0 and length 1: their products are correlations, (N, C)."""
    rows = logits - logits.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))


def classifications_from_logits(
    logits: Floats, labels: Labels, scores: ScoreSpec, top_k: int = 5, score_threshold: float = 0.0
) -> tuple[list[Classification], Floats]:
    """
    Turn the logits of N regions into results.

    A region is unknown if the model's own class for "none of these" is the
    best one, if its free energy is above the model's limit, if the best known
    probability is below the model's or the caller's limit, or if its logits are
    not alike those usual for the best class (after Bendale and Boult 2016).

    :param logits: shape (N, C).
    :param labels: the C classes.
    :param top_k: hypotheses kept for each region; the unknown class is never
        among them, so its probability is what theirs lack to 1.
    :param score_threshold: the caller's limit, 0 to 1.
    :returns: N classifications, and the log-probabilities of all classes,
        shape (N, C), float32.
    :raises EngineRunError: NaN or infinity, or another number of classes.
    """
    if logits.ndim != 2 or logits.shape[1] != len(labels):
        raise EngineRunError(f'expected logits (N, {len(labels)}), got {logits.shape}')
    if not np.isfinite(logits).all():
        raise EngineRunError(
            'the network produced NaN or infinite logits; its results are discarded'
        )
    log_probs = log_probabilities(logits, scores.temperature, scores.activation)
    energies = free_energies(logits)
    probabilities = np.exp(log_probs)
    background = scores.unknown_class_id
    if background is None:
        taken_for_none = np.zeros(len(logits), bool)
    else:
        taken_for_none = log_probs.argmax(axis=1) == background
        probabilities[:, background] = -1.0  # never among the best
    classes = len(labels) - (background is not None)
    order = _best_first(probabilities, min(top_k, classes))  # (N, k)
    best = np.take_along_axis(probabilities, order, axis=1).clip(0.0, 1.0)  # (N, k)
    least = max(score_threshold, scores.score or 0.0)
    limit = np.inf if scores.energy is None else scores.energy
    unknown = taken_for_none | (energies > limit)
    if classes:
        unknown |= best[:, 0] < least
        if scores.centres is not None and scores.similarity is not None:
            alike = (correlated(logits) * scores.centres[order[:, 0]]).sum(axis=1)
            unknown |= alike < scores.similarity
    names = labels.names
    found = [
        Classification(
            tuple(
                ClassScore(class_id, names[class_id], score)
                for class_id, score in zip(ids, values, strict=True)
            ),
            is_unknown,
            energy,
        )
        for ids, values, is_unknown, energy in zip(
            order.tolist(), best.tolist(), unknown.tolist(), energies.tolist(), strict=True
        )
    ]
    return found, log_probs


def _best_first(values: Floats, count: int) -> NDArray[np.intp]:
    """Return the places of the largest values of each row; equals keep their order."""
    if values.shape[1] > max(256, 8 * count):
        # Thousands of classes: the k-th value splits off the few that need sorting.
        part = np.sort(np.argpartition(-values, count - 1, axis=1)[:, :count], axis=1)
        chosen = np.take_along_axis(values, part, axis=1)
        if np.count_nonzero(values >= chosen.min(axis=1, keepdims=True)) == part.size:
            inner = np.argsort(-chosen, axis=1, kind='stable')
            return np.take_along_axis(part, inner, axis=1)
    return np.argsort(-values, axis=1, kind='stable')[:, :count]
