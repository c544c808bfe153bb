"""The fastest CPU runtime for one model on this machine: measured once, then remembered."""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.cache_folder import checked_folder
from alexnet_ros.engine.host import cores
from alexnet_ros.errors import (
    EngineBuildError,
    EngineCacheError,
    EngineUnavailableError,
    FileWriteError,
)
from alexnet_ros.files import read_file, write_file

ROUNDS = 25  # alternating runs of each runtime, at batch 1
BUDGET_S = 0.5  # stop measuring after this long, whatever the rounds
MAX_UNREST = 1.5  # median over fastest run, beyond which the machine was too busy to judge by
FILE = 'cpu_runtimes.json'
MAX_ENTRIES = 64
MAX_BYTES = 64 << 10
DISTRIBUTIONS = {'openvino': 'openvino', 'cpu': 'onnxruntime'}

Openers = Mapping[str, Callable[[int], Engine]]


def open_fastest(
    openers: Openers,
    model_sha256: str,
    *,
    max_batch: int,
    threads: int,
    cache_dir: str | Path | None,
) -> tuple[str, Engine, dict[str, float]]:
    """
    Open the runtime that runs this model fastest.

    Times measured while the machine was quiet are kept in the cache folder
    under everything they depend on; a folder that cannot be used costs a
    measurement at each start, nothing else. They are judged at batch 1, so that
    only the one chosen prepares itself for larger batches.

    :param openers: runtime name to what opens it for a largest batch; one that
        refuses the model is passed over while another takes it.
    :param max_batch: largest batch that will be run at once.
    :returns: the runtime's name, its engine, and milliseconds by name (empty
        where only one runtime can run).
    :raises EngineUnavailableError: none of them can run here.
    :raises EngineBuildError: the last of them refuses the model.
    """
    key = _key(openers, model_sha256, threads)
    known = _remembered(cache_dir).get(key, {})
    times_ms = known if set(known) == set(openers) else {}
    if not times_ms:
        times_ms, quiet = _judged_ms(openers)
        if quiet:
            _remember(cache_dir, key, times_ms)
    failure: EngineUnavailableError | EngineBuildError | None = None
    for name in sorted(openers, key=lambda name: times_ms.get(name, math.inf)):
        try:
            return name, openers[name](max_batch), times_ms
        except (EngineUnavailableError, EngineBuildError) as error:
            failure = error  # the last is of the runtime that runs anywhere
    raise failure or EngineUnavailableError('no CPU runtime is known')


def _judged_ms(openers: Openers) -> tuple[dict[str, float], bool]:
    """Return each runtime's time of one image, none where there is no choice."""
    with contextlib.ExitStack() as stack:
        engines = {}
        for name, opened in openers.items():
            with contextlib.suppress(EngineUnavailableError, EngineBuildError):
                engines[name] = stack.enter_context(opened(1))
        return _measured_ms(engines) if len(engines) > 1 else ({}, False)


def _measured_ms(engines: Mapping[str, Engine]) -> tuple[dict[str, float], bool]:
    """
    Return each engine's time of one image, and whether the machine was quiet.

    Other processes only ever add time, so the fastest of the alternating runs
    is compared.
    """
    image = np.zeros((1, *next(iter(engines.values())).info.input_hw, 3), np.uint8)
    times: dict[str, list[float]] = {name: [] for name in engines}
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            start = time.perf_counter()
            engine.infer(image)
            times[name].append((time.perf_counter() - start) * 1e3)
        if time.perf_counter() - began > BUDGET_S:
            break
    fastest = {name: round(min(values), 3) for name, values in times.items()}
    quiet = all(np.median(times[name]) <= MAX_UNREST * fastest[name] for name in times)
    return fastest, quiet


def _key(openers: Openers, model_sha256: str, threads: int) -> str:
    facts = [model_sha256, str(threads), str(cores()), _processor()]
    for name in sorted(openers):
        try:
            facts.append(f'{name} {version(DISTRIBUTIONS.get(name, name))}')
        except PackageNotFoundError:  # a distribution's own package, or onnxruntime-gpu
            facts.append(name)
    return hashlib.sha256('\n'.join(facts).encode()).hexdigest()[:32]


def _processor() -> str:
    with contextlib.suppress(OSError), Path('/proc/cpuinfo').open(encoding='utf-8') as stream:
        lines = [line for line in stream if line.startswith(('model name', 'flags', 'Features'))]
        return ''.join(dict.fromkeys(lines))
    return ''


def _remembered(cache_dir: str | Path | None) -> dict[str, dict[str, float]]:
    """Return what was measured before; nothing where the file is missing or damaged."""
    try:
        folder = checked_folder(cache_dir)
        entries = json.loads(read_file(folder / FILE, MAX_BYTES, EngineCacheError))
        return {
            str(key): {str(name): float(ms) for name, ms in times.items()}
            for key, times in entries.items()
            if all(math.isfinite(float(ms)) and float(ms) > 0 for ms in times.values())
        }
    except (OSError, EngineCacheError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _remember(cache_dir: str | Path | None, key: str, times_ms: dict[str, float]) -> None:
    entries = list((_remembered(cache_dir) | {key: times_ms}).items())[-MAX_ENTRIES:]
    with contextlib.suppress(FileWriteError, EngineCacheError):
        write_file(checked_folder(cache_dir) / FILE, json.dumps(dict(entries), indent=1))
