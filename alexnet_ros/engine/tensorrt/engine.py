"""
From a model package to a compiled engine: find it in the cache or build it.

The same functions serve the node, which then runs the engine, and the
``build`` command, which does not need a GPU for TensorRT for RTX.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.cache import EngineCache, EngineKey
from alexnet_ros.engine.progress import BuildProgress
from alexnet_ros.engine.tensorrt.api import TensorRtApi, is_installed, load_tensorrt
from alexnet_ros.engine.tensorrt.build import (
    Shapes,
    build_engine,
    check_capability,
    flags_text,
    known_capabilities,
    shapes_for,
)
from alexnet_ros.engine.tensorrt.cuda import (
    Cuda,
    Device,
    DeviceOutOfMemoryError,
    load_cuda,
    machine,
)
from alexnet_ros.engine.tensorrt.runtime import TensorRtEngine
from alexnet_ros.engine.tensorrt.session import DeviceSession
from alexnet_ros.errors import (
    EngineBuildError,
    EngineCacheError,
    EngineMismatchError,
    EngineUnavailableError,
)
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import EngineInfo

Report = Callable[[BuildProgress], None]
SIDE_FILE_S = 30.0  # longest wait for a file that takes no build
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """
    A compiled engine, in memory and in the cache.

    :param path: its file, None if it could not be kept.
    :param cached: it was there already.
    :param seconds: time to build it, or to verify the cached one.
    """

    key: EngineKey
    shapes: Shapes
    data: bytes
    path: Path | None
    cached: bool
    seconds: float


@dataclass(frozen=True)
class PlanRequest:
    """What to compile, for which device, and where to keep it."""

    api: TensorRtApi
    package: ModelPackage
    precision: str
    max_batch: int
    settings: TensorRtSettings
    cache: EngineCache
    device: Device | None = None
    compute_capability: str | None = None

    @property
    def shapes(self) -> Shapes:
        """The input's shapes that the engine will serve."""
        spec = self.package.input
        return shapes_for(spec.height, spec.width, self.max_batch, self.settings)

    def key(self, kind: str = 'engine', *, ahead: bool = False) -> EngineKey:
        """
        Return what the engine depends on.

        :param ahead: of an engine that was built without its GPU, which only
            TensorRT for RTX can do; its name and driver play no role then.
        """
        here = None if ahead else self.device
        capability = here.compute_capability if here else self.compute_capability
        return EngineKey(
            model=self.package.name,
            onnx_sha256=self.package.sha256(self.precision),
            flavour=self.api.flavour,
            tensorrt=self.api.version,
            gpu=here.name if here else 'any',
            compute_capability=str(capability),
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

    :param rebuild: set a cached engine aside and build it again.
    :raises EngineBuildError: refused, failed, or not done in time.
    :raises EngineUnavailableError: TensorRT cannot start or support this GPU.
    """
    cache, began = request.cache, time.monotonic()
    onnx = request.package.read_onnx(request.precision)  # refused if altered, cached or not
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
            data = cache.load(key) if candidate is key else _locked_load(cache, candidate)
            if data is not None:
                seconds = time.monotonic() - began
                path = cache.path(candidate)
                return Plan(candidate, request.shapes, data, path, cached=True, seconds=seconds)
        with _explained(request):
            return _built(request, key, onnx, progress)


def _locked_load(cache: EngineCache, key: EngineKey) -> bytes | None:
    """Read a file that another process may be writing; None if it takes too long."""
    try:
        with cache.lock(key, SIDE_FILE_S):
            return cache.load(key)
    except EngineBuildError:
        return None


@contextlib.contextmanager
def _explained(request: PlanRequest) -> Iterator[None]:
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


def _built(request: PlanRequest, key: EngineKey, onnx: bytes, progress: Report | None) -> Plan:
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
        onnx,
        request.shapes,
        request.settings,
        compute_capability=capability,
        report=progress,
        timing=(_locked_load(cache, timing_key) or b'') if times else b'',
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
    return Plan(key, request.shapes, built.data, path, cached=False, seconds=seconds)


def open_tensorrt(
    package: ModelPackage,
    flavour: str,
    *,
    precision: str | None = None,
    max_batch: int = 16,
    cache_dir: str | Path | None = None,
    progress: Report | None = None,
    settings: TensorRtSettings | None = None,
) -> TensorRtEngine:
    """
    Run a model with TensorRT on this machine's GPU.

    :param flavour: ``tensorrt`` or ``tensorrt_rtx``.
    :raises EngineUnavailableError: no such library, driver or GPU.
    :raises EngineBuildError: the network cannot be compiled.
    :raises EngineCacheError: the cache folder cannot be used.
    :raises EngineMismatchError: a freshly built engine cannot be loaded.
    """
    if not is_installed(flavour):
        load_tensorrt(flavour)  # says what to install, before looking for a driver
    cuda = load_cuda()
    device = cuda.device()
    request = PlanRequest(
        api=load_tensorrt(flavour),
        package=package,
        precision=package.model_file(precision).precision,
        max_batch=max_batch,
        settings=settings or TensorRtSettings(),
        cache=EngineCache(cache_dir),
        device=device,
        compute_capability=device.compute_capability,
    )
    try:
        return _opened(request, cuda, device, progress)
    except DeviceOutOfMemoryError as error:
        if max_batch == 1:
            raise EngineUnavailableError(f'{error}; close other GPU programs') from error
        smaller = max(max_batch // 2, 1)
        log.warning('%s; trying again with max_batch %d', error, smaller)
        return _opened(dataclasses.replace(request, max_batch=smaller), cuda, device, progress)


def prepare(
    package: ModelPackage,
    flavour: str,
    *,
    precision: str | None = None,
    max_batch: int = 16,
    cache_dir: str | Path | None = None,
    progress: Report | None = None,
    settings: TensorRtSettings | None = None,
    compute_capability: str | None = None,
    rebuild: bool = False,
) -> Plan:
    """
    Compile a model ahead of time; nothing is loaded or run.

    :param compute_capability: such as ``8.6``: build for such GPUs, without
        one; None builds for this machine's GPU.
    :param rebuild: set a cached engine aside and build it again.
    :raises EngineUnavailableError: no such library, or no GPU where one is
        needed.
    :raises EngineBuildError: the network cannot be compiled, or not for that
        GPU.
    :raises EngineCacheError: the engine cannot be kept.
    """
    api = load_tensorrt(flavour)
    device: Device | None = None
    if compute_capability is None:
        try:
            device = load_cuda().device()
        except EngineUnavailableError as error:
            known = ', '.join(known_capabilities(api))
            hint = f'; to build for another machine give its compute capability ({known})'
            raise EngineUnavailableError(f'{error}{hint if known else ""}') from error
    else:
        check_capability(api, compute_capability)
    request = PlanRequest(
        api=api,
        package=package,
        precision=package.model_file(precision).precision,
        max_batch=max_batch,
        settings=settings or TensorRtSettings(),
        cache=EngineCache(cache_dir),
        device=device,
        compute_capability=device.compute_capability if device else compute_capability,
    )
    return plan_for(request, progress, rebuild=rebuild)


def probe(flavour: str) -> str:
    """
    Say what is there to run a flavour: versions and GPU, for ``doctor``.

    :raises EngineUnavailableError: it cannot run here; the message says why.
    """
    api = load_tensorrt(flavour)
    device = load_cuda().device()
    return f'{flavour} {api.version} on {device}, driver {device.driver}'


def _opened(
    request: PlanRequest, cuda: Cuda, device: Device, progress: Report | None
) -> TensorRtEngine:
    """Build or load the plan and start it; a plan that does not load is rebuilt once."""
    plan = plan_for(request, progress)
    try:
        return _started(request, plan, cuda, device)
    except EngineMismatchError as error:
        if not plan.cached or plan.path is None:
            with _explained(request):
                raise
        request.cache.set_aside(plan.path, str(error))
    with _explained(request):
        return _started(request, plan_for(request, progress), cuda, device)


def _started(request: PlanRequest, plan: Plan, cuda: Cuda, device: Device) -> TensorRtEngine:
    """Load a plan onto the GPU and warm it up."""
    package, cache = request.package, request.cache
    kernels_key = request.key('kernels')
    kept = b''

    def start() -> DeviceSession:
        nonlocal kept
        kept = _locked_load(cache, kernels_key) or b''
        return DeviceSession(
            request.api, cuda, device, plan.data, settings=request.settings, kernels=kept
        )

    def keep(kernels: bytes) -> None:
        if kernels == kept:
            return
        try:
            with cache.lock(kernels_key, SIDE_FILE_S):
                cache.store(kernels_key, kernels, 0.0)
        except (EngineCacheError, EngineBuildError) as error:
            log.warning('kernels will be compiled again at the next start: %s', error)

    info = EngineInfo(
        backend=request.api.flavour,
        device=str(device),
        precision=request.precision,
        model_name=package.name,
        model_sha256=package.sha256(request.precision),
        input_hw=(package.input.height, package.input.width),
        classes=len(package.labels),
        max_batch=request.max_batch,
    )
    return TensorRtEngine(start, info, keep_kernels=keep)
