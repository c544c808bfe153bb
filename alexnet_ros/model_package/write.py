"""Writing a model folder."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import (
    MAX_YAML_BYTES,
    make_folder,
    read_file,
    sync_folder,
    write_error,
    write_file,
    yaml_from_mapping,
)
from alexnet_ros.labels import Labels
from alexnet_ros.model_package.fields import Fields, mapping_from_yaml
from alexnet_ros.model_package.package import FinderPackage, ModelPackage
from alexnet_ros.model_package.specs import PRECISIONS, InputSpec, ScoreSpec


def write_package(
    folder: Path,
    *,
    name: str,
    version: str,
    input: InputSpec,  # noqa: A002 - the field's name in model.yaml
    files: Mapping[str, bytes | Path],
    labels: Labels,
    scores: ScoreSpec,
    architecture: Mapping[str, Any],
    metrics: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> ModelPackage:
    """
    Write a model folder, verify it, and only then put it in place.

    :param folder: becomes the package; an old package there is replaced, any
        other folder is left alone.
    :param files: precision to the content or the path of its ONNX file.
    :raises ModelPackageError: the parts do not fit, or ``folder`` holds
        something else.
    """

    def fill(made: Path) -> None:
        entries = {}
        for precision in sorted(files, key=PRECISIONS.index):
            content = files[precision]
            data = content if isinstance(content, bytes) else content.read_bytes()
            entries[precision] = _entry(made, f'{name}_{precision}.onnx', data)
        text = labels.csv_bytes()
        write_file(made / 'labels.csv', text)
        unknown: dict[str, Any] = {
            'class_id': scores.unknown_class_id,
            'energy': scores.energy,
            'score': scores.score,
        }
        if scores.centres is not None:
            centres = scores.centres.astype('<f4').tobytes()
            entry = _entry(made, f'{name}_centres.f32', centres)
            unknown['similarity'] = scores.similarity
            unknown['centres'] = {key: entry[key] for key in ('file', 'sha256')}
        document = {
            'name': name,
            'version': version,
            'architecture': dict(architecture),
            'input': asdict(input),
            'files': entries,
            'labels': 'labels.csv',
            'labels_sha256': hashlib.sha256(text).hexdigest(),
            'scores': {
                'temperature': scores.temperature,
                'unknown': unknown,
                **({} if scores.activation == 'softmax' else {'activation': scores.activation}),
            },
            'metrics': dict(metrics),
            'origin': dict(origin),
        }
        write_file(made / 'model.yaml', yaml_from_mapping(document, ModelPackageError))

    folder = folder.absolute()
    if folder.exists() and not (folder / 'model.yaml').is_file():
        raise ModelPackageError(
            f'{folder}: exists and is not a model package; choose another folder'
        )
    return _put_in_place(folder, fill)


def write_finder(folder: Path, onnx: bytes, **section: float) -> FinderPackage:
    """
    Write a finder alone into a folder, to try it before it joins a package.

    :param section: as for :func:`add_finder`.
    :raises ModelPackageError: the network does not fit.
    """
    fields = {'files': {'int8': _entry(folder, 'finder_int8.onnx', onnx)}, **section}
    return FinderPackage.read(Fields(fields, str(folder)), folder.name, '0', folder)


def add_finder(
    folder: Path,
    onnx: bytes,
    *,
    metrics: Mapping[str, Any],
    origin: Mapping[str, Any],
    **section: float,
) -> ModelPackage:
    """
    Give a model folder a finder, in place of the one it may have.

    :param onnx: the INT8 network.
    :param metrics: stand under ``finder`` in the package's metrics.
    :param origin: likewise in its origin.
    :param section: ``height`` and ``width`` of the input, ``min_score``, and
        ``slope`` and ``intercept`` of the probability; see :class:`FinderPackage`.
    :returns: the package as read back; the folder is unchanged if that fails.
    :raises ModelPackageError: no package, or the network does not fit.
    """
    package = ModelPackage.load(folder)

    def fill(made: Path) -> None:
        for path in filter(Path.is_file, package.folder.iterdir()):
            shutil.copyfile(path, made / path.name)
        for entry in package.finder.files.values() if package.finder else ():
            (made / entry.file).unlink()
        source = package.folder / 'model.yaml'
        text = read_file(source, MAX_YAML_BYTES, ModelPackageError, links=False)
        document = mapping_from_yaml(text, str(source)).plain()
        tail = {
            'metrics': {**package.metrics, 'finder': dict(metrics)},
            'origin': {**package.origin, 'finder': dict(origin)},
        }
        head = {key: value for key, value in document.items() if key not in {'finder', *tail}}
        files = {'int8': _entry(made, f'{package.name}_finder_int8.onnx', onnx)}
        document = {**head, 'finder': {'files': files, **section}, **tail}
        write_file(made / 'model.yaml', yaml_from_mapping(document, ModelPackageError))

    return _put_in_place(package.folder, fill)


def _entry(made: Path, file: str, data: bytes) -> dict[str, Any]:
    """Write a binary file; return what ``model.yaml`` says of it."""
    write_file(made / file, data)
    return {'file': file, 'sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}


def _put_in_place(folder: Path, fill: Callable[[Path], None]) -> ModelPackage:
    """Fill a new folder, verify it as a package, and only then let it be ``folder``."""
    make_folder(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=f'.{folder.name}.', dir=folder.parent) as scratch:
            made = Path(scratch) / 'new'
            made.mkdir()
            fill(made)
            ModelPackage.load(made)
            if folder.exists():
                folder.rename(Path(scratch) / 'old')
            made.rename(folder)
            if (Path(scratch) / 'old').exists():
                shutil.rmtree(Path(scratch) / 'old')
    except OSError as problem:
        raise write_error(folder, problem) from problem
    sync_folder(folder.parent)
    return ModelPackage.load(folder)
