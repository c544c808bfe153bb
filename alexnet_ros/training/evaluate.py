"""
What a model package is worth on labelled crops.

Runs the very functions of the node: the package's own preprocessing, an
engine, and the postprocessing with its temperature and thresholds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.engine.base import Engine
from alexnet_ros.errors import DatasetError
from alexnet_ros.labels import Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec
from alexnet_ros.postprocess import classifications_from_logits, log_probabilities
from alexnet_ros.preprocess import batch_from_regions, resize_region
from alexnet_ros.records import Region
from alexnet_ros.training.batches import Images
from alexnet_ros.training.sources import Image

Floats = NDArray[np.floating]
Ids = NDArray[np.int64]
Progress = Callable[[int, int], None]
ECE_BINS = 15
BATCH = 16
TEN_VIEWS = (224, 256)  # the paper's crop and image side


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

    def numbers(self) -> dict[str, Any]:
        """Return what is one number, by name."""
        names = ('images', 'top1', 'top5', 'macro_recall', 'ece', 'unknown_rate')
        return {name: getattr(self, name) for name in names}


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """
    Return the expected calibration error.

    :param confidence: of each answer, 0 to 1, (N,).
    :param right: whether it was right, (N,).
    """
    place = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    error = 0.0
    for number in np.unique(place):
        inside = place == number
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
    rows = np.arange(len(truth))
    temperatures = np.geomspace(0.3, 4.0, 120)
    losses = [-log_probabilities(logits, t)[rows, truth].mean(dtype=float) for t in temperatures]
    return round(float(temperatures[int(np.argmin(losses))]), 4)


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


@dataclass(frozen=True)
class Answers:
    """
    What a model said about N images.

    :param probabilities: of the known classes, (N, C); without a background
        class C is the number of classes.
    :param unknown: which were rejected, (N,).
    """

    probabilities: NDArray[np.float32]
    unknown: NDArray[np.bool_]


def whole_images(images: Images, indices: Sequence[int], spec: InputSpec) -> NDArray[np.uint8]:
    """Return whole images as the node would make them, (N, H, W, 3)."""
    items = []
    for index in indices:
        height, width = images[index].shape[:2]
        items.append((images[index], Region((0.0, 0.0, float(width), float(height)))))
    return batch_from_regions(items, spec)


def ten_views(image: Image, spec: InputSpec, mirror: bool) -> NDArray[np.uint8]:
    """
    Return the views of the paper: four corners and the centre, and mirrored.

    :param mirror: False takes the five views twice as large parts instead
        (shares 0.875 and 0.94), for classes that a mirror changes.
    :returns: (10, H, W, 3).
    """
    height, width = image.shape[:2]
    out = np.empty((10, spec.height, spec.width, 3), np.uint8)
    shares = (TEN_VIEWS[0] / TEN_VIEWS[1], 0.94)[: 1 if mirror else 2]
    row = 0
    for share in shares:
        w, h = width * share, height * share
        corners = ((0, 0), (width - w, 0), (0, height - h), (width - w, height - h))
        for x, y in (*corners, ((width - w) / 2, (height - h) / 2)):
            resize_region(image, (x, y, w, h), spec, out[row], margin=0.0)
            row += 1
    if mirror:
        out[5:] = out[:5, :, ::-1]
    return out


def logits_from_engine(
    engine: Engine,
    spec: InputSpec,
    images: Images,
    count: int,
    *,
    views: int = 1,
    mirror: bool = False,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """
    Return the logits of whole images, (N, classes).

    :param views: 1, or 10: then the log of the mean probability.
    :param progress: called with how many of how many are done.
    """
    found = []
    step = max(1, BATCH // views)
    for start in range(0, count, step):
        part = range(start, min(start + step, count))
        if views == 1:
            found.append(engine.infer(whole_images(images, part, spec)).logits)
        else:
            stack = np.concatenate([ten_views(images[index], spec, mirror) for index in part])
            shares = np.exp(log_probabilities(engine.infer(stack).logits))  # (n * 10, C)
            mean = shares.reshape(len(part), views, -1).mean(1)  # (n, C)
            found.append(np.log(np.maximum(mean, 1e-30)).astype(np.float32))
        if progress:
            progress(part.stop, count)
    return np.concatenate(found)


def answers_from(logits: NDArray[np.float32], labels: Labels, scores: ScoreSpec) -> Answers:
    """Apply the temperature and the rule for unknown, as the node does."""
    found, log_probs = classifications_from_logits(logits, labels, scores, 1, 0.0)
    probabilities = np.exp(log_probs)
    if scores.unknown_class_id is not None:
        probabilities = np.delete(probabilities, scores.unknown_class_id, axis=1)
    return Answers(probabilities, np.array([item.unknown for item in found], bool))


def known_ids(truth: Ids, package: ModelPackage) -> Ids:
    """
    Return the positions of class ids among the known classes.

    :raises DatasetError: a label that the model does not have.
    """
    background = package.scores.unknown_class_id
    wrong = (truth < 0) | (truth >= len(package.labels))
    if background is not None:
        wrong |= truth == background
    if wrong.any():
        raise DatasetError(
            f'unknown label {int(truth[wrong][0])}: {package.name} has the classes 0 to '
            f'{len(package.labels) - 1 - (background is not None)}'
        )
    return truth if background is None else truth - (truth > background)


def evaluate(
    package: ModelPackage,
    engine: Engine,
    images: Images,
    truth: Sequence[int],
    *,
    views: int = 1,
    mirror: bool = False,
    progress: Progress | None = None,
) -> tuple[Figures, Answers]:
    """
    Measure a package on labelled crops.

    :param images: by index; each is the whole crop, its border included.
    :param truth: class id of each.
    :raises DatasetError: no images, or a label that the model does not have.
    """
    if not len(truth):
        raise DatasetError('there are no images to evaluate')
    ids = known_ids(np.asarray(truth, np.int64), package)
    logits = logits_from_engine(
        engine, package.input, images, len(ids), views=views, mirror=mirror, progress=progress
    )
    answers = answers_from(logits, package.labels, package.scores)
    return figures_from(answers.probabilities, ids, answers.unknown), answers
