"""
The finder's ONNX graph, written node by node.

``image`` (N, H, W, 3) uint8 RGB -> ``logits`` (N, 20, H/8, W/8) float32: four
neighbouring cells a place, as ``FinderNetwork.places`` gives them. INT8 is
symmetric Q/DQ with float biases, which every runtime takes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn

from alexnet_ros.training.finder_network import CELL_PX, CHANNELS, GREY, SPREAD, FinderNetwork
from alexnet_ros.training.graph import GraphWriter, checked_model, quantised_weight

Floats = NDArray[np.float32]
NEAREST = {'coordinate_transformation_mode': 'asymmetric', 'nearest_mode': 'floor'}


@dataclass(frozen=True)
class FinderLayer:
    """One convolution with its normalisation folded in; ``weight`` (O, I, k, k)."""

    name: str
    weight: Floats
    bias: Floats
    stride: int
    padding: int
    relu: bool


def _folded(name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d, relu: bool) -> FinderLayer:
    """Return a convolution and the normalisation after it as one."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f'{name} has no running statistics')
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = conv.weight.double() * gain[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * gain
    return FinderLayer(
        name,
        weight.detach().float().numpy(),
        bias.detach().float().numpy(),
        conv.stride[0],
        int(conv.padding[0]),
        relu,
    )


def finder_layers(network: FinderNetwork) -> dict[str, FinderLayer]:
    """
    Return the folded convolutions by their place in the network, such as ``four.0``.

    The first one takes pixels less ``GREY``, not yet divided by ``SPREAD``.
    """
    layers = {}
    for name, module in network.named_modules():
        if not isinstance(module, nn.Sequential) or not isinstance(module[0], nn.Conv2d):
            continue
        norm = module[1]
        if isinstance(norm, nn.BatchNorm2d):
            layers[name] = _folded(name, module[0], norm, len(module) > 2)
    stem = layers['stem']
    return layers | {'stem': replace(stem, weight=stem.weight / np.float32(SPREAD))}


@torch.no_grad()
def finder_scales(network: FinderNetwork, images: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """
    Return the int8 step of each convolution's output (after its ReLU) and of the two sums.

    :param images: real inputs, each (H, W, 3) uint8, sides multiples of 32.
    """
    seen: dict[str, list[float]] = defaultdict(list)

    def note(name: str, values: Tensor) -> None:
        magnitudes = values.abs().flatten().numpy()
        seen[name].append(float(magnitudes.max()))

    def noting(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: note(name, output)

    hooks = [
        network.get_submodule(name).register_forward_hook(noting(name))
        for name in finder_layers(network)
    ]
    hooks.append(
        network.join.register_forward_pre_hook(lambda _module, inputs: note('sum8', inputs[0]))
    )
    hooks.append(
        network.from_last.register_forward_hook(lambda _m, _i, output: note('sum16', 2 * output))
    )
    for image in images:
        network(torch.from_numpy(image[None]))
    for hook in hooks:
        hook.remove()
    # The strongest answers are the rare ones to objects: nothing of them may be cut off.
    return {name: max(*values, 1e-6) / 127 for name, values in seen.items()}


def onnx_from_finder(
    network: FinderNetwork, height: int, width: int, *, scales: Mapping[str, float] | None = None
) -> onnx.ModelProto:
    """
    Write the graph.

    :param height: of the input, a multiple of 32.
    :param width: likewise.
    :param scales: int8 steps from :func:`finder_scales`; None for FP32.
    :raises onnx.checker.ValidationError: the graph is not valid ONNX.
    """
    network = network.cpu().eval()
    writer, layers = GraphWriter(), finder_layers(network)

    def step(x: str, name: str, output: str, *, positive: bool = False) -> str:
        return writer.quantised(x, scales[name], output, positive=positive) if scales else x

    def convolved(x: str, name: str) -> str:
        layer = layers[name]
        x = _convolution(writer, layer, x, quantise=scales is not None)
        x = step(x, name, f'{name}_out', positive=layer.relu)
        if layer.relu:  # the same step on both sides of the ReLU
            x = writer.node('Relu', [x], f'{name}_relu')
            x = step(x, name, f'{name}_in', positive=True)
        return x

    def twin(x: str, name: str) -> str:
        """
        Quantise a value once more for its second reader.

        ONNX Runtime keeps a convolution in int8 only where it alone reads its
        input, and would merge two equal roundings: so this one is not equal.
        """
        apart = 1.001
        if not scales:
            return x
        step = apart * scales[name]
        return writer.quantised(f'{name}_relu', step, f'{name}_twin', positive=True)

    def doubled(x: str, name: str, output: str) -> str:
        sizes = writer.constant('sizes_doubled', np.array([1, 1, 2, 2], np.float32))
        x = writer.node('Resize', [x, '', sizes], output, mode='nearest', **NEAREST)
        return step(x, name, output)

    x = writer.node('Cast', ['image'], 'pixels', to=TensorProto.FLOAT)
    x = writer.node('Sub', [x, writer.constant('grey', np.float32(GREY))], 'centred')
    x = writer.node('Transpose', [x], 'planes', perm=[0, 3, 1, 2])
    if scales:
        x = writer.quantised(x, 1.0, 'planes')  # whole numbers from -128 to 127: nothing is lost
    for name in ('stem', 'four.0', 'four.1', 'eight.0', 'eight.1'):
        x = convolved(x, name)
    eight = twin(x, 'eight.1')
    x = convolved(convolved(x, 'sixteen.0'), 'sixteen.1')
    sixteen = twin(x, 'sixteen.1')
    last = convolved(convolved(convolved(x, 'last.0'), 'last.1'), 'from_last')
    parts = [doubled(last, 'from_last', 'last_doubled'), convolved(sixteen, 'from_sixteen')]
    x = step(writer.node('Add', parts, 'sum16'), 'sum16', 'sum16')
    parts = [doubled(x, 'sum16', 'sum16_doubled'), convolved(eight, 'from_eight')]
    x = step(writer.node('Add', parts, 'sum8'), 'sum8', 'sum8_out', positive=True)
    x = step(writer.node('Relu', [x], 'sum8_relu'), 'sum8', 'sum8_in', positive=True)
    x = convolved(x, 'join')
    head = [
        writer.constant(f'head_{part}', tensor.detach().float().numpy())
        for part, tensor in network.head.named_parameters()
    ]
    writer.node('Conv', [x, *head], 'logits', kernel_shape=[1, 1])  # boxes need more than 8 bits
    return _model(writer, height, width)


def _convolution(writer: GraphWriter, layer: FinderLayer, x: str, *, quantise: bool) -> str:
    weight = quantised_weight(writer, layer.name, layer.weight, quantise)
    return writer.node(
        'Conv',
        [x, weight, writer.constant(f'{layer.name}_bias', layer.bias)],
        layer.name,
        kernel_shape=list(layer.weight.shape[2:]),
        strides=[layer.stride] * 2,
        pads=[layer.padding] * 4,
    )


def _model(writer: GraphWriter, height: int, width: int) -> onnx.ModelProto:
    places = ['N', 4 * CHANNELS, height // (2 * CELL_PX), width // (2 * CELL_PX)]
    graph = helper.make_graph(
        writer.nodes,
        'finder',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', height, width, 3])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, places)],
        list(writer.constants.values()),
    )
    return checked_model(graph)
