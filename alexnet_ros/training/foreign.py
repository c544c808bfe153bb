"""A foreign ONNX classifier as the draft of a package, tried against the original."""

import ast
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine, run_file
from alexnet_ros.errors import AlexnetRosError, LabelFileError, ModelPackageError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ScoreSpec, write_package
from alexnet_ros.training.drafts import unique, with_role
from alexnet_ros.training.export import Draft
from alexnet_ros.training.imported import (
    GREY,
    KINDS,
    PREFIX,
    Input,
    Preprocessing,
    Wrapped,
    load_foreign,
    wrapped,
)
from alexnet_ros.training.quantise import half_model, int8_model

BACKGROUND = ('background', '__background__')
IMAGENET_WITH_BACKGROUND = 1001


def pixels_for(batch: NDArray[np.uint8], into: Input, how: Preprocessing) -> NDArray[np.generic]:
    """
    Return what the original network takes for images (N, H, W, 3), uint8 RGB.

    This is the preprocessing once more, in NumPy, for the comparison.
    """
    x: NDArray[Any] = batch[..., ::-1] if how.colour == 'bgr' else batch
    if into.channels == 1:
        weights = np.array(GREY if how.colour == 'rgb' else GREY[::-1], np.float32)
        x = x.astype(np.float32) @ weights[:, None]
    if into.kind != TensorProto.UINT8:
        x = (x.astype(np.float32) - np.array(how.mean, np.float32)) * np.array(
            how.scale, np.float32
        )
    if into.planes:
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x.astype(KINDS[into.kind]))


def original_answers(
    path: Path, wrapper: Wrapped, how: Preprocessing, batch: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """
    Return what the original file gives in ONNX Runtime, as (N, ...) rows.

    A fixed batch is filled up with copies of the last image.
    """
    x = pixels_for(batch, wrapper.input, how)
    size = wrapper.input.batch or len(x)
    name = wrapper.input.name.removeprefix(PREFIX)
    rows = []
    for start in range(0, len(x), size):
        part = x[start : start + size]
        full = np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
        outputs = run_file(path, {name: full}, [wrapper.head.output.removeprefix(PREFIX)])
        rows.append(np.asarray(outputs[0], np.float64).reshape(size, -1)[: len(part)])
    return np.concatenate(rows)


def compare_with_original(
    path: Path,
    wrapper: Wrapped,
    how: Preprocessing,
    logits_of: Any,
    batches: Sequence[int] = (1, 3),
) -> float:
    """
    Run original and package on the same images and refuse what differs.

    :param logits_of: the package's logits of images (N, H, W, 3).
    :returns: the largest difference, in probability or in units of the logits' spread.
    :raises ModelPackageError: it does not run, or gives something else.
    """
    rng = np.random.default_rng(3)
    shape = (wrapper.input.height, wrapper.input.width, 3)
    worst = 0.0
    for count in batches:
        coarse = rng.integers(0, 256, (count, 6, 6, 3)).astype(np.uint8)
        noise = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        rows = np.arange(shape[0]) * 6 // shape[0]
        columns = np.arange(shape[1]) * 6 // shape[1]
        batch = np.where(noise < 200, coarse[:, rows][:, :, columns], noise).astype(np.uint8)
        try:
            wanted = original_answers(path, wrapper, how, batch)
        except Exception as error:  # the original itself does not run here
            line = ' '.join(str(error).split())[:200]
            raise ModelPackageError(f'{path} does not run in ONNX Runtime: {line}') from error
        try:
            got = logits_of(batch)
        except AlexnetRosError as error:
            raise ModelPackageError(
                f'{path}: the package does not run with a batch of {count}: {error}'
            ) from error
        away = wrapper.head.difference(np.asarray(got, np.float64), wanted)
        if not away <= wrapper.head.tolerance:
            raise ModelPackageError(
                f'{path}: the package differs from the original by {away:.3g} at a batch of '
                f'{count}; nothing was written (head {wrapper.head.kind}; is --head right?)'
            )
        worst = max(worst, away)
    return worst


def labels_for(
    wrapper: Wrapped, model: onnx.ModelProto, given: Sequence[Label], role: str, path: Path
) -> Labels:
    """
    Return the classes of a foreign network: the given ones, its own, or numbers.

    :raises LabelFileError: another number than the network has.
    """
    count = wrapper.classes
    labels = list(given) or [Label(i, n, '') for i, n in enumerate(_own_names(model))]
    if not labels:
        labels = [Label(index, f'class {index}', '') for index in range(count)]
        if count == IMAGENET_WITH_BACKGROUND:
            labels[0] = Label(0, BACKGROUND[0], '')
    if wrapper.head.kind == 'binary' and len(labels) == 1:
        labels = [Label(0, f'not {labels[0].name}', ''), replace(labels[0], class_id=1)]
    if count == IMAGENET_WITH_BACKGROUND == len(labels) + 1:
        moved = [replace(label, class_id=label.class_id + 1) for label in labels]
        labels = [Label(0, BACKGROUND[0], ''), *moved]
    if len(labels) != count:
        raise LabelFileError(
            f'{path} has {count} classes, the labels name {len(labels)}; give one row for each '
            'output, a background class too'
        )
    texts = unique([label.name for label in labels])
    return with_role(
        [
            replace(
                label,
                name=text,
                role='background' if text.casefold() in BACKGROUND else label.role,
            )
            for label, text in zip(labels, texts, strict=True)
        ],
        role or 'object',
    )


def _own_names(model: onnx.ModelProto) -> list[str]:
    """Return the names in the file's metadata, as Ultralytics writes them."""
    text = next((p.value for p in model.metadata_props if p.key == 'names'), '')
    try:
        names = ast.literal_eval(text) if text else {}
    except (ValueError, SyntaxError):
        return []
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))):
        return []
    return [str(names[index]) for index in range(len(names))]


def draft_from_onnx(
    path: Path,
    *,
    name: str,
    version: str,
    labels: Sequence[Label],
    preprocessing: Preprocessing,
    role: str = '',
    licence: str = 'unknown',
    head: str = 'auto',
) -> tuple[Draft, str]:
    """
    Wrap a foreign ONNX classifier and run it against the original.

    :returns: the draft, and one line about what was found and measured.
    :raises ModelPackageError: the file cannot be wrapped, or gives something
        else than the original.
    :raises LabelFileError: the labels do not match its outputs.
    """
    try:
        model = load_foreign(path)
        wrapper = wrapped(model, preprocessing, path, head)
    except AlexnetRosError:
        raise
    except Exception as error:  # a graph can be odd in more ways than can be listed
        line = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise ModelPackageError(f'{path} cannot be taken over: {line}') from error
    side = wrapper.input
    spec = InputSpec(
        side.height,
        side.width,
        resize=preprocessing.resize,
        resize_px=max(side.height, side.width) * 8 // 7,
        margin=0.0,
    )
    known = labels_for(wrapper, model, labels, role, path)
    background = known.with_role('background')
    scores = ScoreSpec(
        unknown_class_id=background[0].class_id if background else None,
        activation=wrapper.head.activation,
    )
    plain = wrapper.model.SerializeToString()
    common: dict[str, Any] = {
        'name': name,
        'version': version,
        'input': spec,
        'labels': known,
        'scores': scores,
        'architecture': {
            'variant': 'foreign',
            'classes': len(known),
            'head': wrapper.head.kind,
            'quantised': wrapper.head.quantised,
        },
        'origin': {'data': path.name, 'licence': licence},
    }
    with tempfile.TemporaryDirectory() as scratch:
        try:
            trial = write_package(
                Path(scratch) / 'trial', files={'fp32': plain}, metrics={}, **common
            )
            with OnnxRuntimeEngine(trial, provider='cpu') as engine:
                away = compare_with_original(
                    path, wrapper, preprocessing, lambda batch: engine.infer(batch).logits
                )
        except ModelPackageError:
            raise
        except AlexnetRosError as error:
            raise ModelPackageError(f'{path}: the package does not run: {error}') from error
    common['architecture'] |= {'features': wrapper.features, 'away_from_original': round(away, 6)}

    def files(batch: NDArray[np.uint8] | None, wanted: Sequence[str]) -> dict[str, bytes]:
        made = {}
        for precision in wanted:
            if precision == 'int8':
                made[precision] = int8_model(wrapper.model, batch)
            else:
                made[precision] = plain if precision == 'fp32' else half_model(wrapper.model)
        return made

    layout = 'NCHW' if side.planes else 'NHWC'
    kind = TensorProto.DataType.Name(side.kind).lower()
    line = (
        f'{path.name}: {kind} {layout} {side.width}x{side.height}, head {wrapper.head.kind}, '
        f'{wrapper.classes} classes, {wrapper.features or "open"} features; differs from the '
        f'original by {away:.2g} at a batch of 1 and 3'
    )
    return Draft(files=files, also_measure=('fp32',), **common), line
