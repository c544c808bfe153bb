"""A foreign ONNX classifier as the draft of a package, tried against the original."""

import ast
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine, run_file
from alexnet_ros.errors import AlexnetRosError, LabelFileError, ModelPackageError, TrainingError
from alexnet_ros.files import one_line
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ScoreSpec, write_package
from alexnet_ros.training.drafts import distinct, with_role
from alexnet_ros.training.export import Draft
from alexnet_ros.training.foreign_graph import PREFIX, load_foreign
from alexnet_ros.training.foreign_wrap import KINDS, Preprocessing, Wrapped, wrapped

BACKGROUND = ('background', '__background__')
IMAGENET_WITH_BACKGROUND = 1001
CALIBRATION_BATCH = 16


def _original_answers(
    path: Path, wrapper: Wrapped, how: Preprocessing, batch: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return what the original gives in ONNX Runtime, preprocessed once more in NumPy."""
    into = wrapper.input
    x: NDArray[Any] = batch[..., ::-1] if how.colour == 'bgr' else batch
    if into.channels == 1:
        x = x.astype(np.float32) @ how.grey
    if into.kind != TensorProto.UINT8:
        mean, scale = np.array(how.mean, np.float32), np.array(how.scale, np.float32)
        x = (x.astype(np.float32) - mean) * scale
    if into.planes:
        x = x.transpose(0, 3, 1, 2)
    x = np.ascontiguousarray(x.astype(KINDS[into.kind]))
    size = into.batch or len(x)
    name, output = (n.removeprefix(PREFIX) for n in (into.name, wrapper.head.output))
    rows = []
    for start in range(0, len(x), size):
        part = x[start : start + size]
        full = np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])  # fixed batch
        answer = run_file(path, {name: full}, [output])[0]
        rows.append(np.asarray(answer, np.float64).reshape(size, -1)[: len(part)])
    return np.concatenate(rows)


def _compare_with_original(
    path: Path,
    wrapper: Wrapped,
    how: Preprocessing,
    logits_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> float:
    """Refuse a package that gives something else for one or three images; return how far it is."""
    rng = np.random.default_rng(3)
    height, width = wrapper.input.height, wrapper.input.width
    worst = 0.0
    for count in (1, 3):
        coarse = rng.integers(0, 256, (count, 6, 6, 3)).astype(np.uint8)
        noise = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        patches = coarse[:, np.arange(height) * 6 // height][:, :, np.arange(width) * 6 // width]
        batch = np.where(noise < 200, patches, noise).astype(np.uint8)
        try:
            wanted = _original_answers(path, wrapper, how, batch)
        except Exception as error:  # the original itself does not run here
            line = one_line(error)[:200]
            raise ModelPackageError(f'{path} does not run in ONNX Runtime: {line}') from error
        try:
            got = logits_of(batch)
        except AlexnetRosError as error:
            raise ModelPackageError(
                f'{path}: the package does not run with a batch of {count}: {error}'
            ) from error
        away = wrapper.head.difference(got, wanted)
        if not away <= wrapper.head.tolerance:
            raise ModelPackageError(
                f'{path}: the package differs from the original by {away:.3g} at a batch of '
                f'{count}; nothing was written (head {wrapper.head.kind}; is --head right?)'
            )
        worst = max(worst, away)
    return worst


def _labels_for(
    wrapper: Wrapped, model: onnx.ModelProto, given: Sequence[Label], role: str, path: Path
) -> Labels:
    """Return the classes of a foreign network: the given ones, its own, or numbers."""
    count, background = wrapper.head.classes, Label(0, BACKGROUND[0], '')
    with_background = count == IMAGENET_WITH_BACKGROUND
    labels = list(given) or [Label(i, n, '') for i, n in enumerate(_own_names(model))]
    if not labels:
        labels = [Label(index, f'class {index}', '') for index in range(count)]
        if with_background:
            labels[0] = background
    if wrapper.head.kind == 'binary' and len(labels) == 1:
        labels = [Label(0, f'not {labels[0].name}', ''), replace(labels[0], class_id=1)]
    if with_background and len(labels) == count - 1:
        labels = [background, *(replace(one, class_id=one.class_id + 1) for one in labels)]
    if len(labels) != count:
        raise LabelFileError(
            f'{path} has {count} classes, the labels name {len(labels)}; give one row for each '
            'output, a background class too'
        )
    return with_role(
        [
            replace(one, role='background') if one.name.casefold() in BACKGROUND else one
            for one in distinct(labels)
        ],
        role or 'object',
    )


def _own_names(model: onnx.ModelProto) -> list[str]:
    """Return the names in the file's metadata, as Ultralytics writes them."""
    text = next((p.value for p in model.metadata_props if p.key == 'names'), '{}')
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    if not isinstance(names, dict) or sorted(names) != list(range(len(names))):
        return []
    return [str(names[index]) for index in range(len(names))]


def _half_model(model: onnx.ModelProto) -> bytes:
    """Return the network with half-precision layers; its inputs and outputs stay."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        return bytes(convert_float_to_float16(copy, keep_io_types=True).SerializeToString())
    except Exception as error:  # it has no errors of its own
        line = one_line(error)[:160]
        raise ModelPackageError(f'this network cannot be made FP16: {line}') from error


def _int8_model(model: onnx.ModelProto, images: NDArray[np.uint8] | None) -> bytes:
    """Return the network with symmetric INT8 Q/DQ round its layers with weights."""
    if images is None or not len(images):
        raise TrainingError('INT8 needs real images to calibrate on; give --data')
    from onnxruntime import quantization as q

    batches = iter(
        [
            {'image': images[at : at + CALIBRATION_BATCH]}
            for at in range(0, len(images), CALIBRATION_BATCH)
        ]
    )

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        """Gives the images in small batches."""

        def get_next(self) -> Any:
            return next(batches, None)

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises steps that this graph does not need
    try:
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / 'int8.onnx'
            q.quantize_static(
                model,
                target,
                Reader(),
                quant_format=q.QuantFormat.QDQ,
                op_types_to_quantize=['Conv', 'Gemm', 'MatMul'],
                per_channel=True,
                activation_type=q.QuantType.QInt8,
                weight_type=q.QuantType.QInt8,
                extra_options={
                    'ActivationSymmetric': True,
                    'WeightSymmetric': True,
                    'QuantizeBias': False,
                },
            )
            return target.read_bytes()
    except Exception as error:  # any of its own
        line = one_line(error)[:160]
        raise ModelPackageError(f'this network cannot be quantised: {line}') from error
    finally:
        root.setLevel(level)


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
        line = one_line(f'{type(error).__name__}: {error}')[:200]
        raise ModelPackageError(f'{path} cannot be taken over: {line}') from error
    side, end = wrapper.input, wrapper.head
    known = _labels_for(wrapper, model, labels, role, path)
    background = known.with_role('background')
    plain = wrapper.model.SerializeToString()
    common: dict[str, Any] = {
        'name': name,
        'version': version,
        'input': InputSpec(
            side.height,
            side.width,
            resize=preprocessing.resize,
            resize_px=max(side.height, side.width) * 8 // 7,
            margin=0.0,
        ),
        'labels': known,
        'scores': ScoreSpec(
            unknown_class_id=background[0].class_id if background else None,
            activation=end.activation,
        ),
        'architecture': {
            'variant': 'foreign',
            'classes': len(known),
            'head': end.kind,
            'quantised': end.quantised,
        },
        'origin': {'data': path.name, 'licence': licence},
    }
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = Path(scratch) / 'trial'
            trial = write_package(folder, files={'fp32': plain}, metrics={}, **common)
            with OnnxRuntimeEngine(trial, provider='cpu') as engine:
                away = _compare_with_original(
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
                made[precision] = _int8_model(wrapper.model, batch)
            else:
                made[precision] = plain if precision == 'fp32' else _half_model(wrapper.model)
        return made

    layout = 'NCHW' if side.planes else 'NHWC'
    kind = TensorProto.DataType.Name(side.kind).lower()
    line = (
        f'{path.name}: {kind} {layout} {side.width}x{side.height}, head {end.kind}, '
        f'{end.classes} classes, {wrapper.features or "open"} features; differs from the '
        f'original by {away:.2g} at a batch of 1 and 3'
    )
    return Draft(files=files, also_measure=('fp32',), **common), line
