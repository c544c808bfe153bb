"""The model folder: ``model.yaml`` and the files that it lists, verified."""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import LabelFileError, ModelPackageError
from alexnet_ros.files import MAX_YAML_BYTES, read_file
from alexnet_ros.labels import MAX_BYTES, Label, Labels
from alexnet_ros.model_package.fields import Fields, mapping_from_yaml, shown
from alexnet_ros.model_package.find import find_package
from alexnet_ros.model_package.onnx_scan import GraphSummary, TensorShape, scan_onnx
from alexnet_ros.model_package.specs import (
    PRECISIONS,
    InputSpec,
    ModelFile,
    ScoreSpec,
    bare_name,
    input_spec,
    model_files,
    score_spec,
    sha256_text,
)

MAX_CENTRES_BYTES = 64 << 20  # of 4,096 classes
FEATURES = 4096  # values of fc7, Krizhevsky et al. 2012
FINDER_MULTIPLE_PX = 32  # the coarsest stride of a finder
FINDER_NUMBERS = 20  # of a place: five numbers for each of 2x2 cells


@dataclass(frozen=True)
class ModelPackage:
    """
    A verified model folder.

    :param architecture: variant, ranks and classes, as training wrote them.
    :param files: precision to file.
    :param metrics: measured figures, with the command that measures them.
    :param origin: data, initial weights, seed, licence.
    :param folder: absolute path with links resolved.
    :param finder: the network that says where objects are, if there is one.
    """

    name: str
    version: str
    input: InputSpec
    files: Mapping[str, ModelFile]
    labels: Labels
    scores: ScoreSpec
    folder: Path
    architecture: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    finder: 'FinderPackage | None' = None

    @classmethod
    def load(cls, name_or_path: str | Path) -> 'ModelPackage':
        """
        Find a model folder and verify all of it.

        :raises ModelPackageError: missing, incomplete, altered or
            inconsistent; the message names the file and the remedy.
        """
        folder = find_package(name_or_path)
        source = folder / 'model.yaml'
        fields = mapping_from_yaml(
            read_file(source, MAX_YAML_BYTES, ModelPackageError, links=False), str(source)
        )
        known = {one.name for one in dataclasses.fields(ModelPackage)} - {'folder'}
        fields.only(*sorted(known), 'labels_sha256')
        name, version = bare_name(fields, 'name'), fields.text('version')
        labels, scores = _labels(folder, fields), score_spec(fields.mapping('scores'))
        if scores.similarity is not None:
            part = fields.mapping('scores').mapping('unknown')
            scores = replace(scores, centres=_centres(folder, part, len(labels)))
        package = cls(
            name=name,
            version=version,
            input=input_spec(fields.mapping('input', needed=True)),
            files=model_files(fields.mapping('files', needed=True)),
            labels=labels,
            scores=scores,
            folder=folder,
            architecture=fields.mapping('architecture').plain(),
            metrics=fields.mapping('metrics').plain(),
            origin=fields.mapping('origin').plain(),
            finder=(
                FinderPackage.read(fields.mapping('finder'), name, version, folder)
                if 'finder' in fields
                else None
            ),
        )
        unknown = package.scores.unknown_class_id
        if unknown is not None and unknown >= len(package.labels):
            raise ModelPackageError(
                f'{source}: scores: unknown: class_id {unknown} is not one of the '
                f'{len(package.labels)} classes'
            )
        for precision in package.files:
            package.read_onnx(precision)
        return package

    @property
    def default_precision(self) -> str:
        """Return the smallest form that the package has."""
        return next(precision for precision in PRECISIONS if precision in self.files)

    @property
    def known_labels(self) -> list[Label]:
        """Return the classes that it names; not the one that stands for none of them."""
        return [one for one in self.labels if one.class_id != self.scores.unknown_class_id]

    def model_file(self, precision: str | None = None) -> ModelFile:
        """Return the entry of a precision, of the default one for None."""
        wanted = precision or self.default_precision
        if wanted not in self.files:
            raise ModelPackageError(
                f'{self.folder}: has no {shown(wanted)} file; it has {", ".join(self.files)}'
            )
        return self.files[wanted]

    def onnx_path(self, precision: str | None = None) -> Path:
        """Return where the ONNX file of a precision lies."""
        return self.folder / self.model_file(precision).file

    def sha256(self, precision: str | None = None) -> str:
        """Return the SHA-256 of the ONNX file of a precision, in hex."""
        return self.model_file(precision).sha256

    def read_onnx(self, precision: str | None = None) -> bytes:
        """
        Return the bytes of an ONNX file, verified as they were read.

        Engines load these bytes rather than the path, so that what was
        checked and what runs are the same.

        :raises ModelPackageError: the file changed, or does not fit the rest.
        """
        entry = self.model_file(precision)
        path = self.folder / entry.file
        data = read_file(path, entry.bytes, ModelPackageError, links=False)
        if len(data) != entry.bytes:
            raise ModelPackageError(
                f'{path}: model.yaml says {entry.bytes} bytes, it has {len(data)}; '
                'copy the model again'
            )
        _check_hash(path, data, entry.sha256)
        graph = scan_onnx(data, path)
        spec = self.input
        image = TensorShape('uint8', (None, spec.height, spec.width, 3))
        if list(graph.inputs) != ['image'] or not _fits(graph.inputs['image'], image):
            raise ModelPackageError(
                f'{path}: expected one input "image", uint8 [N, {spec.height}, {spec.width}, 3] '
                f'as model.yaml says, got {_described(graph.inputs)}'
            )
        self._check_outputs(graph, path)
        return data

    def _check_outputs(self, graph: GraphSummary, path: Path) -> None:
        """Compare the graph's outputs with the package."""
        logits = graph.outputs.get('logits')
        features = graph.outputs.get('features')
        if (
            logits is None
            or features is None
            or logits.dtype not in {'float32', 'float16'}
            or features.dtype not in {'float32', 'float16'}
            or not _fits(features, TensorShape(features.dtype, (None, None)))
        ):
            raise ModelPackageError(
                f'{path}: expected the outputs "logits" [N, classes] and "features" '
                f'[N, width], got {_described(graph.outputs)}'
            )
        if logits.dims[1:] != (len(self.labels),):
            raise ModelPackageError(
                f'{path}: gives {_described({"logits": logits})}, but '
                f'{self.folder / "model.yaml"} lists {len(self.labels)} labels; '
                'use the labels that the model was trained with'
            )


@dataclass(frozen=True)
class FinderPackage(ModelPackage):
    """
    The part of a model folder that says where in a frame objects are.

    Engines run it like any model. Its ``logits`` are (N, 20, H/8, W/8): of
    the 2x2 cells of each place the heat, the middle's x and y, the logarithms
    of width and height (:mod:`alexnet_ros.signs.finder`).

    The probability of an object has the logit slope * heat + intercept, as
    measured on frames kept apart (Platt 1999); ``scores.score`` is the least
    of an object.
    """

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def read(cls, fields: Fields, name: str, version: str, folder: Path) -> 'FinderPackage':
        """
        Read the mapping ``finder`` of a ``model.yaml`` and verify its files.

        :raises ModelPackageError: incomplete, altered or inconsistent.
        """
        fields.only('files', 'height', 'width', 'min_score', 'slope', 'intercept')
        height, width = (fields.whole(side, 64, 4096) for side in ('height', 'width'))
        for side, value in (('height', height), ('width', width)):
            if value % FINDER_MULTIPLE_PX:
                raise fields.refuse(side, f'a multiple of {FINDER_MULTIPLE_PX}')
        finder = cls(
            name=f'{name}_finder',
            version=version,
            input=InputSpec(height, width),
            files=model_files(fields.mapping('files', needed=True)),
            labels=Labels([Label(0, 'object', 'object')]),
            scores=ScoreSpec(score=fields.number('min_score', 1e-4, 0.99)),
            slope=fields.number('slope', 0.01, 100.0, 1.0),
            intercept=fields.number('intercept', -100.0, 100.0, 0.0),
            folder=folder,
        )
        for precision in finder.files:
            finder.read_onnx(precision)
        return finder

    def model_file(self, precision: str | None = None) -> ModelFile:
        """Return the entry of a precision, of the default one where that is not there."""
        return super().model_file(precision if precision in self.files else None)

    def _check_outputs(self, graph: GraphSummary, path: Path) -> None:
        """Compare the graph's output with the input's size."""
        places = (FINDER_NUMBERS, self.input.height // 8, self.input.width // 8)
        if graph.outputs != {'logits': TensorShape('float32', (None, *places))}:
            raise ModelPackageError(
                f'{path}: expected one output "logits", float32 [N, '
                f'{", ".join(map(str, places))}], got {_described(graph.outputs)}'
            )


def _check_hash(path: Path, data: bytes, expected: str) -> None:
    got = hashlib.sha256(data).hexdigest()
    if got != expected:
        raise ModelPackageError(
            f'{path}: SHA-256 is {got[:12]}..., model.yaml says {expected[:12]}...; '
            'the file was altered or damaged, copy the model again'
        )


def _labels(folder: Path, fields: Fields) -> Labels:
    path = folder / bare_name(fields, 'labels')
    data = read_file(path, MAX_BYTES, ModelPackageError, links=False)
    if 'labels_sha256' in fields:
        _check_hash(path, data, sha256_text(fields, 'labels_sha256'))
    try:
        return Labels.from_bytes(data, str(path))
    except LabelFileError as error:
        raise ModelPackageError(str(error)) from error


def _centres(folder: Path, fields: Fields, classes: int) -> NDArray[np.float32]:
    """Return the usual logits of each class, (classes, classes), little-endian in the file."""
    entry = fields.mapping('centres', needed=True)
    entry.only('file', 'sha256')
    path, size = folder / bare_name(entry, 'file'), 4 * classes * classes
    if size > MAX_CENTRES_BYTES:
        raise fields.refuse('centres', f'nothing for a model of {classes} classes')
    data = read_file(path, size, ModelPackageError, links=False)
    _check_hash(path, data, sha256_text(entry, 'sha256'))
    if len(data) != size or not np.isfinite(values := np.frombuffer(data, '<f4')).all():
        raise ModelPackageError(
            f'{path}: expected {classes}x{classes} finite float32 numbers, got {len(data)} bytes; '
            'export the model again'
        )
    return values.reshape(classes, classes).astype(np.float32)


def _fits(got: TensorShape, wanted: TensorShape) -> bool:
    """Tell whether all fixed sizes agree; the batch size must be free."""
    same = len(got.dims) == len(wanted.dims) and got.dtype == wanted.dtype
    free = bool(got.dims) and got.dims[0] is None
    pairs = zip(got.dims[1:], wanted.dims[1:], strict=False)
    return same and free and all(None in {have, want} or have == want for have, want in pairs)


def _described(tensors: Mapping[str, TensorShape]) -> str:
    """Return names and shapes for a message; the names may be hostile."""
    words = []
    for name, shape in list(tensors.items())[:4]:
        dims = ', '.join('N' if size is None else str(size) for size in shape.dims)
        words.append(f'{name!a:.80} {shape.dtype} [{dims}]')
    return ', '.join(words)[:300] or 'none'
