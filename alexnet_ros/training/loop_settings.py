"""How long and how fast a run learns."""

from collections.abc import Callable
from dataclasses import dataclass

StepReport = Callable[[float, int, float], None]


@dataclass(frozen=True)
class LoopSettings:
    """
    How long and how fast a run learns.

    :param steps: length of the run; the schedule ends there.
    :param minutes: end the run after this much training time instead, 0 for
        never; the schedule then follows the time.
    :param rate: peak learning rate.
    :param features_factor: of the rate, for the convolutions; 0 freezes them.
    :param sizes: input sides in pixels, one after the other in equal shares.
    :param clip: longest gradient, 0 for any.
    :param freeze_first_at: share of the run after which conv1 keeps its averaged
        weights, which saves a quarter of the time (one process only).
    :param half: bfloat16 autocast (AMX or AVX-512 on a CPU, tensor cores on a GPU).
    """

    steps: int = 10_000
    minutes: float = 0.0
    batch: int = 64
    rate: float = 0.02
    features_factor: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.05
    clip: float = 5.0
    schedule: str = 'cosine'
    sizes: tuple[int, ...] = ()
    freeze_first_at: float = 1.0
    average_decay: float = 0.999
    half: bool = True
    check_every: int = 1000
    save_every: int = 1000
    threads: int = 1
    seed: int = 1
