"""Training a finder: steps, checkpoints, resuming."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from alexnet_ros.errors import TrainingError
from alexnet_ros.training.checkpoint import load_checkpoint, load_state, part_of, save_checkpoint
from alexnet_ros.training.finder_data import FinderData, maker_for
from alexnet_ros.training.finder_network import FinderNetwork, finder_loss
from alexnet_ros.training.finder_scenes import SceneMaker
from alexnet_ros.training.settings import FinderTrainSettings
from alexnet_ros.training.state import Report, RunState, StepReport, cosine, join_workers

BOX_WEIGHT = 2.0


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class FinderTrainer(RunState):
    """
    One run of training; see :class:`RunState`.

    :param maker: makes the pictures.
    :param workers: processes that run it; 0 makes the pictures in place.
    :param device: where the network learns.
    :param form: arguments of :class:`FinderNetwork`.
    """

    def __init__(
        self,
        settings: FinderTrainSettings,
        maker: SceneMaker,
        folder: Path,
        *,
        form: Mapping[str, Any] | None = None,
        workers: int = 1,
        device: torch.device = torch.device('cpu'),  # noqa: B008 - a constant
        report: Report = print,
        on_step: StepReport | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.maker, self.workers, self.device = settings, maker, workers, device
        self.network = FinderNetwork(**form or {}).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = [
            {
                'params': [p for p in self.network.parameters() if (p.ndim > 1) == matrices],
                'weight_decay': settings.weight_decay * matrices,
            }
            for matrices in (True, False)
        ]
        super().__init__(
            self.network,
            torch.optim.AdamW(groups, settings.lr),
            parts={key: f'optimizer.{key}' for key in ('step', 'exp_avg', 'exp_avg_sq')},
            length=(settings.steps, settings.minutes),
            ema_decay=settings.ema_decay,
            folder=folder,
            report=report,
            on_step=on_step,
        )

    def save(self) -> None:
        """Write the checkpoint."""
        facts = {
            'finder': self.network.form,
            'settings': asdict(self.settings),
            'run': self.run_facts(),
        }
        save_checkpoint(self.checkpoint, self.tensors(), facts)

    def resume(self) -> bool:
        """
        Take up the folder's checkpoint; False when there is none.

        :raises TrainingError: it belongs to another network.
        """
        if not self.checkpoint.exists():
            return False
        tensors, facts = load_checkpoint(self.checkpoint)
        if facts.get('finder') != self.network.form:
            raise TrainingError(
                f'{self.checkpoint} is not of this finder; choose another --output or --restart'
            )
        self.restore(tensors, facts['run'])
        return True

    def train(self) -> dict[str, float]:
        """
        Run to the end, or until asked to stop; then save.

        :returns: the last losses.
        :raises TrainingError: the loss is not finite; the last checkpoint stays.
        """
        batches: DataLoader[Any] = DataLoader(
            self.maker,  # type: ignore[arg-type]
            batch_size=self.settings.batch,
            sampler=itertools.count(self.step * self.settings.batch),
            num_workers=self.workers,
            worker_init_fn=_one_thread if self.workers else None,
            prefetch_factor=3 if self.workers else None,
        )
        figures: dict[str, float] = {}
        if self.progress >= 1:
            return figures  # a finished run is left as it is
        self.start_clock()
        with self.stopping():
            for batch in batches:
                figures = self._learn(batch)
                self.done_step(figures['loss'])
                done = self.progress >= 1 or self.stop
                if done or self.step % self.settings.save_interval == 0:
                    self.save()
                    words = ' '.join(f'{name} {value:.4f}' for name, value in figures.items())
                    self.report(f'step {self.step} ({100 * self.progress:.1f} %): {words}')
                if done:
                    break
        return figures

    def _learn(self, batch: Sequence[Tensor]) -> dict[str, float]:
        images, *wanted = (tensor.to(self.device) for tensor in batch)
        for group in self.optimizer.param_groups:
            group['lr'] = self.settings.lr * cosine(self.progress)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            cells = self.network(images)
        heat, boxes = finder_loss(cells, *wanted)
        loss = heat + BOX_WEIGHT * boxes
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                f'the loss is not finite at step {self.step + 1}; the last good checkpoint is '
                f'{self.checkpoint}; start again with a lower --lr'
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        losses = {'loss': loss, 'heat_loss': heat, 'box_loss': boxes}
        return {name: float(value.detach()) for name, value in losses.items()}


def train_finder(
    settings: FinderTrainSettings,
    data: FinderData,
    folder: Path,
    *,
    resume: bool = True,
    device: str = 'auto',
    cores: int = 0,
    report: Report = print,
    on_step: StepReport | None = None,
) -> dict[str, float]:
    """
    Train, or go on training, a finder into a folder; see :class:`FinderTrainer`.

    :param device: ``auto``, ``cpu`` or ``cuda``.
    :param cores: CPU threads of the network, 0 for all.
    """
    cv2.setNumThreads(1)
    place = join_workers(device, cores).device
    maker = maker_for(settings, data, report)
    trainer = FinderTrainer(
        settings,
        maker,
        folder,
        # pictures take 2 ms each: a GPU waits for them, a CPU needs its cores itself
        workers=max(1, len(os.sched_getaffinity(0)) - 1) if place.type == 'cuda' else 1,
        device=place,
        report=report,
        on_step=on_step,
    )
    if resume and trainer.resume():
        report(f'resumed at step {trainer.step}')
    return trainer.train()


def finder_from_checkpoint(path: Path) -> tuple[FinderNetwork, dict[str, Any]]:
    """
    Return the averaged finder of a checkpoint, in evaluation mode, and its facts.

    :raises TrainingError: unreadable, or no finder.
    """
    tensors, facts = load_checkpoint(path)
    if 'finder' not in facts:
        raise TrainingError(f'{path} is the checkpoint of a classifier, not of a finder')
    network = FinderNetwork(**facts['finder'])
    load_state(network, part_of(tensors, 'ema'), str(path))
    return network.eval(), facts
