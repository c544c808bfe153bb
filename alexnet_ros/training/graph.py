"""
The ONNX graph, written node by node.

``image`` (N, H, W, 3) uint8 RGB -> ``logits`` (N, classes) and ``features``
(N, 4096), both float32. FP32, FP16 (weights and layers in half precision) or
INT8 (symmetric Q/DQ, zero points 0, float biases: what TensorRT takes).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.engine.unsigned import ZERO
from alexnet_ros.training.fold import Layer
from alexnet_ros.training.network import (
    CONTRAST_FLOOR,
    CONTRAST_LIMIT,
    HIDDEN,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LRN,
    Architecture,
    centre_slice,
)

OPSET = 17  # TensorRT 10.0 reads it
IR_VERSION = 8
POOLED_LAYERS = ('conv2', 'conv3', 'fc6', 'fc6a')  # a pooling comes before these


class GraphWriter:
    """Collects nodes and constants."""

    def __init__(self, half: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.dtype = np.float16 if half else np.float32

    def constant(self, name: str, values: Any) -> str:
        """Add a constant once; return its name."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; return its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def quantised(self, value: str, scale: float, output: str, *, positive: bool = False) -> str:
        """
        Round a value to int8 steps of ``scale`` and back.

        :param positive: it is never negative, or a ReLU alone reads it.
        """
        step = self.constant(f'{output}_scale', np.float32(scale))
        zero = self.constant(ZERO if positive else 'zero', np.int8(0))
        whole = self.node('QuantizeLinear', [value, step, zero], f'{output}_q')
        return self.node('DequantizeLinear', [whole, step, zero], f'{output}_dq')


def normalisation(writer: GraphWriter, arch: Architecture) -> str:
    """Add uint8 NHWC -> normalised NCHW, as :meth:`AlexNet.normalise` does it."""
    size = arch.size_px
    x = writer.node('Cast', ['image'], 'pixels', to=TensorProto.FLOAT)
    if arch.normalisation == 'contrast':
        # (x - m) / max(s, floor) is the same on the 0-255 scale with floor x 255
        start, stop, step = centre_slice(size)
        centre = writer.node(
            'Slice',
            [
                x,
                writer.constant('centre_start', np.array([start, start], np.int64)),
                writer.constant('centre_stop', np.array([stop, stop], np.int64)),
                writer.constant('rows_columns', np.array([1, 2], np.int64)),
                writer.constant('centre_step', np.array([step, step], np.int64)),
            ],
            'centre',
        )
        mean = writer.node('ReduceMean', [centre], 'mean', axes=[1, 2, 3])
        away = writer.node('Sub', [centre, mean], 'away')
        square = writer.node('Mul', [away, away], 'square')
        spread = writer.node(
            'Sqrt', [writer.node('ReduceMean', [square], 'variance', axes=[1, 2, 3])], 'spread'
        )
        floor = writer.constant('floor', np.float32(255 * CONTRAST_FLOOR))
        spread = writer.node('Max', [spread, floor], 'spread_floored')
        x = writer.node('Div', [writer.node('Sub', [x, mean], 'centred'), spread], 'contrasted')
        x = writer.node(
            'Clip',
            [
                x,
                writer.constant('low', np.float32(-CONTRAST_LIMIT)),
                writer.constant('high', np.float32(CONTRAST_LIMIT)),
            ],
            'clipped',
        )
    else:
        mean_rgb = np.array(IMAGENET_MEAN, np.float32) * 255
        x = writer.node('Sub', [x, writer.constant('mean_rgb', mean_rgb)], 'centred')
        std = np.array(IMAGENET_STD if arch.normalisation == 'imagenet' else (1, 1, 1), np.float32)
        scale = writer.constant('one_over_std', (1 / (255 * std)).astype(np.float32))
        x = writer.node('Mul', [x, scale], 'scaled')
    x = writer.node('Transpose', [x], 'normalised', perm=[0, 3, 1, 2])
    if writer.dtype == np.float16:
        x = writer.node('Cast', [x], 'normalised_half', to=TensorProto.FLOAT16)
    return x


def adaptive_matrix(inputs: int, outputs: int = 6) -> NDArray[np.float32]:
    """Return (outputs, inputs): row i averages pixels floor(i n/o) to ceil((i+1) n/o)."""
    matrix = np.zeros((outputs, inputs), np.float32)
    for row in range(outputs):
        first, last = row * inputs // outputs, -(-(row + 1) * inputs // outputs)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


def pooled_side(arch: Architecture) -> int:
    """Return the side of the map that reaches fc6, 6 at the published sizes."""
    kernel = 3 if arch.overlapping else 2
    side = (arch.size_px + 2 * arch.shape.first_padding - 11) // 4 + 1
    for _ in range(3):
        side = (side - kernel) // 2 + 1
    return side


def weight_scales(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one int8 step for each output channel, (O,)."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    return np.asarray(np.maximum(largest, 1e-8) / 127, np.float32)


def quantised_weight(
    writer: GraphWriter, name: str, weight: NDArray[np.float32], quantise: bool
) -> str:
    """Add a layer's weights, as int8 with a step for each output channel if asked."""
    if not quantise:
        return writer.constant(f'{name}_weight', weight.astype(writer.dtype))
    scales = weight_scales(weight)
    shape = (-1,) + (1,) * (weight.ndim - 1)
    whole = np.clip(np.rint(weight / scales.reshape(shape)), -127, 127).astype(np.int8)
    return writer.node(
        'DequantizeLinear',
        [
            writer.constant(f'{name}_weight', whole),
            writer.constant(f'{name}_weight_scale', scales),
            writer.constant(f'{name}_weight_zero', np.zeros(len(scales), np.int8)),
        ],
        f'{name}_weight_dq',
        axis=0,
    )


def _pool(writer: GraphWriter, x: str, name: str, arch: Architecture) -> str:
    kernel = 3 if arch.overlapping else 2
    return writer.node('MaxPool', [x], name, kernel_shape=[kernel] * 2, strides=[2, 2])


def _flatten(writer: GraphWriter, x: str, arch: Architecture) -> str:
    side = pooled_side(arch)
    if side != 6:
        matrix = adaptive_matrix(side).astype(writer.dtype)
        rows = writer.constant('average_rows', matrix)
        x = writer.node('MatMul', [rows, x], 'averaged_rows')  # (N, C, 6, w)
        columns = writer.constant('average_columns', np.ascontiguousarray(matrix.T))
        x = writer.node('MatMul', [x, columns], 'averaged')  # (N, C, 6, 6)
    return writer.node('Flatten', [x], 'flat')  # (N, C * 36)


def onnx_from_layers(
    layers: list[Layer],
    arch: Architecture,
    *,
    half: bool = False,
    scales: Mapping[str, float] | None = None,
) -> onnx.ModelProto:
    """
    Write the graph.

    :param layers: folded weights, from :func:`layers_of`.
    :param half: FP16 layers.
    :param scales: int8 steps from :func:`input_scales`; None for a graph that
        is not quantised.
    :raises onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    writer = GraphWriter(half)
    x = normalisation(writer, arch)
    last = layers[-1].name
    positive = False  # whether a ReLU came last
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        step = scales and scales[layer.name]
        if step:
            x = writer.quantised(x, step, f'{layer.name}_in', positive=positive)
        if layer.name in POOLED_LAYERS:
            x = _pool(writer, x, f'{layer.name}_pooled', arch)
            if layer.name.startswith('fc6'):
                if step:  # TensorRT pools in INT8 only where Q follows, with no Flatten between
                    x = writer.quantised(x, step, f'{layer.name}_map', positive=True)
                x = _flatten(writer, x, arch)
            if step:
                x = writer.quantised(x, step, f'{layer.name}_pooled', positive=True)
        x = _weighted(writer, layer, x, bool(scales), 'logits_half' if half else 'logits')
        positive = not layer.name.endswith('a')
        if after is None or not positive:
            continue
        normed = arch.uses_lrn and layer.name in ('conv1', 'conv2')
        if scales:  # the same step on both sides of the ReLU, so that it can stay in int8
            out = scales[f'{layer.name}_relu' if normed else after.name]
            x = writer.quantised(x, out, f'{layer.name}_out', positive=True)
        features = after.name == last
        x = writer.node('Relu', [x], 'features' if features and not half else f'{layer.name}_relu')
        if features and half:
            writer.node('Cast', [x], 'features', to=TensorProto.FLOAT)
        if normed:
            x = writer.node(
                'LRN',
                [x],
                f'{layer.name}_lrn',
                size=int(LRN['size']),
                alpha=LRN['alpha'],
                beta=LRN['beta'],
                bias=LRN['k'],
            )
    if half:
        writer.node('Cast', [x], 'logits', to=TensorProto.FLOAT)
    return _model(writer, arch)


def _weighted(writer: GraphWriter, layer: Layer, x: str, quantise: bool, last: str) -> str:
    """Add a convolution or a fully connected layer."""
    inputs = [x, quantised_weight(writer, layer.name, layer.weight, quantise)]
    if layer.bias is not None:
        inputs.append(writer.constant(f'{layer.name}_bias', layer.bias.astype(writer.dtype)))
    if not layer.conv:
        return writer.node('Gemm', inputs, last if layer.name == 'fc8' else layer.name, transB=1)
    stride, padding, groups = layer.conv
    return writer.node(
        'Conv',
        inputs,
        layer.name,
        kernel_shape=list(layer.weight.shape[2:]),
        strides=[stride] * 2,
        pads=[padding] * 4,
        group=groups,
    )


def _model(writer: GraphWriter, arch: Architecture) -> onnx.ModelProto:
    size = arch.size_px
    graph = helper.make_graph(
        writer.nodes,
        'alexnet',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', size, size, 3])],
        [
            helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['N', arch.classes]),
            helper.make_tensor_value_info('features', TensorProto.FLOAT, ['N', HIDDEN]),
        ],
        list(writer.constants.values()),
    )
    return checked_model(graph)


def checked_model(graph: onnx.GraphProto) -> onnx.ModelProto:
    """
    Return a graph as a model of the opset that all runtimes read.

    :raises onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid('', OPSET)],
        ir_version=IR_VERSION,
        producer_name='alexnet_ros',
    )
    onnx.checker.check_model(model, full_check=True)
    return model
