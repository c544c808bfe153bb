"""From a model package to a running engine: compile or load it, start it, warm it up."""

import dataclasses
import logging
from pathlib import Path

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.cache import EngineCache
from alexnet_ros.engine.tensorrt.api import is_installed, load_tensorrt
from alexnet_ros.engine.tensorrt.build import check_capability, known_capabilities
from alexnet_ros.engine.tensorrt.cuda import Cuda, Device, DeviceOutOfMemoryError, load_cuda
from alexnet_ros.engine.tensorrt.plan import (
    SIDE_FILE_S,
    Plan,
    PlanRequest,
    Report,
    explained,
    first_that_builds,
    forms_for,
    locked_load,
    plan_for,
)
from alexnet_ros.engine.tensorrt.runtime import TensorRtEngine
from alexnet_ros.engine.tensorrt.session import DeviceSession
from alexnet_ros.errors import (
    EngineBuildError,
    EngineCacheError,
    EngineMismatchError,
    EngineUnavailableError,
)
from alexnet_ros.model_package import FinderPackage, ModelPackage
from alexnet_ros.records import EngineInfo

log = logging.getLogger(__name__)


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

    :raises EngineUnavailableError: no such library, driver or GPU.
    :raises EngineBuildError: the network cannot be compiled.
    :raises EngineCacheError: the cache folder cannot be used.
    :raises EngineMismatchError: a freshly built engine cannot be loaded.
    """
    if not is_installed(flavour):
        load_tensorrt(flavour)  # says what to install, before looking for a driver
    cuda = load_cuda()
    device = cuda.device()
    settings = settings or TensorRtSettings()
    requests = [
        PlanRequest(
            api=load_tensorrt(flavour),
            package=package,
            precision=form,
            source=source,
            max_batch=max_batch,
            settings=settings,
            cache=EngineCache(cache_dir),
            device=device,
            compute_capability=device.compute_capability,
        )
        for form, source in forms_for(package, flavour, settings, precision)
    ]

    def use(request: PlanRequest) -> TensorRtEngine:
        try:
            return _opened(request, cuda, device, progress)
        except DeviceOutOfMemoryError as error:
            if max_batch == 1:
                raise EngineUnavailableError(f'{error}; close other GPU programs') from error
            smaller = max(max_batch // 2, 1)
            log.warning('%s; trying again with max_batch %d', error, smaller)
            smaller_one = dataclasses.replace(request, max_batch=smaller)
            return _opened(smaller_one, cuda, device, progress)

    return first_that_builds(requests, use)


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
    settings = settings or TensorRtSettings()
    requests = [
        PlanRequest(
            api=api,
            package=package,
            precision=form,
            source=source,
            max_batch=max_batch,
            settings=settings,
            cache=EngineCache(cache_dir),
            device=device,
            compute_capability=device.compute_capability if device else compute_capability,
        )
        for form, source in forms_for(package, flavour, settings, precision)
    ]
    return first_that_builds(requests, lambda one: plan_for(one, progress, rebuild=rebuild))


def probe(flavour: str) -> str:
    """Return versions and GPU of a flavour, for ``doctor``, or raise EngineUnavailableError."""
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
            with explained(request):
                raise
        request.cache.set_aside(plan.path, str(error))
    with explained(request):
        return _started(request, plan_for(request, progress), cuda, device)


def _started(request: PlanRequest, plan: Plan, cuda: Cuda, device: Device) -> TensorRtEngine:
    """Load a plan onto the GPU and warm it up."""
    package, cache = request.package, request.cache
    kernels_key = request.key('kernels')
    kept = b''

    def start() -> DeviceSession:
        nonlocal kept
        kept = locked_load(cache, kernels_key) or b''
        return DeviceSession(
            request.api,
            cuda,
            device,
            plan.data,
            settings=request.settings,
            kernels=kept,
            has_features=not isinstance(package, FinderPackage),
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
        model_sha256=package.sha256(request.source),
        input_hw=(package.input.height, package.input.width),
        classes=len(package.labels),
        max_batch=request.max_batch,
    )
    return TensorRtEngine(start, info, keep_kernels=keep)
