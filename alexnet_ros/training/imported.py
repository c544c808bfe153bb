"""
A foreign ONNX classifier gets this package's form: preprocessing inside the graph.

Its input may be float, half or uint8, in planes (NCHW) or rows of pixels
(NHWC), with a fixed batch or an open one. Its end is looked through to the
logits; see :mod:`alexnet_ros.training.heads`. Nothing is written that does not
give what the original gives in ONNX Runtime.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.training.heads import Graph, Head, features_of, find_head
from alexnet_ros.training.standardise import standardised

PREFIX = 'net/'
OLDEST_OPSET = 9  # below, the nodes added here would need other forms
KINDS = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
PRESETS: dict[str, tuple[tuple[float, ...], tuple[float, ...], str]] = {
    'imagenet': ((123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375), 'rgb'),
    'caffe': ((104.0, 117.0, 123.0), (1.0,), 'bgr'),
    'keras-caffe': ((103.939, 116.779, 123.68), (1.0,), 'bgr'),
    '0-1': ((0.0,), (1 / 255,), 'rgb'),
    'tf': ((127.5,), (1 / 127.5,), 'rgb'),
    'none': ((0.0,), (1.0,), 'rgb'),
}
"""Mean, scale and colour order by name, on the 0-255 scale; torchvision's values first."""


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


@dataclass(frozen=True)
class Input:
    """
    The image input of a foreign network.

    :param batch: its fixed batch size, 0 for an open one.
    :param planes: NCHW rather than NHWC.
    """

    name: str
    kind: int
    batch: int
    channels: int
    height: int
    width: int
    planes: bool


@dataclass(frozen=True)
class Wrapped:
    """A network in this package's form, and what was found at both its ends."""

    model: onnx.ModelProto
    input: Input
    head: Head
    classes: int
    features: int


def load_foreign(path: Path) -> onnx.ModelProto:
    """
    Read and check an ONNX file, its names prefixed, with the data that lie beside it.

    :raises ModelPackageError: unreadable or not valid.
    """
    try:
        model = onnx.load(path, load_external_data=True)
        onnx.checker.check_model(model)
        opset = next((o.version for o in model.opset_import if o.domain in {'', 'ai.onnx'}), 1)
        if opset < OLDEST_OPSET:
            model = version_converter.convert_version(model, 13)
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
    return standardised(compose.add_prefix(model, PREFIX))


def input_of_graph(graph: onnx.GraphProto, size: int, path: Path) -> Input:
    """
    Read the layout of the image input.

    :raises ModelPackageError: no image input, or its size is open and none given.
    """
    value = graph.input[0]
    kind = value.type.tensor_type.elem_type
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    shape = f'{TensorProto.DataType.Name(kind).lower()} {dims}'
    if len(dims) != 4 or kind not in KINDS:
        raise ModelPackageError(
            f'{path} must take images as float, float16 or uint8 (N, 3, H, W) or (N, H, W, 3), '
            f'takes {shape}'
        )
    planes = dims[1] in (1, 3) or dims[3] not in (1, 3)
    channels = (dims[1] if planes else dims[3]) or 3
    height, width = (dims[2], dims[3]) if planes else (dims[1], dims[2])
    if channels not in (1, 3):
        raise ModelPackageError(f'{path} must take one or three colours, takes {shape}')
    height, width = height or size, width or size
    if not height or not width:
        raise ModelPackageError(f'{path} leaves its input size open ({shape}); give --size')
    return Input(value.name, kind, dims[0], channels, height, width, planes)


def _opened(shape: NDArray[np.int64], batch: int) -> NDArray[np.int64] | None:
    """Return a reshape's target with an open batch; None where it needs no change."""
    if shape.ndim != 1 or len(shape) < 2 or shape[0] != batch:
        return None
    first = 0 if -1 in shape[1:] else -1
    return np.concatenate([[first], shape[1:]]).astype(np.int64)


def free_batch(graph: onnx.GraphProto, found: Graph, batch: int) -> None:
    """
    Let what is computed from the image have any batch size.

    Reshapes to a fixed batch get an open one; constants are left as they are,
    also where their first side happens to equal the batch.

    :param batch: the fixed batch of the input, 0 where it is open already.
    """
    fixed = batch or 1
    for node in graph.node:
        if node.op_type != 'Reshape' or node.input[0] not in found.moving:
            continue
        target = found.constant(node.input[1]) if len(node.input) > 1 else None
        opened = None if target is None else _opened(target, fixed)
        if opened is not None:
            name = f'{node.output[0]}/open_batch'
            graph.initializer.append(numpy_helper.from_array(opened, name))
            node.input[1] = name
    del graph.value_info[:]
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = 'N'
    for output in graph.output:
        if output.type.tensor_type.shape.dim:
            output.type.tensor_type.shape.dim[0].dim_param = 'N'


def _before(
    into: Input, how: Preprocessing
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Return the nodes and constants from ``image`` to the network's own input."""
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    x = 'image'
    if how.colour == 'bgr':
        order = constant('bgr', np.array([2, 1, 0], np.int64))
        x = node('Gather', [x, order], 'image_bgr', axis=3)
    if into.kind != TensorProto.UINT8 or into.channels == 1:
        x = node('Cast', [x], 'pixels', to=TensorProto.FLOAT)
    if into.channels == 1:
        weights = GREY if how.colour == 'rgb' else GREY[::-1]
        x = node('MatMul', [x, constant('grey', np.array(weights, np.float32)[:, None])], 'one')
    if into.kind != TensorProto.UINT8:
        if any(how.mean):
            x = node('Sub', [x, constant('mean', np.array(how.mean, np.float32))], 'centred')
        if any(value != 1 for value in how.scale):
            x = node('Mul', [x, constant('scale', np.array(how.scale, np.float32))], 'scaled')
    if into.planes:
        x = node('Transpose', [x], 'planes', perm=[0, 3, 1, 2])
    if into.kind != TensorProto.FLOAT and (into.kind != TensorProto.UINT8 or into.channels == 1):
        x = node('Cast', [x], 'as_wanted', to=into.kind)
    node('Identity', [x], into.name)
    return nodes, constants


def wrapped(model: onnx.ModelProto, how: Preprocessing, path: Path, head: str = 'auto') -> Wrapped:
    """
    Return the model with uint8 NHWC in, and ``logits`` and ``features`` out.

    :param head: one of :data:`~alexnet_ros.training.heads.HEADS`.
    :raises ModelPackageError: a form that is not understood.
    """
    graph = model.graph
    into = input_of_graph(graph, how.size, path)
    if into.kind == TensorProto.UINT8 and (any(how.mean) or any(v != 1 for v in how.scale)):
        raise ModelPackageError(
            f'{path} takes uint8 and normalises by itself; leave --mean, --scale and --preset out'
        )
    if len(how.mean) > into.channels or len(how.scale) > into.channels:
        raise ModelPackageError(f'{path} takes one colour; give one mean and one scale')
    dims = graph.input[0].type.tensor_type.shape.dim
    first = 2 if into.planes else 1
    dims[first].dim_value, dims[first + 1].dim_value = into.height, into.width
    found = Graph(model)
    free_batch(graph, found, into.batch)
    found = Graph(model)
    end = find_head(found, head, path)
    feature_nodes, width = features_of(found, end.source)
    nodes, constants = _before(into, how)
    made = helper.make_graph(
        [*nodes, *found.needed(end.source, feature_nodes), *end.nodes, *feature_nodes],
        graph.name or 'classifier',
        [
            helper.make_tensor_value_info(
                'image', TensorProto.UINT8, ['N', into.height, into.width, 3]
            )
        ],
        [
            helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['N', end.classes]),
            helper.make_tensor_value_info('features', TensorProto.FLOAT, ['N', width or 'width']),
        ],
        [*constants, *graph.initializer, *end.constants],
    )
    whole = helper.make_model(
        made,
        opset_imports=list(model.opset_import),
        functions=list(model.functions),
        ir_version=model.ir_version,
        producer_name='alexnet_ros',
    )
    used = {name for node in made.node for name in node.input}
    kept = [item for item in made.initializer if item.name in used or _has_subgraph(made)]
    del whole.graph.initializer[:]
    whole.graph.initializer.extend(kept)
    onnx.checker.check_model(whole)
    return Wrapped(whole, into, end, end.classes, width)


def _has_subgraph(graph: onnx.GraphProto) -> bool:
    return any(a.HasField('g') or a.graphs for node in graph.node for a in node.attribute)
