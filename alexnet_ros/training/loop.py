"""The training loop of a classifier: steps, validation, early stop, checkpoints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from alexnet_ros.errors import TrainingError
from alexnet_ros.model_package import InputSpec
from alexnet_ros.training.batches import BatchMaker, Images
from alexnet_ros.training.checkpoint import (
    input_of,
    load_checkpoint,
    refuse_other_run,
    save_checkpoint,
)
from alexnet_ros.training.evaluate import whole_images
from alexnet_ros.training.network import AlexNet
from alexnet_ros.training.reports import History
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.state import SCHEDULES, Report, RunState, StepReport, Workers, input_size

BATCH = 64  # of a validation
MAX_WEIGHT = 1e4  # a weight beyond this is no result of learning
MAX_LOSS = 100.0  # of a cross-entropy; guessing among 1000 classes has 7


@dataclass(frozen=True)
class Validation:
    """Held-out images that are measured now and then, and their classes (N,)."""

    images: Images
    class_ids: NDArray[np.int64]


@torch.no_grad()
def logits_of(
    network: AlexNet,
    images: Images,
    indices: Sequence[int],
    spec: InputSpec,
    *,
    bf16: bool = False,
) -> NDArray[np.float32]:
    """
    Return the logits of whole images, (N, classes).

    :param bf16: run in bfloat16 where the device has it.
    """
    device = next(network.parameters()).device
    network.eval()
    found = []
    for start in range(0, len(indices), BATCH):
        pixels = torch.from_numpy(whole_images(images, indices[start : start + BATCH], spec))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, _ = network(pixels.to(device))
        found.append(logits.float().cpu().numpy())
    return np.concatenate(found)


def parameter_groups(network: AlexNet, settings: TrainSettings) -> list[dict[str, Any]]:
    """Return the optimizer's groups: convolutions may learn slower; only matrices decay."""
    groups = []
    for part, factor in (('features', settings.features_factor), ('classifier', 1.0)):
        parameters = list(getattr(network, part).parameters())
        if not factor:
            for parameter in parameters:
                parameter.requires_grad_(False)
            continue
        for matrices in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == matrices]
            decay = settings.weight_decay if matrices else 0.0
            groups.append({'params': chosen, 'weight_decay': decay, 'factor': factor})
    return groups


class Trainer(RunState):
    """
    One run; see :class:`RunState`.

    :param folder: takes ``checkpoint.safetensors``, ``best.safetensors``,
        ``metrics.csv`` and ``metrics.png``.
    :param facts: stored in each checkpoint (architecture, labels, recipe).
    """

    def __init__(
        self,
        network: AlexNet,
        batches: BatchMaker,
        settings: TrainSettings,
        folder: Path,
        *,
        facts: dict[str, Any],
        validation: Validation | None = None,
        workers: Workers | None = None,
        report: Report = print,
        on_step: StepReport | None = None,
    ) -> None:
        self.settings, self.facts, self.validation = settings, facts, validation
        self.batches, self.workers = batches, workers or Workers()
        self.network = network.to(self.workers.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = parameter_groups(network, settings)
        super().__init__(
            network,
            torch.optim.SGD(groups, settings.lr, settings.momentum, nesterov=True),
            parts={'momentum_buffer': 'momentum'},
            length=(settings.steps, settings.minutes),
            ema_decay=settings.ema_decay,
            folder=folder,
            report=report,
            on_step=on_step,
        )
        self.parallel = self.workers.wrap(self.network)  # after some layers were frozen
        self.history = History(folder)
        self.best, self.stale = -1.0, 0
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def smooth(self) -> AlexNet:
        """Return the averaged network, which is what gets measured and kept."""
        return cast('AlexNet', self.average.module)

    @property
    def crops(self) -> int:
        """How many images all workers have seen."""
        return self.step * self.settings.batch * self.workers.count

    def resume(self, more_steps: int = 0) -> bool:
        """
        Take up the last checkpoint of the folder; False when there is none.

        :param more_steps: go on for so many steps where the run had ended.
        :raises TrainingError: it is the checkpoint of another run.
        """
        if not self.checkpoint.exists():
            return False
        tensors, facts = load_checkpoint(self.checkpoint)
        refuse_other_run(self.checkpoint, facts, self.facts)
        # momenta carry the speed of the learning rate that they grew with
        same = facts['settings'].get('lr', self.settings.lr) == self.settings.lr
        self.restore(tensors, facts['run'], optimizer=same)
        self.best = facts['run']['best']
        if more_steps and self.progress >= 1:
            self.target = self.step + more_steps
        self.history.cut(self.step)
        return True

    def save(self, name: str = 'checkpoint.safetensors') -> None:
        """
        Write a checkpoint (first of the workers only).

        :raises TrainingError: the weights are absurd, on the last batch or by
            their size; nothing is written.
        """
        if not self.workers.first:
            return
        if self._last is not None:
            with torch.no_grad():
                logits = self.network.eval()(self._last[0])[0].float()
            loss = float(cross_entropy(logits, self._last[1]))
            self._refuse(loss, MAX_LOSS, 'the loss')
            if loss > 1 + 3 * math.log(logits.shape[1]) and self.progress < 1 and not self.stop:
                return  # worse than guessing by far: the previous one is the better to resume
        tensors = self.tensors(whole=name == 'checkpoint.safetensors')
        for tensor in tensors.values():
            if tensor.is_floating_point():  # counts of batches are no weights
                self._refuse(float(tensor.detach().float().abs().max()), MAX_WEIGHT, 'a weight')
        run = {**self.run_facts(), 'best': self.best, 'target': self.target}
        run['crops_seen'] = self.crops
        save_checkpoint(self.folder / name, tensors, {**self.facts, 'run': run})

    def _refuse(self, value: float, limit: float, what: str) -> None:
        """
        Stop a run that diverged.

        :raises TrainingError: a value is beyond its limit, or NaN.
        """
        if value <= limit:
            return
        kept = (
            f'the last good checkpoint is {self.checkpoint}; go on from it'
            if self.checkpoint.exists()
            else 'no checkpoint was written; start again'
        )
        raise TrainingError(
            f'{what} became {value:.4g} at step {self.step + 1} (learning rate '
            f'{self.optimizer.param_groups[0]["lr"]:.4g}); {kept} with a lower --lr'
        )

    def train(self) -> dict[str, float]:
        """
        Run to the end, or until asked to stop; then save.

        :returns: the last measured figures.
        :raises TrainingError: the loss is not finite; the last checkpoint stays.
        """
        figures: dict[str, float] = {}
        if self.progress >= 1:
            return figures  # a finished run is left as it is
        sizes = self.settings.input_sizes or (self.network.architecture.size_px,)
        stream = self.batches.stream(
            self.step,
            lambda step: input_size(self.progress_at(step), sizes),
            self.settings.threads,
        )
        losses, right, seen = 0.0, 0, 0
        self.start_clock()
        with self.stopping():
            for _, images, class_ids in stream:
                if self.progress >= 1 or self.workers.any(self.stop):
                    break
                rate = self.settings.lr * SCHEDULES[self.settings.schedule](self.progress)
                for group in self.optimizer.param_groups:
                    group['lr'] = rate * group['factor']
                loss, hits = self._learn(images, class_ids)
                self.done_step(loss)
                losses, right, seen = losses + loss * len(images), right + hits, seen + len(images)
                if self.step % self.settings.val_steps == 0 or self.progress >= 1:
                    figures = {'loss': losses / seen, 'train_top1': right / seen, 'lr': rate}
                    figures |= self.check()
                    self._note(figures)
                    losses, right, seen = 0.0, 0, 0
                    self.start_clock()
                if self.step % self.settings.save_interval == 0:
                    self.save()
                if self.settings.patience and self.stale >= self.settings.patience:
                    self.report(f'stopped early: no gain in {self.stale} validations')
                    self.target = self.step  # this is where the run ends
                    break
        stream.close()
        self.save()
        return figures

    def _learn(self, images: NDArray[np.uint8], class_ids: NDArray[np.int64]) -> tuple[float, int]:
        """Do one step; return the loss and how many were right."""
        device = self.workers.device
        torch.manual_seed(hash((self.settings.seed, self.workers.rank, self.step)))  # dropout
        self.parallel.train()
        pixels = torch.from_numpy(images).to(device, non_blocking=True)
        truth = torch.from_numpy(class_ids).to(device)
        self._last = pixels, truth
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bf16):
            logits, _ = self.parallel(pixels)
        logits = logits.float()
        loss = cross_entropy(logits, truth, label_smoothing=self.settings.label_smoothing)
        value = float(loss.detach())
        self._refuse(value, MAX_LOSS, 'the loss')
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return value, int((logits.argmax(1) == truth).sum())

    def check(self) -> dict[str, float]:
        """Measure the averaged weights on the held-out images."""
        if self.validation is None or not self.workers.first:
            return {}
        images, truth = self.validation.images, self.validation.class_ids
        spec, bf16 = input_of(self.facts), self.settings.bf16
        logits = logits_of(self.smooth, images, range(len(truth)), spec, bf16=bf16)
        guess = logits.argmax(1)
        top1 = float((truth == guess).mean())
        macro = float(np.mean([(guess[truth == c] == c).mean() for c in np.unique(truth)]))
        self.stale = 0 if top1 > self.best else self.stale + 1
        if top1 >= self.best:
            self.best = top1
            self.save('best.safetensors')
        return {'top1': top1, 'macro_recall': macro}

    def _note(self, figures: dict[str, float]) -> None:
        if not self.workers.first:
            return
        row = {'step': self.step, 'crops': self.crops, 'elapsed_s': round(self.elapsed_s, 1)}
        self.history.add(row | figures)
        words = ' '.join(f'{name} {value:.4f}' for name, value in figures.items())
        self.report(
            f'step {self.step} ({100 * self.progress:.1f} %, {self.crops} images, '
            f'{self.elapsed_s:.0f} s): {words}'
        )
