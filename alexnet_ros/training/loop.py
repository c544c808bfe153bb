"""The training loop: steps, averages, checkpoints, resuming."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from alexnet_ros.errors import TrainingError
from alexnet_ros.training.average import Average
from alexnet_ros.training.batches import BatchMaker, Images
from alexnet_ros.training.checkpoint import load_checkpoint, load_state, part_of, save_checkpoint
from alexnet_ros.training.history import History
from alexnet_ros.training.loop_settings import LoopSettings, StepReport
from alexnet_ros.training.measure import logits_of, recall_by_class
from alexnet_ros.training.network import AlexNet
from alexnet_ros.training.schedule import SCHEDULES, input_size
from alexnet_ros.training.workers import Workers


@dataclass
class Validation:
    """
    Held-out images that are measured now and then.

    :param class_ids: their labels.
    """

    images: Images
    class_ids: NDArray[np.int64]
    indices: list[int] = field(default_factory=list)


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
        settings: LoopSettings,
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
            self._groups(), settings.rate, settings.momentum, nesterov=True
        )
        self.parallel = self.workers.wrap(self.network)  # after some layers were frozen
        self.average = Average(self.network, settings.average_decay)
        self.history = History(folder)
        self.step, self.elapsed_s, self.best = 0, 0.0, 0.0
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
    def checkpoint(self) -> Path:
        """The file to resume from."""
        return self.folder / 'checkpoint.safetensors'

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.settings.minutes:
            return min(1.0, self.elapsed_s / (60 * self.settings.minutes))
        return min(1.0, self.step / max(1, self.settings.steps))

    def resume(self) -> bool:
        """Take up the last checkpoint of the folder; False when there is none."""
        if not self.checkpoint.exists():
            return False
        tensors, facts = load_checkpoint(self.checkpoint)
        if facts['architecture'] != self.facts['architecture']:
            raise TrainingError(
                f'{self.checkpoint} was trained as {facts["architecture"]}, not as '
                f'{self.facts["architecture"]}; choose another --output'
            )
        load_state(self.network, part_of(tensors, 'model'), str(self.checkpoint))
        for name, value in part_of(tensors, 'ema').items():
            self.average.state[name].copy_(value)
        momenta = part_of(tensors, 'momentum')
        for name, parameter in self.network.named_parameters():
            if name in momenta:
                self.optimizer.state[parameter]['momentum_buffer'] = momenta[name].to(
                    parameter.device
                )
        run = facts['run']
        self.step, self.elapsed_s, self.best = run['step'], run['elapsed_s'], run['best']
        self.average.updates = run['updates']
        self.history.cut(self.step)
        return True

    def save(self, name: str = 'checkpoint.safetensors') -> None:
        """Write a checkpoint (first of the workers only)."""
        if not self.workers.first:
            return
        tensors: dict[str, Tensor] = {}
        tensors |= {f'ema.{n}': t for n, t in self.average.state.items()}
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
            'updates': self.average.updates,
            'crops_seen': self.step * self._step_images,
        }
        save_checkpoint(self.folder / name, tensors, {**self.facts, 'run': run})

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
        sizes = self.settings.sizes or (self.network.architecture.size_px,)
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
                if self.step % self.settings.check_every == 0 or done:
                    figures = {'loss': losses / seen, 'train_top1': right / seen, 'rate': rate}
                    figures |= self.check()
                    self._note(figures)
                    losses, right, seen, mark = 0.0, 0, 0, time.perf_counter()
                if self.step % self.settings.save_every == 0:
                    self.save()
        stream.close()
        self.save()
        return figures

    def _progress_at(self, step: int) -> float:
        return self.progress if self.settings.minutes else step / max(1, self.settings.steps)

    def _freeze_first(self) -> None:
        """Fix conv1 once the run is far enough."""
        first = self.network.features[0]
        learning = next(first.parameters()).requires_grad
        if not learning or self.progress < self.settings.freeze_first_at or self.workers.count > 1:
            return
        with torch.no_grad():
            for name, parameter in first.named_parameters():
                parameter.copy_(self.average.state[f'features.0.{name}'])
                parameter.requires_grad_(False)
                parameter.grad = None

    def _set_rate(self) -> float:
        rate = self.settings.rate * SCHEDULES[self.settings.schedule](self.progress)
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
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.half):
            logits, _ = self.parallel(pixels)
        logits = logits.float()
        loss = cross_entropy(logits, truth, label_smoothing=self.settings.smoothing)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f'the loss became {value} at step {self.step + 1} (learning rate '
                f'{self.optimizer.param_groups[0]["lr"]:.4g}); the last good checkpoint is '
                f'{self.checkpoint}; start again with a lower --rate'
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self.average.update(self.network)
        return value, int((logits.argmax(1) == truth).sum())

    def check(self) -> dict[str, float]:
        """Measure the averaged weights on the held-out images."""
        if self.validation is None or not self.workers.first:
            return {}
        held = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        ids, size = self.validation.class_ids, self.network.architecture.size_px
        indices = self.validation.indices or list(range(len(ids)))
        logits = logits_of(
            self.network, self.validation.images, indices, size, half=self.settings.half
        )
        self.network.load_state_dict(held)
        truth, guess = ids[indices], logits.argmax(1)
        top1 = float((truth == guess).mean())
        macro = float(recall_by_class(truth, guess).mean())
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
