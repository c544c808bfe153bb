"""
What an ONNX file takes, gives and refers to, read without loading it.

A model is refused before a runtime sees it, so this module walks the protobuf
wire format itself: a few hundred fields are visited, weights are skipped by
their length. The node therefore needs no ``onnx`` package, and nothing that
the file names is opened. Field numbers are those of ``onnx.proto`` (ONNX 1.23).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.errors import ModelPackageError

MAX_FIELDS = 400_000  # AlexNet has about a thousand; bounds the time on hostile files
MAX_DEPTH = 24
ELEMENT_TYPES = {1: 'float32', 2: 'uint8', 3: 'int8', 6: 'int32', 7: 'int64', 10: 'float16'}

_TENSOR = 'tensor'
_FOLLOW: dict[str, dict[int, str]] = {  # message: field number -> message of that field
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'graph': {1: 'node', 5: _TENSOR, 15: 'sparse'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'node': {5: 'attribute'},
    'attribute': {5: _TENSOR, 6: 'graph', 10: _TENSOR, 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of TensorProto
_GRAPH_INPUT, _GRAPH_OUTPUT = 11, 12  # of GraphProto


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
    """Inputs and outputs of a graph by name."""

    inputs: dict[str, TensorShape]
    outputs: dict[str, TensorShape]


class _Reader:
    """Walks the fields of nested messages and counts them."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = memoryview(data)
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
                return value, at
            shift += 7
        raise self.refuse('is no ONNX file or is cut short')

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield field number, value or 0, and the span of a nested content."""
        at = start
        while at < end:
            self.visited += 1
            if self.visited > MAX_FIELDS:
                raise self.refuse(f'has more than {MAX_FIELDS} parts')
            key, at = self.varint(at, end)
            number, wire = key >> 3, key & 7
            value, content = 0, at
            if wire == 0:
                value, at = self.varint(at, end)
            elif wire == 1:
                at += 8
            elif wire == 2:
                length, content = self.varint(at, end)
                at = content + length
            elif wire == 5:
                at += 4
            else:
                raise self.refuse('is no ONNX file')
            if at > end or number == 0:
                raise self.refuse('is no ONNX file or is cut short')
            yield number, value, content, at


def scan_onnx(data: bytes, name: str | Path) -> GraphSummary:
    """
    Check that an ONNX file stands alone, and tell its inputs and outputs.

    :param data: the whole file.
    :param name: how messages call it.
    :raises ModelPackageError: no ONNX file, cut short, or any tensor of it
        (weights, attributes, sub-graphs, functions, sparse ones) is kept in
        another file.
    """
    reader = _Reader(data, str(name))
    inputs: dict[str, TensorShape] = {}
    outputs: dict[str, TensorShape] = {}
    graphs = 0
    todo = [('model', 0, len(data), 0)]
    while todo:
        kind, start, end, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise reader.refuse(f'is nested more than {MAX_DEPTH} deep')
        follow = _FOLLOW[kind]
        for number, value, begin, stop in reader.fields(start, end):
            if kind == _TENSOR:
                outside = number == _DATA_LOCATION and value != 0
                if number == _EXTERNAL_DATA or outside:
                    raise reader.refuse('keeps weights in another file (external data)')
            elif kind == 'graph' and depth == 1 and number in {_GRAPH_INPUT, _GRAPH_OUTPUT}:
                found, shape = _value_info(reader, begin, stop)
                (inputs if number == _GRAPH_INPUT else outputs)[found] = shape
            if number in follow:
                todo.append((follow[number], begin, stop, depth + 1))
                graphs += kind == 'model' and number == 7
    if graphs != 1:
        raise reader.refuse('holds no graph')
    return GraphSummary(inputs, outputs)


def _value_info(reader: _Reader, start: int, end: int) -> tuple[str, TensorShape]:
    """Read a ValueInfoProto: name = 1, type = 2 (tensor_type = 1)."""
    name = ''
    dtype = 'type 0'
    dims: list[int | None] = []
    for number, _, begin, stop in reader.fields(start, end):
        if number == 1:
            name = bytes(reader.data[begin:stop]).decode('utf-8', 'replace')
        elif number == 2:
            for kind, _, inner, inner_stop in reader.fields(begin, stop):
                if kind == 1:
                    dtype, dims = _tensor_type(reader, inner, inner_stop)
    return name, TensorShape(dtype, tuple(dims))


def _tensor_type(reader: _Reader, start: int, end: int) -> tuple[str, list[int | None]]:
    """Read a TypeProto.Tensor: elem_type = 1, shape = 2 (dim = 1, dim_value = 1)."""
    dtype = 'type 0'
    dims: list[int | None] = []
    for number, value, begin, stop in reader.fields(start, end):
        if number == 1:
            dtype = ELEMENT_TYPES.get(value, f'type {value}')
        elif number == 2:
            for part, _, inner, inner_stop in reader.fields(begin, stop):
                if part == 1:
                    sizes = [v for n, v, _, _ in reader.fields(inner, inner_stop) if n == 1]
                    dims.append(_signed(sizes[-1]) if sizes else None)
    return dtype, dims


def _signed(value: int) -> int:
    """Read a 64-bit varint as a signed number."""
    number: int = struct.unpack('<q', struct.pack('<Q', value & (2**64 - 1)))[0]
    return number
