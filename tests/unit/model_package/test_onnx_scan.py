"""What is read of an ONNX file before any runtime sees it."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package.onnx_scan import TensorShape, scan_onnx
from tests.models import colour_model


def test_scan_tells_inputs_and_outputs() -> None:
    found = scan_onnx(colour_model(5, (16, 24)).SerializeToString(), 'm')
    assert found.inputs == {'image': TensorShape('uint8', (None, 16, 24, 3))}
    assert found.outputs['logits'] == TensorShape('float32', (None, 5))
    assert found.outputs['features'] == TensorShape('float32', (None, 4096))


def hide(model: onnx.ModelProto, place: str) -> None:
    """Put a tensor with external data into a seldom used place of a model."""
    tensor = onnx.TensorProto(name='t', data_type=1, dims=[1], data_location=1)
    attribute = onnx.AttributeProto(name='value', type=onnx.AttributeProto.TENSOR, t=tensor)
    if place == 'attribute':
        model.graph.node[0].attribute.append(attribute)
    elif place == 'tensors':
        model.graph.node[0].attribute.add(name='v', tensors=[tensor])
    elif place == 'sparse':
        model.graph.sparse_initializer.add(values=tensor)
    elif place == 'function':
        function = model.functions.add(name='f', domain='d')
        function.node.add(op_type='Constant').attribute.append(attribute)
    elif place == 'subgraph':
        inner = model.graph.node[0].attribute.add(name='g').g.node.add(op_type='If')
        inner.attribute.add(name='body').graphs.add().initializer.append(tensor)
    else:
        model.training_info.add().algorithm.initializer.append(tensor)


@pytest.mark.parametrize(
    'place', ['attribute', 'tensors', 'sparse', 'function', 'subgraph', 'training']
)
def test_external_data_is_found_wherever_it_hides(place: str) -> None:
    model = colour_model()
    scan_onnx(model.SerializeToString(), 'm')
    hide(model, place)
    with pytest.raises(ModelPackageError, match='not allowed'):
        scan_onnx(model.SerializeToString(), 'm')


def varint(value: int, length: int = 0) -> bytes:
    """Write a number, in more bytes than it needs if asked."""
    found = bytearray()
    while value > 0x7F or len(found) + 1 < length:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes, *, length: int = 0) -> bytes:
    """Write a field of bytes, its tag in more bytes than it needs if asked."""
    return varint(number << 3 | 2, length) + varint(len(content)) + content


@pytest.mark.parametrize('number', [13, 14, 1, 9])
@pytest.mark.parametrize('length', [2, 3, 5, 9])
def test_a_tag_that_is_longer_than_it_needs_is_refused(number: int, length: int) -> None:
    location = field(1, b'location') + field(2, b'secret.bin')
    tensor = field(number, location, length=length)
    with pytest.raises(ModelPackageError, match=r'shortest form|truncated'):
        scan_onnx(field(7, field(5, tensor)), 'm')


def test_a_tag_beyond_32_bits_is_refused() -> None:
    hidden = varint((13 << 3 | 2) + (1 << 32)) + varint(3) + b'abc'
    with pytest.raises(ModelPackageError, match='unknown field'):
        scan_onnx(field(7, field(5, hidden)), 'm')


def test_a_length_in_a_longer_form_is_refused() -> None:
    with pytest.raises(ModelPackageError, match='shortest form'):
        scan_onnx(b'\x3a\x80\x00', 'm')


@pytest.mark.parametrize('number', [7, 2])
def test_a_field_that_comes_twice_is_refused(number: int) -> None:
    data = colour_model().SerializeToString() + field(number, b'') * 2
    with pytest.raises(ModelPackageError, match='twice'):
        scan_onnx(data, 'm')


@pytest.mark.parametrize(
    ('kind', 'domain'),
    [
        ('Loop', ''),
        ('If', ''),
        ('Scan', ''),
        ('SequenceMap', ''),
        ('ConstantOfShape', ''),
        ('Expand', ''),
        ('Tile', ''),
        ('Range', ''),
        ('RandomNormal', ''),
        ('NonZero', ''),
        ('Relu', 'com.microsoft'),
        ('Made\x1bUp', ''),
    ],
)
def test_an_operator_that_may_run_on_or_grow_is_refused(kind: str, domain: str) -> None:
    model = colour_model()
    model.graph.node.add(op_type=kind, domain=domain, input=['image'], output=['x'])
    with pytest.raises(ModelPackageError, match='not allowed here') as caught:
        scan_onnx(model.SerializeToString(), 'm')
    assert str(caught.value).isprintable()


def sized_by(source: list[onnx.NodeProto], kind: str, place: int) -> onnx.ModelProto:
    """Return a model in which a node's input at a place is ``size``, which ``source`` makes."""
    model = colour_model()
    nodes = list(model.graph.node)
    inputs = ['nchw'] + [''] * (place - 1) + ['size']
    added = [*source, onnx.helper.make_node(kind, inputs, ['sized'])]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:2], *added, *nodes[2:]])
    return model


SEEN = [
    onnx.helper.make_node('ReduceMax', ['float'], ['most'], keepdims=0),
    onnx.helper.make_node('Cast', ['most'], ['number'], to=7),
    onnx.helper.make_node('Unsqueeze', ['number'], ['size']),
]
SHAPE = [
    onnx.helper.make_node('Shape', ['nchw'], ['all']),
    onnx.helper.make_node('Gather', ['all', 'all'], ['size']),
]


@pytest.mark.parametrize(
    ('kind', 'place'),
    [
        *(('Pad', 1), ('Reshape', 1), ('Resize', 2), ('Resize', 3), ('Slice', 1), ('Slice', 2)),
        *(('TopK', 1), ('Split', 1), ('ReduceSum', 1), ('Unsqueeze', 1)),
    ],
)
def test_a_size_out_of_what_a_picture_shows_is_refused(kind: str, place: int) -> None:
    """A trial with black pictures cannot tell what such a model takes."""
    with pytest.raises(ModelPackageError, match=f'a {kind} whose size depends on what'):
        scan_onnx(sized_by(SEEN, kind, place).SerializeToString(), 'm')
    scan_onnx(sized_by(SHAPE, kind, place).SerializeToString(), 'm')


def test_a_node_before_what_it_works_on_is_refused() -> None:
    """Else it is not seen where its sizes come from."""
    model = sized_by(SEEN[::-1], 'Pad', 1)
    with pytest.raises(ModelPackageError, match='before what it works on'):
        scan_onnx(model.SerializeToString(), 'm')


@pytest.mark.parametrize('dims', [[1 << 40], [1 << 20, 1 << 20], [4], [-1], [1] * 17])
def test_a_weight_without_its_data_is_refused(dims: list[int]) -> None:
    model = colour_model()
    model.graph.initializer.add(name='w', data_type=1, dims=dims)
    with pytest.raises(ModelPackageError, match='without data'):
        scan_onnx(model.SerializeToString(), 'm')


def test_more_nodes_or_parts_than_any_network_has_are_refused() -> None:
    model = colour_model()
    for index in range(4001):
        model.graph.node.add(op_type='Relu', input=['image'], output=[str(index)])
    with pytest.raises(ModelPackageError, match='at most 4000'):
        scan_onnx(model.SerializeToString(), 'm')
    with pytest.raises(ModelPackageError, match='more than 100000 parts'):
        scan_onnx(field(14, b'') * 100_001, 'm')


ONNX = colour_model().SerializeToString()


@given(st.lists(st.tuples(st.integers(0, len(ONNX) - 1), st.integers(0, 255)), max_size=8))
def test_altered_models_are_scanned_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(ONNX)
    for place, value in changes:
        data[place] = value
    try:
        scan_onnx(bytes(data), 'm')
    except ModelPackageError as error:
        assert '\n' not in str(error)  # noqa: PT017 - both outcomes are right


@given(st.binary(max_size=400))
def test_any_bytes_are_scanned_or_refused(data: bytes) -> None:
    try:
        scan_onnx(data, 'm')
    except ModelPackageError as error:
        assert str(error).startswith('m: ')  # noqa: PT017
