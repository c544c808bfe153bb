"""
A foreign ONNX classifier, walked from its end, in operators that every runtime here takes.

What does not depend on the image is computed once and kept as a constant;
functions are written out; ONNX Runtime's own quantised operators become the
float operator between DequantizeLinear and QuantizeLinear.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import (
    TensorProto,
    compose,
    helper,
    inliner,
    numpy_helper,
    shape_inference,
    version_converter,
)

from alexnet_ros.engine.onnxrt import run_file
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import one_line
from alexnet_ros.postprocess import log_probabilities
from alexnet_ros.training.graph import GraphWriter

PREFIX = 'net/'
OLDEST_OPSET = 9  # below, the nodes added here would need other forms
MICROSOFT = 'com.microsoft'
UNARY = ('AveragePool', 'GlobalAveragePool', 'LeakyRelu', 'Sigmoid', 'Softmax')
BINARY = ('Add', 'Mul')
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
PASSING = (  # change no value, or only its type or shape
    *('Identity', 'Cast', 'Clip', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout'),
    *('QuantizeLinear', 'DequantizeLinear'),
)
SOFTMAX = ('Softmax', 'LogSoftmax')


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
        self._types = {
            value.name: value.type.tensor_type
            for value in (*inferred.input, *inferred.value_info, *inferred.output)
        }

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return a constant's value, None where it is computed."""
        tensor, node = self._values.get(name), self.makers.get(name)
        if tensor is None and node is not None and node.op_type == 'Constant':
            tensor = next((a.t for a in node.attribute if a.name == 'value'), None)
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def before(self, name: str) -> tuple[onnx.NodeProto | None, str]:
        """Return what makes a tensor, and its first input that depends on the image, or ''."""
        node = self.makers.get(name)
        inputs = () if node is None else node.input
        return node, next((n for n in inputs if n in self.moving), '')

    def dims(self, name: str) -> list[int]:
        """Return the known sides of a tensor, 0 for open ones; empty if unknown."""
        kind = self._types.get(name)
        return [dim.dim_value for dim in kind.shape.dim] if kind is not None else []

    def elem(self, name: str) -> int:
        """Return the element type of a tensor, 0 if unknown."""
        return int(self._types[name].elem_type) if name in self._types else 0

    def needed(self, names: set[str]) -> list[onnx.NodeProto]:
        """Return the nodes that some tensors depend on."""
        wanted, kept = set(names), []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
                for attribute in node.attribute:
                    for inner in (attribute.g, *attribute.graphs):
                        wanted.update(name for sub in inner.node for name in sub.input)
        return kept[::-1]


def replace_all(field: Any, items: Any) -> None:
    """Give a repeated field of a protobuf message other items."""
    items = list(items)
    del field[:]
    field.extend(items)


def load_foreign(path: Path) -> onnx.ModelProto:
    """
    Read an ONNX file, its names prefixed, in standard operators that compute from the image alone.

    :raises ModelPackageError: unreadable or not valid.
    """
    try:
        model = onnx.load(path, load_external_data=True)
        onnx.checker.check_model(model)
        opset = next((o.version for o in model.opset_import if o.domain in {'', 'ai.onnx'}), 1)
        if opset < OLDEST_OPSET:
            model = version_converter.convert_version(model, 13)
    except Exception as error:  # protobuf has errors of its own
        raise ModelPackageError(f'{path} is no usable ONNX file: {one_line(error)}') from error
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    replace_all(model.graph.input, inputs)
    if len(inputs) != 1 or not model.graph.output:
        raise ModelPackageError(
            f'{path} must have one input and an output, has {len(inputs)} inputs'
        )
    model.ir_version = max(model.ir_version, 4)  # from 4 on constants need not be inputs
    model = compose.add_prefix(model, PREFIX)
    if model.functions:
        model = inliner.inline_local_functions(model)
    replace_all(model.graph.node, [made for node in model.graph.node for made in standard(node)])
    _fold(model)
    if all(node.domain != MICROSOFT for node in model.graph.node):
        standard_ones = [o for o in model.opset_import if o.domain in {'', 'ai.onnx'}]
        replace_all(model.opset_import, standard_ones)
    return model


def standard(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the standard nodes for one of ONNX Runtime's; itself where it is no such."""
    kind, out, writer = node.op_type.removeprefix('QLinear'), node.output[0], GraphWriter()
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    channels_last = attributes.pop('channels_last', 0)
    attributes.pop('opset', None)

    def plain(place: int, name: str) -> str:
        parts = [n for n in node.input[place : place + 3] if n]
        return writer.node('DequantizeLinear', parts, f'{out}/{name}')

    def whole(op: str, inputs: list[str], scale: int, **extra: Any) -> list[onnx.NodeProto]:
        x = writer.node(op, inputs, f'{out}/float', **extra)
        steps = [n for n in node.input[scale : scale + 2] if n]
        writer.node('QuantizeLinear', [x, *steps], out)
        return writer.nodes

    if node.domain != MICROSOFT:
        return [node]
    if kind in UNARY and not channels_last:  # (x, x_scale, x_zero, y_scale, y_zero)
        return whole(kind, [plain(0, 'x')], 3, **attributes)
    if kind in BINARY:
        return whole(kind, [plain(0, 'a'), plain(3, 'b')], 6)
    if kind == 'Concat':
        parts = [plain(place, f'x{place}') for place in range(2, len(node.input), 3)]
        return whole('Concat', parts, 0, **attributes)
    if kind == 'QGemm':
        inputs = [plain(0, 'a'), plain(3, 'b')]
        if len(node.input) > 6 and node.input[6]:  # int32 in steps of both scales
            steps = writer.node('Mul', [node.input[1], node.input[4]], f'{out}/steps')
            cast = writer.node('Cast', [node.input[6]], f'{out}/bias_float', to=1)
            inputs.append(writer.node('Mul', [cast, steps], f'{out}/bias'))
        if len(node.input) > 8 and node.input[7]:
            return whole('Gemm', inputs, 7, **attributes)
        writer.node('Gemm', inputs, out, **attributes)
        return writer.nodes
    return [node]


def _fold(model: onnx.ModelProto) -> None:
    """Compute what does not depend on the image, and keep it as initializers."""
    graph, moves = model.graph, Graph(model).moving.intersection
    moving = [node for node in graph.node if moves(node.output)]
    still = [node for node in graph.node if not moves(node.output)]
    if all(node.op_type == 'Constant' for node in still):
        return
    used = {name for node in moving for name in node.input}
    wanted = sorted(used & {name for node in still for name in node.output if name})
    values: list[NDArray[Any]] = []
    if wanted:
        outputs = [onnx.ValueInfoProto(name=name) for name in wanted]
        needed = {name for node in still for name in node.input}
        constants = [item for item in graph.initializer if item.name in needed]
        whole = helper.make_model(
            helper.make_graph(still, 'constants', [], outputs, constants),
            opset_imports=list(model.opset_import),
            ir_version=model.ir_version,
        )
        values = run_file(whole.SerializeToString(), {}, wanted)
    replace_all(graph.node, moving)
    replace_all(graph.initializer, [item for item in graph.initializer if item.name in used])
    for name, value in zip(wanted, values, strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


@dataclass(frozen=True)
class Head:
    """
    The end of a classifier.

    :param kind: what the original's output is: ``logits``, ``softmax``,
        ``log``, ``sigmoid``, ``binary`` (one sigmoid), ``argmax`` or
        ``probabilities`` (of an unknown making).
    :param output: the original's output that is looked at.
    :param source: the tensor whose rows are the logits.
    :param raw: the output holds the logits themselves.
    :param quantised: the network is in INT8 already.
    :param half: it has weights in half precision.
    """

    kind: str
    output: str
    source: str
    classes: int
    raw: bool = False
    quantised: bool = False
    half: bool = False

    @property
    def tolerance(self) -> float:
        """Return the difference that rounding explains."""
        return 3e-2 if self.quantised else 1e-2 if self.half else 2e-3

    @property
    def activation(self) -> str:
        """Return what turns the package's logits into probabilities."""
        return 'sigmoid' if self.kind == 'sigmoid' else 'softmax'

    def difference(self, got: NDArray[np.float32], wanted: NDArray[np.float64]) -> float:
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
        own = np.exp(log_probabilities(got, 1.0, self.activation))
        own = own[:, 1:] if self.kind == 'binary' else own
        truth, away = wanted, 0.0
        if self.kind in {'sigmoid', 'binary'} and self.raw:
            truth = np.exp(log_probabilities(wanted.astype(np.float32), 1.0, 'sigmoid'))
        elif self.kind == 'log':
            truth = np.exp(wanted)
        elif self.kind == 'logits':
            truth = np.exp(log_probabilities(wanted.astype(np.float32)))
            away = float(np.abs(got - wanted).max()) / max(float(np.ptp(wanted)), 1e-6)
        if own.shape != truth.shape:
            return float('inf')
        return max(away, float(np.abs(own - truth).max()))


def find_head(found: Graph, asked: str, path: Path) -> Head:
    """
    Find the logits behind a classifier's output.

    :param asked: ``auto``, ``softmax``, ``sigmoid`` or ``probabilities``, which
        is an output that holds them already.
    :raises ModelPackageError: no output of one row an image, or too few classes.
    """
    outputs = [item.name for item in found.graph.output if item.name in found.moving]
    floats = [name for name in outputs if found.elem(name) in FLOATS]
    if not outputs:
        raise ModelPackageError(f'{path}: no output depends on the image')
    output = next((n for n in floats if 2 <= len(found.dims(n)) <= 4), (floats or outputs)[0])
    source, kind, passed = output, '', set()
    while not kind:
        node, before = found.before(source)
        if node is None or not before:
            break
        if node.op_type in SOFTMAX and asked in {'auto', 'softmax'}:
            kind = 'log' if node.op_type == 'LogSoftmax' or 'Log' in passed else 'softmax'
        elif node.op_type == 'Sigmoid' and asked in {'auto', 'sigmoid'}:
            kind = 'sigmoid'
        elif node.op_type == 'ArgMax':
            kind = 'argmax'
            inner, behind = found.before(before)
            if inner is not None and inner.op_type in SOFTMAX:
                before = behind
        elif node.op_type not in PASSING and node.op_type != 'Log':
            break
        passed.add(node.op_type)
        source = before
    if not kind:
        source = output
        kind = {'auto': 'logits', 'softmax': 'logits'}.get(asked, asked)
        if kind == 'logits' and 'Log' in passed:
            kind = 'log'
        if kind == 'logits' and _divides_exponentials(found, output):
            kind = 'probabilities'
    raw = source == output and kind in {'logits', 'sigmoid'}
    source = _floating(found, source)
    sides = found.dims(source) or found.dims(output)
    if kind != 'argmax' and not all(sides[1:]) and all(found.dims(output)[1:]):
        sides = found.dims(output) or sides
    classes = int(np.prod(sides[1:])) if len(sides) > 1 else 0
    if not classes:
        raise ModelPackageError(
            f'{path}: the number of classes of output {output!r} stays open; export it with '
            'fixed sides (all but the batch)'
        )
    if classes == 1 and kind in {'sigmoid', 'logits'}:
        kind, classes = 'binary', 2
    if classes < 2:
        raise ModelPackageError(
            f'{path}: output {output!r} has one value; a classifier needs two classes '
            'or one sigmoid (--head sigmoid)'
        )
    quantised = any(
        'Quantize' in n.op_type or 'Integer' in n.op_type or n.op_type[0] == 'Q'
        for n in found.graph.node
    )
    half = any(i.data_type == TensorProto.FLOAT16 for i in found.graph.initializer)
    return Head(kind, output, source, classes, raw, quantised, half)


def _divides_exponentials(found: Graph, name: str) -> bool:
    """Recognise a softmax written as exp, sum and division."""
    node, before = found.before(name)
    while node is not None and node.op_type in PASSING:
        node, before = found.before(before)
    if node is None or node.op_type != 'Div':
        return False
    makers = [found.makers.get(name) for name in node.input]
    return [m.op_type for m in makers if m is not None] == ['Exp', 'ReduceSum']


def _floating(found: Graph, name: str) -> str:
    """Return a float tensor with the values of an integer one that was dequantised after it."""
    if found.elem(name) in FLOATS or not found.elem(name):
        return name
    readers = (n for n in found.graph.node if n.op_type == 'DequantizeLinear')
    return next((str(n.output[0]) for n in readers if n.input[0] == name), name)
