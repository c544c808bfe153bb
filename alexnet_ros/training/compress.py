"""
Smaller fully connected layers by truncated singular value decomposition.

W (O, I) becomes U (O, r) times V (r, I), the best product of rank r in the
least-squares sense. Reading r (O + I) weights instead of O I is what makes
AlexNet fast at batch 1. Fine-tuning afterwards is ``train --initial``.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from alexnet_ros.errors import TrainingError
from alexnet_ros.training.checkpoint import load_state, network_from_checkpoint, save_checkpoint
from alexnet_ros.training.network import HIDDEN_LAYERS, AlexNet, Factored


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
    arch, state, done = network.architecture, dict(network.state_dict()), []
    for (layer, name), rank in zip(HIDDEN_LAYERS.items(), (fc6_rank, fc7_rank), strict=True):
        if not rank:
            continue
        module = network.get_submodule(name)
        basis: Tensor | None = None
        if isinstance(module, Factored):
            basis, core = torch.linalg.qr(module.second.weight)  # (O, r), (r, r)
            weight, bias = core @ module.first.weight, module.second.bias
        else:
            module = cast('nn.Linear', module)
            weight, bias = module.weight, module.bias
        limit = min(weight.shape)
        if rank >= limit:
            raise TrainingError(
                f'{layer} has rank {limit}; the new rank must be lower, got {rank}'
            )
        old = [key for key in state if key.startswith(f'{name}.')]
        before = sum(state.pop(key).numel() for key in old)
        first, second, energy = factors(weight, rank)
        second = second if basis is None else basis @ second
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
