"""Looking through the end of a foreign classifier: its logits, and its features."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from alexnet_ros.errors import ModelPackageError

PASSING = (  # change no value, or only its type or shape
    'Identity', 'Cast', 'Clip', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout',
    'QuantizeLinear', 'DequantizeLinear',
)  # fmt: skip
WEIGHTED = (
    'Gemm', 'MatMul', 'Conv', 'QLinearConv', 'QLinearMatMul', 'MatMulInteger', 'ConvInteger',
)  # fmt: skip
SOFTMAX = ('Softmax', 'LogSoftmax')
SIGMOID = ('Sigmoid',)
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
LEAST = 1e-7  # probability taken for zero where only probabilities are there
HEADS = ('auto', 'softmax', 'sigmoid', 'probabilities')
"""How scores become probabilities; ``probabilities`` is an output that holds them already."""


class Graph:
    """
    A graph to be walked from its end.

    ``moving`` are the tensors that depend on the image, all others are constants.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.makers = {name: node for node in self.graph.node for name in node.output if name}
        self._values = {item.name: item for item in self.graph.initializer}
        self.moving = {item.name for item in self.graph.input}
        for node in self.graph.node:
            if self.moving.intersection(node.input):
                self.moving.update(node.output)
        try:
            inferred = shape_inference.infer_shapes(model, data_prop=True).graph
        except Exception:  # noqa: BLE001 - an operator that it does not know
            inferred = self.graph
        self.types = {
            value.name: value.type.tensor_type
            for value in (*inferred.input, *inferred.value_info, *inferred.output)
        }

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return a constant's value, None where it is computed."""
        if name in self._values:
            return np.asarray(numpy_helper.to_array(self._values[name]))
        node = self.makers.get(name)
        if node is not None and node.op_type == 'Constant':
            tensor = next((a.t for a in node.attribute if a.name == 'value'), None)
            return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))
        return None

    def main_input(self, node: onnx.NodeProto) -> str | None:
        """Return the first input that depends on the image."""
        return next((name for name in node.input if name in self.moving), None)

    def dims(self, name: str) -> list[int]:
        """Return the known sides of a tensor, 0 for open ones; empty if unknown."""
        kind = self.types.get(name)
        return [dim.dim_value for dim in kind.shape.dim] if kind is not None else []

    def elem(self, name: str) -> int:
        """Return the element type of a tensor, 0 if unknown."""
        kind = self.types.get(name)
        return int(kind.elem_type) if kind is not None else 0

    def needed(self, *ends: Any) -> list[onnx.NodeProto]:
        """Return the nodes that some tensors, or the inputs of some nodes, depend on."""
        wanted: set[str] = set()
        for end in ends:
            names = [end] if isinstance(end, str) else [n for node in end for n in node.input]
            wanted.update(names)
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
                for attribute in node.attribute:
                    for inner in (attribute.g, *attribute.graphs):
                        wanted.update(name for sub in inner.node for name in sub.input)
        return kept[::-1]


@dataclass(frozen=True)
class Head:
    """
    The end of a classifier.

    :param kind: what the original's output is: ``softmax``, ``sigmoid``
        (several classes), ``binary`` (one sigmoid or its logit), ``logits``,
        ``argmax`` or ``probabilities``.
    :param output: the original's output that was taken.
    :param source: the tensor of the graph from which ``nodes`` make ``logits``.
    :param activation: for the package's scores.
    :param raw: the original's output is the logits themselves.
    :param quantised: the network is in INT8 already.
    """

    kind: str
    output: str
    source: str
    classes: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    tolerance: float = 2e-3
    raw: bool = False
    quantised: bool = False

    @property
    def activation(self) -> str:
        """Return what turns the package's logits into probabilities."""
        return 'sigmoid' if self.kind == 'sigmoid' else 'softmax'

    def difference(self, got: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
        """
        Return how far the package is from the original.

        :param got: the package's logits (N, C).
        :param wanted: the original's output (N, C), (N, 1) or class ids (N, 1).
        :returns: largest difference of a probability, or of the logits over their spread.
        """
        if got.shape != (len(wanted), self.classes) or not np.isfinite(got).all():
            return float('inf')
        if self.kind == 'argmax':
            picked = np.take_along_axis(got, wanted.astype(np.int64), 1)[:, 0]
            return float((got.max(1) - picked).max() / max(float(np.ptp(got)), 1e-9))
        if self.kind in {'sigmoid', 'binary'}:
            own = got if self.kind == 'sigmoid' else got[:, 1:] - got[:, :1]
            truth = _sigmoid(wanted) if self.raw else wanted
            return float(np.abs(_sigmoid(own) - truth).max())
        own, truth = _softmax(got), wanted
        if self.kind == 'log':
            truth = np.exp(wanted)
        elif self.kind == 'logits':
            scale = max(float(np.ptp(wanted)), 1e-6)
            return max(
                float(np.abs(got - wanted).max()) / scale,
                float(np.abs(own - _softmax(wanted)).max()),
            )
        return float(np.abs(own - truth).max()) if own.shape == truth.shape else float('inf')


def _softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    parts = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(parts / parts.sum(1, keepdims=True))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def find_head(found: Graph, asked: str, path: Path) -> Head:
    """
    Find the logits behind a classifier's output.

    :param asked: one of :data:`HEADS`.
    :raises ModelPackageError: no output of one row an image, or too few classes.
    """
    outputs = [item.name for item in found.graph.output if item.name in found.moving]
    floats = [name for name in outputs if found.elem(name) in FLOATS]
    if not outputs:
        raise ModelPackageError(f'{path}: no output depends on the image')
    output = next((n for n in floats if 2 <= len(found.dims(n)) <= 4), (floats or outputs)[0])
    source, kind, passed = output, '', []
    while kind == '':
        node = found.makers.get(source)
        if node is None:
            break
        before = found.main_input(node)
        if before is None:
            break
        if node.op_type in SOFTMAX and asked in {'auto', 'softmax'}:
            kind = 'log' if node.op_type == 'LogSoftmax' else 'softmax'
            if 'Log' in passed:
                kind = 'log'
        elif node.op_type in SIGMOID and asked in {'auto', 'sigmoid'}:
            kind = 'sigmoid'
        elif node.op_type == 'ArgMax':
            kind = 'argmax'
        elif node.op_type not in PASSING and node.op_type != 'Log':
            break
        passed.append(node.op_type)
        source = before
        if kind == 'argmax':
            inner = found.makers.get(source)
            if inner is not None and inner.op_type in SOFTMAX:
                source = found.main_input(inner) or source
    if not kind:
        source = output
        kind = {'auto': 'logits', 'softmax': 'logits'}.get(asked, asked)
        if kind == 'logits' and 'Log' in passed:
            kind = 'log'
        if kind == 'logits' and _is_division_of_exponentials(found, output):
            kind = 'probabilities'
    raw = source == output and kind in {'logits', 'sigmoid'}
    return _finished(found, kind, output, _floating(found, source), path, raw=raw)


def _is_division_of_exponentials(found: Graph, name: str) -> bool:
    """Recognise a softmax written as exp, sum and division."""
    node = found.makers.get(name)
    while node is not None and node.op_type in PASSING:
        node = found.makers.get(found.main_input(node) or '')
    if node is None or node.op_type != 'Div':
        return False
    upper = found.makers.get(node.input[0])
    lower = found.makers.get(node.input[1])
    return (
        upper is not None
        and lower is not None
        and upper.op_type == 'Exp'
        and lower.op_type == 'ReduceSum'
    )


def _floating(found: Graph, name: str) -> str:
    """Return a float tensor with the values of an integer one that was dequantised after it."""
    if found.elem(name) in FLOATS or not found.elem(name):
        return name
    for node in found.graph.node:
        if node.op_type == 'DequantizeLinear' and node.input[0] == name:
            return str(node.output[0])
    return name


def _finished(found: Graph, kind: str, output: str, source: str, path: Path, *, raw: bool) -> Head:
    """Add the nodes from the source to ``logits``."""
    dims = found.dims(source) or found.dims(output)
    if kind != 'argmax' and not all(dims[1:]):
        other = found.dims(output)
        dims = other if other and all(other[1:]) else dims
    classes = int(np.prod(dims[1:])) if len(dims) > 1 else 0
    if not classes:
        raise ModelPackageError(
            f'{path}: the number of classes of output {output!r} stays open; export it with '
            'fixed sides (all but the batch)'
        )
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def node(op: str, inputs: list[str], out: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def number(name: str, value: float) -> str:
        constants.append(numpy_helper.from_array(np.float32(value), name))
        return name

    x = node('Flatten', [source], 'rows', axis=1)
    x = node('Cast', [x], 'rows_float', to=TensorProto.FLOAT)
    quantised = any(
        'Quantize' in n.op_type or 'Integer' in n.op_type or n.op_type[0] == 'Q'
        for n in found.graph.node
    )
    half = any(i.data_type == TensorProto.FLOAT16 for i in found.graph.initializer)
    if kind == 'probabilities':
        x = node('Max', [x, number('least', LEAST)], 'rows_kept')
        x = node('Log', [x], 'rows_log')
    if classes == 1 and kind in {'sigmoid', 'logits'}:
        kind, classes = 'binary', 2
        up = node('Mul', [x, number('plus_half', 0.5)], 'rows_half')
        down = node('Neg', [up], 'rows_minus')
        x = node('Concat', [down, up], 'rows_two', axis=1)
    if classes < 2:
        raise ModelPackageError(
            f'{path}: output {output!r} has one value; a classifier needs two classes '
            'or one sigmoid (--head sigmoid)'
        )
    node('Identity', [x], 'logits')
    tolerance = 3e-2 if quantised else 1e-2 if half else 2e-3
    return Head(kind, output, source, classes, nodes, constants, tolerance, raw, quantised)


def features_of(found: Graph, logits: str) -> tuple[list[onnx.NodeProto], int]:
    """
    Return the nodes that make ``features``, and how many values they are.

    The features are the input of the last layer with weights, averaged over
    places where it is a map; where no such layer is found, the logits.
    """
    name = logits
    for _ in range(200):
        node = found.makers.get(name)
        before = None if node is None else found.main_input(node)
        if node is None or before is None:
            break
        name = before
        if node.op_type in WEIGHTED:
            return _feature_nodes(found, name, node)
    return [helper.make_node('Identity', ['logits'], ['features'])], 0


def _feature_nodes(
    found: Graph, name: str, layer: onnx.NodeProto
) -> tuple[list[onnx.NodeProto], int]:
    nodes: list[onnx.NodeProto] = []
    dims = found.dims(name)
    maker = found.makers.get(name)
    kinds = (TensorProto.UINT8, TensorProto.INT8)
    if found.elem(name) in kinds or (not found.elem(name) and layer.op_type[0] == 'Q'):
        if maker is not None and 'Quantize' in maker.op_type:
            name = maker.input[0]
            dims = found.dims(name) or dims
        else:
            scale, zero = layer.input[1], layer.input[2]
            nodes.append(
                helper.make_node('DequantizeLinear', [name, scale, zero], ['features_whole'])
            )
            name = 'features_whole'
    if len(dims) == 4 and 'Conv' in layer.op_type:
        nodes.append(helper.make_node('GlobalAveragePool', [name], ['features_mean']))
        name, width = 'features_mean', dims[1]
    elif len(dims) > 1:
        width = int(np.prod([side or 0 for side in dims[1:]]))
    else:
        width = 0
    nodes += [
        helper.make_node('Flatten', [name], ['features_rows'], axis=1),
        helper.make_node('Cast', ['features_rows'], ['features'], to=TensorProto.FLOAT),
    ]
    return nodes, width
