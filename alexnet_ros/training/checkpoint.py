"""
Checkpoints: one safetensors file, its settings in the header; smaller ones made of them.

Safetensors holds arrays only: nothing in it runs.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from alexnet_ros.errors import TrainingError
from alexnet_ros.files import make_folder, write_file
from alexnet_ros.labels import Label
from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.network import HIDDEN_LAYERS, AlexNet, Architecture, Factored
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


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """
    Return the tensors and the header of any safetensors file.

    :raises TrainingError: missing, truncated or of another format.
    """
    try:
        with safe_open(path, 'pt') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'cannot read the checkpoint {path}: {error}') from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Return the tensors and the facts of a checkpoint.

    :raises TrainingError: missing, truncated or not one of ours.
    """
    tensors, header = read_safetensors(path)
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
    return path.suffix == '.safetensors' and read_safetensors(path)[1].get('format') == FORMAT


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``prefix.``, without it."""
    return {
        name.removeprefix(f'{prefix}.'): tensor
        for name, tensor in tensors.items()
        if name.startswith(f'{prefix}.')
    }


def load_state(network: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
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
    network.load_state_dict(dict(state))


def network_from_checkpoint(path: Path) -> tuple[AlexNet, dict[str, Any]]:
    """
    Return the averaged network of a checkpoint, in evaluation mode, and the facts.

    :raises TrainingError: unreadable or inconsistent.
    """
    tensors, facts = load_checkpoint(path)
    network = AlexNet(Architecture(**facts['architecture']))
    load_state(network, part_of(tensors, 'ema') or part_of(tensors, 'model'), str(path))
    return network.eval(), facts


def labels_of(facts: Mapping[str, Any]) -> list[Label]:
    """Return the classes that a checkpoint was trained on, its background class last."""
    names = facts['names']
    roles = list(facts.get('roles') or [''] * len(names))
    if facts['background']:
        roles[-1] = 'background'
    return [Label(index, *pair) for index, pair in enumerate(zip(names, roles, strict=True))]


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
        before, now = (
            ', '.join(names[:12]) + (', ...' if len(names) > 12 else '')
            for names in (old['names'], new['names'])
        )
        raise TrainingError(
            f'{path} was trained on the classes {before} in this order, the data '
            f'now have {now}; restore the class folders or {choose}'
        )
    for key, what in (
        ('architecture', 'was trained as'),
        ('input', 'takes pictures as'),
        ('group', 'was trained with --group'),
    ):
        before = old.get(key, new[key])
        if before != new[key]:
            raise TrainingError(f'{path} {what} {before!r}, not {new[key]!r}; {choose}')


@dataclass(frozen=True)
class Factorisation:
    """
    What became of one layer.

    :param energy: share of the sum of squared singular values that is kept.
    :param before: weights before.
    :param after: weights after.
    """

    layer: str
    rank: int
    energy: float
    before: int
    after: int


@torch.no_grad()
def factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor, float]:
    """
    Split a matrix at the best rank-r product, through the eigenvectors of W W^T.

    W (O, I) becomes U (O, r) times V (r, I). Reading r (O + I) weights instead of
    O I is what makes AlexNet fast at batch 1.

    :param weight: (O, I).
    :returns: first (rank, I), second (O, rank), and the share of energy kept.
    """
    wide = weight.double()
    squares, left = torch.linalg.eigh(wide @ wide.T)  # (O,), (O, O), smallest first
    squares, left = squares.flip(0).clamp_min(0), left.flip(1)
    root = squares[:rank].clamp_min(1e-30).sqrt().sqrt()  # of the singular values, (r,)
    first = (left[:, :rank].T @ wide) / root[:, None]
    second = left[:, :rank] * root
    kept = float(squares[:rank].sum() / squares.sum())
    return first.float(), second.float(), kept


@torch.no_grad()
def compressed(
    network: AlexNet, fc6_rank: int, fc7_rank: int
) -> tuple[AlexNet, list[Factorisation]]:
    """
    Return a copy with factored hidden layers.

    :param fc6_rank: new rank of fc6, 0 to leave it; a layer that is factored
        already can be cut to a lower rank.
    :raises TrainingError: a rank that is no smaller than what is there.
    """
    arch, state, done = network.architecture, dict(network.state_dict()), []
    for (layer, name), rank in zip(HIDDEN_LAYERS.items(), (fc6_rank, fc7_rank), strict=True):
        if not rank:
            continue
        module = network.get_submodule(name)
        if isinstance(module, Factored):
            limit, bias = module.first.out_features, module.second.bias
            weight = module.second.weight @ module.first.weight
        else:
            weight, bias = cast('nn.Linear', module).weight, cast('nn.Linear', module).bias
            limit = min(weight.shape)
        if rank >= limit:
            raise TrainingError(
                f'{layer} has rank {limit}; the new rank must be lower, got {rank}'
            )
        old = [key for key in state if key.startswith(f'{name}.')]
        before = sum(state.pop(key).numel() for key in old)
        first, second, energy = factors(weight, rank)
        parts = {'first.weight': first, 'second.weight': second, 'second.bias': bias}
        state |= {f'{name}.{part}': tensor for part, tensor in parts.items()}
        after = sum(tensor.numel() for tensor in parts.values())
        done.append(Factorisation(layer, rank, energy, before, after))
    smaller = AlexNet(
        replace(arch, fc6_rank=fc6_rank or arch.fc6_rank, fc7_rank=fc7_rank or arch.fc7_rank)
    )
    load_state(smaller, state, 'the factored network')
    return smaller.eval(), done


def compress_checkpoint(
    source: Path, target: Path, fc6_rank: int, fc7_rank: int
) -> list[Factorisation]:
    """
    Read a checkpoint and write a smaller one.

    :raises TrainingError: unreadable, or a rank that does not fit.
    :raises FileWriteError: unwritable.
    """
    network, facts = network_from_checkpoint(source)
    smaller, done = compressed(network, fc6_rank, fc7_rank)
    ranks = {key: getattr(smaller.architecture, key) for key in ('fc6_rank', 'fc7_rank')}
    changed = {'architecture': asdict(smaller.architecture)}
    changed['settings'] = {**facts['settings'], **ranks}
    tensors = {f'ema.{name}': tensor for name, tensor in smaller.state_dict().items()}
    save_checkpoint(target, tensors, {**facts, **changed})
    return done
