"""What every run keeps: its course, averaged weights, checkpoints, and how it is stopped."""

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from alexnet_ros.training.checkpoint import load_state, part_of

Report = Callable[[str], None]
StepReport = Callable[[float, int, float], None]


WARM_UP = 0.03  # fraction of a run in which the rate rises


def cosine(progress: float) -> float:
    """
    Return the factor of the peak rate: a linear start, then half a cosine to zero.

    :param progress: share of the run done, 0 to 1.
    """
    if progress < WARM_UP:
        return max(progress / WARM_UP, 1e-3)
    rest = (min(progress, 1.0) - WARM_UP) / (1 - WARM_UP)
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


@dataclass(frozen=True)
class Workers:
    """
    One process among those that train together.

    :param rank: its number, 0 for the one that writes files.
    :param count: how many there are.
    :param device: where it computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device('cpu')  # noqa: RUF009 - a constant

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the module to call, which exchanges gradients where there are several."""
        if self.count == 1:
            return network
        places = [self.device.index] if self.device.type == 'cuda' else None
        return DistributedDataParallel(network, device_ids=places)

    def any(self, flag: bool) -> bool:
        """Whether any worker has raised the flag; all must ask."""
        if self.count == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item())

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


def join_workers(device: str = 'auto', cores: int = 0) -> Workers:
    """
    Return this process's place, from the variables that torchrun sets.

    :param device: ``auto``, ``cpu`` or ``cuda``.
    :param cores: CPU threads of the network, 0 for all.
    """
    if cores:
        torch.set_num_threads(cores)
    rank, count, local = (
        int(os.environ.get(name, default))
        for name, default in (('RANK', '0'), ('WORLD_SIZE', '1'), ('LOCAL_RANK', '0'))
    )
    cuda = device == 'cuda' or (device == 'auto' and torch.cuda.is_available())
    place = torch.device('cuda', local) if cuda else torch.device('cpu')
    if cuda:
        torch.cuda.set_device(place)
    if count > 1:
        dist.init_process_group('nccl' if cuda else 'gloo')
    return Workers(rank, count, place)


class RunState:
    """
    One run, of a classifier or of a finder.

    :param parts: what the optimizer keeps for each parameter, by its prefix in
        the checkpoint.
    :param length: of the run, in steps and in minutes; minutes count unless 0.
    :param folder: takes ``checkpoint.safetensors``.
    :param on_step: called after each step with the share of the run that is
        done, the step and its loss.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        parts: Mapping[str, str],
        length: tuple[int, float],
        ema_decay: float,
        folder: Path,
        report: Report = print,
        on_step: StepReport | None = None,
    ) -> None:
        self.model, self.optimizer, self.parts = network, optimizer, parts
        self.average = averaged(network, ema_decay)
        self.length, self.report, self.on_step = length, report, on_step
        self.folder, self.checkpoint = folder, folder / 'checkpoint.safetensors'
        self.step, self.elapsed_s, self.stop = 0, 0.0, False
        self.target = 0  # steps, where the run ends elsewhere than ``length`` says
        self._mark = time.perf_counter()

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.progress_at(self.step)

    def progress_at(self, step: int) -> float:
        """Return the share of the run that is done at a step; by time it is today's."""
        steps, minutes = self.length
        if minutes and not self.target:
            return min(1.0, self.elapsed_s / (60 * minutes))
        return min(1.0, step / max(1, self.target or steps))

    def start_clock(self) -> None:
        """Count the time from now on."""
        self._mark = time.perf_counter()

    def done_step(self, loss: float) -> None:
        """Count a step and its time, and tell of it."""
        self.step += 1
        now = time.perf_counter()
        self.elapsed_s, self._mark = self.elapsed_s + now - self._mark, now
        if self.on_step:
            self.on_step(self.progress, self.step, loss)

    def tensors(self, *, whole: bool = True) -> dict[str, Tensor]:
        """Return what a checkpoint holds; the averaged weights alone unless ``whole``."""
        found = {f'ema.{n}': t for n, t in self.average.module.state_dict().items()}
        if not whole:
            return found
        found |= {f'model.{n}': t for n, t in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            kept = self.optimizer.state.get(parameter, {})
            for key, prefix in self.parts.items():
                if kept.get(key) is not None:
                    found[f'{prefix}.{name}'] = kept[key]
        return found

    def run_facts(self) -> dict[str, Any]:
        """Return where the run stands."""
        updates = int(self.average.n_averaged)
        return {'step': self.step, 'elapsed_s': self.elapsed_s, 'updates': updates}

    def restore(
        self, tensors: Mapping[str, Tensor], run: Mapping[str, Any], *, optimizer: bool = True
    ) -> None:
        """
        Go on from where a checkpoint stands.

        :param optimizer: take up what it kept, too.
        :raises TrainingError: the tensors are those of another network.
        """
        load_state(self.model, part_of(tensors, 'model'), str(self.checkpoint))
        load_state(self.average.module, part_of(tensors, 'ema'), str(self.checkpoint))
        for name, parameter in self.model.named_parameters() if optimizer else ():
            for key, prefix in self.parts.items():
                value = tensors.get(f'{prefix}.{name}')
                if value is not None:
                    place = 'cpu' if key == 'step' else parameter.device
                    self.optimizer.state[parameter][key] = value.to(place)
        self.step, self.elapsed_s = run['step'], run['elapsed_s']
        self.target = run.get('target', 0)
        self.average.n_averaged.fill_(run['updates'])

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the run after the current step."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.stop = True

        try:
            before = {n: signal.signal(n, ask) for n in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread: the caller handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
