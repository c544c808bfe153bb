"""
What an ONNX file takes and gives, read without loading it.

A model is refused before a runtime sees it, so this module walks the protobuf
wire format itself: a few thousand fields are visited, weights are skipped by
their length. The node therefore needs no ``onnx`` package, and nothing that
the file names is opened.

What the runtime's own parser might read otherwise is refused: numbers that are
not written in their shortest form, fields that are unknown or come twice, and
whatever may hold a second file, a loop or a size out of nothing. Field numbers
are those of ``onnx.proto`` (ONNX 1.23).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import one_line

MAX_FIELDS = 100_000  # AlexNet has about a thousand; bounds the time on hostile files
MAX_NODES = 4_000
ELEMENT_TYPES = {1: 'float32', 2: 'uint8', 3: 'int8', 6: 'int32', 7: 'int64', 10: 'float16'}
OPERATORS = frozenset(
    # Gives no more values than it takes, or no more than its weights and the size of
    # the image allow. Left out: control flow, what makes a size out of a number
    # (ConstantOfShape, Expand, Tile, Range, EyeLike, OneHot, Random*), and what keeps a state.
    """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Clip Concat
    Constant Conv ConvInteger ConvTranspose Cos DepthToSpace DequantizeLinear Div Dropout
    DynamicQuantizeLinear Elu Equal Erf Exp Flatten Floor Gather Gelu Gemm GlobalAveragePool
    GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity
    InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    LpNormalization MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod
    Mul Neg Not Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear Reciprocal ReduceL2
    ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape
    Sigmoid Sign Sin Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh
    ThresholdedRelu TopK Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - a list of strings would be three times as long
)
# Their second and further inputs are sizes or axes: never out of what a picture shows,
# for then what a model takes would not be known before the picture comes.
SIZED = frozenset('Pad Reshape Resize Slice Split Squeeze TopK Unsqueeze'.split())  # noqa: SIM905
# message: field number -> what it holds: a (v)arint, (s)tring, (f)loat, (d)ouble or another
# message; * may come more than once, numbers then also packed.
_SCHEMA: dict[str, dict[int, str]] = {
    'model': dict(enumerate(['v', 's', 's', 's', 'v', 's', 'graph', '*opset'], 1)) | {14: '*pair'},
    'opset': {1: 's', 2: 'v'},
    'pair': {1: 's', 2: 's'},
    'graph': {1: '*node', 2: 's', 5: '*tensor', 10: 's', 14: '*annotation', 16: '*pair'}
    | dict.fromkeys((11, 12, 13), '*value'),
    'annotation': {1: 's', 2: '*pair'},
    'node': dict(enumerate(['*s', '*s', 's', 's', '*attribute', 's', 's', 's', '*pair'], 1)),
    'attribute': {1: 's', 2: 'f', 3: 'v', 4: 's', 5: 'tensor', 7: '*f', 8: '*v', 9: '*s'}
    | {13: 's', 20: 'v', 21: 's'},
    'tensor': {1: '*v', 2: 'v', 4: '*f', 5: '*v', 6: '*s', 7: '*v', 8: 's', 9: 's', 10: '*d'}
    | {11: '*v', 12: 's', 14: 'v', 16: '*pair'},
    'value': {1: 's', 2: 'type', 3: 's', 4: '*pair'},
    'type': {1: 'tensor_type', 6: 's'},
    'tensor_type': {1: 'v', 2: 'shape'},
    'shape': {1: '*dim'},
    'dim': {1: 'v', 2: 's', 3: 's'},
}
_REFUSED = {
    ('model', 20): 'a graph for training',
    ('model', 25): 'functions of its own',
    ('graph', 15): 'sparse weights',
    ('attribute', 6): 'graphs inside of nodes',
    ('attribute', 11): 'graphs inside of nodes',
    ('tensor', 3): 'weights in segments',
    ('tensor', 13): 'weights in another file (external data)',
}
_WIRES = {'v': 0, 'd': 1, 'f': 5}  # all else is wire type 2: its length stands before it
_DATA = {4: 32, 5: 32, 6: 8, 7: 64, 9: 1, 10: 64, 11: 64}  # of a tensor: where values lie


@dataclass(frozen=True, slots=True)
class TensorShape:
    """
    One input or output of a graph.

    :param dtype: as in NumPy, or ``type N`` for one that no model here uses.
    :param dims: sizes; None where any size goes.
    """

    dtype: str
    dims: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class GraphSummary:
    """What a graph takes and gives."""

    inputs: dict[str, TensorShape] = field(default_factory=dict)
    outputs: dict[str, TensorShape] = field(default_factory=dict)


@dataclass(slots=True)
class _Message:
    """The fields of one message: the numbers, and the spans of what is longer."""

    numbers: dict[int, list[int]] = field(default_factory=dict)
    spans: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def number(self, key: int, default: int = 0) -> int:
        return self.numbers.get(key, [default])[0]


class _Reader:
    """Walks the fields of nested messages and counts them."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.visited = 0

    def refuse(self, why: str) -> ModelPackageError:
        return ModelPackageError(f'{self.name}: {why}; export the model again')

    def varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or value >> 64:
                    raise self.refuse('has a number that is not in its shortest form')
                return value, at
            shift += 7
        raise self.refuse('is not an ONNX file or is truncated')

    def varints(self, start: int, end: int) -> Iterator[int]:
        at = start
        while at < end:
            self.count()
            value, at = self.varint(at, end)
            yield value

    def count(self) -> None:
        self.visited += 1
        if self.visited > MAX_FIELDS:
            raise self.refuse(f'has more than {MAX_FIELDS} parts')

    def message(self, kind: str, span: tuple[int, int]) -> _Message:
        """Read the fields of a message, not what its own messages hold."""
        found = _Message()
        schema = _SCHEMA[kind]
        at, end = span
        while at < end:
            self.count()
            key, at = self.varint(at, end)
            number, wire = key >> 3, key & 7
            holds = schema.get(number, '')
            if not holds or key >> 32:
                if kind == 'model' and (kind, number) not in _REFUSED:
                    raise self.refuse('is not an ONNX file or has an unknown field')
                what = _REFUSED.get((kind, number), f'an unknown field ({kind} {number})')
                raise self.refuse(f'has {what}, which is not allowed')
            repeated, holds = holds[0] == '*', holds.removeprefix('*')
            right = _WIRES.get(holds, 2)
            if wire != right and not (repeated and wire == 2):
                raise self.refuse('is not an ONNX file')
            if not repeated and (number in found.numbers or number in found.spans):
                raise self.refuse(f'has a field twice ({kind} {number})')
            if wire == 0:
                value, at = self.varint(at, end)
                found.numbers.setdefault(number, []).append(value)
                continue
            length, at = (4, at) if wire == 5 else (8, at) if wire == 1 else self.varint(at, end)
            if at + length > end:
                raise self.refuse('is not an ONNX file or is truncated')
            found.spans.setdefault(number, []).append((at, at + length))
            at += length
        return found

    def nested(self, parent: _Message, kind: str, number: int) -> Iterator[_Message]:
        """Read the messages in a field."""
        holds = _SCHEMA[kind][number].removeprefix('*')
        for span in parent.spans.get(number, ()):
            yield self.message(holds, span)

    def texts(self, message: _Message, number: int) -> list[str]:
        """Read the strings in a field; two that differ stay different."""
        spans = message.spans.get(number, ())
        return [self.data[start:end].decode('utf-8', 'backslashreplace') for start, end in spans]

    def text(self, message: _Message, number: int) -> str:
        return ''.join(self.texts(message, number)[:1])


def scan_onnx(data: bytes, name: str | Path) -> GraphSummary:
    """
    Check that an ONNX file stands alone and is bounded, and tell what it takes and gives.

    :raises ModelPackageError: no ONNX file, cut short, written in a form that
        parsers read differently, a part that may load something else or run
        without end, an operator that is not in ``OPERATORS``, or a weight
        whose size is not that of its data.
    """
    reader = _Reader(data, str(name))
    model = reader.message('model', (0, len(data)))
    graphs = list(reader.nested(model, 'model', 7))
    if not graphs:
        raise reader.refuse('holds no graph')
    graph = graphs[0]
    found = GraphSummary()
    for kind, number in (('model', 8), ('model', 14), ('graph', 14), ('graph', 16)):
        for part in reader.nested(model if kind == 'model' else graph, kind, number):
            if number == 14 and kind == 'graph':
                list(reader.nested(part, 'annotation', 2))
    nodes = len(graph.spans.get(1, ()))
    if nodes > MAX_NODES:
        raise reader.refuse(f'has {nodes} nodes, expected at most {MAX_NODES}')
    weights = []
    for tensor in reader.nested(graph, 'graph', 5):
        _check_tensor(reader, tensor)
        weights.append(reader.text(tensor, 8))
    for number, shapes in ((11, found.inputs), (12, found.outputs), (13, {})):
        for value in reader.nested(graph, 'graph', number):
            own, shape = _value_info(reader, value)
            if own in shapes:
                raise reader.refuse(f'has two values called {one_line(own)!r:.60}')
            shapes[own] = shape
    shown = {'image', *found.inputs}  # computed from what a picture shows
    known = {'', *weights, *shown}
    for node in reader.nested(graph, 'graph', 1):
        _check_node(reader, node)
        kind = reader.text(node, 4)
        inputs, outputs = (reader.texts(node, number) for number in (1, 2))
        if not known.issuperset(inputs):
            raise reader.refuse('has a node before what it works on')
        if (kind in SIZED or kind.startswith('Reduce')) and not shown.isdisjoint(inputs[1:]):
            raise reader.refuse(f'has a {kind} whose size depends on what the image shows')
        if kind != 'Shape' and not shown.isdisjoint(inputs):
            shown.update(outputs)
        known.update(outputs)
    return found


def _check_node(reader: _Reader, node: _Message) -> None:
    """Check a node and its attributes."""
    kind, domain = reader.text(node, 4), reader.text(node, 7)
    if kind not in OPERATORS or domain not in {'', 'ai.onnx'}:
        place = f' of {one_line(domain)!r:.60}' if domain else ''
        raise reader.refuse(f'uses the operator {one_line(kind)!r:.60}{place}, not allowed here')
    list(reader.nested(node, 'node', 9))
    for attribute in reader.nested(node, 'node', 5):
        for tensor in reader.nested(attribute, 'attribute', 5):
            _check_tensor(reader, tensor)
        for span in attribute.spans.get(8, ()):
            list(reader.varints(*span))


def _check_tensor(reader: _Reader, tensor: _Message) -> None:
    """Refuse weights that lie elsewhere, and a size that the data do not have."""
    list(reader.nested(tensor, 'tensor', 16))
    if tensor.number(14) != 0:
        raise reader.refuse('has weights in another file (external data), which is not allowed')
    dims = [*tensor.numbers.get(1, ())]
    for span in tensor.spans.get(1, ()):
        dims += reader.varints(*span)
    held = 0  # bits of data, or for packed numbers the most that they can stand for
    for number, size in _DATA.items():
        held += size * len(tensor.numbers.get(number, ()))
        for start, end in tensor.spans.get(number, ()):
            held += (end - start) * 8 if size > 1 or number == 9 else 8
    smallest = 4  # bits: int4 is the smallest type
    if len(dims) > 16 or any(size >> 31 for size in dims) or math.prod(dims) * smallest > held:
        raise reader.refuse(f'has a weight of the size {dims[:8]} without data for it')


def _value_info(reader: _Reader, value: _Message) -> tuple[str, TensorShape]:
    """Read a ValueInfoProto: its name, element type and sizes."""
    list(reader.nested(value, 'value', 4))
    dtype = 'type 0'
    dims: list[int | None] = []
    for kind in reader.nested(value, 'value', 2):
        for tensor in reader.nested(kind, 'type', 1):
            number = tensor.number(1)
            dtype = ELEMENT_TYPES.get(number, f'type {number}')
            for shape in reader.nested(tensor, 'tensor_type', 2):
                for dim in reader.nested(shape, 'shape', 1):
                    sizes = dim.numbers.get(1)
                    # As a signed number of 64 bits.
                    dims.append((sizes[0] ^ 1 << 63) - (1 << 63) if sizes else None)
    return reader.text(value, 1), TensorShape(dtype, tuple(dims))
