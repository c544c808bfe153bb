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
    with pytest.raises(ModelPackageError, match='external data'):
        scan_onnx(model.SerializeToString(), 'm')


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
