"""
NVIDIA's CUDA runtime through cuda-python, with errors told apart.

This is the only file that imports ``cuda``. Nothing here needs a GPU to be
imported; :func:`load_cuda` says why none can be used.
"""

import ctypes
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_ros.errors import EngineFatalError, EngineRunError, EngineUnavailableError

# Errors after which every further call in the process fails too ("must be
# terminated and relaunched" in the CUDA Runtime API's list of error codes).
STICKY = frozenset(
    {
        'cudaErrorECCUncorrectable',
        'cudaErrorHardwareStackError',
        'cudaErrorIllegalAddress',
        'cudaErrorIllegalInstruction',
        'cudaErrorInvalidAddressSpace',
        'cudaErrorInvalidPc',
        'cudaErrorLaunchFailure',
        'cudaErrorLaunchTimeout',
        'cudaErrorMisalignedAddress',
        'cudaErrorNvlinkUncorrectable',
        'cudaErrorAssert',
        'cudaErrorContextIsDestroyed',
        'cudaErrorExternalDevice',
        'cudaErrorContained',
        'cudaErrorTensorMemoryLeak',
        'cudaErrorUnknown',
    }
)
NO_DRIVER = {
    'cudaErrorInsufficientDriver': 'no NVIDIA driver, or one older than the CUDA library needs',
    'cudaErrorNoDevice': 'the NVIDIA driver is there but no GPU is visible',
    'cudaErrorStubLibrary': 'only the stub of the NVIDIA driver is installed',
    'cudaErrorSystemDriverMismatch': 'kernel module and driver library differ in version',
    'cudaErrorCompatNotSupportedOnDevice': 'this GPU does not support the CUDA version in use',
    'cudaErrorSystemNotReady': 'the NVIDIA driver is not ready yet',
}


class DeviceOutOfMemoryError(EngineRunError):
    """The GPU has no memory left for what was asked; less may fit."""


@dataclass(frozen=True, slots=True)
class Device:
    """
    One GPU.

    :param compute_capability: such as ``8.7`` for Orin.
    :param integrated: shares its memory with the CPU, as on a Jetson.
    :param driver: driver or L4T release, with the CUDA version it supports.
    """

    index: int
    name: str
    compute_capability: str
    integrated: bool
    driver: str

    def __str__(self) -> str:
        """Name it for people."""
        return f'{self.name} (sm_{self.compute_capability.replace(".", "")})'


def load_cuda() -> 'Cuda':
    """Load cuda-python and find a driver, or raise EngineUnavailableError with the remedy."""
    cuda = Cuda(_runtime_module())
    try:
        status, count = cuda.runtime.cudaGetDeviceCount()
    except RuntimeError as error:  # cuda-python before 12.9, where the driver's library is missing
        raise EngineUnavailableError(f'no NVIDIA driver ({error})') from error
    name = cuda.name(status)
    if name != 'cudaSuccess':
        raise EngineUnavailableError(f'{NO_DRIVER.get(name, "CUDA cannot start")} ({name})')
    if not count:
        raise EngineUnavailableError('the NVIDIA driver is there but no GPU is visible')
    return cuda


def _runtime_module() -> Any:
    try:
        from cuda.bindings import runtime

        return runtime
    except ImportError:
        try:
            from cuda import cudart  # cuda-python before 12.8

            return cudart
        except (ImportError, RuntimeError) as error:
            raise EngineUnavailableError(
                f'cuda-python cannot be imported ({error}); install the cuda-python wheel of '
                'the CUDA version in use'
            ) from error


def driver_release() -> str:
    """Return the kernel driver's release: L4T's on a Jetson, else NVIDIA's."""
    for path, pattern in (
        ('/etc/nv_tegra_release', r'R(\d+).*?REVISION:\s*([\d.]+)'),
        ('/proc/driver/nvidia/version', r'Kernel Module.*?\s(\d+\.[\d.]+)'),
    ):
        try:
            found = re.search(pattern, Path(path).read_text(errors='replace'))
        except OSError:
            continue
        if found:
            return ('L4T ' if 'tegra' in path else '') + '.'.join(found.groups())
    return 'unknown'


class Cuda:
    """
    The CUDA runtime calls that the engines use, each checked.

    Call it from the thread that owns the device. A failing call raises
    :class:`DeviceOutOfMemoryError`, :class:`EngineFatalError` for an error
    that only a new process cures, or :class:`EngineRunError`.
    """

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def name(self, status: Any) -> str:
        """Return the name of a status, such as ``cudaErrorIllegalAddress``."""
        return str(getattr(status, 'name', status))

    def call(self, function: str, *args: Any) -> Any:
        """Call a runtime function; return its result without the status, several as a tuple."""
        status, *results = getattr(self.runtime, function)(*args)
        name = self.name(status)
        if name == 'cudaSuccess':
            return results[0] if len(results) == 1 else tuple(results)
        raise self.error(name, function)

    def error(self, name: str, where: str) -> EngineRunError:
        """Return the exception that a failed status stands for."""
        if name == 'cudaErrorMemoryAllocation':
            return DeviceOutOfMemoryError(f'the GPU is out of memory ({where})')
        if name in STICKY:
            return EngineFatalError(
                f'{where} failed with {name}: the CUDA context is lost, the process must be '
                'restarted'
            )
        return EngineRunError(f'{where} failed with {name}')

    def last_error(self, where: str) -> EngineRunError | None:
        """
        Take and return the error that work of another library left behind.

        TensorRT brings a CUDA runtime of its own, whose last error is not seen
        here; what ruined the common context is told by the next synchronisation.
        """
        for function in ('cudaGetLastError', 'cudaDeviceSynchronize'):
            (status,) = getattr(self.runtime, function)()
            name = self.name(status)
            if name != 'cudaSuccess':
                return self.error(name, where)
        return None

    def device(self, index: int = 0) -> Device:
        """Describe one GPU."""
        kind = self.runtime.cudaDeviceAttr
        major, minor, integrated = (
            int(self.call('cudaDeviceGetAttribute', getattr(kind, f'cudaDevAttr{name}'), index))
            for name in ('ComputeCapabilityMajor', 'ComputeCapabilityMinor', 'Integrated')
        )
        raw = self.call('cudaGetDeviceProperties', index).name
        name = raw.decode(errors='replace') if isinstance(raw, bytes) else str(raw)
        version = int(self.call('cudaDriverGetVersion'))
        driver = f'{driver_release()}, CUDA {version // 1000}.{version % 1000 // 10}'
        return Device(
            index, name.strip('\0 ') or 'GPU', f'{major}.{minor}', bool(integrated), driver
        )

    def use(self, index: int) -> None:
        """Make a GPU the calling thread's."""
        self.call('cudaSetDevice', index)

    def stream(self) -> Any:
        """Create a stream that does not wait for the default one."""
        return self.call('cudaStreamCreateWithFlags', int(self.runtime.cudaStreamNonBlocking))


class DeviceBuffer:
    """
    Memory that both sides see, allocated once.

    On an integrated GPU it is one mapped allocation; elsewhere pinned host
    memory beside device memory, moved by :meth:`upload` and :meth:`download`.

    :param shape: of the array, largest batch first.
    :param mapped: one allocation for both sides.
    """

    def __init__(
        self, cuda: Cuda, shape: Sequence[int], dtype: DTypeLike, *, mapped: bool
    ) -> None:
        self._cuda = cuda
        self._mapped = mapped
        kind = np.dtype(dtype)
        count = int(np.prod(shape))
        self._nbytes = max(count * kind.itemsize, 1)
        self.row_bytes = self._nbytes // max(int(shape[0]), 1)
        self._device = 0
        runtime = cuda.runtime
        flag = runtime.cudaHostAllocMapped if mapped else runtime.cudaHostAllocDefault
        self._host = int(cuda.call('cudaHostAlloc', self._nbytes, int(flag)))
        try:
            if mapped:
                self._device = int(cuda.call('cudaHostGetDevicePointer', self._host, 0))
            else:
                self._device = int(cuda.call('cudaMalloc', self._nbytes))
        except EngineRunError:
            self.free()
            raise
        raw = (ctypes.c_uint8 * self._nbytes).from_address(self._host)
        flat: NDArray[Any] = np.ctypeslib.as_array(raw)[: count * kind.itemsize].view(kind)
        self.array = flat.reshape(tuple(shape))  # (max_batch, ...), host side

    @property
    def address(self) -> int:
        """Device address."""
        return self._device

    def upload(self, rows: int, stream: Any) -> None:
        """Queue the copy of the first rows to the GPU."""
        kinds = self._cuda.runtime.cudaMemcpyKind
        self._copy(self._device, self._host, rows, kinds.cudaMemcpyHostToDevice, stream)

    def download(self, rows: int, stream: Any) -> None:
        """Queue the copy of the first rows from the GPU."""
        kinds = self._cuda.runtime.cudaMemcpyKind
        self._copy(self._host, self._device, rows, kinds.cudaMemcpyDeviceToHost, stream)

    def _copy(self, to: int, source: int, rows: int, kind: Any, stream: Any) -> None:
        if not self._mapped:
            size = rows * self.row_bytes
            self._cuda.call('cudaMemcpyAsync', to, source, size, kind, stream)

    def free(self) -> None:
        """Give the memory back; :attr:`array` must not be used any more."""
        if self._device and not self._mapped:
            self._cuda.call('cudaFree', self._device)
        if self._host:
            self._cuda.call('cudaFreeHost', self._host)
        self._device = self._host = 0


def machine() -> str:
    """Return operating system and processor, which engines depend on."""
    return f'{platform.system()} {platform.machine()}'.lower()
