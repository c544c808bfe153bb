"""A trained network becomes a model package: folded, quantised, calibrated, measured."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import TrainingError
from alexnet_ros.labels import Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from alexnet_ros.postprocess import correlated
from alexnet_ros.training.batches import Images
from alexnet_ros.training.evaluate import (
    answers_from,
    figures_from,
    fit_temperature,
    logits_from_engine,
    score_limit,
    whole_images,
)
from alexnet_ros.training.graph import input_scales, onnx_from_layers
from alexnet_ros.training.network import AlexNet, layers_of

PRECISIONS = ('int8', 'fp16', 'fp32')
CALIBRATION_IMAGES = 256
MAX_LOST = 0.01  # of top-1, before somebody is told
CENTRE_IMAGES = 100  # of each class at most, for its usual logits
TOLD_UNKNOWN = 0.0025  # share of the right known signs that the similarity may cost


@dataclass(frozen=True)
class Measured:
    """
    Images that the export measures with.

    :param calibration: crops that the network was trained on.
    :param calibration_ids: their classes, (M,).
    :param images: held-out crops, whole.
    :param class_ids: their classes, (N,).
    :param negatives: crops that are none of the classes, unseen in training.
    :param split: how they were held out, one line.
    :param unseen: the network has not learnt from ``images``.
    """

    calibration: Images
    calibration_ids: NDArray[np.int64]
    images: Images
    class_ids: NDArray[np.int64]
    negatives: Sequence[NDArray[np.uint8]]
    split: str
    unseen: bool = True


@dataclass(frozen=True)
class Draft:
    """
    A package but for what is measured.

    :param files: makes the ONNX file of each precision asked for; gets real
        inputs (N, H, W, 3) uint8 to calibrate on, or None.
    :param reference: the original's logits for such inputs, to compare with.
    :param also_measure: precisions that are measured even where they are not kept.
    """

    name: str
    version: str
    input: InputSpec
    labels: Labels
    scores: ScoreSpec
    architecture: Mapping[str, Any]
    origin: Mapping[str, Any]
    files: Callable[[NDArray[np.uint8] | None, Sequence[str]], dict[str, bytes]]
    reference: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None
    also_measure: Sequence[str] = ()


@dataclass(frozen=True)
class Logits:
    """
    What one file of a package gives for the held-out crops and the negatives.

    :param usual: the mean pattern of each class (C, C), from crops that it learnt; zero where
        it learnt none.
    """

    known: NDArray[np.float32]
    none: NDArray[np.float32]
    usual: NDArray[np.float32] | None = None

    def accepted(self, labels: Labels, scores: ScoreSpec) -> list[NDArray[np.bool_]]:
        """Return which of the known and which of the others are called a known class."""
        return [~answers_from(part, labels, scores).unknown for part in (self.known, self.none)]


def onnx_files(
    network: AlexNet, calibration: NDArray[np.uint8] | None, precisions: Sequence[str] = PRECISIONS
) -> dict[str, bytes]:
    """
    Write the graph in each precision.

    :param calibration: real inputs (N, H, W, 3) uint8, needed for INT8.
    :raises TrainingError: INT8 without inputs.
    """
    layers, arch = layers_of(network), network.architecture
    files = {}
    for precision in precisions:
        scales = None
        if precision == 'int8':
            if calibration is None or not len(calibration):
                raise TrainingError('INT8 needs real images to calibrate on; give --data')
            scales = input_scales(network, layers, calibration)
        model = onnx_from_layers(layers, arch, half=precision == 'fp16', scales=scales)
        files[precision] = model.SerializeToString()
    return files


@torch.no_grad()
def torch_logits(network: AlexNet, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return PyTorch's FP32 logits for inputs (N, H, W, 3)."""
    parts = [network(torch.from_numpy(batch[i : i + 32]))[0] for i in range(0, len(batch), 32)]
    return torch.cat(parts).float().numpy()


def parity(
    reference: NDArray[np.float32], package: ModelPackage, batch: NDArray[np.uint8]
) -> dict[str, dict[str, float]]:
    """
    Compare each of a package's files with PyTorch.

    :param reference: PyTorch's logits for ``batch``.
    :returns: precision to ``max_abs`` and ``rms`` difference of the logits,
        ``agree`` (share with the same best class).
    """
    found = {}
    for precision in package.files:
        with open_engine(package, 'cpu', precision=precision) as engine:
            logits = engine.infer(batch).logits
        away = logits - reference
        found[precision] = {
            'max_abs': round(float(np.abs(away).max()), 6),
            'rms': round(float(np.sqrt(np.square(away).mean())), 6),
            'agree': float((logits.argmax(1) == reference.argmax(1)).mean()),
        }
    return found


def measured_logits(
    package: ModelPackage, measured: Measured, precision: str, *, negatives: bool
) -> Logits:
    """Run one file over the held-out crops and, if asked, the negatives."""
    crops = measured.negatives if negatives else ()
    with open_engine(package, 'cpu', precision=precision) as engine:
        known = logits_from_engine(engine, package.input, measured.images, len(measured.class_ids))
        if not crops:
            return Logits(known, known[:0])
        none = logits_from_engine(engine, package.input, crops, len(crops))
        usual = np.zeros((known.shape[1], known.shape[1]), np.float32)
        for class_id in np.unique(measured.calibration_ids):
            places = np.flatnonzero(measured.calibration_ids == class_id)
            places = places[:: -(-len(places) // CENTRE_IMAGES)]  # evenly spread
            images = [measured.calibration[index] for index in places.tolist()]
            learnt = logits_from_engine(engine, package.input, images, len(images))
            usual[class_id] = correlated(learnt).mean(0)
    return Logits(known, none, correlated(usual))


def calibrated_scores(
    labels: Labels, scores: ScoreSpec, logits: Logits, class_ids: NDArray[np.int64]
) -> ScoreSpec:
    """
    Return the temperature and the limit for unknown, fitted on held-out crops.

    What is none of the classes counts in the temperature with the background's
    id: a score says how often a candidate is that class, not which class it is.
    """
    if scores.activation == 'softmax':
        every, truth = logits.known, class_ids
        if len(logits.none) and scores.unknown_class_id is not None:
            every = np.concatenate([logits.known, logits.none])
            truth = np.append(class_ids, np.full(len(logits.none), scores.unknown_class_id))
        fitted = fit_temperature(every, truth)
        if bool((every.argmax(1) == truth).all()):
            fitted = max(fitted, 1.0)  # without a mistake there is no end to the confidence
        scores = replace(scores, temperature=fitted)
    if not len(logits.none):
        return scores
    best = []
    for part in (logits.known, logits.none):
        answers = answers_from(part, labels, scores)
        best.append(np.where(answers.unknown, -1.0, answers.probabilities.max(1)))
    kept = best[0][best[0] >= 0]  # of what the background class took nothing can be won back
    scores = replace(scores, score=score_limit(kept, best[1]))
    return with_centres(labels, scores, logits, class_ids)


def with_centres(
    labels: Labels, scores: ScoreSpec, logits: Logits, class_ids: NDArray[np.int64]
) -> ScoreSpec:
    """
    Return the scores with a limit on the similarity to the class named, if that pays.

    It pays if it refuses a larger share of the accepted negatives than of the known.
    """
    usual = logits.usual
    if usual is None or scores.activation != 'softmax':
        return scores
    accepted, fooled = logits.accepted(labels, scores)
    alike = (correlated(logits.known) * usual[class_ids]).sum(1)[accepted]
    right = logits.known[accepted].argmax(1) == class_ids[accepted]
    named = np.arange(len(labels)) != scores.unknown_class_id
    if not (fooled.any() and right.any() and usual[named].any(1).all()):
        return scores
    limit = round(float(np.quantile(alike[right], TOLD_UNKNOWN)), 4)
    closer = replace(scores, similarity=limit, centres=usual)
    lost, refused = (
        1 - after.sum() / before.sum()
        for before, after in zip((accepted, fooled), logits.accepted(labels, closer), strict=True)
    )
    return closer if refused > max(lost, 0.05) else scores


def write_measured(
    folder: Path,
    draft: Draft,
    measured: Measured | None,
    precisions: Sequence[str],
    *,
    command: str = '',
    report: Callable[[str], None] = print,
) -> ModelPackage:
    """
    Write a package; with images calibrate, fit the temperature and measure first.

    :param precisions: which files the package gets.
    :param command: the command line, for the metrics.
    :raises ModelPackageError: the parts do not fit.
    """
    strange = [p for p in precisions if p not in PRECISIONS]
    if strange or not precisions:
        raise TrainingError(f'--precision takes {", ".join(PRECISIONS)}, got {strange}')
    batch = None
    if measured is not None:
        count = len(measured.calibration_ids)
        rng = np.random.default_rng(5)
        picks = rng.choice(count, min(count, CALIBRATION_IMAGES), replace=False).tolist()
        batch = whole_images(measured.calibration, picks, draft.input)
    extra = [p for p in draft.also_measure if measured and p not in precisions]
    files = draft.files(batch, (*precisions, *extra))
    common: dict[str, Any] = {
        'name': draft.name,
        'version': draft.version,
        'input': draft.input,
        'labels': draft.labels,
        'architecture': dict(draft.architecture),
        'origin': dict(draft.origin),
    }
    scores, metrics = draft.scores, {}
    if measured is not None and batch is not None:
        metrics = {'command': command, 'data': draft.origin.get('data', '')}
        metrics['split'] = measured.split
        with tempfile.TemporaryDirectory() as scratch:
            trial = write_package(
                Path(scratch) / 'draft', files=files, scores=scores, metrics={}, **common
            )
            if draft.reference is not None:
                metrics['parity'] = parity(draft.reference(batch[:128]), trial, batch[:128])
                report(f'parity with the original: {metrics["parity"]}')
            for precision in (precisions[0], *(p for p in trial.files if p != precisions[0])):
                first = precision == precisions[0]
                logits = measured_logits(trial, measured, precision, negatives=first)
                if first and measured.unseen:
                    scores = calibrated_scores(draft.labels, scores, logits, measured.class_ids)
                metrics[precision] = _figures(draft.labels, scores, logits, measured.class_ids)
                report(f'{precision}: {metrics[precision]}')
    best, kept = (metrics.get(p, {}).get('top1', 0.0) for p in ('fp32', precisions[0]))
    if best - kept > MAX_LOST:
        report(
            f'{precisions[0]} has lost {100 * (best - kept):.1f} points of top-1; '
            'consider --precision fp32'
        )
    chosen = {precision: files[precision] for precision in precisions}
    return write_package(folder, files=chosen, scores=scores, metrics=metrics, **common)


def _figures(
    labels: Labels, scores: ScoreSpec, logits: Logits, class_ids: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the figures of one file."""
    answers = answers_from(logits.known, labels, scores)
    figures = figures_from(answers.probabilities, class_ids, answers.unknown)
    row = {name: round(value, 6) for name, value in figures.numbers().items()}
    if len(logits.none):
        refused = answers_from(logits.none, labels, scores).unknown
        row['negatives'] = len(refused)
        row['negatives_accepted'] = round(1 - float(refused.mean()), 6)
    return row
