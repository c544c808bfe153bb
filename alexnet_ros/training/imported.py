"""A foreign ONNX classifier gets this package's form: preprocessing inside the graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, shape_inference

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import FEATURES, InputSpec, ModelPackage, ScoreSpec, write_package
from alexnet_ros.training.layouts import names_from_csv

PREFIX = 'net/'
WEIGHTED = ('Gemm', 'MatMul', 'Conv')


@dataclass(frozen=True)
class Preprocessing:
    """
    What a foreign network wants done to 0-255 pixels before its first layer.

    :param mean: subtracted, one or three values in the file's colour order.
    :param scale: multiplied after that.
    :param colour: ``rgb`` or ``bgr``.
    :param size: input side in pixels where the file leaves it open.
    :param resize: ``stretch`` or ``centre_crop`` (shorter side 8/7 of the input).
    """

    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    colour: str = 'rgb'
    size: int = 0
    resize: str = 'centre_crop'


def load_foreign(path: Path) -> onnx.ModelProto:
    """
    Read and check an ONNX file, its names prefixed.

    :raises ModelPackageError: unreadable or not valid.
    """
    try:
        model = onnx.load(path, load_external_data=True)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf has errors of its own
        line = ' '.join(str(error).split())[:200]
        raise ModelPackageError(f'{path} is no usable ONNX file: {line}') from error
    constants = {item.name for item in model.graph.initializer}
    kept = [item for item in model.graph.input if item.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    if len(kept) != 1 or len(model.graph.output) < 1:
        raise ModelPackageError(
            f'{path} must have one input and an output, has {len(kept)} inputs'
        )
    model.ir_version = max(model.ir_version, 4)  # from 4 on constants need not be inputs
    return compose.add_prefix(model, PREFIX)


def input_side(model: onnx.ModelProto, size: int, path: Path) -> tuple[int, int]:
    """Return height and width of the NCHW input."""
    dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    kind = model.graph.input[0].type.tensor_type.elem_type
    if len(dims) != 4 or dims[1] not in (0, 3) or kind != TensorProto.FLOAT:
        raise ModelPackageError(f'{path} must take float (N, 3, H, W), takes {dims}')
    height, width = (dims[2] or size), (dims[3] or size)
    if not height or not width:
        raise ModelPackageError(f'{path} leaves its input size open; give --size')
    return height, width


def free_batch(graph: onnx.GraphProto) -> None:
    """Let reshapes that keep a batch of one keep any batch."""
    shapes = {node.input[1] for node in graph.node if node.op_type == 'Reshape'}
    for item in graph.initializer:
        if item.name in shapes:
            target = numpy_helper.to_array(item)
            if len(target) > 1 and target[0] == 1:
                changed = np.concatenate([[0], target[1:]]).astype(np.int64)
                item.CopyFrom(numpy_helper.from_array(changed, item.name))
    for node in graph.node:
        if node.op_type == 'Constant' and node.output[0] in shapes:
            for attribute in node.attribute:
                target = numpy_helper.to_array(attribute.t)
                if target.ndim == 1 and len(target) > 1 and target[0] == 1:
                    changed = np.concatenate([[0], target[1:]]).astype(np.int64)
                    attribute.t.CopyFrom(numpy_helper.from_array(changed))
    del graph.value_info[:]


def _widths(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Return the known shapes of tensors by name, 0 for what is open."""
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }


def wrapped(model: onnx.ModelProto, side: tuple[int, int], how: Preprocessing) -> onnx.ModelProto:
    """Return the model with uint8 NHWC in, and ``logits`` and ``features`` out."""
    graph = model.graph
    free_batch(graph)
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = 'N'
    graph.output[0].type.tensor_type.shape.dim[0].dim_param = 'N'
    shapes = _widths(model)
    makers = {name: node for node in graph.node for name in node.output}
    logits = graph.output[0].name
    if makers[logits].op_type in ('Softmax', 'LogSoftmax'):
        logits = makers[logits].input[0]
    source = logits  # walk back to the last layer with weights
    while makers[source].op_type not in WEIGHTED:
        source = makers[source].input[0]
    features = makers[source].input[0]
    before = _before(graph.input[0].name, how)
    after = [
        helper.make_node('Flatten', [logits], ['logits'], axis=1),
        helper.make_node('Flatten', [features], ['features_flat'], axis=1),
    ]
    width = int(np.prod([d or 1 for d in shapes.get(features, [1, FEATURES])[1:]]))
    if width == FEATURES:
        after[1].output[0] = 'features'
    else:  # as many as there are, then zeros
        fit = np.zeros((width, FEATURES), np.float32)
        np.fill_diagonal(fit, 1)
        graph.initializer.append(numpy_helper.from_array(fit, 'features_fit'))
        after.append(helper.make_node('MatMul', ['features_flat', 'features_fit'], ['features']))
    classes = shapes.get(logits, shapes.get(graph.output[0].name, [0, 0]))[1]
    nodes = [*before[0], *graph.node, *after]
    made = helper.make_graph(
        nodes,
        graph.name,
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', *side, 3])],
        [
            helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['N', classes]),
            helper.make_tensor_value_info('features', TensorProto.FLOAT, ['N', FEATURES]),
        ],
        [*before[1], *graph.initializer],
    )
    whole = helper.make_model(
        made,
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
        producer_name='alexnet_ros',
    )
    onnx.checker.check_model(whole)
    return whole


def _before(target: str, how: Preprocessing) -> tuple[list[Any], list[Any]]:
    """Return the nodes and constants of the preprocessing."""
    shape = (1, -1, 1, 1)
    nodes = [
        helper.make_node('Cast', ['image'], ['pixels'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['pixels'], ['planes'], perm=[0, 3, 1, 2]),
    ]
    constants = [
        numpy_helper.from_array(np.array(how.mean, np.float32).reshape(shape), 'mean'),
        numpy_helper.from_array(np.array(how.scale, np.float32).reshape(shape), 'scale'),
    ]
    planes = 'planes'
    if how.colour == 'bgr':
        constants.append(numpy_helper.from_array(np.array([2, 1, 0], np.int64), 'bgr'))
        nodes.append(helper.make_node('Gather', ['planes', 'bgr'], ['planes_bgr'], axis=1))
        planes = 'planes_bgr'
    nodes.append(helper.make_node('Sub', [planes, 'mean'], ['centred']))
    nodes.append(helper.make_node('Mul', ['centred', 'scale'], [target]))
    return nodes, constants


def wrap_package(
    path: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    labels: Path | None,
    preprocessing: Preprocessing,
    role: str = 'object',
    licence: str = 'unknown',
) -> ModelPackage:
    """
    Write a package around a foreign ONNX classifier.

    ``features`` become the input of its last layer with weights, cut or
    filled with zeros to 4096 values.

    :param labels: CSV with class_id and name; None numbers the classes.
    :raises ModelPackageError: the file cannot be wrapped, or the labels do
        not match its outputs.
    """
    model = load_foreign(path)
    side = input_side(model, preprocessing.size, path)
    whole = wrapped(model, side, preprocessing)
    classes = whole.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    names = names_from_csv(labels) if labels else [f'class {index}' for index in range(classes)]
    if classes and len(names) != classes:
        raise ModelPackageError(f'{path} has {classes} classes, {labels} names {len(names)}')
    return write_package(
        folder,
        name=name,
        version=version,
        input=InputSpec(
            side[0], side[1], resize=preprocessing.resize, resize_px=max(side) * 8 // 7, margin=0.0
        ),
        files={'fp32': whole.SerializeToString()},
        labels=Labels(Label(index, text, role) for index, text in enumerate(names)),
        scores=ScoreSpec(),
        architecture={'variant': 'foreign', 'classes': len(names)},
        metrics={},
        origin={'data': path.name, 'licence': licence},
    )
