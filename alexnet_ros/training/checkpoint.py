"""
Checkpoints: one safetensors file, its settings in the header.

Safetensors holds arrays only: nothing in it runs.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from alexnet_ros.errors import TrainingError
from alexnet_ros.files import make_folder, write_file
from alexnet_ros.labels import Label
from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.sources import Split

FORMAT = 'alexnet_ros checkpoint 1'


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """
    Write a checkpoint whole or not at all.

    :param tensors: name to tensor; made contiguous on the CPU.
    :param facts: plain values (architecture, labels, step, settings).
    :raises FileWriteError: it cannot be written; the previous one stands.
    """
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {'format': FORMAT, 'facts': json.dumps(dict(facts))}
    make_folder(path.parent)
    write_file(path, save(flat, header))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Read a checkpoint.

    :returns: the tensors and the facts.
    :raises TrainingError: missing, truncated or not one of ours.
    """
    try:
        with safe_open(path, 'pt') as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'cannot read the checkpoint {path}: {error}') from error
    if header.get('format') != FORMAT:
        raise TrainingError(
            f'{path} is no checkpoint of alexnet_ros train (header {header.get("format")!r})'
        )
    return tensors, json.loads(header['facts'])


def is_checkpoint(path: Path) -> bool:
    """
    Tell a checkpoint of ``train`` from other files of weights.

    :raises TrainingError: a ``.safetensors`` that cannot be read.
    """
    if path.suffix != '.safetensors':
        return False
    try:
        with safe_open(path, 'pt') as file:
            return (file.metadata() or {}).get('format') == FORMAT
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'cannot read the checkpoint {path}: {error}') from error


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix.``, without it."""
    return {
        name.removeprefix(f'{prefix}.'): tensor
        for name, tensor in tensors.items()
        if name.startswith(f'{prefix}.')
    }


def load_state(network: AlexNet, state: Mapping[str, Tensor], origin: str) -> None:
    """
    Load a complete state dict, refusing the first wrong name or shape.

    :param origin: where it came from, for the message.
    :raises TrainingError: a name is missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise TrainingError(f'{origin} lacks {name} {tuple(tensor.shape)}')
        if state[name].shape != tensor.shape:
            raise TrainingError(
                f'{origin}: {name} has the shape {tuple(state[name].shape)}, this network '
                f'needs {tuple(tensor.shape)}'
            )
    extra = next((name for name in state if name not in wanted), None)
    if extra is not None:
        raise TrainingError(f'{origin} has {extra}, which this network does not know')
    network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})


def network_from_checkpoint(path: Path) -> tuple[AlexNet, dict[str, Any]]:
    """
    Return the averaged network of a checkpoint, in evaluation mode.

    :returns: the network and the checkpoint's facts.
    :raises TrainingError: unreadable or inconsistent.
    """
    tensors, facts = load_checkpoint(path)
    network = AlexNet(Architecture(**facts['architecture']))
    state = part_of(tensors, 'ema') or part_of(tensors, 'model')
    load_state(network, state, str(path))
    return network.eval(), facts


def labels_of(facts: Mapping[str, Any]) -> list[Label]:
    """Return the classes that a checkpoint was trained on, its background class last."""
    names = facts['names']
    roles = facts.get('roles') or [''] * len(names)
    last = len(names) - 1
    return [
        Label(index, name, 'background' if facts['background'] and index == last else role)
        for index, (name, role) in enumerate(zip(names, roles, strict=True))
    ]


def split_in(facts: Mapping[str, Any]) -> Split | None:
    """Return the split of a run; None in a checkpoint from before it was kept."""
    kept = facts.get('split')
    return Split(frozenset(kept['learned']), frozenset(kept['held'])) if kept else None


def input_of(facts: Mapping[str, Any]) -> InputSpec:
    """Return how the run's pictures become the network's input."""
    size = Architecture(**facts['architecture']).size_px
    return InputSpec(size, size, **facts.get('input', {}))


def refuse_other_run(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """
    Refuse to go on with a run whose data or network have become others.

    :raises TrainingError: the first difference, named.
    """
    choose = 'choose another --output, or --restart'
    if old['names'] != new['names']:
        raise TrainingError(
            f'{path} was trained on the classes {_names(old["names"])} in this order, the data '
            f'now have {_names(new["names"])}; restore the class folders or {choose}'
        )
    if old['architecture'] != new['architecture']:
        raise TrainingError(
            f'{path} was trained as {old["architecture"]}, not as {new["architecture"]}; {choose}'
        )
    if old.get('input', new['input']) != new['input']:
        raise TrainingError(
            f'{path} takes pictures as {old["input"]}, not as {new["input"]}; {choose}'
        )
    if old.get('group', new['group']) != new['group']:
        raise TrainingError(
            f'{path} was trained with --group {old["group"]!r}, not {new["group"]!r}; {choose}'
        )


def _names(names: Sequence[str]) -> str:
    return ', '.join(names[:12]) + (', ...' if len(names) > 12 else '')
