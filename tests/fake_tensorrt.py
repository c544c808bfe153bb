"""
A stand-in for loading and running an engine without a GPU.

Everything else of TensorRT (enumerations, building, parsing) is the real
module. ``test_fake_nvidia.py`` checks each call against the real bindings'
signatures; the memory that an engine works on is that of ``FakeCuda``.
"""

# ruff: noqa: N802 - the names are those of the bindings

import ctypes
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.fake_builder import (
    FakeBuilder,
    FakeConfig,
    FakeNetwork,
    FakeParser,
    FakeParserError,
    FakeProfile,
    FakeTensor,
    FakeTimingCache,
)
from tests.fake_cuda import FakeCuda
from tests.guard import Guard

INSPECTED = {  # as TensorRT 10's inspector tells a kernel
    'Layers': [
        {
            'Name': 'conv + relu',
            'LayerType': 'CaskConvolution',
            'Inputs': [
                {'Name': 'x', 'Dimensions': [1, 3, 32, 32], 'Format/Datatype': 'Int8 NC/32HW32'}
            ],
            'Outputs': [
                {'Name': 'y', 'Dimensions': [1, 64, 32, 32], 'Format/Datatype': 'Int8 NC/32HW32'}
            ],
            'Weights': {'Type': 'Int8', 'Count': 1728},
            'Bias': {'Type': 'Float', 'Count': 64},
            'Metadata': '[ONNX Layer: conv]\x1e[ONNX Layer: relu]',
        }
    ],
    'Bindings': ['image', 'logits', 'features'],
}
PLAN_MAGIC = (b'ftrt', b'vtrt')  # what plans of TensorRT and of TensorRT for RTX begin with


class FakeTensorRt:
    """
    The real TensorRT module, but engines load without a GPU.

    What a loaded engine computes comes from ONNX Runtime.

    :param onnx: the network that every plan stands for.
    :param hidden: names that this version does not have.
    """

    def __init__(self, real: Any, cuda: FakeCuda, onnx: bytes, hidden: tuple[str, ...] = ()):
        self.real = real
        self.cuda = cuda
        self.session = onnxruntime.InferenceSession(onnx, providers=['CPUExecutionProvider'])
        self.hidden = hidden
        self.refuse_plans = 0
        self.batches = (1, 4, 16)
        self.contexts_left = 1 << 30
        self.kernel_blobs: list[bytes] = []
        self.hosts: list[FakeRuntime] = []
        self.network_flags: list[int] = []
        self.flags: list[Any] = []  # set on the builder's configuration

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get('hidden', ()):
            raise AttributeError(name)
        return getattr(self.real, name)

    def Runtime(self, logger: Any) -> 'FakeRuntime':
        del logger
        self.hosts.append(FakeRuntime(self))
        return self.hosts[-1]


class FakeRuntime:
    """``Runtime``."""

    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self.engine_host_code_allowed = False
        self.DLA_core = -1

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> 'FakeEngine | None':
        assert serialized_engine[:4] in PLAN_MAGIC, 'bytes that are no plan reached TensorRT'
        if self._trt.refuse_plans:
            self._trt.refuse_plans -= 1
            return None
        return FakeEngine(self._trt)


class FakeEngine:
    """``ICudaEngine``: tensors as the ONNX file has them."""

    device_memory_size = device_memory_size_v2 = 4096

    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        session = trt.session
        self._inputs = {tensor.name: tensor for tensor in session.get_inputs()}
        self._tensors = self._inputs | {tensor.name: tensor for tensor in session.get_outputs()}
        self.num_io_tensors = len(self._tensors)
        self.batches = trt.batches

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        mode = self._trt.real.TensorIOMode
        return mode.INPUT if name in self._inputs else mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        types = {'tensor(uint8)': 'UINT8', 'tensor(float)': 'FLOAT', 'tensor(float16)': 'HALF'}
        return getattr(self._trt.real.DataType, types[self._tensors[name].type])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(-1 if isinstance(d, str) else d for d in self._tensors[name].shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert profile_index == 0
        rest = self.get_tensor_shape(name)[1:]
        return [(batch, *rest) for batch in self.batches]

    def create_engine_inspector(self) -> 'FakeInspector':
        return FakeInspector()

    def create_runtime_config(self) -> 'FakeRuntimeConfig':
        return FakeRuntimeConfig(self._trt)

    def create_execution_context(self, strategy: Any) -> 'FakeContext | None':
        classic = not isinstance(strategy, FakeRuntimeConfig)
        kinds = self._trt.real.ExecutionContextAllocationStrategy
        assert not classic or strategy == kinds.USER_MANAGED
        if self._trt.contexts_left < 1:
            return None
        self._trt.contexts_left -= 1
        return FakeContext(self._trt, self, needs_memory=classic)


class FakeInspector:
    """``EngineInspector``."""

    def get_engine_information(self, format: Any) -> str:  # noqa: A002 - the binding's name
        del format
        return json.dumps(INSPECTED)


class FakeRuntimeConfig:
    """``IRuntimeConfig`` and ``IRuntimeCache`` of TensorRT for RTX."""

    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self.cuda_graph_strategy: Any = None
        self.dynamic_shapes_kernel_specialization_strategy: Any = None

    def create_runtime_cache(self) -> 'FakeRuntimeCache':
        return FakeRuntimeCache(self._trt)

    def set_runtime_cache(self, cache: 'FakeRuntimeCache') -> bool:
        return isinstance(cache, FakeRuntimeCache)


class FakeRuntimeCache:
    """``IRuntimeCache``: remembers what it was given."""

    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt

    def deserialize(self, blob: bytes) -> bool:
        self._trt.kernel_blobs.append(blob)
        return True

    def serialize(self) -> bytes:
        return b'compiled kernels'


class FakeContext:
    """``IExecutionContext``: reads and writes device memory when the stream runs."""

    def __init__(self, trt: FakeTensorRt, engine: FakeEngine, *, needs_memory: bool) -> None:
        self._trt = trt
        self._engine = engine
        self._ready = not needs_memory
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}

    @property
    def device_memory(self) -> int:
        return 0

    @device_memory.setter
    def device_memory(self, memory: int) -> None:  # how it was done before 10.1
        self.set_device_memory(memory, self._engine.device_memory_size)

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        assert size >= self._engine.device_memory_size_v2
        self._ready = ('device', memory) in self._trt.cuda.live

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == 'image'
        low, _, high = self._engine.batches
        self._shape = shape
        return low <= shape[0] <= high

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return memory in self._trt.cuda.memory

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert ('stream', stream_handle) in self._trt.cuda.live
        assert self._ready, 'the context has no scratch memory'
        shape, addresses = self._shape, dict(self._addresses)
        if {self._trt.cuda.pending, self._trt.cuda.ruined} != {'cudaSuccess'}:
            return False

        def work() -> None:
            image = _view(addresses['image'], shape, np.uint8)
            names = [name for name in addresses if name != 'image']
            results = self._trt.session.run(names, {'image': image})
            for name, value in zip(names, results, strict=True):
                _view(addresses[name], value.shape, value.dtype)[:] = value

        self._trt.cuda.push(work)
        return True


def _view(address: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = (ctypes.c_uint8 * size).from_address(address)
    return np.frombuffer(raw, dtype).reshape(shape)


KINDS = {
    FakeBuilder: 'Builder',
    FakeNetwork: 'INetworkDefinition',
    FakeTensor: 'ITensor',
    FakeParser: 'OnnxParser',
    FakeParserError: 'ParserError',
    FakeConfig: 'IBuilderConfig',
    FakeProfile: 'IOptimizationProfile',
    FakeTimingCache: 'ITimingCache',
    FakeRuntime: 'Runtime',
    FakeEngine: 'ICudaEngine',
    FakeInspector: 'EngineInspector',
    FakeRuntimeConfig: 'IRuntimeConfig',
    FakeRuntimeCache: 'IRuntimeCache',
    FakeContext: 'IExecutionContext',
}


class RecordedTensorRt:
    """
    The module ``tensorrt`` of one recorded version, over the stand-ins above.

    :param version: in the table, such as ``10.3`` or ``RTX 1.7``.
    """

    def __init__(
        self, version: str, names: Mapping[str, Any], cuda: FakeCuda, onnx: bytes
    ) -> None:
        self.__version__ = version
        self.guard = Guard(version, names, KINDS)
        self.state = FakeTensorRt(self, cuda, onnx)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        guard, state = self.guard, self.__dict__['state']
        if name in {'ILogger', 'IProgressMonitor'}:
            return self._base(name)
        made: dict[str, Callable[..., Any]] = {
            'Builder': lambda _logger: FakeBuilder(state),
            'Runtime': state.Runtime,
            'OnnxParser': lambda network, _logger: FakeParser(network),
        }
        if name in made:
            return Class(guard, name, made[name])
        members = guard.members(name)
        if members is not None:
            return members
        played = {kind: fake for fake, kind in KINDS.items()}
        if name in played and any(one.startswith(f'{name}.') for one in guard.names):
            return Class(guard, name, None)
        raise AttributeError(f'version {guard.version} has no {name}')

    def _base(self, name: str) -> Any:
        guard = self.guard
        made = guard.function(f'{name}()', lambda: None)
        calls = {
            full: guard.ask(full)
            for full, forms in guard.names.items()
            if full.startswith(f'{name}.') and isinstance(forms, list)
        }

        class Base:
            """What the package derives from."""

            def __init__(self) -> None:
                made()
                for full, forms in calls.items():
                    # Called by the library, with these arguments.
                    own = inspect.signature(getattr(self, full.rpartition('.')[2]))
                    own.bind(*forms[0])

        if name == 'ILogger':
            Base.Severity = guard.members('ILogger.Severity')  # type: ignore[attr-defined]
        return Base


class Class:
    """A class of the recorded module: can be called and asked for its methods."""

    def __init__(self, guard: Guard, kind: str, make: Callable[..., Any] | None) -> None:
        self._guard = guard
        self._kind = kind
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self._make is not None
        return self._guard.function(f'{self._kind}()', self._make)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._guard.ask(f'{self._kind}.{name}')
