"""
An FP16 network from an INT8 file, for builders that cannot take the latter well.

TensorRT for RTX runs INT8 convolutions without an epilogue and so slower than
FP16, and some TensorRT versions fail on Q/DQ networks of some GPUs. The INT8
file holds all that FP16 needs (docs/decisions/fp16-from-int8.md).
"""

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from alexnet_ros.errors import EngineUnavailableError


def can_convert() -> bool:
    """Say whether the ``onnx`` package is here, which the conversion needs."""
    return importlib.util.find_spec('onnx') is not None


def half_from_int8(onnx_bytes: bytes) -> bytes:
    """
    Return the same network in FP16.

    What stands before the first QuantizeLinear (normalisation) stays in FP32; behind
    it the steps on activations go, weights are multiplied out, and the outputs
    are float32 again.

    :param onnx_bytes: a file with symmetric Q/DQ, weights in INT8.
    :raises EngineUnavailableError: the ``onnx`` package is missing.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise EngineUnavailableError(
            f'an INT8 file cannot be turned into FP16 ({error}); pip install onnx'
        ) from error
    model = onnx.load_from_string(onnx_bytes)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    before = _before_the_first_step(graph.node, made_by)
    renamed: dict[str, str] = {}
    halves: dict[str, Any] = {}  # FP16 constants by name

    def half(name: str) -> str:
        """Return what an input of an FP16 node is called now."""
        name = renamed.get(name, name)
        if name in constants and constants[name].dtype == np.float32:
            halves[f'{name}_half'] = constants[name].astype(np.float16)
            return f'{name}_half'
        return name

    nodes = [node for node in graph.node if node.output[0] in before]
    outputs = {value.name for value in graph.output}
    for node in graph.node:
        if node.output[0] in before:
            continue
        source = renamed.get(node.input[0], node.input[0])
        if node.op_type == 'QuantizeLinear':
            if source in before:
                entry = f'{source}_half'
                if not any(entry in one.output for one in nodes):
                    nodes.append(
                        helper.make_node('Cast', [source], [entry], entry, to=TensorProto.FLOAT16)
                    )
                source = entry
            renamed[node.output[0]] = source
        elif node.op_type == 'DequantizeLinear':
            if source in constants:
                halves[node.output[0]] = _weights(node, constants)
            else:
                renamed[node.output[0]] = source
        else:
            kept = onnx.NodeProto()
            kept.CopyFrom(node)
            plain = 1 if node.op_type == 'Resize' else len(node.input)  # its scales stay float32
            kept.input[:] = [half(n) for n in node.input[:plain]] + node.input[plain:]
            kept.output[:] = [f'{n}_half' if n in outputs else n for n in node.output]
            renamed |= {n: f'{n}_half' for n in node.output if n in outputs}
            nodes.append(kept)
    nodes += [
        helper.make_node('Cast', [f'{name}_half'], [name], f'{name}_float', to=TensorProto.FLOAT)
        for name in sorted(outputs)
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept_constants = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept_constants)
    graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in halves.items())
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _before_the_first_step(nodes: Any, made_by: Mapping[str, Any]) -> set[str]:
    """Return the values that the first quantised activation is made from."""
    first = next(n for n in nodes if n.op_type == 'QuantizeLinear')
    found, open_names = set[str](), [first.input[0]]
    while open_names:
        name = open_names.pop()
        if name in made_by and name not in found:
            found.add(name)
            open_names += made_by[name].input
    return found


def _weights(node: Any, constants: Mapping[str, Any]) -> Any:
    """Return (O, ...) INT8 weights times their step, as FP16."""
    whole, step = constants[node.input[0]].astype(np.float32), constants[node.input[1]]
    axis = next((a.i for a in node.attribute if a.name == 'axis'), 1)
    shape = [1] * whole.ndim
    if step.ndim:
        shape[axis] = -1
    zero = constants[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.zeros(())
    return ((whole - zero.reshape(shape if zero.ndim else ())) * step.reshape(shape)).astype(
        np.float16
    )
