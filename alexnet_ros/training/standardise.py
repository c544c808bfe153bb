"""
A foreign graph in operators that every runtime here takes.

What does not depend on the image is computed once and kept as a constant;
functions are written out; ONNX Runtime's own quantised operators become the
float operator between DequantizeLinear and QuantizeLinear.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, inliner, numpy_helper

from alexnet_ros.engine.onnxrt import run_file
from alexnet_ros.training.heads import Graph

MICROSOFT = 'com.microsoft'
UNARY = {  # (x, x_scale, x_zero, y_scale, y_zero)
    'QLinearAveragePool': 'AveragePool',
    'QLinearGlobalAveragePool': 'GlobalAveragePool',
    'QLinearLeakyRelu': 'LeakyRelu',
    'QLinearSigmoid': 'Sigmoid',
    'QLinearSoftmax': 'Softmax',
}
BINARY = {'QLinearAdd': 'Add', 'QLinearMul': 'Mul'}
OWN_ATTRIBUTES = ('channels_last', 'opset')  # of the quantised form alone
MOST_BYTES = 1 << 30


def standardised(model: onnx.ModelProto) -> onnx.ModelProto:
    """
    Return the model in standard operators, with nothing to compute but from the image.

    :raises ValueError: a constant part is larger than a gigabyte.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += _standard(node) if node.domain == MICROSOFT else [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _fold(model)
    if all(node.domain != MICROSOFT for node in model.graph.node):
        others = [item for item in model.opset_import if item.domain in {'', 'ai.onnx'}]
        del model.opset_import[:]
        model.opset_import.extend(others)
    return model


def _standard(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the standard nodes for one of ONNX Runtime's; itself where it is not known."""
    made: list[onnx.NodeProto] = []
    out = node.output[0]
    attributes = {
        a.name: helper.get_attribute_value(a)
        for a in node.attribute
        if a.name not in OWN_ATTRIBUTES
    }

    def plain(place: int, name: str) -> str:
        inputs = [n for n in node.input[place : place + 3] if n]
        made.append(helper.make_node('DequantizeLinear', inputs, [f'{out}/{name}']))
        return f'{out}/{name}'

    def whole(op: str, inputs: list[str], scale: int, **extra: Any) -> list[onnx.NodeProto]:
        made.append(helper.make_node(op, inputs, [f'{out}/float'], **extra))
        ends = [f'{out}/float', *(n for n in node.input[scale : scale + 2] if n)]
        made.append(helper.make_node('QuantizeLinear', ends, [out]))
        return made

    kind = node.op_type
    if kind in UNARY and not _channels_last(node):
        return whole(UNARY[kind], [plain(0, 'x')], 3, **attributes)
    if kind in BINARY:
        return whole(BINARY[kind], [plain(0, 'a'), plain(3, 'b')], 6)
    if kind == 'QLinearConcat':
        parts = [plain(place, f'x{place}') for place in range(2, len(node.input), 3)]
        return whole('Concat', parts, 0, **attributes)
    if kind == 'QGemm':
        inputs = [plain(0, 'a'), plain(3, 'b')]
        if len(node.input) > 6 and node.input[6]:  # int32 in steps of both scales
            steps = helper.make_node('Mul', [node.input[1], node.input[4]], [f'{out}/steps'])
            cast = helper.make_node('Cast', [node.input[6]], [f'{out}/bias_float'], to=1)
            bias = helper.make_node('Mul', [f'{out}/bias_float', f'{out}/steps'], [f'{out}/bias'])
            made += [steps, cast, bias]
            inputs.append(f'{out}/bias')
        if len(node.input) > 8 and node.input[7]:
            return whole('Gemm', inputs, 7, **attributes)
        made.append(helper.make_node('Gemm', inputs, [out], **attributes))
        return made
    return [node]


def _channels_last(node: onnx.NodeProto) -> bool:
    return any(a.name == 'channels_last' and a.i for a in node.attribute)


def _fold(model: onnx.ModelProto) -> None:
    """Compute what does not depend on the image, and keep it as initializers."""
    graph = model.graph
    found = Graph(model)
    still = [node for node in graph.node if not found.moving.intersection(node.output)]
    if all(node.op_type == 'Constant' for node in still):
        return
    made = {name for node in still for name in node.output if name}
    moving = [node for node in graph.node if found.moving.intersection(node.output)]
    wanted = sorted(made & {name for node in moving for name in node.input})
    values = _values(model, still, wanted)
    if sum(value.nbytes for value in values) > MOST_BYTES:
        raise ValueError('the constant part of the graph is larger than a gigabyte')
    del graph.node[:]
    graph.node.extend(moving)
    used = {name for node in moving for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for name, value in zip(wanted, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _values(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], names: list[str]
) -> list[NDArray[Any]]:
    """Run the constant part of a graph alone."""
    if not names:
        return []
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    needed = {name for node in nodes for name in node.input}
    part = helper.make_graph(
        nodes, 'constants', [], outputs, [i for i in model.graph.initializer if i.name in needed]
    )
    whole = helper.make_model(
        part, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
    return run_file(whole.SerializeToString(), {}, names)
