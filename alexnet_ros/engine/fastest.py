"""The fastest CPU runtime for one model on this machine: measured once, then remembered."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.cache_folder import note_path
from alexnet_ros.engine.host import cores, version_of
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
MAX_BYTES = 4 << 10
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
    names = sorted(openers)
    versions = (f'{name} {version_of(DISTRIBUTIONS.get(name, name))}' for name in names)
    facts = (model_sha256, threads, cores(), _processor(), *versions)
    note = note_path(cache_dir, facts, 'times')
    times_ms = {} if note is None else _remembered(note, openers)
    if not times_ms:
        times_ms, quiet = _measured_ms(openers)
        if quiet and note is not None:
            with contextlib.suppress(FileWriteError):
                write_file(note, json.dumps(times_ms))
    failure: EngineUnavailableError | EngineBuildError | None = None
    for name in sorted(openers, key=lambda name: times_ms.get(name, math.inf)):
        try:
            return name, openers[name](max_batch), times_ms
        except (EngineUnavailableError, EngineBuildError) as error:
            failure = error  # the last is of the runtime that runs anywhere
    raise failure or EngineUnavailableError('no CPU runtime is known')


def _measured_ms(openers: Openers) -> tuple[dict[str, float], bool]:
    """
    Return each runtime's time of one image, and whether the machine was quiet.

    Other processes only ever add time, so the fastest of the alternating runs
    is compared. Where there is no choice nothing is measured.
    """
    engines: dict[str, Engine] = {}
    with contextlib.ExitStack() as stack:
        for name, opened in openers.items():
            with contextlib.suppress(EngineUnavailableError, EngineBuildError):
                engines[name] = stack.enter_context(opened(1))
        if len(engines) < 2:
            return {}, False
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
    return fastest, all(np.median(times[name]) <= MAX_UNREST * fastest[name] for name in times)


def _processor() -> str:
    with contextlib.suppress(OSError), Path('/proc/cpuinfo').open(encoding='utf-8') as stream:
        lines = [line for line in stream if line.startswith(('model name', 'flags', 'Features'))]
        return ''.join(dict.fromkeys(lines))
    return ''


def _remembered(note: Path, openers: Openers) -> dict[str, float]:
    """Return what was measured before; nothing where the file is missing or damaged."""
    try:
        found = json.loads(read_file(note, MAX_BYTES, EngineCacheError))
        times = {str(name): float(ms) for name, ms in found.items()}
    except (EngineCacheError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    good = set(times) == set(openers) and all(0 < ms < math.inf for ms in times.values())
    return times if good else {}
