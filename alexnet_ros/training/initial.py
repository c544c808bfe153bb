"""How a network starts: as in the paper, as today, or from known features."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from alexnet_ros.errors import TrainingError
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


def load_features(network: AlexNet, path: Path) -> list[str]:
    """
    Load the convolutions from a file of named arrays (.npz).

    :returns: the names loaded.
    :raises TrainingError: unreadable, or a shape does not fit, named.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise TrainingError(f'cannot read the initial weights {path}: {error}') from error
    return copy_convolutions(network, {n: torch.from_numpy(a) for n, a in arrays.items()}, path)


def copy_convolutions(network: AlexNet, arrays: Mapping[str, Tensor], path: Path) -> list[str]:
    """Copy the ``features`` weights and biases; see :func:`load_features`."""
    state = network.state_dict()
    wanted = [name for name in state if name.startswith('features.') and '.norm.' not in name]
    for name in wanted:
        if name not in arrays:
            raise TrainingError(f'{path} lacks {name}; the file must hold five convolutions')
        if arrays[name].shape != state[name].shape:
            raise TrainingError(
                f'{path}: {name} has the shape {tuple(arrays[name].shape)}, this network needs '
                f'{tuple(state[name].shape)}'
            )
        state[name].copy_(arrays[name])
    return wanted
