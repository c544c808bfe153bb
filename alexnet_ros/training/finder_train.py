"""Training a finder: settings, steps, checkpoints, resuming."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from alexnet_ros.errors import DatasetError, TrainingError
from alexnet_ros.training.checkpoint import load_checkpoint, part_of, save_checkpoint
from alexnet_ros.training.finder_data import (
    crop_cutouts,
    drawing_cutouts,
    frame_cutouts,
    scenes_from,
    twins_of_dev,
    video_scenes,
)
from alexnet_ros.training.finder_network import FinderArchitecture, FinderNetwork, finder_loss
from alexnet_ros.training.finder_scenes import Cutout, Mix, SceneMaker
from alexnet_ros.training.finder_settings import FinderTrainSettings
from alexnet_ros.training.schedule import averaged, cosine

BOX_WEIGHT = 2.0
Report = Callable[[str], None]
StepReport = Callable[[float, int, float], None]


@dataclass(frozen=True)
class FinderData:
    """
    Where a finder's pictures come from; each may be missing but the frames.

    :param frames: ``annotations.json`` files, their frames beside them.
    :param crops: a CSV of crops with the object's box.
    :param drawings: a CSV of drawn objects.
    :param backgrounds: videos without objects.
    """

    frames: Sequence[Path]
    crops: Path | None = None
    drawings: Path | None = None
    backgrounds: Sequence[Path] = ()


def maker_for(settings: FinderTrainSettings, data: FinderData, report: Report) -> SceneMaker:
    """
    Read everything and return what makes the pictures.

    :raises DatasetError: nothing to find in the data, or unreadable.
    """
    scenes = [s for path in data.frames for s in scenes_from(path, dev=False).values()]
    backgrounds = [
        s for path in data.backgrounds for s in video_scenes(path, settings.background_until)
    ]
    classes: list[list[Cutout]] = []
    if data.crops:
        twins = {twin for path in data.frames for twin in twins_of_dev(path)}
        classes = crop_cutouts(
            data.crops,
            hold_out_every=settings.hold_out_every,
            excluded=twins,
            gtsrb=settings.outlines == 'gtsrb',
        )
    crops = len(classes)
    if data.drawings:
        drawn = drawing_cutouts(data.drawings, settings.drawings_found.split(','))
        share = settings.drawings_share if crops else 0.5
        times = max(1, round(share / (1 - share) * max(1, crops) / 4))
        classes += [g for g in (drawn[0],) * (3 * times) + (drawn[1],) * times if g]
    objects = sum(len(scene.boxes) for scene in scenes)
    groups = [g for g in (frame_cutouts(scenes),) if g]
    classes += groups * max(1, len(classes) // 5)
    if not objects and not classes:
        raise DatasetError('expected annotated objects, crops or drawings, got none of them')
    report(
        f'{len(scenes)} frames with {objects} objects, {len(backgrounds)} backgrounds, '
        f'{crops} classes of crops, {len(classes) - crops} groups of drawings'
    )
    mix = Mix(
        settings.side_px,
        settings.smallest_px,
        settings.largest_px,
        settings.frame_share,
        settings.pasted,
        settings.decoys,
    )
    return SceneMaker(scenes, backgrounds, classes, mix, settings.seed)


class _Numbers:
    """Picture numbers from a step on, without end."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        number = self.first
        while True:
            yield number
            number += 1


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class FinderTrainer:
    """
    One run of training.

    :param maker: makes the pictures.
    :param folder: takes ``checkpoint.safetensors``.
    :param on_step: called after each step with the share that is done, the
        step and the loss.
    """

    def __init__(
        self,
        settings: FinderTrainSettings,
        maker: 'Dataset[Any] | SceneMaker',
        folder: Path,
        *,
        architecture: FinderArchitecture | None = None,
        workers: int = 1,
        report: Report = print,
        on_step: StepReport | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.maker, self.folder = settings, maker, folder
        self.report, self.on_step, self.workers = report, on_step, workers
        self.network = FinderNetwork(architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {'params': decayed, 'weight_decay': settings.weight_decay},
                {'params': others, 'weight_decay': 0.0},
            ],
            settings.rate,
        )
        self.average = averaged(self.network, settings.average_decay)
        self.step, self.elapsed_s = 0, 0.0
        self.stop = False

    @property
    def checkpoint(self) -> Path:
        """Return the file to resume from."""
        return self.folder / 'checkpoint.safetensors'

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.settings.minutes:
            return min(1.0, self.elapsed_s / (60 * self.settings.minutes))
        return min(1.0, self.step / self.settings.steps)

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f'ema.{n}': t for n, t in self.average.module.state_dict().items()}
        tensors |= {f'model.{n}': t for n, t in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f'optimizer.{key}.{name}'] = value
        facts = {
            'finder': self.network.architecture.as_mapping(),
            'settings': asdict(self.settings),
            'run': {
                'step': self.step,
                'elapsed_s': self.elapsed_s,
                'updates': int(self.average.n_averaged),
            },
        }
        save_checkpoint(self.checkpoint, tensors, facts)

    def resume(self) -> bool:
        """
        Take up the folder's checkpoint; False when there is none.

        :raises TrainingError: it belongs to another network.
        """
        if not self.checkpoint.exists():
            return False
        tensors, facts = load_checkpoint(self.checkpoint)
        if facts.get('finder') != self.network.architecture.as_mapping():
            raise TrainingError(
                f'{self.checkpoint} is not of this finder; choose another --output or --restart'
            )
        self.network.load_state_dict(part_of(tensors, 'model'))
        kept = self.average.module.state_dict()
        for name, value in part_of(tensors, 'ema').items():
            kept[name].copy_(value)
        for name, parameter in self.network.named_parameters():
            parts = {
                key: tensors[f'optimizer.{key}.{name}']
                for key in ('step', 'exp_avg', 'exp_avg_sq')
                if f'optimizer.{key}.{name}' in tensors
            }
            if parts:
                self.optimizer.state[parameter] = parts
        run = facts['run']
        self.step, self.elapsed_s = run['step'], run['elapsed_s']
        self.average.n_averaged.fill_(run['updates'])
        return True

    def train(self) -> dict[str, float]:
        """
        Run to the end, or until ``stop`` is set; then save.

        :returns: the last losses.
        :raises TrainingError: the loss is not finite; the last checkpoint stays.
        """
        batches: DataLoader[Any] = DataLoader(
            self.maker,  # type: ignore[arg-type]
            batch_size=self.settings.batch,
            sampler=_Numbers(self.step * self.settings.batch),
            num_workers=self.workers,
            worker_init_fn=_one_thread if self.workers else None,
            prefetch_factor=3 if self.workers else None,
        )
        figures: dict[str, float] = {}
        before = time.monotonic()
        for batch in batches:
            figures = self._learn(batch)
            self.step += 1
            now = time.monotonic()
            self.elapsed_s, before = self.elapsed_s + now - before, now
            done = self.progress >= 1 or self.stop
            if self.on_step:
                self.on_step(self.progress, self.step, figures['loss'])
            if done or self.step % self.settings.save_every == 0:
                self.save()
                words = ' '.join(f'{name} {value:.4f}' for name, value in figures.items())
                self.report(f'step {self.step} ({100 * self.progress:.1f} %): {words}')
            if done:
                break
        return figures

    def _learn(self, batch: Sequence[Tensor]) -> dict[str, float]:
        images, *wanted = batch
        for group in self.optimizer.param_groups:
            group['lr'] = self.settings.rate * cosine(self.progress)
        self.network.train()
        with torch.autocast('cpu', torch.bfloat16, enabled=self.settings.half):
            cells = self.network(images)
        heat, boxes = finder_loss(cells, *wanted)
        loss = heat + BOX_WEIGHT * boxes
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(
                f'the loss is not finite at step {self.step + 1}; the last good checkpoint is '
                f'{self.checkpoint}; start again with a lower --rate'
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return {
            'loss': float(loss.detach()),
            'heat_loss': float(heat.detach()),
            'box_loss': float(boxes.detach()),
        }


def train_finder(
    settings: FinderTrainSettings,
    data: FinderData,
    folder: Path,
    *,
    resume: bool = True,
    workers: int = 1,
    cores: int = 0,
    report: Report = print,
    on_step: StepReport | None = None,
) -> dict[str, float]:
    """
    Train, or go on training, a finder into a folder; see :class:`FinderTrainer`.

    :param cores: CPU threads of the network, 0 for all.
    """
    cv2.setNumThreads(1)
    if cores:
        torch.set_num_threads(cores)
    maker = maker_for(settings, data, report)
    trainer = FinderTrainer(
        settings, maker, folder, workers=workers, report=report, on_step=on_step
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
    network = FinderNetwork(FinderArchitecture.from_mapping(facts['finder']))
    network.load_state_dict(part_of(tensors, 'ema'))
    return network.eval(), facts
