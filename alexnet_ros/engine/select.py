"""
Which runtime runs the model: TensorRT first, else the fastest CPU runtime.

Only :class:`EngineUnavailableError` lets the next candidate be tried; every
other error reaches the caller (docs/decisions/engine-fallback.md).
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

from alexnet_ros.config import TensorRtSettings, settings_from_mapping
from alexnet_ros.engine.base import BuildProgress, Engine
from alexnet_ros.engine.fastest import open_fastest
from alexnet_ros.engine.host import has_nvidia_gpu
from alexnet_ros.engine.tensorrt.api import MODULES, is_installed
from alexnet_ros.engine.trial import open_cpu, try_model
from alexnet_ros.errors import ConfigError, EngineBuildError, EngineUnavailableError
from alexnet_ros.model_package import ModelPackage

CANDIDATES = {  # backend asked for: what is tried, in this order
    'auto': ('tensorrt', 'tensorrt_rtx', 'cuda', 'fastest_cpu'),
    'tensorrt': ('tensorrt',),
    'tensorrt_rtx': ('tensorrt_rtx',),
    'onnxruntime': ('cuda', 'cpu'),
    'openvino': ('openvino',),
    'cuda': ('cuda',),
    'cpu': ('cpu',),
}
TEXTS = {
    'tensorrt': 'TensorRT',
    'tensorrt_rtx': 'TensorRT for RTX',
    'cuda': 'ONNX Runtime on CUDA',
    'cpu': 'ONNX Runtime on the CPU',
    'openvino': 'OpenVINO on the CPU',
    'fastest_cpu': 'a CPU runtime',
}
CPU_RUNTIMES = {'cpu': 'onnxruntime', 'openvino': 'openvino'}  # tried in a child before
log = logging.getLogger(__name__)


def open_engine(
    package: ModelPackage,
    backend: str = 'auto',
    *,
    precision: str | None = None,
    max_batch: int = 16,
    threads: int = 0,
    spinning: bool = False,
    cache_dir: str | Path | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Engine:
    """
    Load a model into the best runtime that this machine has.

    :param backend: ``auto`` tries TensorRT, TensorRT for RTX, ONNX Runtime on
        CUDA, then the faster of OpenVINO and ONNX Runtime on the CPU, measured
        once; ``onnxruntime`` takes ONNX Runtime on CUDA or the CPU; ``tensorrt``,
        ``tensorrt_rtx``, ``cuda``, ``cpu`` and ``openvino`` exactly the one named.
    :param precision: ``int8``, ``fp16`` or ``fp32``; None takes the package's
        own choice.
    :param max_batch: largest batch run at once, 1 to 256.
    :param threads: CPU threads, 0 = all usable cores (ONNX Runtime: at most 8).
    :param cache_dir: where TensorRT engines and measured times are kept, None for
        the user's.
    :param cancelled: asked while the model is tried; see
        :mod:`alexnet_ros.engine.trial`.
    :param options: fields of :class:`TensorRtSettings`.
    :returns: an engine whose ``info.reason`` says why it was chosen.
    :raises ConfigError: unknown backend or option, or one out of range.
    :raises EngineUnavailableError: nothing that was asked for can run here.
    :raises EngineBuildError: TensorRT is here but refuses the network, or it takes too much
        time or memory to load.
    """
    if backend not in CANDIDATES:
        raise ConfigError(f'backend must be one of {", ".join(CANDIDATES)}, got {backend!r}')
    if not 1 <= max_batch <= 256:
        raise ConfigError(f'max_batch must be in [1, 256], got {max_batch!r}')
    if threads < 0:
        raise ConfigError(f'threads must be at least 0, got {threads}')
    settings = settings_from_mapping(TensorRtSettings, options)
    stored = built = precision  # for the CPU and CUDA; for TensorRT
    if backend == 'auto' and precision == 'fp16' and precision not in package.files:
        stored = None  # TensorRT alone has FP16 then, made from the INT8 file
        built = precision if 'int8' in package.files else None

    @cache
    def refusal(runtime: str) -> str:
        return try_model(
            package,
            runtime,
            precision=precision if precision in package.files else None,  # FP16 is made from INT8
            max_batch=max_batch,
            cache_dir=cache_dir,
            cancelled=cancelled,
        )

    def opened(name: str, size: int = max_batch) -> Engine:
        if (runtime := CPU_RUNTIMES.get(name)) and (why := refusal(runtime)):
            raise EngineBuildError(why)
        if name in MODULES:
            from alexnet_ros.engine.tensorrt.engine import open_tensorrt

            return open_tensorrt(
                package,
                name,
                precision=built,
                max_batch=max_batch,
                cache_dir=cache_dir,
                progress=progress,
                settings=settings,
            )
        return open_cpu(
            package, name, precision=stored, threads=threads, max_batch=size, spinning=spinning
        )

    with ThreadPoolExecutor(1) as beside:  # the trials of both runtimes share the cores
        if backend == 'auto':
            beside.submit(refusal, 'openvino')  # what it raises comes again where it is opened
        if backend != 'openvino':
            refusal('onnxruntime')
    missing: dict[str, EngineUnavailableError] = {}
    for name in CANDIDATES[backend]:
        times_ms: dict[str, float] = {}
        try:
            if name == 'fastest_cpu':
                chosen, engine, times_ms = open_fastest(
                    {cpu: partial(opened, cpu) for cpu in ('openvino', 'cpu')},
                    package.sha256(stored),
                    max_batch=max_batch,
                    threads=threads,
                    cache_dir=cache_dir,
                )
            else:
                chosen, engine = name, opened(name)
        except EngineUnavailableError as error:
            missing[name] = error
            continue
        return _with_reason(engine, chosen, backend, missing, times_ms, precision=precision)
    whys = '; '.join(f'{TEXTS[one]}: {error}' for one, error in missing.items())
    raise EngineUnavailableError(f'backend {backend} cannot run here: {whys}')


def _with_reason(
    engine: Engine,
    name: str,
    backend: str,
    missing: Mapping[str, EngineUnavailableError],
    times_ms: Mapping[str, float],
    *,
    precision: str | None,
) -> Engine:
    if backend == name:
        reason = f'{TEXTS[name]} was asked for'
    elif missing:
        # The remedies after each semicolon are for someone who asked for that backend.
        whys = (f'{TEXTS[one]} ({str(e).split(";", 1)[0]})' for one, e in missing.items())
        reason = f'{TEXTS[name]}, because what comes before it cannot run: {", ".join(whys)}'
    else:
        reason = f'{TEXTS[name]} is the first choice and is there'
    if precision and engine.info.precision != precision:
        reason += f'; in {engine.info.precision}, for the model has no {precision} file'
    if times_ms:
        measured = ', '.join(f'{TEXTS[one]} {ms:.2f} ms' for one, ms in sorted(times_ms.items()))
        reason += f'; fastest measured at batch 1: {measured}'
    engine.info = dataclasses.replace(engine.info, reason=reason)
    chosen = f'engine {engine.info.backend} on {engine.info.device}'
    # A GPU that is left idle is told from a machine that simply has none.
    broken = any(one in MODULES and is_installed(one) for one in missing)
    idle = broken or (bool(missing) and name in {'cpu', 'openvino'})
    if backend == 'auto' and idle and has_nvidia_gpu():
        log.warning(
            '%s, although an NVIDIA GPU is there; `alexnet_ros doctor` says what to do: %s',
            chosen,
            reason,
        )
    else:
        log.info('%s: %s', chosen, reason)
    return engine
