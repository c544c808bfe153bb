"""
A stand-in for loading and running an engine without a GPU.

Everything else of TensorRT (enumerations, building, parsing) is the real
module. ``test_fake_nvidia.py`` checks each call against the real bindings'
signatures; the memory that an engine works on is that of ``FakeCuda``.
"""

# ruff: noqa: N802 - the names are those of the bindings

import ctypes
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.fake_cuda import FakeCuda

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

    device_memory_size_v2 = 4096

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
        self.refuse_runs = 0

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
