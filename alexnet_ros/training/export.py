"""A checkpoint becomes a model package: folded, quantised, calibrated, measured."""

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
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from alexnet_ros.training.batches import Images
from alexnet_ros.training.calibrate import input_scales
from alexnet_ros.training.checkpoint import network_from_checkpoint
from alexnet_ros.training.evaluate import answers_from, logits_from_engine
from alexnet_ros.training.figures import figures_from, fit_temperature, score_limit
from alexnet_ros.training.fold import layers_of
from alexnet_ros.training.graph import onnx_from_layers
from alexnet_ros.training.measure import stretched
from alexnet_ros.training.network import AlexNet

Report = Callable[[str], None]
PRECISIONS = ('int8', 'fp16', 'fp32')


@dataclass(frozen=True)
class Measured:
    """
    Images that the export measures with.

    :param calibration: crops that the network was trained on.
    :param images: held-out crops, whole.
    :param class_ids: their classes, (N,).
    :param negatives: crops that are none of the classes, unseen in training.
    :param split: how they were held out, one line.
    """

    calibration: Images
    calibration_count: int
    images: Images
    class_ids: NDArray[np.int64]
    negatives: Sequence[NDArray[np.uint8]]
    split: str


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


def labels_for(names: Sequence[str], background: bool, role: str = 'sign') -> Labels:
    """Return the labels; with a background class the last one has that role."""
    last = len(names) - 1
    return Labels(
        Label(index, name, 'background' if background and index == last else role)
        for index, name in enumerate(names)
    )


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


@dataclass(frozen=True)
class Logits:
    """What one file of a package gives for the held-out crops and the negatives."""

    known: NDArray[np.float32]
    none: NDArray[np.float32]


def measured_logits(
    package: ModelPackage, measured: Measured, precision: str, negatives: bool
) -> Logits:
    """Run one file over the held-out crops and, if asked, the negatives."""
    crops = measured.negatives if negatives else ()
    with open_engine(package, 'cpu', precision=precision) as engine:
        known = logits_from_engine(engine, package.input, measured.images, len(measured.class_ids))
        none = logits_from_engine(engine, package.input, crops, len(crops)) if crops else known[:0]
    return Logits(known, none)


def calibrated_scores(
    labels: Labels, scores: ScoreSpec, logits: Logits, class_ids: NDArray[np.int64]
) -> ScoreSpec:
    """Return the temperature and the limit for unknown, fitted on held-out crops."""
    scores = replace(scores, temperature=fit_temperature(logits.known, class_ids))
    if not len(logits.none):
        return scores
    best = []
    for part in (logits.known, logits.none):
        answers = answers_from(part, labels, scores)
        best.append(np.where(answers.unknown, -1.0, answers.probabilities.max(1)))
    return replace(scores, score=score_limit(best[0], best[1]))


def export_package(
    checkpoint: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    measured: Measured | None,
    precisions: Sequence[str] = ('int8',),
    role: str = 'sign',
    licence: str = 'Apache-2.0',
    calibration_images: int = 256,
    note: str = '',
    command: str = '',
    report: Report = print,
) -> ModelPackage:
    """
    Write a model package and measure it.

    :param measured: what it is calibrated and measured with; None writes a
        package without INT8, temperature 1 and no metrics.
    :param precisions: which files the package gets; all three are measured
        where there is something to measure with.
    :param note: goes into the metrics, for instance that it is preliminary.
    :param command: the command line, for the metrics.
    :raises TrainingError: the checkpoint cannot be used.
    """
    network, facts = network_from_checkpoint(checkpoint)
    arch = network.architecture
    batch = None
    if measured is not None:
        count = measured.calibration_count
        rng = np.random.default_rng(5)
        picks = rng.choice(count, min(count, calibration_images), replace=False).tolist()
        batch = stretched(measured.calibration, picks, arch.size_px)
    wanted = PRECISIONS if measured else tuple(precisions)
    files = onnx_files(network, batch, wanted)
    labels = labels_for(facts['names'], facts['background'], role)
    unknown = len(labels) - 1 if facts['background'] else None
    common: dict[str, Any] = {
        'name': name,
        'version': version,
        'input': InputSpec(arch.size_px, arch.size_px),
        'labels': labels,
        'architecture': {
            'variant': arch.variant,
            'classes': arch.classes,
            'fc6_rank': arch.fc6_rank,
            'fc7_rank': arch.fc7_rank,
            'normalisation': arch.normalisation,
            'response_norm': arch.uses_lrn,
        },
        'origin': _origin(facts, licence),
    }
    scores = ScoreSpec(unknown_class_id=unknown)
    metrics: dict[str, Any] = {}
    if measured is not None and batch is not None:
        with tempfile.TemporaryDirectory() as scratch:
            draft = write_package(
                Path(scratch) / 'draft', files=files, scores=scores, metrics={}, **common
            )
            report('parity with PyTorch FP32:')
            same = parity(torch_logits(network, batch[:128]), draft, batch[:128])
            for precision, row in same.items():
                report(f'  {precision}: {row}')
            first = measured_logits(draft, measured, precisions[0], negatives=True)
            scores = calibrated_scores(labels, scores, first, measured.class_ids)
            metrics = {
                'command': command,
                'data': facts['data'],
                'split': measured.split,
                'parity': same,
            }
            for precision in (precisions[0], *(p for p in draft.files if p != precisions[0])):
                logits = (
                    first
                    if precision == precisions[0]
                    else measured_logits(draft, measured, precision, negatives=False)
                )
                metrics[precision] = _figures(labels, scores, logits, measured.class_ids)
                report(f'{precision}: {metrics[precision]}')
    if note:
        metrics = {'note': note, **metrics}
    kept = {precision: files[precision] for precision in precisions}
    return write_package(folder, files=kept, scores=scores, metrics=metrics, **common)


def _figures(
    labels: Labels, scores: ScoreSpec, logits: Logits, class_ids: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the figures of one file."""
    answers = answers_from(logits.known, labels, scores)
    figures = figures_from(answers.probabilities, class_ids, answers.unknown)
    row: dict[str, Any] = {
        'images': figures.images,
        'top1': round(figures.top1, 6),
        'top5': round(figures.top5, 6),
        'macro_recall': round(figures.macro_recall, 6),
        'ece': round(figures.ece, 6),
        'unknown_rate': round(figures.unknown_rate, 6),
    }
    if len(logits.none):
        refused = answers_from(logits.none, labels, scores).unknown
        row['negatives'] = len(refused)
        row['negatives_accepted'] = round(1 - float(refused.mean()), 6)
    return row


def _origin(facts: Mapping[str, Any], licence: str) -> dict[str, Any]:
    settings = facts['settings']
    return {
        'data': facts['data'],
        'initial_weights': Path(settings['initial']).name or 'random',
        'seed': settings['seed'],
        'crops_seen': facts.get('run', {}).get('crops_seen', 0),
        'licence': licence,
    }
