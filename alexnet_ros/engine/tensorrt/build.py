"""
One ONNX file → one TensorRT engine, for every TensorRT from 10.0 on.

The same lines serve TensorRT 10, 11 and TensorRT for RTX: what a version has is
asked with ``hasattr``. Precision is what the file's own types say; the weakly
typed flags are set only for a DLA of TensorRT 10, which needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.watch import BuildWatch, guarded
from alexnet_ros.errors import EngineBuildError, EngineUnavailableError


@dataclass(frozen=True, slots=True)
class Shapes:
    """The input's shapes (N, H, W, 3), N smallest, tuned and largest; all the same on a DLA."""

    height: int
    width: int
    batches: tuple[int, int, int]

    def __str__(self) -> str:
        """Return the text that stands in the engine's key."""
        low, tuned, high = self.batches
        return f'image [{low}..{tuned}..{high}, {self.height}, {self.width}, 3]'


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """
    A serialised engine.

    :param timing: the kernel times measured for it, if any.
    :param layers: what the builder told of its kernels, if anything.
    """

    data: bytes
    timing: bytes
    layers: str = ''


def shapes_for(height: int, width: int, max_batch: int, settings: TensorRtSettings) -> Shapes:
    """Return the shapes of the one optimisation profile; a DLA takes only one batch size."""
    if settings.dla_core >= 0:
        return Shapes(height, width, (max_batch, max_batch, max_batch))
    return Shapes(height, width, (1, min(settings.tuned_batch, max_batch), max_batch))


def flags_text(settings: TensorRtSettings) -> str:
    """Return the options that change the engine, for its key."""
    return (
        f'workspace={settings.workspace_mb}MiB level={settings.optimization_level} '
        f'dla={settings.dla_core} version_compatible={settings.version_compatible}'
    )


def build_engine(
    api: TensorRtApi,
    onnx: bytes,
    shapes: Shapes,
    settings: TensorRtSettings,
    *,
    compute_capability: str | None = None,
    timing: bytes = b'',
    report: Callable[[BuildProgress], None] | None = None,
) -> BuiltEngine:
    """
    Compile a network.

    :param onnx: the whole ONNX file, already verified.
    :param compute_capability: build for another GPU, such as ``8.6``; only
        TensorRT for RTX can. None means the GPU of this machine.
    :raises EngineBuildError: refused, failed, or not done in time.
    :raises EngineUnavailableError: TensorRT cannot start here.
    """
    watch = BuildWatch(api.module)
    api.errors.clear()
    api.layers.clear()

    how: dict[str, Any] = {
        'watch': watch,
        'compute_capability': compute_capability,
        'timing': timing,
    }
    job = partial(_build, api, onnx, shapes, settings, **how)
    return guarded(job, watch, settings.build_limit_s, report)


def _build(
    api: TensorRtApi,
    onnx: bytes,
    shapes: Shapes,
    settings: TensorRtSettings,
    *,
    watch: BuildWatch,
    compute_capability: str | None,
    timing: bytes,
) -> BuiltEngine:
    trt = api.module
    watch.phase = 'reading the network'
    try:
        builder = trt.Builder(api.logger)
    except Exception as error:  # without a usable GPU the bindings give no builder
        raise EngineUnavailableError(
            f'{api.flavour} {api.version} cannot start a builder: {api.take_errors()}'
        ) from error
    strong = settings.dla_core < 0 or not hasattr(trt.BuilderFlag, 'FP16')
    network = builder.create_network(network_flags(trt) if strong else 0)
    parser = trt.OnnxParser(network, api.logger)
    if not parser.parse(onnx):
        raise EngineBuildError(
            f'{api.flavour} {api.version} cannot read the network: {_parser_errors(parser)}'
        )
    config = builder.create_builder_config()
    if compute_capability is not None:
        set_compute_capability(api, config, compute_capability)
    if not strong:
        config.set_flag(trt.BuilderFlag.FP16)
        if b'QuantizeLinear' in onnx:
            config.set_flag(trt.BuilderFlag.INT8)
    _set_options(api, builder, config, settings)
    _set_profile(builder, network, config, shapes)
    cache = _timing_cache(config, timing) if settings.timing_cache else None
    watch.attach(config)
    watch.phase = 'compiling'
    serialised = builder.build_serialized_network(network, config)
    if serialised is None:
        raise EngineBuildError(
            f'{api.flavour} {api.version} could not build the engine: {api.take_errors()}'
        )
    times = b'' if cache is None else bytes(cache.serialize())
    return BuiltEngine(bytes(serialised), times, ''.join(api.layers))


def network_flags(trt: Any) -> int:
    """Return the flag for a network typed by its file; 11 ignores it, always being so."""
    kind = trt.NetworkDefinitionCreationFlag
    return 1 << int(kind.STRONGLY_TYPED) if hasattr(kind, 'STRONGLY_TYPED') else 0


def set_compute_capability(api: TensorRtApi, config: Any, wanted: str) -> None:
    """Build for another GPU; EngineBuildError if this TensorRT cannot or does not know it."""
    check_capability(api, wanted)
    config.num_compute_capabilities = 1
    member = getattr(api.module.ComputeCapability, 'SM' + wanted.replace('.', ''))
    if not config.set_compute_capability(member, 0):
        raise EngineBuildError(f'compute capability {wanted} was refused: {api.take_errors()}')


def check_capability(api: TensorRtApi, wanted: str) -> None:
    """Raise EngineBuildError for a compute capability that engines cannot be built for."""
    known = known_capabilities(api)
    if not known:
        raise EngineBuildError(
            f'{api.flavour} {api.version} builds only for the GPU of this machine; leave out '
            'the compute capability, or use the backend tensorrt_rtx'
        )
    if wanted not in known:
        raise EngineBuildError(
            f'compute capability must be one of {", ".join(known)} for {api.flavour} '
            f'{api.version}, got {wanted!r}'
        )


def known_capabilities(api: TensorRtApi) -> tuple[str, ...]:
    """Return the compute capabilities that engines can be built for ahead of time."""
    members = getattr(getattr(api.module, 'ComputeCapability', None), '__members__', {})
    numbers = sorted(int(n[2:]) for n in members if n.startswith('SM') and n[2:].isdigit())
    return tuple(f'{number // 10}.{number % 10}' for number in numbers)


def _set_options(api: TensorRtApi, builder: Any, config: Any, settings: TensorRtSettings) -> None:
    trt = api.module
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mb << 20)
    config.builder_optimization_level = settings.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # for `build --explain`
    if settings.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if settings.dla_core >= 0:
        cores = int(getattr(builder, 'num_DLA_cores', 0))
        if settings.dla_core >= cores:
            raise EngineBuildError(
                f'dla_core {settings.dla_core} was requested, {api.flavour} {api.version} has '
                f'{cores} on this machine; set dla_core to -1'
            )
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = settings.dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _set_profile(builder: Any, network: Any, config: Any, shapes: Shapes) -> None:
    """Let the batch, the only dynamic dimension, run from smallest to largest."""
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    expected, got = [(-1, shapes.height, shapes.width, 3)], [tuple(t.shape) for t in tensors]
    if got != expected:
        raise EngineBuildError(
            f'the network must have one input of shape {expected[0]}, got {got}; export it again'
        )
    tensor = tensors[0]
    profile = builder.create_optimization_profile()
    profile.set_shape(tensor.name, *((n, shapes.height, shapes.width, 3) for n in shapes.batches))
    config.add_optimization_profile(profile)


def _timing_cache(config: Any, stored: bytes) -> Any:
    """
    Attach kernel times, where the builder measures kernels at all.

    TensorRT for RTX compiles on the target and ignores them, asking for a GPU.
    """
    if hasattr(config, 'set_compute_capability'):
        return None
    cache = config.create_timing_cache(stored)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b'')
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _parser_errors(parser: Any) -> str:
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        words = [f'node {error.node()}', error.node_name(), f'({error.node_operator()})']
        where = ' '.join(word for word in words if word)
        lines.append(f'{where}: {" ".join(error.desc().split())}')
    return ' | '.join(lines[:4]) or 'no reason given'
