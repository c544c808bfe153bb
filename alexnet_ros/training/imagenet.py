"""torchvision's ImageNet file becomes a package of 1000 classes."""

import ast
import importlib.util
import warnings
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from alexnet_ros.errors import LabelFileError, TrainingError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from alexnet_ros.training.checkpoint import load_state
from alexnet_ros.training.export import onnx_files
from alexnet_ros.training.layouts import names_from_csv
from alexnet_ros.training.network import AlexNet, Architecture

CLASSES = 1000
PUBLISHED = {'top1': 0.56522, 'top5': 0.79066}  # torchvision's documentation, one central view


def state_from_pth(path: Path) -> dict[str, Tensor]:
    """
    Read a ``.pth`` of tensors, without running anything that is in it.

    :raises TrainingError: unreadable, or more than tensors.
    """
    try:
        with warnings.catch_warnings():  # about pickle's protocol, of no use here
            warnings.simplefilter('ignore')
            state = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        line = ' '.join(str(error).split())[:160]
        raise TrainingError(f'{path} is no file of weights alone: {line}') from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise TrainingError(f'{path} must hold a state dict, name to tensor')
    return state


def imagenet_names(labels: Path | None) -> list[str]:
    """
    Return the 1000 class names: from a CSV, or from an installed torchvision.

    torchvision's list is read as text; torchvision itself is not imported.

    :raises LabelFileError: there is neither.
    """
    if labels is not None:
        names = names_from_csv(labels)
    else:
        spec = importlib.util.find_spec('torchvision')
        places = (spec.submodule_search_locations or ()) if spec else ()
        tables = [Path(place) / 'models/_meta.py' for place in places]
        names = next((names_from_meta(table) for table in tables if table.is_file()), [])
    if len(names) != CLASSES:
        raise LabelFileError(
            f'expected {CLASSES} ImageNet class names, found {len(names)}: pip install --no-deps '
            'torchvision, which has them, or give --labels with a CSV of class_id and name'
        )
    return unique(names)


def names_from_meta(path: Path) -> list[str]:
    """Return the list of categories in torchvision's ``models/_meta.py``."""
    for node in ast.parse(path.read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and (node.targets[0].id == '_IMAGENET_CATEGORIES')
        ):
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def unique(names: list[str]) -> list[str]:
    """Return the names with a number after those that ImageNet uses twice (crane)."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f'{name} ({seen[name]})')
    return found


def export_torchvision(
    path: Path,
    folder: Path,
    *,
    labels: Path | None,
    name: str = 'imagenet',
    version: str = '1.0.0',
    precision: str = 'fp16',
) -> ModelPackage:
    """
    Convert ``alexnet-owt-7be5be79.pth`` into a package.

    :param labels: CSV with class_id and name, or None.
    :param precision: ``fp16`` or ``fp32``, or both with a comma.
    :raises TrainingError: another network's weights.
    :raises LabelFileError: no class names.
    """
    names = imagenet_names(labels)
    network = AlexNet(Architecture(classes=CLASSES)).eval()
    load_state(network, state_from_pth(path), str(path))
    return write_package(
        folder,
        name=name,
        version=version,
        input=InputSpec(224, 224, resize='centre_crop', resize_px=256, margin=0.0),
        files=onnx_files(network, None, precision.split(',')),
        labels=Labels(Label(index, text, 'object') for index, text in enumerate(names)),
        scores=ScoreSpec(),
        architecture=network.architecture.as_mapping(),
        metrics={'published': {**PUBLISHED, 'source': 'torchvision documentation'}},
        origin={'data': 'ImageNet ILSVRC-2012', 'weights': path.name, 'licence': 'BSD-3-Clause'},
    )
