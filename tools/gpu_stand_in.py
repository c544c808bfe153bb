"""A network of one kernel in TensorRT's place, for GPUs that no engine can be loaded on."""

import collections
import ctypes
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.cuda import Cuda, load_cuda
from alexnet_ros.engine.tensorrt.runtime import TensorRtEngine
from alexnet_ros.engine.tensorrt.session import DeviceSession
from alexnet_ros.records import EngineInfo

ROOT = Path(__file__).resolve().parents[1]
CLASSES, WIDTH, LARGEST = 44, 4096, 16


def images(count: int, side: int) -> Any:
    """Return random images (N, side, side, 3) uint8."""
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, side, side, 3), np.uint8)


def expected(batch: Any) -> Any:
    """Return what the kernel writes as logits (N, 44), by NumPy."""
    flat = batch.reshape(len(batch), -1).astype(np.int64)
    flat = flat * (1 + np.arange(flat.shape[1]) % 5)
    return np.stack([flat[:, c::CLASSES].sum(1) for c in range(CLASSES)], 1).astype(np.float32)


class Gpu:
    """
    The CUDA runtime, the real one or the tests' stand-in, with the kernel.

    :param double: take the stand-in.
    """

    def __init__(self, *, double: bool) -> None:
        self.side = 8 if double else 224
        self.ruin = False
        self.runs = 0
        self._function: Any = None
        self.fake: Any = None
        if double:
            from tests.fake_cuda import FakeCuda

            self.fake = FakeCuda(capability=(9, 0))  # an H100's
            self.cuda = Cuda(self.fake)
        else:
            self.cuda = load_cuda()

    def launch(self, addresses: dict[str, int], count: int, stream: int) -> None:
        """Queue the kernel on a stream."""
        self.runs += 1
        pointers = [addresses[name] for name in ('image', 'logits', 'features')]
        if self.fake is not None:
            if self.ruin:
                self.fake.fail('cudaStreamSynchronize', 'cudaErrorIllegalAddress')
            self.fake.push(lambda: self._played(pointers, count))
            return
        from cuda.bindings import driver

        if self._function is None:
            code = (ROOT / 'tools' / 'gpu_check.ptx').read_bytes()
            module = _driver(driver.cuModuleLoadData(code))
            self._function = _driver(driver.cuModuleGetFunction(module, b'stand_in'))
        sizes = [self.side**2 * 3, CLASSES, WIDTH, int(self.ruin)]
        kinds = (ctypes.c_void_p,) * 3 + (ctypes.c_int,) * 4
        arguments = ((*pointers, *sizes), kinds)
        _driver(
            driver.cuLaunchKernel(self._function, count, 1, 1, 256, 1, 1, 0, stream, arguments, 0)
        )

    def _played(self, pointers: list[int], count: int) -> None:
        shapes = ((count, self.side**2 * 3), (count, CLASSES), (count, WIDTH))
        kinds = (ctypes.c_uint8, ctypes.c_float, ctypes.c_float)
        image, logits, features = (
            np.ctypeslib.as_array((kind * (shape[0] * shape[1])).from_address(at)).reshape(shape)
            for at, kind, shape in zip(pointers, kinds, shapes, strict=True)
        )
        logits[:] = expected(image)
        features[:] = image[:, np.arange(WIDTH) % image.shape[1]]

    def engine(self, *, integrated: bool, graphs: bool) -> TensorRtEngine:
        """Return this package's engine with the kernel as its network."""
        device = dataclasses.replace(self.cuda.device(), integrated=integrated)
        if self.fake is not None:
            self.fake.integrated = integrated
        api = TensorRtApi('tensorrt', stand_in_module(self), 'none', None, collections.deque())
        settings = TensorRtSettings(cuda_graph=graphs)
        info = EngineInfo(
            backend='tensorrt',
            device=str(device),
            precision='none',
            model_name='stand-in',
            model_sha256='',
            input_hw=(self.side, self.side),
            classes=CLASSES,
            max_batch=LARGEST,
        )
        return TensorRtEngine(
            lambda: DeviceSession(api, self.cuda, device, b'', settings=settings), info
        )


def _driver(result: Any) -> Any:
    """Return a driver call's result, or fail."""
    status, *rest = result
    if int(status):
        raise SystemExit(f'the CUDA driver said {status.name}')
    return rest[0] if rest else None


def stand_in_module(gpu: Gpu) -> Any:
    """Return as much of TensorRT as a session asks for, with the kernel behind it."""
    shapes = {
        'image': (-1, gpu.side, gpu.side, 3),
        'logits': (-1, CLASSES),
        'features': (-1, WIDTH),
    }

    class Context:
        """``IExecutionContext``."""

        def __init__(self) -> None:
            self.addresses: dict[str, int] = {}
            self.count = 0

        def set_device_memory(self, memory: int, size: int) -> None:
            """Take scratch memory."""
            del memory, size

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            """Take the batch size."""
            self.count = shape[0]
            return name == 'image'

        def set_tensor_address(self, name: str, address: int) -> bool:
            """Take an address."""
            self.addresses[name] = address
            return True

        def execute_async_v3(self, stream: int) -> bool:
            """Queue the kernel."""
            gpu.launch(dict(self.addresses), self.count, stream)
            return True

    engine = SimpleNamespace(
        num_io_tensors=3,
        device_memory_size_v2=1 << 20,
        get_tensor_profile_shape=lambda _name, _index: [
            (n, gpu.side, gpu.side, 3) for n in (1, 4, LARGEST)
        ],
        get_tensor_name=lambda index: list(shapes)[index],
        get_tensor_mode=lambda name: 'in' if name == 'image' else 'out',
        get_tensor_shape=shapes.__getitem__,
        get_tensor_dtype=lambda name: SimpleNamespace(
            name='UINT8' if name == 'image' else 'FLOAT'
        ),
        create_execution_context=lambda _strategy: Context(),
    )
    return SimpleNamespace(
        Runtime=lambda _log: SimpleNamespace(deserialize_cuda_engine=lambda _plan: engine),
        TensorIOMode=SimpleNamespace(INPUT='in'),
        ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED=2),
    )
