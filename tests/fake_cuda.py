"""
A stand-in for the CUDA runtime: device memory, streams, graphs, over host memory.

``test_fake_nvidia.py`` checks each call against the real bindings' signatures.
Work is queued on a stream and done only when the stream is synchronised, so
that code which forgets to wait fails its test.
"""

# ruff: noqa: N802 - the names are those of the bindings

import ctypes
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from cuda.bindings import runtime as real_cuda

from tests.guard import Guard

Operation = Callable[[], None]


class FakeCuda:
    """
    The CUDA runtime's functions over host memory, with the real enumerations.

    :param device_bytes: memory of the device; more gives cudaErrorMemoryAllocation.
    """

    def __init__(
        self,
        *,
        integrated: bool = False,
        device_bytes: int = 1 << 30,
        capability: tuple[int, int] = (8, 6),
    ) -> None:
        self.capability = capability
        self.integrated = integrated
        self.device_bytes = device_bytes
        self.failures: dict[str, list[str]] = {}  # function: errors of its next calls
        self.calls: list[str] = []
        self.live: dict[Any, str] = {}  # handle or address: kind
        self.memory: dict[int, Any] = {}
        self.threads: set[int] = set()
        self.queue: list[Operation] = []
        self.capturing: list[Operation] | None = None
        self.graphs: dict[int, list[Operation]] = {}
        self.pending = 'cudaSuccess'
        self.ruined = 'cudaSuccess'  # what broke the context, told by synchronising
        self.hang: threading.Event | None = None
        self._next = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        value = getattr(real_cuda, name)
        if callable(value) and not isinstance(value, type):
            raise AttributeError(name)  # noqa: TRY004 - not played here, as by getattr's rules
        return value

    def fail(self, function: str, *errors: str) -> None:
        """Let the next calls of a function fail; ``cudaSuccess`` lets one pass."""
        self.failures.setdefault(function, []).extend(errors)

    def _status(self, function: str, *, owned: bool = True) -> Any:
        self.calls.append(function)
        if owned:
            self.threads.add(threading.get_ident())
        planned = self.failures.get(function)
        name = planned.pop(0) if planned else 'cudaSuccess'
        return getattr(real_cuda.cudaError_t, name)

    def _made(self, function: str, make: Callable[[], int]) -> tuple[Any, int]:
        status = self._status(function)
        return status, make() if status.value == 0 else 0

    def _handle(self, kind: str) -> int:
        self._next += 1
        self.live[kind, self._next] = kind
        return self._next

    def _gone(self, kind: str, handle: int) -> None:
        del self.live[kind, handle]

    def _allocate(self, kind: str, size: int) -> int:
        block = ctypes.create_string_buffer(size + 256)
        address = (ctypes.addressof(block) + 255) & ~255
        self.memory[address] = block
        self.live[kind, address] = kind
        return address

    def _used(self) -> int:
        return sum(len(self.memory[a]) for kind, a in self.live if kind == 'device')

    def cudaGetDeviceCount(self) -> tuple[Any, int]:
        return self._status('cudaGetDeviceCount', owned=False), 1

    def cudaDeviceGetAttribute(self, attr: Any, device: int) -> tuple[Any, int]:
        del device
        values = {
            'cudaDevAttrComputeCapabilityMajor': self.capability[0],
            'cudaDevAttrComputeCapabilityMinor': self.capability[1],
            'cudaDevAttrIntegrated': int(self.integrated),
        }
        return self._status('cudaDeviceGetAttribute', owned=False), values[attr.name]

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, Any]:
        del device
        properties = SimpleNamespace(name=b'Pretend GPU')
        return self._status('cudaGetDeviceProperties', owned=False), properties

    def cudaDriverGetVersion(self) -> tuple[Any, int]:
        return self._status('cudaDriverGetVersion', owned=False), 13000

    def cudaSetDevice(self, device: int) -> tuple[Any]:
        del device
        return (self._status('cudaSetDevice'),)

    def cudaGetLastError(self) -> tuple[Any]:
        self._status('cudaGetLastError')
        name, self.pending = self.pending, 'cudaSuccess'
        return (getattr(real_cuda.cudaError_t, name),)

    def cudaDeviceSynchronize(self) -> tuple[Any]:
        self._status('cudaDeviceSynchronize')
        return (getattr(real_cuda.cudaError_t, self.ruined),)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, int]:
        assert flags == int(real_cuda.cudaStreamNonBlocking)
        return self._made('cudaStreamCreateWithFlags', lambda: self._handle('stream'))

    def cudaStreamDestroy(self, stream: int) -> tuple[Any]:
        self._gone('stream', stream)
        return (self._status('cudaStreamDestroy'),)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any]:
        assert ('stream', stream) in self.live
        if self.hang is not None:
            self.hang.wait()
        operations, self.queue = self.queue, []
        status = self._status('cudaStreamSynchronize')
        for operation in operations:
            operation()
        return (status,)

    def cudaMalloc(self, size: int) -> tuple[Any, int]:
        status = self._status('cudaMalloc')
        if status.value == 0 and self._used() + size > self.device_bytes:
            status = real_cuda.cudaError_t.cudaErrorMemoryAllocation
        return status, self._allocate('device', size) if status.value == 0 else 0

    def cudaFree(self, devPtr: int) -> tuple[Any]:  # noqa: N803 - the binding's name
        self._gone('device', devPtr)
        del self.memory[devPtr]
        return (self._status('cudaFree'),)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, int]:
        mapped = flags == int(real_cuda.cudaHostAllocMapped)
        assert mapped == self.integrated
        return self._made('cudaHostAlloc', lambda: self._allocate('host', size))

    def cudaFreeHost(self, ptr: int) -> tuple[Any]:
        self._gone('host', ptr)
        del self.memory[ptr]
        return (self._status('cudaFreeHost'),)

    def cudaHostGetDevicePointer(self, pHost: int, flags: int) -> tuple[Any, int]:  # noqa: N803
        assert flags == 0
        return self._status('cudaHostGetDevicePointer'), pHost

    def cudaMemcpyAsync(
        self, dst: int, src: int, count: int, kind: Any, stream: int
    ) -> tuple[Any]:
        assert ('stream', stream) in self.live
        kinds = real_cuda.cudaMemcpyKind
        ends = {kinds.cudaMemcpyHostToDevice: 'host', kinds.cudaMemcpyDeviceToHost: 'device'}
        assert (ends[kind], src) in self.live
        self.push(lambda: ctypes.memmove(dst, src, count))
        return (self._status('cudaMemcpyAsync'),)

    def push(self, operation: Operation | Callable[[], Any]) -> None:
        """Queue work, or record it while a graph is being captured."""
        (self.queue if self.capturing is None else self.capturing).append(operation)

    def cudaStreamBeginCapture(self, stream: int, mode: Any) -> tuple[Any]:
        assert isinstance(mode, real_cuda.cudaStreamCaptureMode)
        assert not self.queue, 'capture began before the stream was idle'
        del stream
        status = self._status('cudaStreamBeginCapture')
        self.capturing = [] if status.value == 0 else None
        return (status,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, int]:
        del stream
        recorded, self.capturing = self.capturing, None
        assert recorded is not None
        status, handle = self._made('cudaStreamEndCapture', lambda: self._handle('graph'))
        self.graphs[handle] = recorded
        return status, handle

    def cudaGraphInstantiateWithFlags(self, graph: int, flags: int) -> tuple[Any, int]:
        assert flags == 0
        status, handle = self._made(
            'cudaGraphInstantiateWithFlags', lambda: self._handle('graph exec')
        )
        self.graphs[handle] = self.graphs[graph]
        return status, handle

    def cudaGraphDestroy(self, graph: int) -> tuple[Any]:
        self._gone('graph', graph)
        return (self._status('cudaGraphDestroy'),)

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> tuple[Any]:  # noqa: N803
        assert ('graph exec', graphExec) in self.live
        del stream
        for operation in self.graphs[graphExec]:
            self.push(operation)
        return (self._status('cudaGraphLaunch'),)

    def cudaGraphExecDestroy(self, graphExec: int) -> tuple[Any]:  # noqa: N803
        self._gone('graph exec', graphExec)
        return (self._status('cudaGraphExecDestroy'),)


class RecordedCuda:
    """
    The module of CUDA runtime functions of one recorded version.

    :param fake: does the work.
    """

    def __init__(self, version: str, names: Mapping[str, Any], fake: FakeCuda) -> None:
        self.guard = Guard(version, names, {})
        self.fake = fake

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        guard = self.guard
        if isinstance(guard.names.get(name), list):
            return guard.function(name, getattr(self.fake, name))
        if any(one.startswith(f'{name}.') for one in guard.names):
            return RecordedEnum(guard, name)
        guard.ask(name)
        return getattr(self.fake, name)


class RecordedEnum:
    """A real enumeration with the recorded members."""

    def __init__(self, guard: Guard, kind: str) -> None:
        self._guard = guard
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        self._guard.ask(f'{self._kind}.{name}')
        return getattr(getattr(real_cuda, self._kind), name)
