"""Writing a model folder."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import make_folder, sync_folder, write_error, write_file, yaml_from_mapping
from alexnet_ros.labels import Labels
from alexnet_ros.model_package.package import ModelPackage
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
    :returns: the package as read back.
    :raises ModelPackageError: the parts do not fit, or ``folder`` holds
        something else.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder / 'model.yaml').is_file():
        raise ModelPackageError(f'{folder}: exists and is no model package; choose another folder')
    make_folder(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=f'.{folder.name}.', dir=folder.parent) as scratch:
            made = Path(scratch) / 'new'
            made.mkdir()
            entries = {}
            for precision in sorted(files, key=PRECISIONS.index):
                content = files[precision]
                data = content if isinstance(content, bytes) else content.read_bytes()
                entry = {
                    'file': f'{name}_{precision}.onnx',
                    'sha256': hashlib.sha256(data).hexdigest(),
                    'bytes': len(data),
                }
                entries[precision] = entry
                write_file(made / str(entry['file']), data)
            text = labels.csv_bytes()
            write_file(made / 'labels.csv', text)
            unknown = {
                'class_id': scores.unknown_class_id,
                'energy': scores.energy,
                'score': scores.score,
            }
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
                    **(
                        {} if scores.activation == 'softmax' else {'activation': scores.activation}
                    ),
                },
                'metrics': dict(metrics),
                'origin': dict(origin),
            }
            write_file(made / 'model.yaml', yaml_from_mapping(document, ModelPackageError))
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
