"""A finder's checkpoint becomes part of a model package: folded, quantised, measured."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.config import FinderSettings
from alexnet_ros.geometry import pairwise_iou
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.model_package.write import add_finder, write_finder
from alexnet_ros.signs.finder import SignFinder, fill_canvas, views_of
from alexnet_ros.training.finder_data import scenes_from
from alexnet_ros.training.finder_graph import finder_scales, onnx_from_finder
from alexnet_ros.training.finder_network import FinderNetwork
from alexnet_ros.training.finder_scenes import Scene
from alexnet_ros.training.finder_settings import FinderTrainSettings
from alexnet_ros.training.finder_train import FinderData, finder_from_checkpoint, maker_for

Image = NDArray[np.uint8]
SAME_IOU = 0.5  # a box found is an object's from this overlap on
FEWEST = 10  # objects, and other candidates, that a calibration needs
CALIBRATION = 24  # frames, and as many made pictures


@dataclass(frozen=True)
class Found:
    """
    What a finder gives for frames with known objects.

    :param objects: how many objects are at least so large.
    :param recall: share of them that a box overlaps by ``SAME_IOU``.
    :param mean_iou: of those found, with their best box.
    :param candidates: boxes a frame.
    """

    objects: int
    recall: float
    mean_iou: float
    candidates: float


def measure_finder(
    finder: SignFinder,
    scenes: Iterable[Scene],
    settings: FinderSettings | None = None,
    *,
    smallest_px: float = 0.0,
) -> Found:
    """
    Compare what a finder gives with annotated boxes.

    :param smallest_px: objects whose longer side is shorter do not count.
    """
    settings = settings or FinderSettings()
    overlaps: list[float] = []
    counts: list[int] = []
    for scene in scenes:
        (regions,) = finder.find([scene.image], settings)
        counts.append(len(regions))
        boxes = np.array([region.bbox_xywh for region in regions], np.float32).reshape(-1, 4)
        truth = _xywh(scene)
        truth = truth[truth[:, 2:].max(axis=1, initial=0) >= smallest_px]
        overlaps += pairwise_iou(truth, boxes).max(axis=1, initial=0).tolist()
    best = np.array(overlaps)
    found = best[best >= SAME_IOU]
    return Found(
        len(best),
        round(len(found) / max(1, len(best)), 4),
        round(float(found.mean()) if len(found) else 0.0, 4),
        round(float(np.mean(counts)) if counts else 0.0, 2),
    )


def calibrated(finder: SignFinder, scenes: Iterable[Scene]) -> tuple[float, float]:
    """
    Return slope and intercept of an object's logit by its heat, fitted by Newton's method.

    With fewer than ``FEWEST`` objects or other candidates the heat stands as it is.

    :param finder: with slope 1 and intercept 0.
    :param scenes: frames that it was not trained with.
    """
    settings = FinderSettings(max_regions=64, min_size_px=16)
    heats: list[float] = []
    hits: list[bool] = []
    for scene in scenes:
        regions = finder.find([scene.image], settings)[0]
        boxes = np.array([region.bbox_xywh for region in regions], np.float32).reshape(-1, 4)
        hits += (pairwise_iou(boxes, _xywh(scene)).max(axis=1, initial=0) >= 0.4).tolist()
        heats += [region.score for region in regions]
    wanted = np.array(hits, float)
    if min(wanted.sum(), len(wanted) - wanted.sum()) < FEWEST:
        return 1.0, 0.0
    heat = np.clip(np.array(heats), 1e-4, 1 - 1e-4)
    inputs = np.stack([np.log(heat / (1 - heat)), np.ones(len(heat))], 1)
    weights = np.array([1.0, 0.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slopes = inputs.T @ (chance - wanted) + 1e-3 * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + 1e-3 * np.eye(2)
        weights = weights - np.clip(np.linalg.solve(curve, slopes), -1, 1)
    return round(float(np.clip(weights[0], 0.1, 20)), 3), round(float(weights[1]), 3)


def _xywh(scene: Scene) -> NDArray[np.float32]:
    truth = scene.boxes.astype(np.float32)
    truth[:, 2:] -= truth[:, :2]
    return truth


def canvas_of(image: Image, height: int, width: int) -> Image:
    """Return a frame, or the first half of a long one, as the network sees it."""
    canvas = np.empty((height, width, 3), np.uint8)
    fill_canvas(image, views_of((image.shape[1], image.shape[0]), (width, height))[0], canvas)
    return canvas


@torch.no_grad()
def parity(
    network: FinderNetwork, finder: SignFinder, images: Sequence[Image]
) -> dict[str, float]:
    """Return how far the package's logits are from PyTorch's FP32: ``rms`` of heat and boxes."""
    spec = finder.package.input
    away = []
    for image in images:
        canvas = canvas_of(image, spec.height, spec.width)[None]
        wanted = network.places(torch.from_numpy(canvas)).numpy()
        away.append(finder.engine.infer(canvas).logits - wanted)
    numbers = np.concatenate(away).reshape(len(away), 5, -1)
    rms = np.sqrt(np.square(numbers).mean(axis=(0, 2)))
    return {'heat_rms': round(float(rms[0]), 4), 'box_rms': round(float(rms[1:].mean()), 4)}


def export_finder(
    checkpoint: Path,
    folder: Path,
    data: FinderData,
    *,
    height: int = 544,
    width: int = 960,
    min_score: float = 0.03,
    command: str = '',
    report: Callable[[str], None] = print,
) -> ModelPackage:
    """
    Put a finder into an existing model package and measure it on frames kept apart.

    :param checkpoint: of ``train-finder``.
    :param folder: the package; unchanged if anything fails.
    :param data: what it was trained with; its pictures calibrate INT8.
    :param height: of the network's input, a multiple of 32.
    :param width: likewise.
    :param min_score: least probability of an object that is given, 0 to 1.
    :param command: the command line, for the metrics.
    :raises TrainingError: the checkpoint cannot be used.
    :raises ModelPackageError: there is no package, or the network does not fit.
    """
    network, facts = finder_from_checkpoint(checkpoint)
    maker = maker_for(FinderTrainSettings(**facts['settings']), data, report)
    rng = np.random.default_rng(5)
    picks = rng.permutation(len(maker.frames))[:CALIBRATION].tolist()
    images = [canvas_of(maker.frames[index].image, height, width) for index in picks]
    images += [maker[number][0] for number in range(CALIBRATION)]
    model = onnx_from_finder(network, height, width, scales=finder_scales(network, images))
    dev = [s for path in data.frames for s in scenes_from(path, dev=True).values()]
    onnx = model.SerializeToString()
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:

        def opened() -> SignFinder:
            return SignFinder.open(write_finder(Path(scratch), onnx, **section), 'cpu')

        section: dict[str, Any] = {'height': height, 'width': width, 'min_score': 0.05}
        with opened() as finder:
            measured['parity'] = parity(network, finder, [scene.image for scene in dev[:8]])
            section['slope'], section['intercept'] = calibrated(finder, dev)
        section['min_score'] = min_score
        with opened() as finder:
            for smallest in (0, 32):
                name = f'objects_from_{smallest}_px' if smallest else 'all_objects'
                measured[name] = asdict(measure_finder(finder, dev, smallest_px=smallest))
    for name, row in measured.items():
        report(f'{name}: {row}')
    return add_finder(
        folder,
        onnx,
        **section,
        metrics={'command': command, 'frames': len(dev), **measured},
        origin=_origin(data, facts),
    )


def _origin(data: FinderData, facts: Mapping[str, Any]) -> dict[str, Any]:
    run, settings = facts['run'], facts['settings']
    sources = [*data.frames, data.crops, data.drawings, *data.backgrounds]
    return {
        'data': ', '.join(f'{path.parent.name}/{path.name}' for path in sources if path),
        'seed': settings['seed'],
        'pictures_seen': run['step'] * settings['batch'],
    }
