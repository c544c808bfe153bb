"""The eight layers as plain arrays, batch normalisation folded in."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from alexnet_ros.training.network import CONV_SLOTS, AlexNet, Conv, Factored

Floats = NDArray[np.float32]
FULL_SLOTS = (1, 4, 6)


@dataclass(frozen=True)
class Layer:
    """
    One layer with weights.

    :param name: ``conv1`` to ``conv5``, ``fc6`` to ``fc8``; the two halves of
        a factored one are ``fc6a`` and ``fc6b``.
    :param module: its name in the PyTorch network.
    :param weight: (O, I/groups, k, k) or (O, I), float32.
    :param bias: (O,), or None.
    :param conv: stride, padding and groups of a convolution.
    """

    name: str
    module: str
    weight: Floats
    bias: Floats | None
    conv: tuple[int, int, int] | None = None


def folded_convolution(module: Conv) -> tuple[Floats, Floats]:
    """
    Return weight and bias that give convolution and normalisation in one.

    With running mean m, variance v, scale g and shift b, each output channel
    becomes ``g / sqrt(v + eps) * (conv - m) + b``.
    """
    weight = module.weight.detach().double()
    bias = (
        torch.zeros(module.out_channels, dtype=torch.float64)
        if module.bias is None
        else module.bias.detach().double()
    )
    norm = module.norm
    if norm is not None and norm.running_mean is not None and norm.running_var is not None:
        gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * gain[:, None, None, None]
        bias = (bias - norm.running_mean.double()) * gain + norm.bias.detach().double()
    return weight.float().numpy(), bias.float().numpy()


def layers_of(network: AlexNet) -> list[Layer]:
    """Return the weights in the order they run."""
    network = network.cpu().eval()
    layers = []
    for number, slot in enumerate(CONV_SLOTS, start=1):
        module = cast('Conv', network.features[slot])
        weight, bias = folded_convolution(module)
        shape = (module.stride[0], int(module.padding[0]), module.groups)
        layers.append(Layer(f'conv{number}', f'features.{slot}', weight, bias, shape))
    for number, slot in enumerate(FULL_SLOTS, start=6):
        part = network.classifier[slot]
        name = f'classifier.{slot}'
        if isinstance(part, Factored):
            layers.append(_linear(f'fc{number}a', f'{name}.first', part.first))
            layers.append(_linear(f'fc{number}b', f'{name}.second', part.second))
        else:
            layers.append(_linear(f'fc{number}', name, cast('nn.Linear', part)))
    return layers


def _linear(name: str, module: str, part: nn.Linear) -> Layer:
    bias = None if part.bias is None else part.bias.detach().float().numpy()
    return Layer(name, module, part.weight.detach().float().numpy(), bias)
