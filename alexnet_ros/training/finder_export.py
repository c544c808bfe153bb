"""
A finder's checkpoint becomes part of a model package: folded, quantised, measured.

Its graph: ``image`` (N, H, W, 3) uint8 RGB -> ``logits`` (N, 20, H/8, W/8)
float32, four neighbouring cells a place, as ``FinderNetwork.places`` gives them.
INT8 is symmetric Q/DQ with float biases, which every runtime takes.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, nn

from alexnet_ros.config import FinderSettings, flat_fields
from alexnet_ros.geometry import pairwise_iou, xywh_from_corners
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.model_package.write import add_finder, write_finder
from alexnet_ros.signs.finder import SignFinder, fill_canvas, views_of
from alexnet_ros.training.finder_data import FinderData, maker_for, scenes_from
from alexnet_ros.training.finder_network import CELL_PX, CHANNELS, GREY, SPREAD, FinderNetwork
from alexnet_ros.training.finder_scenes import Scene
from alexnet_ros.training.finder_train import finder_from_checkpoint
from alexnet_ros.training.graph import GraphWriter
from alexnet_ros.training.initial import logistic_regression
from alexnet_ros.training.network import Layer, convolution
from alexnet_ros.training.settings import FinderTrainSettings

Image = NDArray[np.uint8]
NEAREST = {'coordinate_transformation_mode': 'asymmetric', 'nearest_mode': 'floor'}
SAME_IOU = 0.5  # a box found is an object's from this overlap on
MIN_CALIBRATION = 10  # objects, and other candidates, that a calibration needs
CALIBRATION = 24  # frames, and as many made pictures


def _finder_layers(network: FinderNetwork) -> dict[str, Layer]:
    """
    Return the folded convolutions by their place in the network, such as ``four.0``.

    The first one takes pixels less ``GREY``, not yet divided by ``SPREAD``.
    """
    layers = {
        name: convolution(name, name, module[0], module[1])
        for name, module in network.named_modules()
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d)
    }
    stem = layers['stem']
    return layers | {'stem': replace(stem, weight=stem.weight / np.float32(SPREAD))}


@torch.no_grad()
def finder_scales(network: FinderNetwork, images: Sequence[Image]) -> dict[str, float]:
    """
    Return the int8 step of each convolution's output (after its ReLU) and of the two sums.

    :param images: real inputs, each (H, W, 3) uint8, sides multiples of 32.
    """
    peaks: dict[str, float] = defaultdict(lambda: 1e-6)

    def note(name: str, values: Tensor) -> None:
        peaks[name] = max(peaks[name], float(values.abs().max()))

    def noting(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: note(name, output)

    hooks = [
        network.get_submodule(name).register_forward_hook(noting(name))
        for name in _finder_layers(network)
    ]
    hooks.append(
        network.join.register_forward_pre_hook(lambda _module, inputs: note('sum8', inputs[0]))
    )
    hooks.append(
        network.from_last.register_forward_hook(lambda _m, _i, output: note('sum16', 2 * output))
    )
    for image in images:
        network(torch.from_numpy(image[None]))
    for hook in hooks:
        hook.remove()
    # The strongest answers are the rare ones to objects: nothing of them may be cut off.
    return {name: peak / 127 for name, peak in peaks.items()}


def onnx_from_finder(
    network: FinderNetwork, height: int, width: int, *, scales: Mapping[str, float] | None = None
) -> onnx.ModelProto:
    """
    Write the graph.

    :param height: of the input, a multiple of 32.
    :param width: likewise.
    :param scales: int8 steps from :func:`finder_scales`; None for FP32.
    :raises onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    network = network.cpu().eval()
    writer, layers = GraphWriter(), _finder_layers(network)

    def step(x: str, name: str, output: str, *, positive: bool = False) -> str:
        return writer.quantised(x, scales[name], output, positive=positive) if scales else x

    def convolved(x: str, name: str) -> str:
        x = writer.layer(layers[name], x, name, quantise=scales is not None)
        relu = not name.startswith('from_')
        x = step(x, name, f'{name}_out', positive=relu)
        if relu:  # the same step on both sides of it
            x = writer.node('Relu', [x], f'{name}_relu')
            x = step(x, name, f'{name}_in', positive=True)
        return x

    def twin(x: str, name: str) -> str:
        """
        Quantise a value once more for its second reader.

        ONNX Runtime keeps a convolution in int8 only where it alone reads its
        input, and would merge two equal roundings: so this one is not equal.
        """
        if not scales:
            return x
        apart = 1.001 * scales[name]
        return writer.quantised(f'{name}_relu', apart, f'{name}_twin', positive=True)

    def doubled(x: str, name: str, output: str) -> str:
        sizes = writer.constant('sizes_doubled', np.array([1, 1, 2, 2], np.float32))
        x = writer.node('Resize', [x, '', sizes], output, mode='nearest', **NEAREST)
        return step(x, name, output)

    x = writer.node('Cast', ['image'], 'pixels', to=TensorProto.FLOAT)
    x = writer.node('Sub', [x, writer.constant('grey', np.float32(GREY))], 'centred')
    x = writer.node('Transpose', [x], 'planes', perm=[0, 3, 1, 2])
    if scales:
        x = writer.quantised(x, 1.0, 'planes')  # whole numbers from -128 to 127: nothing is lost
    for name in ('stem', 'four.0', 'four.1', 'eight.0', 'eight.1'):
        x = convolved(x, name)
    eight = twin(x, 'eight.1')
    x = convolved(convolved(x, 'sixteen.0'), 'sixteen.1')
    sixteen = twin(x, 'sixteen.1')
    last = convolved(convolved(convolved(x, 'last.0'), 'last.1'), 'from_last')
    parts = [doubled(last, 'from_last', 'last_doubled'), convolved(sixteen, 'from_sixteen')]
    x = step(writer.node('Add', parts, 'sum16'), 'sum16', 'sum16')
    parts = [doubled(x, 'sum16', 'sum16_doubled'), convolved(eight, 'from_eight')]
    x = step(writer.node('Add', parts, 'sum8'), 'sum8', 'sum8_out', positive=True)
    x = step(writer.node('Relu', [x], 'sum8_relu'), 'sum8', 'sum8_in', positive=True)
    x = convolved(x, 'join')
    head = [
        writer.constant(f'head_{part}', tensor.detach().float().numpy())
        for part, tensor in network.head.named_parameters()
    ]
    writer.node('Conv', [x, *head], 'logits', kernel_shape=[1, 1])  # boxes need more than 8 bits
    places = [4 * CHANNELS, height // (2 * CELL_PX), width // (2 * CELL_PX)]
    return writer.model('finder', (height, width), {'logits': places})


@dataclass(frozen=True)
class Found:
    """
    What a finder gives for frames with known objects.

    :param objects: how many objects are at least so large.
    :param recall: fraction of them that a box overlaps by ``SAME_IOU``.
    :param mean_iou: of those found, with their best box.
    :param candidates: boxes a frame.
    """

    objects: int
    recall: float
    mean_iou: float
    candidates: float


def _boxes_xywh(
    finder: SignFinder, scene: Scene, settings: FinderSettings
) -> tuple[NDArray[np.float32], list[float], NDArray[np.float32]]:
    """Return boxes and scores of what is found in a frame, and the true boxes."""
    (regions,) = finder.find([scene.image], settings)
    boxes = np.array([region.bbox_xywh for region in regions], np.float32).reshape(-1, 4)
    return boxes, [region.score for region in regions], xywh_from_corners(scene.boxes)


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
    overlaps: list[float] = []
    counts: list[int] = []
    for scene in scenes:
        boxes, _, truth = _boxes_xywh(finder, scene, settings or FinderSettings())
        counts.append(len(boxes))
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
    Return slope and intercept of an object's logit by its heat, by logistic regression.

    With fewer than ``MIN_CALIBRATION`` objects or other candidates the heat stands as it is.

    :param finder: with slope 1 and intercept 0.
    :param scenes: frames that it was not trained with.
    """
    settings = FinderSettings(max_regions=64, min_size_px=16)
    heats: list[float] = []
    hits: list[bool] = []
    for scene in scenes:
        boxes, scores, truth = _boxes_xywh(finder, scene, settings)
        hits += (pairwise_iou(boxes, truth).max(axis=1, initial=0) >= 0.4).tolist()
        heats += scores
    if min(sum(hits), len(hits) - sum(hits)) < MIN_CALIBRATION:
        return 1.0, 0.0
    heat = np.clip(np.array(heats), 1e-4, 1 - 1e-4)
    logits = torch.from_numpy(np.log(heat / (1 - heat))).float()[:, None]
    weight, bias = logistic_regression(logits, torch.tensor(hits).long(), 2)
    slope, intercept = float(weight[1] - weight[0]), float(bias[1] - bias[0])
    return round(float(np.clip(slope, 0.1, 20)), 3), round(intercept, 3)


def _canvas_of(image: Image, height: int, width: int) -> Image:
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
        canvas = _canvas_of(image, spec.height, spec.width)[None]
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
    known = flat_fields(FinderTrainSettings)  # an older run may have others, too
    used = {name: value for name, value in facts['settings'].items() if name in known}
    maker = maker_for(FinderTrainSettings(**used), data, print)
    rng = np.random.default_rng(5)
    picks = rng.permutation(len(maker.frames))[:CALIBRATION].tolist()
    images = [_canvas_of(maker.frames[index].image, height, width) for index in picks]
    images += [maker[number][0] for number in range(CALIBRATION)]
    scales = finder_scales(network, images)
    graph = onnx_from_finder(network, height, width, scales=scales).SerializeToString()
    dev = [s for path in data.frames for s in scenes_from(path, dev=True).values()]
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:

        def opened() -> SignFinder:
            return SignFinder.open(write_finder(Path(scratch), graph, **section), 'cpu')

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
        print(f'{name}: {row}')
    run, settings = facts['run'], facts['settings']
    sources = [*data.frames, *data.crops, *data.backgrounds]
    return add_finder(
        folder,
        graph,
        **section,
        metrics={'command': command, 'frames': len(dev), **measured},
        origin={
            'data': ', '.join(f'{path.parent.name}/{path.name}' for path in sources),
            'seed': settings['seed'],
            'pictures_seen': run['step'] * settings['batch'],
        },
    )
