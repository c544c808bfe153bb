"""
Beginning as a linear probe: the best linear classifier of the starting features.

Transfer learning with a few hundred pictures rarely beats logistic regression
on the frozen features, and random hidden layers begin far below it. Here the
fully connected layers begin as that regression, so that training starts where
the probe ends. A ReLU network holds a linear map exactly: z = relu(z) - relu(-z).
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from alexnet_ros.training.network import HIDDEN, AlexNet, Factored

REPLICAS = 64  # units that hold the same value, so that dropout takes little of it
BATCH = 32


@dataclass(frozen=True)
class Linear:
    """A linear classifier: ``weight`` (C, F) and ``bias`` (C,)."""

    weight: Tensor
    bias: Tensor


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


def logistic_regression(x: Tensor, class_ids: Tensor, classes: int, pictures: int = 0) -> Linear:
    """
    Fit multinomial logistic regression, L2 penalty 1 / (2 pictures), by L-BFGS.

    :param x: features (N, F); centred and scaled inside, undone in the result.
    :param pictures: how many of them are no changed copies; 0 for all.
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
    return Linear(final, (bias - final @ middle).detach())


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
    classes = network.architecture.classes
    replicas = min(REPLICAS, HIDDEN // (2 * classes))
    ranks = [network.architecture.fc6_rank or HIDDEN, network.architecture.fc7_rank or HIDDEN]
    if not hidden and (replicas < 1 or ranks[0] < classes or ranks[1] < 2 * classes):
        return False
    x = frozen_features(network, images, hidden=hidden)
    found = logistic_regression(x, torch.from_numpy(class_ids), classes, pictures)
    last = cast('nn.Linear', network.classifier[6])
    with torch.no_grad():
        if hidden:
            last.weight.copy_(found.weight)
            last.bias.copy_(found.bias)
            return True
        scale = (x @ found.weight.T + found.bias).std().clamp_min(1e-6)
        units = torch.arange(2 * classes).repeat_interleave(replicas)  # which signed value
        signs = 1.0 - 2.0 * (units % 2)  # +, -, +, - ...
        picks = torch.zeros(len(units), classes)
        picks[torch.arange(len(units)), units // 2] = signs  # (units, C)
        _set_rows(network.classifier[1], found.weight / scale, picks, found.bias / scale)
        means = torch.zeros(2 * classes, HIDDEN)
        means[units, torch.arange(len(units))] = 1 / replicas
        spread = torch.zeros(len(units), 2 * classes)
        spread[torch.arange(len(units)), units] = 1
        _set_rows(network.classifier[4], means, spread, torch.zeros(2 * classes))
        last.weight.zero_()
        last.weight[:, : len(units)].copy_(picks.T * scale / replicas)
        last.bias.zero_()
    return True


def _set_rows(layer: nn.Module, values: Tensor, spread: Tensor, bias: Tensor) -> None:
    """
    Let the first units of a layer give ``spread @ (values @ x + bias)``.

    :param values: (V, inputs).
    :param spread: (units, V).
    """
    count = len(spread)
    if isinstance(layer, Factored):
        layer.first.weight[: len(values)].copy_(values)
        layer.second.weight[:count].zero_()
        layer.second.weight[:count, : len(values)].copy_(spread)
        layer.second.bias[:count].copy_(spread @ bias)
    elif isinstance(layer, nn.Linear):
        layer.weight[:count].copy_(spread @ values)
        layer.bias[:count].copy_(spread @ bias)
