"""The parts of ``model.yaml``: what each says, and how it is read and checked."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package.fields import Fields

PRECISIONS = ('int8', 'fp16', 'fp32')  # the first one that is there is the default
MAX_ONNX_BYTES = 2 << 30  # protobuf's own limit
_SAFE = frozenset('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-')


@dataclass(frozen=True)
class InputSpec:
    """
    What the network takes and how a region becomes it.

    :param height: of the input, pixels.
    :param width: of the input, pixels.
    :param colour: channel order, always ``rgb``.
    :param resize: ``stretch`` the whole region to the input, or
        ``centre_crop``: scale its shorter side to ``resize_px`` and cut the
        centre out.
    :param resize_px: shorter side before the central cut, pixels.
    :param margin: share of the side of a tight box added on each of its sides.
    """

    height: int
    width: int
    colour: str = 'rgb'
    resize: str = 'stretch'
    resize_px: int = 256
    margin: float = 0.1


@dataclass(frozen=True)
class ScoreSpec:
    """
    How logits become probabilities and how "unknown" is told.

    :param temperature: logits are divided by it (Guo et al. 2017).
    :param unknown_class_id: the class that stands for none of the others.
    :param energy: unknown above this free energy (Liu et al. 2020).
    :param score: unknown if the best probability is below this.
    :param activation: ``softmax``, or ``sigmoid`` where several classes may
        be there at once: each logit then gives its own probability.
    :param similarity: unknown if the logits correlate less than this with what
        is usual for the class named.
    :param centres: the usual logits of each class, float32 (C, C); rows have
        mean 0 and length 1, zero for a class that is never named.
    """

    temperature: float = 1.0
    unknown_class_id: int | None = None
    energy: float | None = None
    score: float | None = None
    activation: str = 'softmax'
    similarity: float | None = None
    centres: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file: its precision, bare name, SHA-256 in hex and size."""

    precision: str
    file: str
    sha256: str
    bytes: int


def bare_name(fields: Fields, name: str) -> str:
    """Return a name that is safe as a file name: no folders, no hidden files."""
    value = fields.text(name, limit=128)
    if not set(value) <= _SAFE or value.startswith(('.', '-')):
        raise fields.refuse(name, 'a bare name of letters, digits, "-", "_" and "."')
    return value


def sha256_text(fields: Fields, name: str) -> str:
    """Return a SHA-256 in hex."""
    value = fields.text(name)
    if len(value) != 64 or not set(value) <= set('0123456789abcdef'):
        raise fields.refuse(name, 'a SHA-256 of 64 lower-case hexadecimal digits')
    return value


def input_spec(fields: Fields) -> InputSpec:
    """Read the mapping ``input``."""
    fields.only('height', 'width', 'colour', 'resize', 'resize_px', 'margin')
    spec = InputSpec(
        height=fields.whole('height', 8, 2048),
        width=fields.whole('width', 8, 2048),
        colour=fields.choice('colour', ('rgb',), 'rgb'),
        resize=fields.choice('resize', ('stretch', 'centre_crop'), 'stretch'),
        resize_px=fields.whole('resize_px', 8, 4096, 256),
        margin=fields.number('margin', 0.0, 1.0, 0.1),
    )
    if spec.resize == 'centre_crop' and spec.resize_px < max(spec.height, spec.width):
        raise fields.refuse('resize_px', f'at least the input, {spec.width}x{spec.height}')
    return spec


def model_files(fields: Fields) -> dict[str, ModelFile]:
    """Read the mapping ``files``."""
    fields.only(*PRECISIONS)
    if not fields.names():
        raise ModelPackageError(f'{fields.source}: lists no file; expected int8, fp16 or fp32')
    files = {}
    for precision in fields.names():
        entry = fields.mapping(precision, needed=True)
        entry.only('file', 'sha256', 'bytes')
        files[precision] = ModelFile(
            precision=precision,
            file=bare_name(entry, 'file'),
            sha256=sha256_text(entry, 'sha256'),
            bytes=entry.whole('bytes', 1, MAX_ONNX_BYTES),
        )
    return files


def score_spec(fields: Fields) -> ScoreSpec:
    """Read the mapping ``scores``."""
    fields.only('temperature', 'unknown', 'activation')
    unknown = fields.mapping('unknown')
    unknown.only('class_id', 'energy', 'score', 'similarity', 'centres')
    return ScoreSpec(
        temperature=fields.number('temperature', 0.01, 100.0, 1.0),
        unknown_class_id=unknown.whole('class_id', 0, 65_535) if 'class_id' in unknown else None,
        energy=unknown.number('energy', -1e6, 1e6) if 'energy' in unknown else None,
        score=unknown.number('score', 0.0, 1.0) if 'score' in unknown else None,
        similarity=unknown.number('similarity', -1.0, 1.0) if 'similarity' in unknown else None,
        activation=fields.choice('activation', ('softmax', 'sigmoid'), 'softmax'),
    )
