"""
How a network starts: as in the paper, as today, from a package, or as a linear probe.

Transfer learning with a few hundred pictures rarely beats logistic regression
on the frozen features, and random hidden layers begin far below it. Here the
fully connected layers begin as that regression, so that training starts where
the probe ends. A ReLU network holds a linear map exactly: z = relu(z) - relu(-z).
"""

from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy

from alexnet_ros.errors import TrainingError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.network import HIDDEN, AlexNet, Conv, Factored, Floats, layers_of

PAPER_ONES = ('features.3', 'features.8', 'features.10', 'classifier.1', 'classifier.4')
"""Layers whose bias starts at 1 in the paper: conv2, conv4, conv5 and the hidden ones."""
REPLICAS = 64  # units that hold the same value, so that dropout takes little of it
BATCH = 32


def initialise(network: AlexNet, kind: str = 'modern') -> None:
    """
    Set the starting weights.

    :param kind: ``paper`` (N(0, 0.01), bias 1 in conv2, 4, 5 and the hidden
        layers, else 0) or ``modern`` (He et al. 2015 for ReLU, zero bias).
    """
    for name, module in network.named_modules():
        if isinstance(module, (Conv, nn.Linear)):
            if kind == 'paper' or name == 'classifier.6':
                nn.init.normal_(module.weight, std=0.01)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=(3 * module.in_features) ** -0.5)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            if module.bias is not None:
                ones = kind == 'paper' and name.removesuffix('.second') in PAPER_ONES
                nn.init.constant_(module.bias, float(ones))


@torch.no_grad()
def load_package(network: AlexNet, package: ModelPackage) -> list[str]:
    """
    Load all layers from the ONNX file of a model package of this project.

    Symmetric INT8 weights are multiplied out. Batch normalisation is folded in
    there; after this call the network's own must be set with
    :func:`settle_norms`. The last layer stays as it is where the classes differ
    in number.

    :returns: the names of the layers loaded.
    :raises TrainingError: a layer is missing, or has another shape.
    """
    precision = next(p for p in ('fp32', 'fp16', 'int8') if p in package.files)
    path = package.folder / package.files[precision].file
    stored = {item.name: item for item in onnx.load(path).graph.initializer}

    def array(name: str) -> Floats | None:
        if name not in stored:
            return None
        values: Floats = numpy_helper.to_array(stored[name]).astype(np.float32)
        steps = array(f'{name}_scale')
        return values if steps is None else values * steps.reshape(-1, *[1] * (values.ndim - 1))

    loaded = []
    for layer in layers_of(network):
        if layer.name == 'fc8' and len(package.labels) != network.architecture.classes:
            continue
        for part, wanted in (('weight', layer.weight), ('bias', layer.bias)):
            name = f'{layer.name}_{part}'
            values = array(name)
            if wanted is None:
                continue
            if values is None or values.shape != wanted.shape:
                got = 'nothing' if values is None else values.shape
                raise TrainingError(
                    f'{path}: expected {name} {wanted.shape}, got {got}; the package and the '
                    'settings must agree on variant and ranks'
                )
            getattr(network.get_submodule(layer.module), part).copy_(torch.from_numpy(values))
        loaded.append(layer.name)
    return loaded


@torch.no_grad()
def settle_norms(network: AlexNet, images: NDArray[np.uint8]) -> None:
    """
    Set each batch normalisation so that it changes nothing on these images.

    Its mean and variance become those of the convolution's output, its shift
    and scale undo them: folded weights keep their function and learn on as if
    they had never been folded.

    :param images: typical inputs (N, H, W, 3), uint8.
    """
    network.eval()
    x = network.normalise(torch.from_numpy(images))
    for module in network.features:
        if isinstance(module, Conv) and module.norm is not None:
            norm, weight, bias = module.norm, module.weight, module.bias
            x = conv2d(x, weight, bias, module.stride, module.padding, 1, module.groups)
            variance, mean = torch.var_mean(x, (0, 2, 3))
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
        else:
            x = module(x)


@torch.no_grad()
def frozen_features(network: AlexNet, images: NDArray[np.uint8], *, hidden: bool) -> Tensor:
    """
    Return what the last fixed layer gives, (N, F).

    :param images: inputs (N, H, W, 3), uint8.
    :param hidden: behind fc7 rather than behind the convolutions.
    """
    network.eval()
    rows = []
    for start in range(0, len(images), BATCH):
        pixels = torch.from_numpy(images[start : start + BATCH])
        if hidden:
            rows.append(network(pixels)[1])
        else:
            maps = network.avgpool(network.features(network.normalise(pixels)))
            rows.append(torch.flatten(maps, 1))
    return torch.cat(rows)


def logistic_regression(
    x: Tensor, class_ids: Tensor, classes: int, pictures: int = 0
) -> tuple[Tensor, Tensor]:
    """
    Fit multinomial logistic regression, L2 penalty 1 / (2 pictures), by L-BFGS.

    :param x: features (N, F); centred and scaled inside, undone in the result.
    :param pictures: how many of them are no changed copies; 0 for all.
    :returns: weight (C, F) and bias (C,).
    """
    middle, scale = x.mean(0), x.std().clamp_min(1e-6)
    unit = (x - middle) / scale
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        solver.zero_grad()
        value = cross_entropy(unit @ weight.T + bias, class_ids)
        value = value + weight.square().sum() / (2 * (pictures or len(x)))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    final = (weight / scale).detach()
    return final, (bias - final @ middle).detach()


def start_from_probe(
    network: AlexNet,
    images: NDArray[np.uint8],
    class_ids: NDArray[np.int64],
    pictures: int = 0,
    *,
    hidden: bool = False,
) -> bool:
    """
    Set the fully connected layers so that the network is a linear probe.

    :param images: training inputs (N, H, W, 3), changed copies among them.
    :param pictures: how many of them are no changed copies; 0 for all.
    :param hidden: fc6 and fc7 are known too: the last layer alone is set.
    :returns: False where the hidden layers are too thin to hold it.
    """
    arch = network.architecture
    classes = arch.classes
    replicas = min(REPLICAS, HIDDEN // (2 * classes))
    thin = (arch.fc6_rank or HIDDEN) < classes or (arch.fc7_rank or HIDDEN) < 2 * classes
    if not hidden and (replicas < 1 or thin):
        return False
    x = frozen_features(network, images, hidden=hidden)
    weight, bias = logistic_regression(x, torch.from_numpy(class_ids), classes, pictures)
    last = cast('nn.Linear', network.classifier[6])
    with torch.no_grad():
        if hidden:
            last.weight.copy_(weight)
            last.bias.copy_(bias)
            return True
        scale = (x @ weight.T + bias).std().clamp_min(1e-6)
        units = torch.arange(2 * classes).repeat_interleave(replicas)  # which signed value
        places = torch.arange(len(units))
        picks = torch.zeros(len(units), classes)
        picks[places, units // 2] = 1.0 - 2.0 * (units % 2)  # +, -, +, - ...
        _set_rows(network.classifier[1], weight / scale, picks, bias / scale)
        means = torch.zeros(2 * classes, HIDDEN)
        means[units, places] = 1 / replicas
        spread = torch.zeros(len(units), 2 * classes)
        spread[places, units] = 1
        _set_rows(network.classifier[4], means, spread, torch.zeros(2 * classes))
        last.weight.zero_()
        last.weight[:, : len(units)].copy_(picks.T * scale / replicas)
        last.bias.zero_()
    return True


def _set_rows(layer: nn.Module, values: Tensor, spread: Tensor, bias: Tensor) -> None:
    """Let the first units give ``spread`` (units, V) @ (``values`` (V, inputs) @ x + ``bias``)."""
    count = len(spread)
    if isinstance(layer, Factored):
        layer.first.weight[: len(values)].copy_(values)
        layer.second.weight[:count].zero_()
        layer.second.weight[:count, : len(values)].copy_(spread)
        layer.second.bias[:count].copy_(spread @ bias)
    elif isinstance(layer, nn.Linear):
        layer.weight[:count].copy_(spread @ values)
        layer.bias[:count].copy_(spread @ bias)
