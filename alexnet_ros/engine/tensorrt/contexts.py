"""
Execution contexts and CUDA graphs, one for each batch size.

TensorRT for RTX captures its own graphs for any shape. With TensorRT a graph
fixes shape, addresses and context, so each batch size has a context of its
own; all of them share one block of scratch memory, since they run one after
the other on one stream.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.cuda import Cuda, DeviceOutOfMemoryError
from alexnet_ros.errors import EngineFatalError, EngineRunError

Bind = Callable[[Any, int], None]
log = logging.getLogger(__name__)


@dataclass
class Slot:
    """
    What runs one batch size.

    :param graph: the captured graph, None as long as there is none.
    :param capture: still to be captured, after the next plain run.
    """

    batch: int
    context: Any
    graph: Any = None
    capture: bool = False


@dataclass
class ContextPool(ABC):
    """Gives the context for a batch size, bound and ready to run."""

    api: TensorRtApi
    cuda: Cuda
    engine: Any
    stream: Any
    settings: TensorRtSettings

    @abstractmethod
    def start(self, kernels: bytes) -> None:
        """Make what all batch sizes share."""

    @abstractmethod
    def slot(self, batch: int, bind: Bind) -> Slot:
        """Return what runs a batch size; ``bind`` sets shape and addresses."""

    def after_run(self, slot: Slot) -> None:  # noqa: B027 - not every pool has to do it
        """Note that a batch ran and the stream is idle."""

    def kernels(self) -> bytes:
        """Return kernels compiled at run time, to be kept for the next start."""
        return b''

    @abstractmethod
    def close(self) -> None:
        """Release graphs, then contexts, then what they share."""

    def checked(self, context: Any) -> Any:
        """Return the context, or say why TensorRT gave none."""
        if context is not None:
            return context
        text = self.api.take_errors()
        cause = self.cuda.last_error('creating an execution context')
        if isinstance(cause, EngineFatalError):
            raise cause
        raise DeviceOutOfMemoryError(f'TensorRT gave no execution context: {text}')


class NativeContexts(ContextPool):
    """TensorRT for RTX: one context, graphs and kernels kept by the library."""

    def start(self, kernels: bytes) -> None:
        """Make the one context."""
        trt = self.api.module
        config = self.engine.create_runtime_config()
        strategy = trt.CudaGraphStrategy
        config.cuda_graph_strategy = (
            strategy.WHOLE_GRAPH_CAPTURE if self.settings.cuda_graph else strategy.DISABLED
        )
        # Compile for a shape when it is first seen: in the warm-up, not while driving.
        config.dynamic_shapes_kernel_specialization_strategy = (
            trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        self._cache = config.create_runtime_cache()
        if kernels and not self._cache.deserialize(kernels):
            log.info('kept kernels are not for this GPU or driver; compiling them again')
        config.set_runtime_cache(self._cache)
        self._config = config
        self._context = self.checked(self.engine.create_execution_context(config))
        self._slot: Slot | None = None

    def slot(self, batch: int, bind: Bind) -> Slot:
        """Rebind the one context when the batch size changes."""
        if self._slot is None or self._slot.batch != batch:
            self._slot = None  # an unfinished binding must not be taken for a good one
            bind(self._context, batch)
            self._slot = Slot(batch, self._context)
        return self._slot

    def kernels(self) -> bytes:
        """Return the compiled kernels."""
        stored = self._cache.serialize()
        return b'' if stored is None else bytes(stored)

    def close(self) -> None:
        """Drop the context before what it uses."""
        self._slot = None
        self._context = None
        self._config = None
        self._cache = None
        self.engine = None


class SlotContexts(ContextPool):
    """TensorRT: a context and a graph for each batch size."""

    def start(self, kernels: bytes) -> None:
        """Allocate the scratch memory that the contexts share."""
        del kernels  # TensorRT's engines hold their kernels
        self._slots: dict[int, Slot] = {}
        size = getattr(self.engine, 'device_memory_size_v2', None)
        if size is None:  # before 10.1
            size = self.engine.device_memory_size
        self._size = max(int(size), 256)
        self._scratch = int(self.cuda.call('cudaMalloc', self._size))

    def slot(self, batch: int, bind: Bind) -> Slot:
        """Return the context of a batch size, made at its first use."""
        slot = self._slots.get(batch)
        if slot is None:
            strategy = self.api.module.ExecutionContextAllocationStrategy
            made = self.engine.create_execution_context(strategy.USER_MANAGED)  # memory is ours
            context = self.checked(made)
            if hasattr(context, 'set_device_memory'):  # since 10.1
                context.set_device_memory(self._scratch, self._size)
            else:
                context.device_memory = self._scratch
            bind(context, batch)
            slot = Slot(batch, context, capture=self.settings.cuda_graph)
            self._slots[batch] = slot
        return slot

    def after_run(self, slot: Slot) -> None:
        """Capture the graph after the first plain run, which set up what is lazy."""
        if not slot.capture:
            return
        slot.capture = False
        runtime, call = self.cuda.runtime, self.cuda.call
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        graph = None
        queued = False
        try:
            call('cudaStreamBeginCapture', self.stream, mode)
            try:
                queued = slot.context.execute_async_v3(int(self.stream))
            finally:  # a failed capture has to be ended, too
                graph = call('cudaStreamEndCapture', self.stream)
            if queued:
                slot.graph = call('cudaGraphInstantiateWithFlags', graph, 0)
            else:
                log.info('batch %d cannot be captured: %s', slot.batch, self.api.take_errors())
        except EngineFatalError:
            raise
        except EngineRunError as error:
            log.info('batch %d runs without a CUDA graph: %s', slot.batch, error)
            self._drop_graph(slot)
            self.cuda.last_error('capturing')  # taken, so that it does not hit the next call
        finally:
            if graph is not None:
                call('cudaGraphDestroy', graph)

    def _drop_graph(self, slot: Slot) -> None:
        if slot.graph is not None:
            graph, slot.graph = slot.graph, None
            self.cuda.call('cudaGraphExecDestroy', graph)

    def close(self) -> None:
        """Release graphs, contexts and scratch memory."""
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            self._drop_graph(slot)
            slot.context = None
        self.engine = None
        scratch, self._scratch = self._scratch, 0
        if scratch:
            self.cuda.call('cudaFree', scratch)
