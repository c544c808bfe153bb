"""What an export starts from: a checkpoint or weights from elsewhere, and images to measure on."""

import ast
import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_ros.errors import LabelFileError, TrainingError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ScoreSpec
from alexnet_ros.training.checkpoint import input_of, labels_of, network_from_checkpoint, split_in
from alexnet_ros.training.export import PRECISIONS, Draft, Measured, onnx_files, torch_logits
from alexnet_ros.training.layouts import DataSet
from alexnet_ros.training.negatives import negatives, video_frames
from alexnet_ros.training.network import AlexNet
from alexnet_ros.training.sources import ImageBank, Split, decode, records_beside
from alexnet_ros.training.weights import Weights, network_of

CLASSES = 1000  # of ImageNet
NEGATIVES = 3000  # crops of none of the classes, made where none are given
NEGATIVE_SEED = 991


def with_role(labels: Sequence[Label], role: str) -> Labels:
    """Return the labels; those that have no role yet get this one."""
    return Labels(replace(label, role=label.role or role) for label in labels)


def distinct(labels: Sequence[Label]) -> list[Label]:
    """Return the labels, with a number after names that stand there twice (ImageNet's crane)."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label.name] += 1
        again = f' ({seen[label.name]})' if seen[label.name] > 1 else ''
        found.append(replace(label, name=label.name + again))
    return found


def measured_from(
    data: DataSet, facts: Mapping[str, Any] | None = None, *, negatives_from: Path | None = None
) -> Measured:
    """
    Split the data as the run of a checkpoint did, and make fresh negatives.

    :param facts: of the checkpoint; None for a network trained elsewhere: then
        the data's own parts count, or a quarter of it calibrates.
    :param negatives_from: CSV of crops whose background ones are taken; else some
        are made of held-out crops and the part of the video that training may see.
    :raises TrainingError: none of the images is one of the run's.
    """
    if facts:
        records = [record for record in data.records if record.part != 'test']
        split = split_in(facts) or Split.of(records, facts['settings'].get('hold_out_every', 8))
        learn, held, new = split.parts(records)
        if not learn:
            raise TrainingError(
                'none of the images that the run learnt from is in the data; give the --data of '
                'the training, and measure other images with evaluate'
            )
        check = held + new
        how = f'{len(check)} images of {{}} groups that the run held out'
    else:
        check, learn, _ = Split.of(data.records, 4).parts(data.records)
        if any(record.part in {'val', 'test'} for record in data.records):
            check = [record for record in data.records if record.part in {'val', 'test'}]
            learn = [record for record in data.records if record.part not in {'val', 'test'}]
        how = f'{len(check)} images of {{}} groups; {len(learn)} others calibrated'
    unseen = bool(check) and bool(learn)
    if not unseen:
        check, learn = check or learn, learn or check
        how = f'nothing was held out: {len(check)} images that calibrated or trained the network'
    groups = len({(record.class_id, record.group) for record in check})
    bank = ImageBank(check)
    class_ids = np.array([record.class_id for record in check], np.int64)
    crops = []
    if facts and facts['background']:
        background_id, settings = len(facts['names']) - 1, facts['settings']
        if negatives_from:
            given = records_beside(negatives_from, background_id + 1)
            crops = [decode(record) for record in given if record.class_id == background_id]
        else:
            video, until = settings['background_video'], settings['background_until']
            frames = video_frames(Path(video), 0.0, until) if video else []
            crops = negatives(bank, frames, np.random.default_rng(NEGATIVE_SEED), NEGATIVES)
    learnt_ids = np.array([record.class_id for record in learn], np.int64)
    how = how.format(groups)
    return Measured(ImageBank(learn), learnt_ids, bank, class_ids, crops, how, unseen)


def _draft_from_network(
    network: AlexNet,
    *,
    name: str,
    version: str,
    spec: InputSpec,
    labels: Labels,
    origin: Mapping[str, Any],
    also_measure: Sequence[str] = (),
) -> Draft:
    """Return the draft of an AlexNet in PyTorch."""
    arch, background = network.architecture, labels.with_role('background')
    shown = ('variant', 'classes', 'fc6_rank', 'fc7_rank', 'normalisation')
    return Draft(
        name=name,
        version=version,
        input=spec,
        labels=labels,
        scores=ScoreSpec(unknown_class_id=background[0].class_id if background else None),
        architecture={key: getattr(arch, key) for key in shown} | {'response_norm': arch.uses_lrn},
        origin=origin,
        files=lambda batch, wanted: onnx_files(network, batch, wanted),
        reference=lambda batch: torch_logits(network, batch),
        also_measure=also_measure,
    )


def draft_from_checkpoint(
    checkpoint: Path, *, name: str, version: str, role: str, licence: str
) -> tuple[Draft, dict[str, Any]]:
    """
    Return the draft of a checkpoint of ``train``, and its facts.

    :raises TrainingError: the checkpoint cannot be used.
    """
    network, facts = network_from_checkpoint(checkpoint)
    settings = facts['settings']
    draft = _draft_from_network(
        network,
        name=name,
        version=version,
        spec=input_of(facts),
        labels=with_role(labels_of(facts), role or 'sign'),
        origin={
            'data': facts['data'],
            'initial_weights': Path(settings['initial']).name or 'random',
            'seed': settings['seed'],
            'crops_seen': facts.get('run', {}).get('crops_seen', 0),
            'licence': licence,
        },
        also_measure=PRECISIONS,
    )
    return draft, facts


def draft_from_weights(
    weights: Weights,
    *,
    name: str,
    version: str,
    labels: Sequence[Label],
    role: str,
    licence: str,
    resize: str,
) -> Draft:
    """
    Return the draft of torchvision's AlexNet or of one fine-tuned elsewhere.

    :param labels: the classes; else the file's own, ImageNet's for 1000, or numbers.
    :raises TrainingError: no whole AlexNet.
    :raises LabelFileError: another number of classes than the network's.
    """
    network = network_of(weights)
    count, size = network.architecture.classes, network.architecture.size_px
    if not labels:
        names: Sequence[str] = weights.names
        if not names:
            names = imagenet_names() if count == CLASSES else []
        names = names or [f'class {index}' for index in range(count)]
        labels = [Label(index, text, '') for index, text in enumerate(names)]
    if len(labels) != count:
        raise LabelFileError(
            f'{weights.origin} has {count} classes, the labels name {len(labels)}; give one row '
            'for each class in the order of its training'
        )
    return _draft_from_network(
        network,
        name=name,
        version=version,
        spec=InputSpec(size, size, resize=resize, resize_px=size * 8 // 7, margin=0.0),
        labels=with_role(distinct(labels), role or 'object'),
        origin={'data': 'see weights', 'weights': weights.origin.name, 'licence': licence},
    )


def imagenet_names() -> list[str]:
    """
    Return the 1000 class names of an installed torchvision.

    Its list is read as text; torchvision itself is not imported.

    :raises LabelFileError: it is not installed.
    """
    spec = importlib.util.find_spec('torchvision')
    places = (spec.submodule_search_locations or ()) if spec else ()
    tables = [Path(place) / 'models/_meta.py' for place in places]
    names = next((names_from_meta(table) for table in tables if table.is_file()), [])
    if len(names) != CLASSES:
        raise LabelFileError(
            f'expected {CLASSES} ImageNet class names, found {len(names)}: pip install --no-deps '
            'torchvision, which has them, or give --labels with a CSV of class_id and name'
        )
    return names


def names_from_meta(path: Path) -> list[str]:
    """Return the list of categories in torchvision's ``models/_meta.py``."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_IMAGENET_CATEGORIES':
            return [str(name) for name in ast.literal_eval(node.value)]
    return []
