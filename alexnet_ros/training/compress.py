"""
Smaller fully connected layers by truncated singular value decomposition.

W (O, I) becomes U (O, r) times V (r, I), the best product of rank r in the
least-squares sense. Reading r (O + I) weights instead of O I is what makes
AlexNet fast at batch 1. Fine-tuning afterwards is ``train --initial``.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from alexnet_ros.errors import TrainingError
from alexnet_ros.training.checkpoint import load_state, network_from_checkpoint, save_checkpoint
from alexnet_ros.training.network import AlexNet, Factored

HIDDEN_LAYERS = {'fc6': 'classifier.1', 'fc7': 'classifier.4'}


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
    arch = network.architecture
    ranks = {'fc6': fc6_rank, 'fc7': fc7_rank}
    state = dict(network.state_dict())
    done = []
    for layer, name in HIDDEN_LAYERS.items():
        rank = ranks[layer]
        if not rank:
            continue
        module = network.get_submodule(name)
        basis: Tensor | None = None
        if isinstance(module, Factored):
            basis, core = torch.linalg.qr(module.second.weight)  # (O, r), (r, r)
            weight, bias = core @ module.first.weight, module.second.bias
            limit = module.first.out_features
            old: tuple[str, ...] = ('first.weight', 'second.weight', 'second.bias')
        else:
            module = cast('nn.Linear', module)
            weight, bias, limit = module.weight, module.bias, min(module.weight.shape)
            old = ('weight', 'bias')
        if rank >= limit:
            raise TrainingError(
                f'{layer} has rank {limit}; the new rank must be lower, got {rank}'
            )
        before = sum(int(state.pop(f'{name}.{part}').numel()) for part in old)
        first, second, energy = factors(weight, rank)
        second = second if basis is None else basis @ second
        state[f'{name}.first.weight'] = first
        state[f'{name}.second.weight'] = second
        state[f'{name}.second.bias'] = bias
        after = first.numel() + second.numel() + bias.numel()
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

    :raises TrainingError: unreadable, unwritable or a rank that does not fit.
    """
    network, facts = network_from_checkpoint(source)
    smaller, done = compressed(network, fc6_rank, fc7_rank)
    changed: dict[str, Any] = {**facts, 'architecture': smaller.architecture.as_mapping()}
    changed['settings'] = {
        **facts['settings'],
        'fc6_rank': smaller.architecture.fc6_rank,
        'fc7_rank': smaller.architecture.fc7_rank,
    }
    tensors = {f'ema.{name}': tensor for name, tensor in smaller.state_dict().items()}
    save_checkpoint(target, tensors, changed)
    return done
