"""Learning rates over a run."""

import math


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
