"""
The CUDA side of a TensorRT engine; used by one thread only.

Everything that belongs to the GPU is made, used and released here, in the
thread that :class:`TensorRtEngine` keeps for it.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.contexts import ContextPool, NativeContexts, SlotContexts
from alexnet_ros.engine.tensorrt.cuda import Cuda, Device, DeviceBuffer, DeviceOutOfMemoryError
from alexnet_ros.errors import (
    EngineFatalError,
    EngineMismatchError,
    EngineRunError,
    EngineUnavailableError,
)
from alexnet_ros.records import Outputs

INPUT = 'image'
DTYPES: Mapping[str, DTypeLike] = {'UINT8': np.uint8, 'FLOAT': np.float32, 'HALF': np.float16}
log = logging.getLogger(__name__)


class DeviceSession:
    """
    One engine on one GPU: buffers, contexts, graphs.

    :param plan: the serialised engine, verified before it comes here.
    :param kernels: what an earlier process compiled for this GPU, verified
        likewise; only TensorRT for RTX has that.
    :param has_features: the network gives fc7 too; a finder does not.
    :raises EngineMismatchError: TensorRT refuses the engine, or it is not for
        this network.
    :raises DeviceOutOfMemoryError: it does not fit into the GPU's memory.
    """

    def __init__(
        self,
        api: TensorRtApi,
        cuda: Cuda,
        device: Device,
        plan: bytes,
        *,
        settings: TensorRtSettings,
        kernels: bytes = b'',
        has_features: bool = True,
    ) -> None:
        self.has_features = has_features
        self._api = api
        self._cuda = cuda
        self._device = device
        self._runtime: Any = None
        self._engine: Any = None
        self._contexts: ContextPool | None = None
        self._buffers: dict[str, DeviceBuffer] = {}
        self._stream: Any = None
        cuda.use(device.index)
        try:
            self._start(plan, settings, kernels)
        except BaseException:
            self.close()
            raise

    def _start(self, plan: bytes, settings: TensorRtSettings, kernels: bytes) -> None:
        api, cuda = self._api, self._cuda
        api.errors.clear()
        self._stream = cuda.stream()
        try:
            self._runtime = api.module.Runtime(api.logger)
        except Exception as error:
            raise EngineUnavailableError(
                f'{api.flavour} {api.version} cannot start: {api.take_errors()}'
            ) from error
        if settings.version_compatible:
            self._runtime.engine_host_code_allowed = True  # such engines carry their own runtime
        if settings.dla_core >= 0:
            self._runtime.DLA_core = settings.dla_core
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise self._failure('TensorRT refuses to load the engine', EngineMismatchError)
        smallest, _, largest = map(tuple, self._engine.get_tensor_profile_shape(INPUT, 0))
        self.min_batch, self.max_batch = int(smallest[0]), int(largest[0])
        self._allocate(largest)
        native = hasattr(api.module, 'CudaGraphStrategy')
        pools = NativeContexts if native else SlotContexts
        pool = pools(api, cuda, self._engine, self._stream, settings)
        pool.start(kernels)
        self._contexts = pool

    def _allocate(self, largest: tuple[int, ...]) -> None:
        engine, trt = self._engine, self._api.module
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        wanted = ['logits', 'features'] if self.has_features else ['logits']
        if inputs != [INPUT] or set(wanted) - set(names):
            raise EngineMismatchError(
                f'the engine has the tensors {names}, expected image, {" and ".join(wanted)}'
            )
        for name in names:
            shape = tuple(int(size) for size in engine.get_tensor_shape(name))
            kind = engine.get_tensor_dtype(name).name
            if kind not in DTYPES or (kind == 'UINT8') != (name == INPUT) or min(shape[1:]) < 1:
                raise EngineMismatchError(f"the engine's {name} is {kind} of shape {shape}")
            self._buffers[name] = DeviceBuffer(
                self._cuda, (largest[0], *shape[1:]), DTYPES[kind], mapped=self._device.integrated
            )

    def run(self, rows: NDArray[np.uint8], *, features: bool) -> Outputs:
        """
        Run one batch that fits.

        :param rows: shape (N, H, W, 3), uint8, any strides; N at most
            ``max_batch``.
        :returns: new float32 arrays.
        :raises EngineRunError: the run failed.
        """
        if self._contexts is None:
            raise EngineRunError('the engine is closed; open it again')
        stream, count = self._stream, len(rows)
        image = self._buffers[INPUT]
        wanted = [self._buffers[name] for name in ('logits', 'features')[: 1 + features]]
        np.copyto(image.array[:count], rows)  # (N, H, W, 3), the only copy on the host
        slot = self._contexts.slot(max(count, self.min_batch), self._bind)
        image.upload(count, stream)
        if slot.graph is not None:
            self._cuda.call('cudaGraphLaunch', slot.graph, stream)
        elif not slot.context.execute_async_v3(int(stream)):
            raise self._failure(f'a batch of {slot.batch} did not run', EngineRunError)
        for buffer in wanted:
            buffer.download(count, stream)
        self._cuda.call('cudaStreamSynchronize', stream)
        self._contexts.after_run(slot)
        return Outputs(*(buffer.array[:count].astype(np.float32) for buffer in wanted))  # copies

    def _bind(self, context: Any, batch: int) -> None:
        image = self._buffers[INPUT]
        good = context.set_input_shape(INPUT, (batch, *image.array.shape[1:]))
        for name, buffer in self._buffers.items():
            good = context.set_tensor_address(name, buffer.address) and good
        if not good:
            raise self._failure(f'TensorRT refuses a batch of {batch}', EngineRunError)

    def _failure(self, what: str, kind: type[Exception]) -> Exception:
        """Return the exception for a TensorRT call that said no, after asking CUDA why."""
        text = self._api.take_errors()
        cause = self._cuda.last_error(what)
        if isinstance(cause, (EngineFatalError, DeviceOutOfMemoryError)):
            return type(cause)(f'{cause}: {text}')
        lowered = text.lower()
        if 'out of memory' in lowered or 'outofmemory' in lowered:
            return DeviceOutOfMemoryError(f'{what}: the GPU is out of memory: {text}')
        return kind(f'{what}: {text}')

    def kernels(self) -> bytes:
        """Return what was compiled for this GPU while running, if that can be kept."""
        return b'' if self._contexts is None else self._contexts.kernels()

    def close(self, *, lost: bool = False) -> None:
        """Release everything in CUDA's order; only let go of it where the context is lost."""
        contexts, self._contexts = self._contexts, None
        buffers, self._buffers = self._buffers, {}
        stream, self._stream = self._stream, None
        if lost:
            _LEFT_BEHIND.append((contexts, self._engine, self._runtime))
            self._engine = self._runtime = None
            return
        calls = self._cuda.call
        if stream is not None:
            self._quietly(calls, 'cudaStreamSynchronize', stream)
        if contexts is not None:
            self._quietly(contexts.close)
            del contexts
        self._engine = None
        self._runtime = None
        for buffer in buffers.values():
            self._quietly(buffer.free)
        if stream is not None:
            self._quietly(calls, 'cudaStreamDestroy', stream)

    @staticmethod
    def _quietly(function: Any, *args: Any) -> None:
        """Call while releasing: note a failure and go on."""
        try:
            function(*args)
        except EngineRunError as error:
            log.info('while releasing the engine: %s', error)


# Destroying TensorRT objects on a broken CUDA context can crash the process
# before it has said why it ends, so these stay until it is gone.
_LEFT_BEHIND: list[Any] = []
