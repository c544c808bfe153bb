"""
A compiled engine: what it depends on, and how it is found in the cache or built.

The same functions serve the node, which then runs the engine, and the
``build`` command, which does not need a GPU for TensorRT for RTX.
"""

import contextlib
import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.engine.cache import EngineCache, EngineKey
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.build import (
    Shapes,
    build_engine,
    flags_text,
    known_capabilities,
    shapes_for,
)
from alexnet_ros.engine.tensorrt.cuda import Device, machine
from alexnet_ros.engine.tensorrt.half import can_convert, half_from_int8
from alexnet_ros.errors import (
    EngineBuildError,
    EngineCacheError,
    EngineMismatchError,
    EngineUnavailableError,
)
from alexnet_ros.model_package import ModelPackage

Report = Callable[[BuildProgress], None]
Result = TypeVar('Result')
SIDE_FILE_S = 30.0  # longest wait for a file that takes no build
HALF_FIRST = ('tensorrt_rtx',)  # flavours that run FP16 quicker than INT8
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """
    A compiled engine, in memory and in the cache.

    :param path: its file, None if it could not be kept.
    :param cached: it was there already.
    :param seconds: time to build it, or to verify the cached one.
    :param layers: what the builder told of its kernels; empty for a cached one.
    """

    key: EngineKey
    shapes: Shapes
    data: bytes
    path: Path | None
    cached: bool
    seconds: float
    layers: str = ''


@dataclass(frozen=True)
class PlanRequest:
    """
    What to compile, for which device, and where to keep it.

    :param precision: of the engine.
    :param source: of the package's file; INT8 where FP16 is made from that.
    """

    api: TensorRtApi
    package: ModelPackage
    precision: str
    source: str
    device: Device | None
    compute_capability: str
    max_batch: int
    settings: TensorRtSettings
    cache: EngineCache

    @property
    def shapes(self) -> Shapes:
        """Return the input's shapes that the engine will serve."""
        spec = self.package.input
        return shapes_for(spec.height, spec.width, self.max_batch, self.settings)

    def read_onnx(self) -> bytes:
        """Return the verified network in the precision that is asked for."""
        onnx = self.package.read_onnx(self.source)
        return onnx if self.source == self.precision else half_from_int8(onnx)

    def key(self, kind: str = 'engine', *, ahead: bool = False) -> EngineKey:
        """
        Return what the engine depends on.

        :param ahead: of an engine that was built without its GPU, which only
            TensorRT for RTX can do; its name and driver play no role then.
        """
        here = None if ahead else self.device
        return EngineKey(
            model=self.package.name,
            onnx_sha256=self.package.sha256(self.source),
            flavour=self.api.flavour,
            tensorrt=self.api.version,
            gpu=here.name if here else 'any',
            compute_capability=self.compute_capability,
            driver=here.driver if here else 'any',
            platform=machine(),
            precision=self.precision,
            shapes=str(self.shapes),
            flags=flags_text(self.settings),
            kind=kind,
        )


def plan_for(
    request: PlanRequest, progress: Report | None = None, *, rebuild: bool = False
) -> Plan:
    """
    Return a compiled engine, from the cache or freshly built.

    Of several processes that ask at once, one builds and the others wait.

    :raises EngineBuildError: refused, failed, or not done in time.
    :raises EngineUnavailableError: TensorRT cannot start or support this GPU.
    """
    cache, began = request.cache, time.monotonic()
    request.package.read_onnx(request.source)  # refused if altered, cached or not
    key, others = request.key(), []
    if request.device is not None and known_capabilities(request.api) and not rebuild:
        others.append(request.key(ahead=True))  # `build` may have made it without the GPU

    def waiting(waited_s: float) -> None:
        if progress is not None:
            progress(BuildProgress('another process builds this engine', None, waited_s))

    # Held while reading, too: engine and sidecar are two files.
    with cache.lock(key, request.settings.build_limit_s, waiting):
        if rebuild and cache.path(key).exists():
            cache.set_aside(cache.path(key), 'a new build was asked for')
        for candidate in (key, *others):
            data = cache.load(key) if candidate is key else locked_load(cache, candidate)
            if data is not None:
                seconds = time.monotonic() - began
                path = cache.path(candidate)
                return Plan(candidate, request.shapes, data, path, cached=True, seconds=seconds)
        with explained(request):
            return _built(request, key, progress)


def locked_load(cache: EngineCache, key: EngineKey) -> bytes | None:
    """Read a file that another process may be writing; None if it takes too long."""
    try:
        with cache.lock(key, SIDE_FILE_S):
            return cache.load(key)
    except EngineBuildError:
        return None


@contextlib.contextmanager
def explained(request: PlanRequest) -> Iterator[None]:
    """Blame a failure on the GPU where TensorRT for RTX does not know it."""
    try:
        yield
    except (EngineBuildError, EngineMismatchError) as error:
        known = known_capabilities(request.api)
        if request.device is None or not known or request.compute_capability in known:
            raise
        raise EngineUnavailableError(
            f'{request.device} is none of the GPUs that {request.api.flavour} '
            f'{request.api.version} knows ({", ".join(known)}): {error}'
        ) from error


def _built(request: PlanRequest, key: EngineKey, progress: Report | None) -> Plan:
    """Compile and keep; the lock is held."""
    api, cache, began = request.api, request.cache, time.monotonic()
    log.info('building engine %s; a cached one will be used from then on', key.name)
    timing_key = dataclasses.replace(
        key, kind='timing', model='any', onnx_sha256='', precision='any', shapes='', flags=''
    )
    times = request.settings.timing_cache and not known_capabilities(api)
    capability: str | None = request.compute_capability
    if request.device is not None and capability not in known_capabilities(api):
        capability = None  # for this machine's GPU, whatever it is
    built = build_engine(
        api,
        request.read_onnx(),
        request.shapes,
        request.settings,
        compute_capability=capability,
        report=progress,
        timing=(locked_load(cache, timing_key) or b'') if times else b'',
    )
    seconds = time.monotonic() - began
    path: Path | None = None
    try:
        path = cache.store(key, built.data, seconds)
        if built.timing:
            with cache.lock(timing_key, SIDE_FILE_S):
                cache.store(timing_key, built.timing, seconds)
    except EngineCacheError as error:
        log.warning('the engine runs, but will be built again at the next start: %s', error)
    return Plan(key, request.shapes, built.data, path, False, seconds, built.layers)


def forms_for(
    package: ModelPackage, flavour: str, settings: TensorRtSettings, precision: str | None
) -> list[tuple[str, str]]:
    """
    Return what to compile, best first.

    TensorRT is quickest with INT8. TensorRT for RTX fuses nothing into its INT8
    convolutions, and a DLA runs no Q/DQ network, so both get FP16 first. A package
    without an FP16 file has its INT8 file turned into one
    (docs/decisions/fp16-from-int8.md).

    :param precision: the only one wanted, None for all there are.
    :returns: precision of the engine and of the package's file it is made from.
    :raises ModelPackageError: the package has no such file.
    """
    sources = {name: name for name in package.files}
    if 'int8' in sources and 'fp16' not in sources and can_convert():
        sources['fp16'] = 'int8'
    if precision is not None:
        if precision in sources:
            return [(precision, sources[precision])]
        precision = package.model_file(precision).precision  # says what the package has
        return [(precision, precision)]
    half_first = flavour in HALF_FIRST or settings.dla_core >= 0
    order = ('fp16', 'int8', 'fp32') if half_first else ('int8', 'fp16', 'fp32')
    return [(name, sources[name]) for name in order if name in sources]


def requests_for(
    api: TensorRtApi,
    package: ModelPackage,
    device: Device | None,
    compute_capability: str,
    *,
    precision: str | None = None,
    max_batch: int = 16,
    cache_dir: str | Path | None = None,
    settings: TensorRtSettings | None = None,
) -> list[PlanRequest]:
    """
    Return what may be compiled, best first.

    :param device: this machine's GPU, None to build without one.
    :param precision: the only one wanted, None for all there are.
    :raises EngineCacheError: the cache folder cannot be used.
    """
    settings, cache = settings or TensorRtSettings(), EngineCache(cache_dir)
    common: dict[str, Any] = {'settings': settings, 'cache': cache, 'max_batch': max_batch}
    return [
        PlanRequest(api, package, form, source, device, compute_capability, **common)
        for form, source in forms_for(package, api.flavour, settings, precision)
    ]


def first_that_builds(
    requests: Sequence[PlanRequest], use: Callable[[PlanRequest], Result]
) -> Result:
    """
    Take the first form of the network that this TensorRT compiles.

    :raises EngineBuildError: it compiles none; of the last one.
    """
    for request, other in itertools.pairwise(requests):
        try:
            return use(request)
        except EngineBuildError as error:
            log.warning(
                '%s %s cannot compile model %s in %s (%s); taking %s instead: set precision to '
                '%s so that this is not tried again',
                request.api.flavour,
                request.api.version,
                request.package.name,
                request.precision,
                error,
                other.precision,
                other.precision,
            )
    return use(requests[-1])
