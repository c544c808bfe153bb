"""
Weights from elsewhere: torchvision's file, fine-tuned ones, our own checkpoints.

``.pth``, ``.pt``, ``.pth.tar`` (PyTorch, read without running anything in
them), ``.safetensors`` and ``.npz``; a state dict alone or inside a training
checkpoint, its names with any prefix (``module.``, ``model.``).
"""

import re
import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from torch import Tensor

from alexnet_ros.errors import TrainingError
from alexnet_ros.files import make_folder, one_line, replacing
from alexnet_ros.training.checkpoint import (
    FORMAT,
    load_state,
    network_from_checkpoint,
    read_safetensors,
)
from alexnet_ros.training.network import (
    CONV_SLOTS,
    HIDDEN_LAYERS,
    VARIANTS,
    AlexNet,
    Architecture,
    Factored,
    layers_of,
)

OVERSAMPLED = 16  # Halko et al. 2011: a few columns more than the rank
MARK = 'features.0.weight'  # every AlexNet's first layer
LAST = 'classifier.6'
CONTAINERS = (
    *('state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'network', 'weights'),
)


@dataclass(frozen=True)
class Weights:
    """
    An AlexNet's tensors under torchvision's names, batch normalisation folded in.

    :param names: class names where the file has them.
    """

    tensors: Mapping[str, Tensor]
    origin: Path
    names: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """Which published form the convolutions have."""
        first = tuple(self.tensors[MARK].shape)
        for name, shape in VARIANTS.items():
            if first == (shape.filters[0], 3, 11, 11):
                return name
        raise TrainingError(
            f'{self.origin}: the first layer is {first}, AlexNet has (64, 3, 11, 11) or '
            '(96, 3, 11, 11); these are the weights of another network'
        )

    @property
    def classes(self) -> int:
        """How many outputs the last layer has, 0 without one."""
        return len(self.tensors.get(f'{LAST}.weight', ()))


def refuse_caffe(path: Path) -> None:
    """Refuse Caffe's own files, and say which way in they have."""
    if path.suffix in {'.caffemodel', '.prototxt'}:
        raise TrainingError(
            f"{path}: Caffe's files are not read; take bvlc_alexnet as ONNX from ONNX's model "
            'zoo, or convert your own (caffe2onnx), then export --onnx FILE --preset caffe'
        )


def read_weights(path: Path) -> Weights:
    """
    Read the weights of an AlexNet from any file that may hold them.

    :raises TrainingError: unreadable, or of another network.
    """
    refuse_caffe(path)
    if not path.is_file():
        raise TrainingError(f'{path} is no file; expected .pth, .safetensors or .npz weights')
    names: tuple[str, ...] = ()
    if path.suffix == '.npz':
        tensors = _from_npz(path)
    elif path.suffix == '.safetensors':
        tensors = _from_safetensors(path)
    else:
        content = _unpickled(path)
        found = content.get('classes') if isinstance(content, dict) else None
        if isinstance(found, (list, tuple)) and all(isinstance(name, str) for name in found):
            names = tuple(found)
        tensors = _state_in(content, path)
    key = next((name for name in tensors if name.endswith(MARK)), None)
    if key is None:
        raise TrainingError(
            f'{path} has no {MARK}; expected the state dict of an AlexNet, got '
            f'{", ".join(list(tensors)[:4]) or "nothing"}'
        )
    prefix = key.removesuffix(MARK)
    own = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(prefix) and tensor.is_floating_point()
    }
    bad = next((name for name, t in own.items() if not bool(torch.isfinite(t).all())), None)
    if bad is not None:
        raise TrainingError(f'{path}: {bad} has values that are not finite; the run diverged')
    weights = Weights(own, path, names if len(names) == len(own.get(f'{LAST}.bias', ())) else ())
    _ = weights.variant  # refuses another network
    return weights


def _from_npz(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise TrainingError(f'cannot read the initial weights {path}: {error}') from error


def _from_safetensors(path: Path) -> dict[str, Tensor]:
    """Return any file's tensors; those of our own checkpoints with their normalisation folded."""
    tensors, header = read_safetensors(path)
    if header.get('format') != FORMAT:
        return {_plain(name): tensor for name, tensor in tensors.items()}
    return {
        f'{layer.module}.{kind}': torch.from_numpy(values)
        for layer in layers_of(network_from_checkpoint(path)[0])
        for kind, values in (('weight', layer.weight), ('bias', layer.bias))
        if values is not None
    }


def _unpickled(path: Path) -> Any:
    """Read a file of PyTorch, allowing plain values and tensors only."""
    scalar = np.float64(0).__reduce__()[0]
    plain = [scalar, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32)), Namespace]
    try:
        with warnings.catch_warnings():  # about pickle's protocol, of no use here
            warnings.simplefilter('ignore')
            with torch.serialization.safe_globals(plain):
                return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # zip, pickle and torch have errors of their own
        line = one_line(re.sub(r'\x1b\[[0-9;]*m', '', str(error)))[:160]  # no colours
        whole = 'a whole pickled model? ' if isinstance(error, UnpicklingError) else ''
        raise TrainingError(
            f'{path} is no file of weights alone ({whole}save model.state_dict() instead): {line}'
        ) from error


def _plain(name: str) -> str:
    """Return a name without what DataParallel adds, at any depth."""
    return '.'.join(word for word in name.split('.') if word != 'module')


def _state_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict, alone or inside a training checkpoint."""
    for _ in range(4):
        if not isinstance(content, Mapping):
            break
        tensors = {_plain(str(n)): t for n, t in content.items() if isinstance(t, Tensor)}
        inner = next((content[name] for name in CONTAINERS if name in content), None)
        if inner is None or isinstance(inner, Tensor):
            inner = next((v for v in content.values() if isinstance(v, Mapping)), None)
        if tensors and (inner is None or any(name.endswith(MARK) for name in tensors)):
            return tensors
        content = inner
    raise TrainingError(f'{path} must hold a state dict, name to tensor, alone or in a checkpoint')


@torch.no_grad()
def load_weights(network: AlexNet, weights: Weights) -> list[str]:
    """
    Start a network from weights: the convolutions, and the hidden layers that fit.

    A factored hidden layer takes an approximation of a full one. The last layer
    stays fresh where the classes differ in number.

    :returns: names of the layers that were loaded.
    :raises TrainingError: a convolution is missing or of another shape.
    """
    state, found = network.state_dict(), weights.tensors

    def copied(*names: str) -> bool:
        if not all(n in found and found[n].shape == state[n].shape for n in names):
            return False
        for name in names:
            state[name].copy_(found[name])
        return True

    loaded = []
    for number, slot in enumerate(CONV_SLOTS, start=1):
        for name in (f'features.{slot}.weight', f'features.{slot}.bias'):
            if name not in found:
                raise TrainingError(
                    f'{weights.origin} lacks {name}; the file must hold five convolutions'
                )
            if not copied(name):
                raise TrainingError(
                    f'{weights.origin}: {name} has the shape {tuple(found[name].shape)}, this '
                    f'network needs {tuple(state[name].shape)}; try --variant {weights.variant}'
                )
        loaded.append(f'conv{number}')
    for layer, name in HIDDEN_LAYERS.items():
        own = [n for n in state if n.startswith(f'{name}.')]
        if copied(*own) or _approximated(network.get_submodule(name), name, found):
            loaded.append(layer)
    if copied(f'{LAST}.weight', f'{LAST}.bias'):
        loaded.append('fc8')
    return loaded


def _approximated(module: torch.nn.Module, name: str, found: Mapping[str, Tensor]) -> bool:
    """Load a full matrix into a factored layer; tell whether it was."""
    full = found.get(f'{name}.weight')
    if not isinstance(module, Factored) or full is None:
        return False
    rank = module.first.out_features
    if full.shape != (module.second.out_features, module.first.in_features) or rank >= len(full):
        return False
    left, values, right = torch.svd_lowrank(full, rank + OVERSAMPLED, niter=3)  # near the best
    root = values[:rank].sqrt()
    module.first.weight.copy_(right[:, :rank].T * root[:, None])
    module.second.weight.copy_(left[:, :rank] * root)
    module.second.bias.copy_(found[f'{name}.bias'])
    return True


def network_of(weights: Weights) -> AlexNet:
    """
    Return the whole network that a file holds, in evaluation mode.

    :raises TrainingError: convolutions alone, or shapes that fit no AlexNet.
    """
    if not weights.classes:
        raise TrainingError(
            f'{weights.origin} has no last layer ({LAST}); it can start a training '
            '(train --initial), a package needs all eight layers'
        )
    fc6, fc7 = (len(weights.tensors.get(f'{n}.first.weight', ())) for n in HIDDEN_LAYERS.values())
    network = AlexNet(Architecture(weights.variant, weights.classes, fc6, fc7))
    load_state(network, weights.tensors, str(weights.origin))
    return network.eval()


def write_features(source: Path, target: Path) -> list[str]:
    """
    Write the convolutions of any weights as the small file that ``--initial`` takes.

    :param target: ``.npz``, or ``.safetensors``.
    :returns: the names written.
    :raises TrainingError: unreadable.
    :raises FileWriteError: unwritable.
    """
    weights = read_weights(source)
    arrays = {n: t.numpy() for n, t in weights.tensors.items() if n.startswith('features.')}
    make_folder(target.parent)
    with replacing(target) as file:
        if target.suffix == '.safetensors':
            file.write(save(arrays))
        else:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    return list(arrays)
