"""From settings and data to a trained checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.augment import SignAugmentation
from alexnet_ros.training.augment_photo import PaperAugmentation, colour_components, plain
from alexnet_ros.training.bank import ImageBank
from alexnet_ros.training.batches import Augmentation, BatchMaker, Source, balanced_weights
from alexnet_ros.training.checkpoint import load_state, network_from_checkpoint
from alexnet_ros.training.initial import initialise, load_features, load_package, settle_norms
from alexnet_ros.training.loop import Trainer, Validation
from alexnet_ros.training.loop_settings import LoopSettings, StepReport
from alexnet_ros.training.measure import stretched
from alexnet_ros.training.negatives import NegativeMaker, video_frames
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.sources import Record, read_rows, records_from_manifest
from alexnet_ros.training.split import held_out
from alexnet_ros.training.workers import Workers

BACKGROUND = 'background'
Report = Callable[[str], None]


@dataclass(frozen=True)
class Data:
    """
    Labelled images.

    :param records: all of them, before the split.
    :param names: class names by id; the background class is added in training.
    :param origin: where they come from, one line for the model package.
    """

    records: Sequence[Record]
    names: Sequence[str]
    origin: str


def architecture_for(settings: TrainSettings, classes: int) -> Architecture:
    """Return the network that the settings ask for."""
    return Architecture(
        variant=settings.variant,
        classes=classes,
        fc6_rank=settings.fc6_rank,
        fc7_rank=settings.fc7_rank,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout,
        normalisation=settings.normalisation,
        input_px=settings.input_px,
        response_norm={'variant': None, 'on': True, 'off': False}[settings.lrn],
        overlapping=settings.overlapping,
    )


def new_network(
    architecture: Architecture, settings: TrainSettings, typical: NDArray[np.uint8] | None = None
) -> AlexNet:
    """
    Return a network with its starting weights.

    :param typical: some training images (N, H, W, 3), needed to go on from a
        package.
    """
    torch.manual_seed(settings.seed)
    network = AlexNet(architecture)
    initialise(network, settings.initialisation)
    if not settings.initial:
        return network
    path = Path(settings.initial)
    if path.suffix == '.npz':
        load_features(network, path)
        return network
    if not path.suffix or path.is_dir():
        load_package(network, ModelPackage.load(settings.initial))
        if typical is not None:
            settle_norms(network, typical)
        return network
    other, _ = network_from_checkpoint(path)
    state = network.state_dict()
    last = ('classifier.6.weight', 'classifier.6.bias')  # the classes may differ
    for name, tensor in other.state_dict().items():
        if name not in last or tensor.shape == state[name].shape:
            state[name] = tensor
    load_state(network, state, str(path))
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


def augmentation_for(settings: TrainSettings, bank: ImageBank) -> Augmentation:
    """Return the random changes that the settings ask for."""
    if settings.augmentation == 'signs':
        return SignAugmentation(mirror=settings.mirror)
    if settings.augmentation == 'none':
        return plain
    components = colour_components(bank, len(bank), settings.seed)
    if settings.augmentation == 'paper':
        return PaperAugmentation(components, mirror=settings.mirror)
    return PaperAugmentation(components, crop=1.0, smallest=0.5, mirror=settings.mirror)


def sources_for(
    settings: TrainSettings, bank: ImageBank, class_ids: NDArray[np.int64], background_id: int
) -> list[Source]:
    """Return the mix of a batch: the classes, backgrounds and drawn signs."""
    real = 1 - settings.background_share - settings.drawn_share - settings.added_share
    sources = [Source(bank, class_ids, real, balanced_weights(class_ids, settings.balance))]
    rng = np.random.default_rng([settings.seed, 77])
    frames = []
    if settings.background_video:
        video = Path(settings.background_video)
        frames = video_frames(video, 0.0, settings.background_until)
    signs = settings.drawn_share > 0
    maker = NegativeMaker(bank, class_ids, frames, rng, traffic_signs=signs)
    if settings.background_share:
        crops = [maker.negative() for _ in range(settings.background_count)]
        ids = np.full(len(crops), background_id, np.int64)
        sources.append(Source(crops, ids, settings.background_share))
    if settings.drawn_share:
        pairs = [maker.drawn_sign(known=True) for _ in range(settings.background_count // 5)]
        ids = np.array([class_id for _, class_id in pairs])
        sources.append(Source([crop for crop, _ in pairs], ids, settings.drawn_share))
    if settings.added_share:
        sources.append(added_source(settings, background_id))
    return sources


def added_source(settings: TrainSettings, background_id: int) -> Source:
    """
    Return the crops of ``added_data``, which learn beside the data and are not split.

    :raises DatasetError: unreadable, or a class beyond the background's id.
    """
    manifest = Path(settings.added_data)
    tars = sorted(manifest.parent.glob('*.tar'))
    records = records_from_manifest(manifest, [*tars, manifest.parent], background_id + 1)
    weights = [float(row.get('weight') or 1) for row in read_rows(manifest, ('file', 'class_id'))]
    bank = ImageBank(records, settings.memory_mb)
    bank.load()
    ids = np.array([record.class_id for record in records], np.int64)
    return Source(bank, ids, settings.added_share, np.array(weights))


def train(
    settings: TrainSettings,
    data: Data,
    folder: Path,
    *,
    resume: bool = True,
    workers: Workers | None = None,
    report: Report = print,
    on_step: StepReport | None = None,
) -> dict[str, Any]:
    """
    Train, or go on training, into a folder.

    :param resume: take up the folder's checkpoint where there is one.
    :param on_step: called after each step; see :class:`Trainer`.
    :returns: the last measured figures.
    :raises DatasetError: images or labels that cannot be used.
    :raises TrainingError: the run cannot go on.
    """
    workers = workers or Workers()
    cv2.setNumThreads(1)
    out = held_out(data.records, settings.hold_out_every)
    learn = [r for r, held in zip(data.records, out, strict=True) if not held]
    check = [r for r, held in zip(data.records, out, strict=True) if held]
    class_ids = np.array([r.class_id for r in learn], np.int64)
    check_classes(class_ids, data.names)
    names = list(data.names) + ([BACKGROUND] if settings.background_share else [])
    architecture = architecture_for(settings, len(names))
    report(f'{len(learn)} images to learn from, {len(check)} held out, {len(names)} classes')

    bank = ImageBank(learn, settings.memory_mb)
    bank.load()
    validation = None
    if check:
        bank_held = ImageBank(check, settings.memory_mb // 4)
        validation = Validation(bank_held, np.array([r.class_id for r in check], np.int64))
    sources = sources_for(settings, bank, class_ids, len(data.names))
    batches = BatchMaker(
        sources, augmentation_for(settings, bank), settings.batch, settings.seed, workers.rank
    )
    loop = LoopSettings(
        steps=settings.steps,
        minutes=settings.minutes,
        batch=settings.batch,
        rate=settings.rate,
        features_factor=settings.features_factor,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        smoothing=settings.smoothing,
        schedule=settings.schedule,
        average_decay=settings.average_decay,
        half=settings.half,
        sizes=tuple(int(word) for word in settings.sizes.split(',') if word),
        check_every=settings.check_every,
        save_every=settings.save_every,
        threads=settings.threads,
        seed=settings.seed,
        freeze_first_at=settings.freeze_first_at,
    )
    facts = {
        'architecture': architecture.as_mapping(),
        'names': names,
        'background': bool(settings.background_share),
        'settings': asdict(settings),
        'data': data.origin,
    }
    picks = np.random.default_rng(settings.seed).permutation(len(bank))[:256].tolist()
    typical = stretched(bank, picks, architecture.size_px)
    network = new_network(architecture, settings, typical)
    trainer = Trainer(
        network,
        batches,
        loop,
        folder,
        facts=facts,
        validation=validation,
        workers=workers,
        report=report,
        on_step=on_step,
    )
    if resume and trainer.resume():
        report(f'resumed at step {trainer.step}')
    figures = trainer.train()
    if workers.first:
        trainer.history.plot()
    return figures
