"""What changes over a run: the learning rate, the input's size, the average of the weights."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def cosine(progress: float, warmup: float = 0.03) -> float:
    """
    Return the factor of the peak rate: a linear start, then half a cosine to zero.

    :param progress: share of the run done, 0 to 1.
    :param warmup: share of the run spent rising.
    """
    if progress < warmup:
        return max(progress, 1e-3 * warmup) / warmup
    rest = (min(progress, 1.0) - warmup) / (1 - warmup)
    return 0.5 * (1 + math.cos(math.pi * rest))


def paper(progress: float) -> float:
    """Return the paper's factor: divided by ten three times over the run."""
    return float(0.1 ** sum(progress >= edge for edge in (0.5, 0.75, 0.9)))


SCHEDULES = {'cosine': cosine, 'paper': paper}


def input_size(progress: float, sizes: tuple[int, ...]) -> int:
    """
    Return the input side for a moment of the run: equal shares, small to large.

    :param sizes: sides in pixels, the last one being the network's own.
    """
    return sizes[min(int(progress * len(sizes)), len(sizes) - 1)]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential average that follows faster in its first updates."""

    def follow(ours: Any, theirs: Any, updates: Any) -> None:
        now = min(decay, (1 + int(updates)) / (10 + int(updates)))
        if ours[0].is_floating_point():
            torch._foreach_lerp_(ours, theirs, 1 - now)
        else:
            for own, other in zip(ours, theirs, strict=True):
                own.copy_(other)

    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
