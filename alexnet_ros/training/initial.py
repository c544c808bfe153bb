"""How a network starts: as in the paper, as today, from known features or from a package."""

from collections.abc import Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from alexnet_ros.errors import TrainingError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.fold import layers_of
from alexnet_ros.training.network import AlexNet, Conv

PAPER_ONES = ('features.3', 'features.8', 'features.10', 'classifier.1', 'classifier.4')
"""Layers whose bias starts at 1 in the paper: conv2, conv4, conv5 and the hidden ones."""


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
    loaded, modules = [], dict(network.named_modules())
    for layer in layers_of(network):
        if layer.name == 'fc8' and len(package.labels) != network.architecture.classes:
            continue
        for part, wanted in (('weight', layer.weight), ('bias', layer.bias)):
            if wanted is None:
                continue
            name = f'{layer.name}_{part}'
            values = _initializer(stored, name)
            if values is None or values.shape != wanted.shape:
                got = 'nothing' if values is None else values.shape
                raise TrainingError(
                    f'{path}: expected {name} {wanted.shape}, got {got}; the package and the '
                    'settings must agree on variant and ranks'
                )
            with torch.no_grad():
                getattr(modules[layer.module], part).copy_(torch.from_numpy(values))
        loaded.append(layer.name)
    return loaded


def _initializer(stored: Mapping[str, onnx.TensorProto], name: str) -> NDArray[np.float32] | None:
    """Return an initializer, multiplied by its int8 steps where it has some."""
    if name not in stored:
        return None
    values: NDArray[np.float32] = numpy_helper.to_array(stored[name]).astype(np.float32)
    if f'{name}_scale' in stored:
        steps = numpy_helper.to_array(stored[f'{name}_scale'])
        values = values * steps.reshape(-1, *[1] * (values.ndim - 1))
    return values


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
            norm = module.norm
            plain = nn.functional.conv2d(
                x, module.weight, module.bias, module.stride, module.padding, 1, module.groups
            )
            variance, mean = torch.var_mean(plain, (0, 2, 3))
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
            x = plain
        else:
            x = module(x)
