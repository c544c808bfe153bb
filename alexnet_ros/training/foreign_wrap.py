"""
A foreign ONNX classifier gets this package's form: preprocessing inside the graph.

Its input may be float, half or uint8, in planes (NCHW) or rows of pixels
(NHWC), with a fixed batch or an open one. Its end is looked through to the
logits, and to the features before them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.training.foreign_graph import Graph, Head, find_head, replace_all
from alexnet_ros.training.graph import GraphWriter

KINDS = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}
BYTES = (TensorProto.UINT8, TensorProto.INT8)
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
WEIGHTED = (
    *('Gemm', 'MatMul', 'Conv', 'QLinearConv', 'QLinearMatMul', 'MatMulInteger', 'ConvInteger'),
)
MIN_PROBABILITY = 1e-7  # taken for zero where only probabilities are there


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

    @property
    def grey(self) -> NDArray[np.float32]:
        """Return the weights of the colours in a grey picture, (3, 1)."""
        return np.array(GREY if self.colour == 'rgb' else GREY[::-1], np.float32)[:, None]


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
    """A network in this package's form, what was found at both its ends, its features' width."""

    model: onnx.ModelProto
    input: Input
    head: Head
    features: int


def _input_of_graph(graph: onnx.GraphProto, size: int, path: Path) -> Input:
    """Read the layout of the image input."""
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
    height, width = (side or size for side in (dims[2:] if planes else dims[1:3]))
    if channels not in (1, 3):
        raise ModelPackageError(f'{path} must take one or three colours, takes {shape}')
    if not height or not width:
        raise ModelPackageError(f'{path} leaves its input size open ({shape}); give --size')
    return Input(value.name, kind, dims[0], channels, height, width, planes)


def _free_batch(graph: onnx.GraphProto, found: Graph, batch: int) -> None:
    """
    Let what is computed from the image have any batch size, ``batch`` 0 where it is open already.

    Reshapes to a fixed batch get an open one; constants are left as they are,
    also where their first side happens to equal the batch.
    """
    for node in graph.node:
        if node.op_type != 'Reshape' or node.input[0] not in found.moving:
            continue
        target = found.constant(node.input[1]) if len(node.input) > 1 else None
        if target is None or target.ndim != 1 or len(target) < 2 or target[0] != (batch or 1):
            continue
        name = f'{node.output[0]}/open_batch'
        opened = [0 if -1 in target[1:] else -1, *target[1:]]
        graph.initializer.append(numpy_helper.from_array(np.array(opened, np.int64), name))
        node.input[1] = name
    del graph.value_info[:]
    for value in (graph.input[0], *graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = 'N'


def _write_preprocessing(writer: GraphWriter, into: Input, how: Preprocessing) -> None:
    """Add the nodes from ``image`` to the network's own input."""
    node, constant, x = writer.node, writer.constant, 'image'
    if how.colour == 'bgr':
        order = constant('bgr', np.array([2, 1, 0], np.int64))
        x = node('Gather', [x, order], 'image_bgr', axis=3)
    if into.kind != TensorProto.UINT8 or into.channels == 1:
        x = node('Cast', [x], 'pixels', to=TensorProto.FLOAT)
    if into.channels == 1:
        x = node('MatMul', [x, constant('grey', how.grey)], 'one')
    if into.kind != TensorProto.UINT8:
        if any(how.mean):
            x = node('Sub', [x, constant('mean', np.array(how.mean, np.float32))], 'centred')
        if any(value != 1 for value in how.scale):
            x = node('Mul', [x, constant('scale', np.array(how.scale, np.float32))], 'scaled')
    if into.planes:
        x = node('Transpose', [x], 'planes', perm=[0, 3, 1, 2])
    if into.kind == TensorProto.FLOAT16 or (into.kind == TensorProto.UINT8 and into.channels == 1):
        x = node('Cast', [x], 'as_wanted', to=into.kind)
    node('Identity', [x], into.name)


def _write_logits(writer: GraphWriter, head: Head) -> None:
    """Add the nodes from the head's source to ``logits``."""
    node, constant = writer.node, writer.constant
    x = node('Flatten', [head.source], 'rows', axis=1)
    x = node('Cast', [x], 'rows_float', to=TensorProto.FLOAT)
    if head.kind == 'probabilities':
        x = node('Max', [x, constant('least', np.float32(MIN_PROBABILITY))], 'rows_kept')
        x = node('Log', [x], 'rows_log')
    if head.kind == 'binary':
        up = node('Mul', [x, constant('plus_half', np.float32(0.5))], 'rows_half')
        x = node('Concat', [node('Neg', [up], 'rows_minus'), up], 'rows_two', axis=1)
    node('Identity', [x], 'logits')


def _write_features(writer: GraphWriter, found: Graph, name: str) -> tuple[str, int]:
    """
    Add the nodes to ``features``; return what they read, and how many values they are.

    The features are the input of the last layer with weights, averaged over
    places where it is a map; where no such layer is found, the logits.
    """
    layer, before = found.before(name)
    while layer is not None and before and layer.op_type not in WEIGHTED:
        layer, before = found.before(before)
    if layer is None or not before:
        writer.node('Identity', ['logits'], 'features')
        return name, 0
    source = x = before
    sides, maker = found.dims(x), found.makers.get(x)
    if found.elem(x) in BYTES or (not found.elem(x) and layer.op_type[0] == 'Q'):
        if maker is not None and 'Quantize' in maker.op_type:
            source = x = maker.input[0]
            sides = found.dims(x) or sides
        else:
            x = writer.node('DequantizeLinear', [x, *layer.input[1:3]], 'features_whole')
    width = int(np.prod([side or 0 for side in sides[1:]])) if len(sides) > 1 else 0
    if len(sides) == 4 and 'Conv' in layer.op_type:
        x, width = writer.node('GlobalAveragePool', [x], 'features_mean'), sides[1]
    x = writer.node('Flatten', [x], 'features_rows', axis=1)
    writer.node('Cast', [x], 'features', to=TensorProto.FLOAT)
    return source, width


def wrapped(model: onnx.ModelProto, how: Preprocessing, path: Path, head: str = 'auto') -> Wrapped:
    """
    Return the model with uint8 NHWC in, and ``logits`` and ``features`` out.

    :param head: see :func:`find_head`.
    :raises ModelPackageError: a form that is not understood.
    """
    graph = model.graph
    into = _input_of_graph(graph, how.size, path)
    if into.kind == TensorProto.UINT8 and (any(how.mean) or any(v != 1 for v in how.scale)):
        raise ModelPackageError(
            f'{path} takes uint8 and normalises by itself; leave --mean, --scale and --preset out'
        )
    if len(how.mean) > into.channels or len(how.scale) > into.channels:
        raise ModelPackageError(f'{path} takes one colour; give one mean and one scale')
    dims = graph.input[0].type.tensor_type.shape.dim
    first = 2 if into.planes else 1
    dims[first].dim_value, dims[first + 1].dim_value = into.height, into.width
    _free_batch(graph, Graph(model), into.batch)
    found = Graph(model)
    end = find_head(found, head, path)
    front, back = GraphWriter(), GraphWriter()
    _write_preprocessing(front, into, how)
    _write_logits(back, end)
    source, width = _write_features(back, found, end.source)
    needed = {source, end.source, *(name for node in back.nodes for name in node.input)}
    size, sides = [into.height, into.width, 3], {'logits': end.classes, 'features': width}
    made = helper.make_graph(
        [*front.nodes, *found.needed(needed), *back.nodes],
        graph.name or 'classifier',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', *size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ['N', side or 'width'])
            for name, side in sides.items()
        ],
        [*front.constants.values(), *graph.initializer, *back.constants.values()],
    )
    whole = helper.make_model(
        made,
        opset_imports=list(model.opset_import),
        functions=list(model.functions),
        ir_version=model.ir_version,
        producer_name='alexnet_ros',
    )
    used = {name for node in made.node for name in node.input}
    if not _has_subgraph(made):
        kept = [item for item in whole.graph.initializer if item.name in used]
        replace_all(whole.graph.initializer, kept)
    onnx.checker.check_model(whole)
    return Wrapped(whole, into, end, width)


def _has_subgraph(graph: onnx.GraphProto) -> bool:
    return any(a.HasField('g') or a.graphs for node in graph.node for a in node.attribute)
