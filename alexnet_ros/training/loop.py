"""The training loop: steps, averages, checkpoints, resuming."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from alexnet_ros.errors import TrainingError
from alexnet_ros.training.batches import BatchMaker
from alexnet_ros.training.checkpoint import (
    input_of,
    load_checkpoint,
    load_state,
    part_of,
    refuse_other_run,
    save_checkpoint,
)
from alexnet_ros.training.history import History
from alexnet_ros.training.measure import Validation, logits_of, recall_by_class
from alexnet_ros.training.network import AlexNet
from alexnet_ros.training.schedule import SCHEDULES, averaged, input_size
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.workers import Workers

StepReport = Callable[[float, int, float], None]
ABSURD = 1e4  # a weight beyond this is no result of learning
LOSS_LIMIT = 100.0  # of a cross-entropy; guessing among 1000 classes has 7


class Trainer:
    """
    One run.

    :param folder: takes ``checkpoint.safetensors``, ``best.safetensors``,
        ``metrics.csv`` and ``metrics.png``.
    :param facts: stored in each checkpoint (architecture, labels, recipe).
    :param on_step: called after each step with the share of the run that is
        done, the step and its loss.
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
        report: Callable[[str], None] = print,
        on_step: StepReport | None = None,
    ) -> None:
        self.on_step = on_step
        self.settings, self.folder, self.facts = settings, folder, facts
        self.validation, self.report = validation, report
        self.workers = workers or Workers()
        self.network = network.to(self.workers.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches = batches
        self.optimizer = torch.optim.SGD(
            self._groups(), settings.lr, settings.momentum, nesterov=True
        )
        self.parallel = self.workers.wrap(self.network)  # after some layers were frozen
        self.average = averaged(self.network, settings.ema_decay)
        self.history = History(folder)
        self.step, self.elapsed_s, self.best, self.stale = 0, 0.0, -1.0, 0
        self.target = 0  # steps, where ``--more-steps`` set it
        self._last: tuple[Tensor, Tensor] | None = None
        self._stop = False

    def _groups(self) -> list[dict[str, Any]]:
        """Convolutions may learn slower; only matrices decay."""
        settings, groups = self.settings, []
        for part, factor in (('features', settings.features_factor), ('classifier', 1.0)):
            named = getattr(self.network, part).named_parameters()
            matrices: list[nn.Parameter] = []
            vectors: list[nn.Parameter] = []
            for _, parameter in named:
                if not factor:
                    parameter.requires_grad_(False)
                (matrices if parameter.ndim > 1 else vectors).append(parameter)
            for parameters, decay in ((matrices, settings.weight_decay), (vectors, 0.0)):
                groups.append({'params': parameters, 'weight_decay': decay, 'factor': factor})
        return [group for group in groups if group['factor']]

    @property
    def smooth(self) -> AlexNet:
        """Return the averaged network, which is what gets measured and kept."""
        return cast('AlexNet', self.average.module)

    @property
    def checkpoint(self) -> Path:
        """Return the file to resume from."""
        return self.folder / 'checkpoint.safetensors'

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.settings.minutes and not self.target:
            return min(1.0, self.elapsed_s / (60 * self.settings.minutes))
        return min(1.0, self.step / max(1, self.target or self.settings.steps))

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
        load_state(self.network, part_of(tensors, 'model'), str(self.checkpoint))
        load_state(self.smooth, part_of(tensors, 'ema'), str(self.checkpoint))
        momenta = part_of(tensors, 'momentum')
        if facts['settings'].get('lr', self.settings.lr) != self.settings.lr:
            momenta = {}  # they carry the speed of the old learning rate
        for name, parameter in self.network.named_parameters():
            if name in momenta:
                self.optimizer.state[parameter]['momentum_buffer'] = momenta[name].to(
                    parameter.device
                )
        run = facts['run']
        self.step, self.elapsed_s, self.best = run['step'], run['elapsed_s'], run['best']
        self.average.n_averaged.fill_(run['updates'])
        self.target = run.get('target', 0)
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
        tensors = {f'ema.{n}': t for n, t in self.smooth.state_dict().items()}
        if name == 'checkpoint.safetensors':
            tensors |= {f'model.{n}': t for n, t in self.network.state_dict().items()}
            for key, parameter in self.network.named_parameters():
                buffer = self.optimizer.state.get(parameter, {}).get('momentum_buffer')
                if buffer is not None:
                    tensors[f'momentum.{key}'] = buffer
        run = {
            'step': self.step,
            'elapsed_s': self.elapsed_s,
            'best': self.best,
            'updates': int(self.average.n_averaged),
            'target': self.target,
            'crops_seen': self.step * self._step_images,
        }
        if self._last is not None:
            with torch.no_grad():
                logits = self.network.eval()(self._last[0])[0].float()
            loss = float(cross_entropy(logits, self._last[1]))
            if not loss <= LOSS_LIMIT:
                raise self._diverged(f'the loss became {loss:.4g}')
            if loss > 1 + 3 * math.log(logits.shape[1]) and self.progress < 1 and not self._stop:
                return  # worse than guessing by far: the previous one is the better to resume
        weights = [t for t in tensors.values() if t.is_floating_point() and t.numel()]
        worst = max(map(_largest, weights))  # counts of batches are no weights
        if not worst <= ABSURD:
            raise self._diverged(f'a weight became {worst:.3g}')
        save_checkpoint(self.folder / name, tensors, {**self.facts, 'run': run})

    def _diverged(self, what: str) -> TrainingError:
        kept = (
            f'the last good checkpoint is {self.checkpoint}; go on from it'
            if self.checkpoint.exists()
            else 'no checkpoint was written; start again'
        )
        return TrainingError(
            f'{what} at step {self.step + 1} (learning rate '
            f'{self.optimizer.param_groups[0]["lr"]:.4g}); {kept} with a lower --lr'
        )

    @property
    def _step_images(self) -> int:
        return self.settings.batch * self.workers.count

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
            lambda step: input_size(self._progress_at(step), sizes),
            self.settings.threads,
        )
        losses, right, seen, mark = 0.0, 0, 0, time.perf_counter()
        with self._stopping():
            for _, images, class_ids in stream:
                if self.progress >= 1 or self.workers.any(self._stop):
                    break
                self._freeze_first()
                rate = self._set_rate()
                loss, hits = self._learn(images, class_ids)
                self.step += 1
                now = time.perf_counter()
                self.elapsed_s, mark = self.elapsed_s + now - mark, now
                losses, right, seen = losses + loss * len(images), right + hits, seen + len(images)
                if self.on_step:
                    self.on_step(self.progress, self.step, loss)
                done = self.progress >= 1
                if self.step % self.settings.val_steps == 0 or done:
                    figures = {'loss': losses / seen, 'train_top1': right / seen, 'lr': rate}
                    figures |= self.check()
                    self._note(figures)
                    losses, right, seen, mark = 0.0, 0, 0, time.perf_counter()
                if self.step % self.settings.save_interval == 0:
                    self.save()
                if self.settings.patience and self.stale >= self.settings.patience:
                    self.report(f'stopped early: no gain in {self.stale} validations')
                    self.target = self.step  # this is where the run ends
                    break
        stream.close()
        self.save()
        return figures

    def _progress_at(self, step: int) -> float:
        by_time = self.settings.minutes and not self.target
        return self.progress if by_time else step / max(1, self.target or self.settings.steps)

    def _freeze_first(self) -> None:
        """Fix conv1 once the run is far enough."""
        first = self.network.features[0]
        learning = next(first.parameters()).requires_grad
        if not learning or self.progress < self.settings.freeze_first_at or self.workers.count > 1:
            return
        kept = dict(self.smooth.features[0].named_parameters())
        with torch.no_grad():
            for name, parameter in first.named_parameters():
                parameter.copy_(kept[name])
                parameter.requires_grad_(False)
                parameter.grad = None

    def _set_rate(self) -> float:
        rate = self.settings.lr * SCHEDULES[self.settings.schedule](self.progress)
        for group in self.optimizer.param_groups:
            group['lr'] = rate * group['factor']
        return rate

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
        if not value <= LOSS_LIMIT:
            raise self._diverged(f'the loss became {value:.4g}')
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
        ids = self.validation.class_ids
        indices = self.validation.indices or list(range(len(ids)))
        logits = logits_of(
            self.smooth,
            self.validation.images,
            indices,
            input_of(self.facts),
            bf16=self.settings.bf16,
        )
        truth, guess = ids[indices], logits.argmax(1)
        top1 = float((truth == guess).mean())
        macro = float(recall_by_class(truth, guess).mean())
        self.stale = 0 if top1 > self.best else self.stale + 1
        if top1 >= self.best:
            self.best = top1
            self.save('best.safetensors')
        return {'top1': top1, 'macro_recall': macro}

    def _note(self, figures: dict[str, float]) -> None:
        if self.workers.first:
            crops = self.step * self._step_images
            self.history.add(
                {
                    'step': self.step,
                    'crops': crops,
                    'elapsed_s': round(self.elapsed_s, 1),
                    **figures,
                }
            )
            words = ' '.join(f'{name} {value:.4f}' for name, value in figures.items())
            self.report(
                f'step {self.step} ({100 * self.progress:.1f} %, {crops} images, '
                f'{self.elapsed_s:.0f} s): {words}'
            )

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the run after the current step."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self._stop = True

        try:
            before = {n: signal.signal(n, ask) for n in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread: the caller handles signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _largest(tensor: Tensor) -> float:
    """Return the largest magnitude, NaN where a value is none."""
    return float(tensor.detach().float().abs().max())
