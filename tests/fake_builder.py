"""
Stand-ins for building an engine: what the real builder would be asked, it answers.

The ONNX file is read by ONNX Runtime; the plan that comes of it is for the stand-ins of
:mod:`tests.fake_tensorrt`, which also hold the state that these share.
"""

from typing import Any

import onnxruntime


class FakeBuilder:
    """``Builder``, without a GPU or TensorRT."""

    num_DLA_cores = 2  # noqa: N815 - the binding's name

    def __init__(self, trt: Any) -> None:
        self._trt = trt

    def create_network(self, flags: int = 0) -> 'FakeNetwork':
        self._trt.network_flags.append(flags)
        return FakeNetwork(self._trt)

    def create_builder_config(self) -> 'FakeConfig':
        return FakeConfig(self._trt)

    def create_optimization_profile(self) -> 'FakeProfile':
        return FakeProfile()

    def build_serialized_network(self, network: 'FakeNetwork', config: 'FakeConfig') -> Any:
        assert config.profiles, 'there is no optimisation profile'
        monitor = config.progress_monitor
        monitor.phase_start('Building', None, 2)
        going_on = monitor.step_complete('Building', 0)
        monitor.phase_finish('Building')
        return b'ftrt' + network.onnx[:64] if going_on else None


class FakeNetwork:
    """``INetworkDefinition``: its input is the ONNX file's."""

    def __init__(self, trt: Any) -> None:
        self._trt = trt
        self.onnx = b''
        self.num_inputs = 1

    def get_input(self, index: int) -> 'FakeTensor':
        assert index == 0
        return FakeTensor(self._trt)


class FakeTensor:
    """``ITensor``."""

    def __init__(self, trt: Any) -> None:
        (entry,) = trt.session.get_inputs()
        self.name = entry.name
        self.shape = tuple(-1 if isinstance(size, str) else size for size in entry.shape)


class FakeParser:
    """``OnnxParser``: what ONNX Runtime refuses, it refuses."""

    num_errors = 1

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    def parse(self, model: bytes, path: str | None = None) -> bool:
        assert path is None
        self._network.onnx = model
        try:
            onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        except Exception:  # noqa: BLE001 - its errors have no root of their own
            return False
        return True

    def get_error(self, index: int) -> 'FakeParserError':
        assert index == 0
        return FakeParserError()


class FakeParserError:
    """``ParserError``."""

    def node(self) -> int:
        return 7

    def node_name(self) -> str:
        return 'odd'

    def node_operator(self) -> str:
        return 'NoSuchOperator'

    def desc(self) -> str:
        return 'is not supported'


class FakeConfig:
    """``IBuilderConfig``: keeps what is set."""

    def __init__(self, trt: Any) -> None:
        self.flags: list[Any] = trt.flags
        self.profiles: list[FakeProfile] = []
        self.progress_monitor: Any = None

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        assert pool is not None
        assert pool_size > 1 << 20

    def set_flag(self, flag: Any) -> None:
        self.flags.append(flag)

    def add_optimization_profile(self, profile: 'FakeProfile') -> int:
        self.profiles.append(profile)
        return 0

    def create_timing_cache(self, serialized_timing_cache: bytes) -> 'FakeTimingCache':
        assert isinstance(serialized_timing_cache, bytes)
        return FakeTimingCache()

    def set_timing_cache(self, cache: 'FakeTimingCache', ignore_mismatch: bool) -> bool:
        return isinstance(cache, FakeTimingCache) and not ignore_mismatch

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        return compute_capability is not None and index == 0


class FakeProfile:
    """``IOptimizationProfile``."""

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002
        assert input == 'image'
        assert min[0] <= opt[0] <= max[0]


class FakeTimingCache:
    """``ITimingCache``."""

    def serialize(self) -> bytes:
        return b'times'
