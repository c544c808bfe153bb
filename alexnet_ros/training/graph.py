"""
The ONNX graph, written node by node.

``image`` (N, H, W, 3) uint8 RGB -> ``logits`` (N, classes) and ``features``
(N, 4096), both float32. FP32, FP16 (weights and layers in half precision) or
INT8 (symmetric Q/DQ, zero points 0, float biases: what TensorRT takes).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.engine.unsigned import ZERO
from alexnet_ros.training.network import (
    CONTRAST_FLOOR,
    CONTRAST_LIMIT,
    HIDDEN,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LRN,
    AlexNet,
    Architecture,
    Floats,
    Layer,
    centre_slice,
)

OPSET = 17  # TensorRT 10.0 reads it
IR_VERSION = 8
POOLED_LAYERS = ('conv2', 'conv3', 'fc6', 'fc6a')  # a pooling comes before these
BATCH = 32
SAMPLES = 20_000  # values kept of each layer and batch for INT8's steps


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

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
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

    def layer(self, layer: Layer, x: str, output: str, *, quantise: bool) -> str:
        """Add a layer, its weights as int8 with a step for each output channel if asked."""
        name = f'{layer.name}_weight'
        if quantise:
            matrix = layer.weight.reshape(len(layer.weight), -1)  # (O, I)
            scales = np.asarray(np.maximum(np.abs(matrix).max(1), 1e-8) / 127, np.float32)
            whole = np.clip(np.rint(matrix / scales[:, None]), -127, 127).astype(np.int8)
            parts = [
                self.constant(name, whole.reshape(layer.weight.shape)),
                self.constant(f'{name}_scale', scales),
                self.constant(f'{name}_zero', np.zeros(len(scales), np.int8)),
            ]
            weight = self.node('DequantizeLinear', parts, f'{name}_dq', axis=0)
        else:
            weight = self.constant(name, layer.weight.astype(self.dtype))
        inputs = [x, weight]
        if layer.bias is not None:
            inputs.append(self.constant(f'{layer.name}_bias', layer.bias.astype(self.dtype)))
        if not layer.conv:
            return self.node('Gemm', inputs, output, transB=1)
        stride, padding, groups = layer.conv
        sizes = {'kernel_shape': list(layer.weight.shape[2:]), 'strides': [stride] * 2}
        return self.node('Conv', inputs, output, **sizes, pads=[padding] * 4, group=groups)

    def model(
        self, name: str, size_hw: tuple[int, int], outputs: Mapping[str, Sequence[int]]
    ) -> onnx.ModelProto:
        """
        Return everything as a model of the opset that all runtimes read.

        :param outputs: float outputs by name, their sides without the batch.
        :raises onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', *size_hw, 3])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, ['N', *sides])
                for output, sides in outputs.items()
            ],
            list(self.constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid('', OPSET)],
            ir_version=IR_VERSION,
            producer_name='alexnet_ros',
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def normalisation(writer: GraphWriter, arch: Architecture) -> str:
    """Add uint8 NHWC -> normalised NCHW, as :meth:`AlexNet.normalise` does it."""
    node, constant = writer.node, writer.constant
    x = node('Cast', ['image'], 'pixels', to=TensorProto.FLOAT)
    if arch.normalisation == 'contrast':
        # (x - m) / max(s, floor) is the same on the 0-255 scale with floor x 255
        start, stop, step = centre_slice(arch.size_px)
        corners = {'centre_start': (start, start), 'centre_stop': (stop, stop)}
        corners |= {'rows_columns': (1, 2), 'centre_step': (step, step)}
        bounds = [constant(name, np.array(pair, np.int64)) for name, pair in corners.items()]
        centre = node('Slice', [x, *bounds], 'centre')
        mean = node('ReduceMean', [centre], 'mean', axes=[1, 2, 3])
        away = node('Sub', [centre, mean], 'away')
        square = node('Mul', [away, away], 'square')
        spread = node('Sqrt', [node('ReduceMean', [square], 'variance', axes=[1, 2, 3])], 'spread')
        floor = constant('floor', np.float32(255 * CONTRAST_FLOOR))
        spread = node('Max', [spread, floor], 'spread_floored')
        x = node('Div', [node('Sub', [x, mean], 'centred'), spread], 'contrasted')
        limits = [constant('low', np.float32(-CONTRAST_LIMIT))]
        limits.append(constant('high', np.float32(CONTRAST_LIMIT)))
        x = node('Clip', [x, *limits], 'clipped')
    else:
        mean_rgb = np.array(IMAGENET_MEAN, np.float32) * 255
        x = node('Sub', [x, constant('mean_rgb', mean_rgb)], 'centred')
        std = np.array(IMAGENET_STD if arch.normalisation == 'imagenet' else (1, 1, 1), np.float32)
        scale = constant('one_over_std', (1 / (255 * std)).astype(np.float32))
        x = node('Mul', [x, scale], 'scaled')
    x = node('Transpose', [x], 'normalised', perm=[0, 3, 1, 2])
    if writer.dtype == np.float16:
        x = node('Cast', [x], 'normalised_half', to=TensorProto.FLOAT16)
    return x


def adaptive_matrix(inputs: int) -> Floats:
    """Return (6, inputs): row i averages pixels floor(i n / 6) to ceil((i + 1) n / 6)."""
    matrix = np.zeros((6, inputs), np.float32)
    for row in range(6):
        first, last = row * inputs // 6, -(-(row + 1) * inputs // 6)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


def _flatten(writer: GraphWriter, x: str, arch: Architecture) -> str:
    """Add the average to 6x6 places, where there are others, and make rows of them."""
    side = (arch.size_px + 2 * arch.shape.first_padding - 11) // 4 + 1
    for _ in range(3):
        side = (side - (3 if arch.overlapping else 2)) // 2 + 1
    if side != 6:
        matrix = adaptive_matrix(side).astype(writer.dtype)
        rows = writer.constant('average_rows', matrix)
        x = writer.node('MatMul', [rows, x], 'averaged_rows')  # (N, C, 6, w)
        columns = writer.constant('average_columns', np.ascontiguousarray(matrix.T))
        x = writer.node('MatMul', [x, columns], 'averaged')  # (N, C, 6, 6)
    return writer.node('Flatten', [x], 'flat')  # (N, C * 36)


def onnx_from_layers(
    layers: Sequence[Layer],
    arch: Architecture,
    *,
    half: bool = False,
    scales: Mapping[str, float] | None = None,
) -> onnx.ModelProto:
    """
    Write the graph.

    :param layers: folded weights, from :func:`~alexnet_ros.training.network.layers_of`.
    :param half: FP16 layers.
    :param scales: int8 steps from :func:`input_scales`; None for a graph that
        is not quantised.
    :raises onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    writer = GraphWriter(half)
    x = normalisation(writer, arch)
    kernel = 3 if arch.overlapping else 2
    positive = False  # whether a ReLU came last
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        name = layer.name
        step = scales and scales[name]
        if step:
            x = writer.quantised(x, step, f'{name}_in', positive=positive)
        if name in POOLED_LAYERS:
            sides = {'kernel_shape': [kernel] * 2, 'strides': [2, 2]}
            x = writer.node('MaxPool', [x], f'{name}_pooled', **sides)
            if name.startswith('fc6'):
                if step:  # TensorRT pools in INT8 only where Q follows, with no Flatten between
                    x = writer.quantised(x, step, f'{name}_map', positive=True)
                x = _flatten(writer, x, arch)
            if step:
                x = writer.quantised(x, step, f'{name}_pooled', positive=True)
        output = name if after else 'logits_half' if half else 'logits'
        x = writer.layer(layer, x, output, quantise=bool(scales))
        positive = not name.endswith('a')
        if after is None or not positive:
            continue
        normed = arch.uses_lrn and name in ('conv1', 'conv2')
        if scales:  # the same step on both sides of the ReLU, so that it can stay in int8
            out = scales[f'{name}_relu' if normed else after.name]
            x = writer.quantised(x, out, f'{name}_out', positive=True)
        features = after is layers[-1]
        x = writer.node('Relu', [x], 'features' if features and not half else f'{name}_relu')
        if features and half:
            writer.node('Cast', [x], 'features', to=TensorProto.FLOAT)
        if normed:
            numbers = {'alpha': LRN['alpha'], 'beta': LRN['beta'], 'bias': LRN['k']}
            x = writer.node('LRN', [x], f'{name}_lrn', size=int(LRN['size']), **numbers)
    if half:
        writer.node('Cast', [x], 'logits', to=TensorProto.FLOAT)
    return writer.model(
        'alexnet', (arch.size_px,) * 2, {'logits': [arch.classes], 'features': [HIDDEN]}
    )


def best_step(values: Floats, peak: float) -> float:
    """
    Return the int8 step with the least squared error.

    :param values: a sample of the activations.
    :param peak: their largest magnitude seen anywhere.
    """
    best, least = peak / 127, np.inf
    for share in np.linspace(0.3, 1.0, 36):
        step = max(share * peak, 1e-6) / 127
        rounded = np.clip(np.rint(values / step), -128, 127) * step
        error = float(np.square(rounded - values).mean())
        if error < least:
            best, least = step, error
    return float(best)


@torch.no_grad()
def input_scales(
    network: AlexNet, layers: Sequence[Layer], images: NDArray[np.uint8]
) -> dict[str, float]:
    """
    Return the int8 step of each layer's input.

    :param network: in evaluation mode, on the CPU.
    :param images: real inputs (N, H, W, 3), uint8.
    :returns: layer name to step; with response normalisation also
        ``conv1_relu`` and ``conv2_relu``, its inputs.
    """
    places = {layer.name: layer.module for layer in layers}
    if network.architecture.uses_lrn:
        places |= {'conv1_relu': 'features.1.1', 'conv2_relu': 'features.4.1'}
    kept: dict[str, list[Floats]] = {name: [] for name in places}
    peaks = dict.fromkeys(places, 0.0)
    rng = np.random.default_rng(0)

    def watcher(name: str) -> Any:
        def watch(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
            values = inputs[0].float().flatten()
            peaks[name] = max(peaks[name], float(values.abs().max()))
            picks = rng.integers(0, len(values), SAMPLES)
            kept[name].append(values[torch.from_numpy(picks)].numpy())

        return watch

    hooks = [
        network.get_submodule(module).register_forward_pre_hook(watcher(name))
        for name, module in places.items()
    ]
    for start in range(0, len(images), BATCH):
        network(torch.from_numpy(images[start : start + BATCH]))
    for hook in hooks:
        hook.remove()
    return {name: best_step(np.concatenate(kept[name]), peaks[name]) for name in kept}
