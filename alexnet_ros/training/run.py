"""From settings and data to a trained checkpoint."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError, TrainingError
from alexnet_ros.files import one_line
from alexnet_ros.labels import Label
from alexnet_ros.model_package import InputSpec, ModelPackage
from alexnet_ros.training.batches import BatchMaker, Source, augmentation_for, balanced_weights
from alexnet_ros.training.checkpoint import load_checkpoint, refuse_other_run, split_in
from alexnet_ros.training.evaluate import whole_images
from alexnet_ros.training.initial import initialise, load_package, settle_norms, start_from_probe
from alexnet_ros.training.layouts import DataSet, counts_text
from alexnet_ros.training.loop import Trainer, Validation
from alexnet_ros.training.negatives import negatives, video_frames
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import ImageBank, Split, mark_of, read_rows, records_beside
from alexnet_ros.training.state import Report, StepReport, Workers
from alexnet_ros.training.weights import load_weights, read_weights

OUT_OF_MEMORY = re.compile(
    r'out of memory|not enough memory|alloc_cpu|cannot allocate', re.IGNORECASE
)
BACKGROUND = 'background'
Probe = Callable[[], tuple[NDArray[np.uint8], NDArray[np.int64], int]]
PROBE_IMAGES = 1000
FIRST_PROBE = 1 << 40  # steps of the batch maker that no training reaches


def frozen(settings: TrainSettings) -> bool:
    """Whether the run leaves its starting convolutions as they are."""
    return bool(settings.initial) and settings.features_factor == 0


def architecture_for(settings: TrainSettings, classes: int) -> Architecture:
    """Return the network that the settings ask for."""
    return Architecture(
        variant=settings.variant,
        classes=classes,
        fc6_rank=settings.fc6_rank,
        fc7_rank=settings.fc7_rank,
        # on frozen features its batch statistics would be noise, and it would learn nothing
        batch_norm=settings.batch_norm and not frozen(settings),
        dropout=settings.dropout,
        normalisation=settings.normalisation,
        input_px=settings.input_px,
        response_norm={'variant': None, 'on': True, 'off': False}[settings.lrn],
        overlapping=settings.overlapping,
    )


def new_network(
    architecture: Architecture,
    settings: TrainSettings,
    typical: NDArray[np.uint8] | None = None,
    report: Report = print,
    probe: Probe | None = None,
) -> AlexNet:
    """
    Return a network with its starting weights.

    :param typical: some training images (N, H, W, 3); batch normalisation
        then starts from their statistics, so that it changes nothing at first
        and frozen convolutions stay what they were.
    :param probe: gives what :func:`start_from_probe` takes, to begin as one.
    """
    torch.manual_seed(settings.seed)
    network = AlexNet(architecture)
    initialise(network, settings.initialisation)
    if not settings.initial:
        return network
    path = Path(settings.initial)
    if not path.suffix or path.is_dir():
        loaded = load_package(network, ModelPackage.load(settings.initial))
    else:
        loaded = load_weights(network, read_weights(path))
    report(f'{", ".join(loaded)} start from {settings.initial}')
    if typical is not None and architecture.batch_norm:
        settle_norms(network, typical)
    if probe is not None and 'fc8' not in loaded:
        hidden = {'fc6', 'fc7'} <= {name[:3] for name in loaded}
        if start_from_probe(network, *probe(), hidden=hidden):
            report('the fully connected layers start as a linear probe of these features')
    return network


def check_classes(class_ids: NDArray[np.int64], names: Sequence[str]) -> None:
    """
    Refuse labels beyond the names and classes without images.

    :raises DatasetError: the first class concerned, named.
    """
    counts = np.bincount(class_ids, minlength=len(names))
    if len(counts) > len(names):
        raise DatasetError(f'unknown label {len(counts) - 1}: there are {len(names)} class names')
    empty = [f'{index} ({names[index]})' for index in np.flatnonzero(counts == 0).tolist()]
    if empty:
        raise DatasetError(f'no training image of class {", ".join(empty)}')


def sources_for(
    settings: TrainSettings, bank: ImageBank, class_ids: NDArray[np.int64], background_id: int
) -> list[Source]:
    """
    Return the mix of a batch: the classes, backgrounds and the added crops.

    :raises DatasetError: added crops that cannot be read, or of a class beyond the background.
    """
    real = 1 - settings.background_share - settings.added_share
    sources = [Source(bank, class_ids, real, balanced_weights(class_ids, settings.balance))]
    if settings.background_share:
        frames = []
        if settings.background_video:
            video = Path(settings.background_video)
            frames = video_frames(video, 0.0, settings.background_until)
        rng = np.random.default_rng([settings.seed, 77])
        crops = negatives(bank, frames, rng, settings.background_count)
        ids = np.full(len(crops), background_id, np.int64)
        sources.append(Source(crops, ids, settings.background_share))
    if settings.added_share:  # they learn beside the data and are not split
        manifest = Path(settings.added_data)
        added = ImageBank(records_beside(manifest, background_id + 1), settings.memory_mb)
        added.load()
        rows = read_rows(manifest, ('file', 'class_id'))
        weights = np.array([float(row.get('weight') or 1) for row in rows])
        ids = np.array([record.class_id for record in added.records], np.int64)
        sources.append(Source(added, ids, settings.added_share, weights))
    return sources


def train(
    settings: TrainSettings,
    data: DataSet,
    folder: Path,
    *,
    resume: bool = True,
    more_steps: int = 0,
    workers: Workers | None = None,
    report: Report = print,
    on_step: StepReport | None = None,
) -> dict[str, Any]:
    """
    Train, or go on training, into a folder.

    :param resume: take up the folder's checkpoint where there is one.
    :param more_steps: go on for so many steps where that run had ended.
    :param on_step: called after each step; see :class:`Trainer`.
    :returns: the last measured figures.
    :raises DatasetError: images or labels that cannot be used.
    :raises TrainingError: the run cannot go on.
    """
    cv2.setNumThreads(1)
    workers = workers or Workers()
    try:
        trainer = prepare(settings, data, folder, resume=resume, workers=workers, report=report)
        trainer.on_step = on_step
        if resume and trainer.resume(more_steps):
            if trainer.progress >= 1:
                report(
                    f'{trainer.checkpoint} is finished at step {trainer.step}; --more-steps N '
                    'goes on, --restart begins anew'
                )
                return {}
            report(f'resumed at step {trainer.step}')
        figures = trainer.train()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not OUT_OF_MEMORY.search(one_line(error)):
            raise
        raise TrainingError(
            f'out of memory with --batch {settings.batch} at {settings.input_px or "full"} px '
            f'input; try --batch {max(2, settings.batch // 2)}'
        ) from error
    if workers.first:
        trainer.history.plot()
    return figures


def prepare(
    settings: TrainSettings,
    data: DataSet,
    folder: Path,
    *,
    resume: bool,
    workers: Workers,
    report: Report,
) -> Trainer:
    """
    Return a run with everything read, split and built.

    :raises DatasetError: images or labels that cannot be used.
    :raises TrainingError: the folder has the checkpoint of another run.
    """
    for note in data.notes:
        report(note)
    records = [record for record in data.records if record.part != 'test']
    checkpoint = folder / 'checkpoint.safetensors'
    old = load_checkpoint(checkpoint)[1] if resume and checkpoint.exists() else None
    names = data.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DatasetError(f'two classes are called {repeated[0]!r}; names must differ')
    split = (old and split_in(old)) or Split.of(records, settings.hold_out_every)
    learn, check, new = split.parts(records)
    known = bool(learn or check)
    learn += new
    split = Split(split.learned | {mark_of(record) for record in new}, split.held)
    labels = [*data.labels]
    if settings.background_share:
        labels.append(Label(len(names), BACKGROUND, BACKGROUND))
    architecture = architecture_for(settings, len(labels))
    spec: dict[str, Any] = {'resize': settings.resize}
    if settings.resize == 'centre_crop':
        spec |= {'resize_px': architecture.size_px * 8 // 7, 'margin': 0.0}
    facts = {
        'architecture': asdict(architecture),
        'names': [label.name for label in labels],
        'roles': [label.role for label in labels],
        'background': bool(settings.background_share),
        'input': spec,
        'split': {'learned': sorted(split.learned), 'held': sorted(split.held)},
        'group': data.group,
        'settings': asdict(settings),
        'data': data.origin,
    }
    if old:
        refuse_other_run(checkpoint, old, facts)
        if not known:
            raise DatasetError(f'none of the images that {checkpoint} learnt from is in the data')
    class_ids = np.array([record.class_id for record in learn], np.int64)
    check_classes(class_ids, names)
    report(f'{len(learn)} images to learn from, {len(check)} held out')
    report(counts_text(learn, check, names))
    if not check and settings.hold_out_every:
        report('nothing is held out (one group a class): there will be no validation')
    validation = None
    if check:
        held = ImageBank(check, settings.memory_mb // 4)
        held.load()
        validation = Validation(held, np.array([record.class_id for record in check], np.int64))
    bank = ImageBank(learn, settings.memory_mb)
    bank.load()
    batches = BatchMaker(
        sources_for(settings, bank, class_ids, len(names)),
        augmentation_for(settings, bank, len(bank)),
        settings.batch,
        settings.seed,
        workers.rank,
    )
    whole = InputSpec(architecture.size_px, architecture.size_px, **spec)
    picks = np.random.default_rng(settings.seed).permutation(len(bank)).tolist()
    typical = whole_images(bank, picks[:256], whole) if settings.initial and not old else None

    def probe() -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
        some = picks[:PROBE_IMAGES]  # as they are, and twice as many changed ones
        parts = [(whole_images(bank, some, whole), class_ids[some])]
        parts += [
            batches.make(FIRST_PROBE + number, architecture.size_px)
            for number in range(-(-2 * max(len(some), 100) // settings.batch))
        ]
        images, ids = (np.concatenate(values) for values in zip(*parts, strict=True))
        return images, ids, len(some)

    network = new_network(
        architecture,
        settings,
        typical,
        report if old is None else lambda _text: None,
        probe if old is None and settings.probe and frozen(settings) else None,
    )
    return Trainer(
        network,
        batches,
        settings,
        folder,
        facts=facts,
        validation=validation,
        workers=workers,
        report=report,
    )
