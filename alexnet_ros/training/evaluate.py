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
from alexnet_ros.postprocess import classifications_from_logits
from alexnet_ros.preprocess import batch_from_regions, resize_region
from alexnet_ros.records import Region
from alexnet_ros.training.batches import Images
from alexnet_ros.training.figures import Figures, figures_from
from alexnet_ros.training.sources import Image

Progress = Callable[[int, int], None]
TEN_VIEWS = (224, 256)  # the paper's crop and image side


@dataclass(frozen=True)
class Answers:
    """
    What a model said about N images.

    :param logits: (N, classes), the mean over the views in log space.
    :param probabilities: of the known classes, (N, C); without a background
        class C is the number of classes.
    :param unknown: which were rejected, (N,).
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    unknown: NDArray[np.bool_]


def ten_views(image: Image, spec: InputSpec, mirror: bool) -> NDArray[np.uint8]:
    """
    Return the views of the paper: four corners and the centre, and mirrored.

    :param mirror: False takes the five views twice as large parts instead
        (shares 0.875 and 0.94), for classes that a mirror changes.
    :returns: (10, H, W, 3).
    """
    height, width = image.shape[:2]
    out = np.empty((10, spec.height, spec.width, 3), np.uint8)
    shares = (TEN_VIEWS[0] / TEN_VIEWS[1],) if mirror else (TEN_VIEWS[0] / TEN_VIEWS[1], 0.94)
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
    batch: int = 16,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """
    Return the logits of whole images, (N, classes).

    :param views: 1, or 10: then the log of the mean probability.
    :param progress: called with how many of how many are done.
    """
    found = []
    step = max(1, batch // views)
    for start in range(0, count, step):
        part = [images[index] for index in range(start, min(start + step, count))]
        if views == 1:
            items = [
                (image, Region((0.0, 0.0, float(image.shape[1]), float(image.shape[0]))))
                for image in part
            ]
            found.append(engine.infer(batch_from_regions(items, spec)).logits)
        else:
            stack = np.concatenate([ten_views(image, spec, mirror) for image in part])
            raw = engine.infer(stack).logits.astype(np.float64)  # (n * 10, C)
            raw -= raw.max(1, keepdims=True)
            shares = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
            mean = shares.reshape(len(part), views, -1).mean(1)  # (n, C)
            found.append(np.log(np.maximum(mean, 1e-30)).astype(np.float32))
        if progress:
            progress(min(start + step, count), count)
    return np.concatenate(found)


def answers_from(logits: NDArray[np.float32], labels: Labels, scores: ScoreSpec) -> Answers:
    """Apply the temperature and the rule for unknown, as the node does."""
    found, log_probs = classifications_from_logits(logits, labels, scores, 1, 0.0)
    probabilities = np.exp(log_probs)
    if scores.unknown_class_id is not None:
        probabilities = np.delete(probabilities, scores.unknown_class_id, axis=1)
    return Answers(logits, probabilities, np.array([item.unknown for item in found], bool))


def known_ids(truth: NDArray[np.int64], package: ModelPackage) -> NDArray[np.int64]:
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


def figures_mapping(figures: Figures) -> dict[str, Any]:
    """Return what ``evaluate --json`` prints."""
    return {
        'images': figures.images,
        'top1': figures.top1,
        'top5': figures.top5,
        'macro_recall': figures.macro_recall,
        'ece': figures.ece,
        'unknown_rate': figures.unknown_rate,
        'confusion': figures.confusion.tolist(),
    }
