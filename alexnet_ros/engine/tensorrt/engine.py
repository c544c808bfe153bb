"""From a model package to a running engine: compile or load it, start it, warm it up."""

import dataclasses
import logging
from functools import partial
from typing import Any

from alexnet_ros.engine.base import info_of
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
    locked_load,
    plan_for,
    requests_for,
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

log = logging.getLogger(__name__)


def open_tensorrt(
    package: ModelPackage, flavour: str, *, progress: Report | None = None, **options: Any
) -> TensorRtEngine:
    """
    Run a model with TensorRT on this machine's GPU.

    :param options: ``precision``, ``max_batch``, ``cache_dir`` and ``settings``, see
        :func:`~alexnet_ros.engine.tensorrt.plan.requests_for`.
    :raises EngineUnavailableError: no such library, driver or GPU.
    :raises EngineBuildError: the network cannot be compiled.
    :raises EngineCacheError: the cache folder cannot be used.
    :raises EngineMismatchError: a freshly built engine cannot be loaded.
    """
    if not is_installed(flavour):
        load_tensorrt(flavour)  # says what to install, before looking for a driver
    cuda = load_cuda()
    device = cuda.device()

    def use(request: PlanRequest) -> TensorRtEngine:
        try:
            return _opened(request, cuda, device, progress)
        except DeviceOutOfMemoryError as error:
            if request.max_batch == 1:
                raise EngineUnavailableError(f'{error}; close other GPU programs') from error
            smaller = dataclasses.replace(request, max_batch=request.max_batch // 2)
            log.warning('%s; trying again with max_batch %d', error, smaller.max_batch)
            return _opened(smaller, cuda, device, progress)

    capability = device.compute_capability
    api = load_tensorrt(flavour)
    return first_that_builds(requests_for(api, package, device, capability, **options), use)


def prepare(
    package: ModelPackage,
    flavour: str,
    *,
    progress: Report | None = None,
    compute_capability: str | None = None,
    rebuild: bool = False,
    **options: Any,
) -> Plan:
    """
    Compile a model ahead of time; nothing is loaded or run.

    :param compute_capability: such as ``8.6``: build for such GPUs, without
        one; None builds for this machine's GPU.
    :param options: as for :func:`open_tensorrt`.
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
        compute_capability = device.compute_capability
    else:
        check_capability(api, compute_capability)
    requests = requests_for(api, package, device, compute_capability, **options)
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
    package, cache = request.package, request.cache
    kernels_key = request.key('kernels')
    kept = locked_load(cache, kernels_key) or b''
    start = partial(
        DeviceSession,
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

    backend, batch = request.api.flavour, request.max_batch
    info = info_of(package, request.source, backend=backend, device=str(device), max_batch=batch)
    info = dataclasses.replace(info, precision=request.precision)  # FP16 may be made from INT8
    return TensorRtEngine(start, info, keep_kernels=keep)
