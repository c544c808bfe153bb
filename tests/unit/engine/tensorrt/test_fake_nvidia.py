"""The stand-ins for CUDA and TensorRT have the real bindings' names and arguments."""

import inspect
import re

import pytest

real_cuda = pytest.importorskip('cuda.bindings.runtime', reason='cuda-python is not installed')
trt = pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT for RTX is not installed')

from alexnet_ros.engine.tensorrt import contexts as trt_contexts  # noqa: E402
from alexnet_ros.engine.tensorrt import cuda  # noqa: E402
from alexnet_ros.engine.tensorrt import session as trt_session  # noqa: E402
from tests import fake_cuda, fake_tensorrt  # noqa: E402

CUDA_CALLS = [name for name in vars(fake_cuda.FakeCuda) if name.startswith('cuda')]
REAL_CLASSES = {  # stand-in: the class of the real bindings
    fake_tensorrt.FakeRuntime: 'Runtime',
    fake_tensorrt.FakeEngine: 'ICudaEngine',
    fake_tensorrt.FakeRuntimeConfig: 'IRuntimeConfig',
    fake_tensorrt.FakeRuntimeCache: 'IRuntimeCache',
    fake_tensorrt.FakeContext: 'IExecutionContext',
}
METHODS = [
    (fake, name)
    for fake in REAL_CLASSES
    for name, value in vars(fake).items()
    if not name.startswith('_') and callable(value)
]
VALUES = {  # attributes that the engine reads or sets
    'Runtime': ('engine_host_code_allowed', 'DLA_core'),
    'ICudaEngine': ('num_io_tensors', 'device_memory_size_v2'),
    'IRuntimeConfig': ('cuda_graph_strategy', 'dynamic_shapes_kernel_specialization_strategy'),
}


def parameters(function: object) -> list[str]:
    found = list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    return [name for name in found if name != 'self']


@pytest.mark.parametrize('name', CUDA_CALLS)
def test_cuda_call_has_the_arguments_of_cuda_python(name: str) -> None:
    real = getattr(real_cuda, name)
    assert parameters(getattr(fake_cuda.FakeCuda, name)) == parameters(real)


@pytest.mark.parametrize(('fake', 'name'), METHODS)
def test_tensorrt_call_has_the_arguments_of_the_bindings(fake: type, name: str) -> None:
    real = getattr(getattr(trt, REAL_CLASSES[fake]), name)
    overloads = [
        re.findall(r'(?:\(|, )(\w+): ', line.split('->')[0])
        for line in real.__doc__.splitlines()
        if re.match(rf'(\d+\. )?{name}\(', line) and '*args' not in line
    ]
    wanted = parameters(getattr(fake, name))
    assert wanted in [[a for a in names if a != 'self'] for names in overloads]


@pytest.mark.parametrize(('kind', 'name'), [(k, n) for k, names in VALUES.items() for n in names])
def test_tensorrt_attribute_exists(kind: str, name: str) -> None:
    assert hasattr(getattr(trt, kind), name)


def test_engine_calls_nothing_that_the_stand_in_lacks() -> None:
    source = ''.join(inspect.getsource(module) for module in (cuda, trt_contexts, trt_session))
    called = set(re.findall(r"'(cuda[A-Z][A-Za-z0-9]+)'", source))
    called -= {name for name in called if name.startswith(('cudaError', 'cudaSuccess'))}
    called |= set(re.findall(r'runtime\.(cuda[A-Z]\w+)\(', source))
    assert called <= set(CUDA_CALLS)


def test_error_names_exist() -> None:
    names = {member.name for member in real_cuda.cudaError_t}
    assert set(cuda.STICKY) <= names
    assert set(cuda.NO_DRIVER) <= names
