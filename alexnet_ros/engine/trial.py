"""
A model is loaded once in a process that may fail before it is loaded here.

The scan of a package refuses what loads files, loops, or makes sizes out of
nothing or out of a picture. That what is left stays within time and memory while
it is optimised and run is seen by trying: a child process with limits loads it
into each runtime that may run it, and runs batches of all sizes. A model that
passed is remembered in the cache folder, so only the first start with it, or
with another version of a runtime, takes longer.
"""

import importlib.util
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.cache_folder import note_path
from alexnet_ros.engine.host import version_of
from alexnet_ros.errors import (
    AlexnetRosError,
    EngineBuildError,
    EngineRunError,
    EngineUnavailableError,
    FileWriteError,
)
from alexnet_ros.files import one_line, write_file
from alexnet_ros.model_package import FinderPackage, ModelPackage

MEMORY_BYTES = 2 << 30  # for the interpreter, the runtime and what lies between two layers
MEMORY_PER_BYTE = 12  # of the ONNX file: read, parsed, packed for the processor, once a batch size
CPU_S = 60
CPU_S_PER_MIB = 2
LIMIT_S = 300.0  # by the clock on the wall, on a machine that is busy with other things
POLL_S = 0.05
OUT_OF_MEMORY, REFUSED = 3, 4  # exit statuses
EACH_BATCH = 16  # sizes that are all tried; of larger ones the largest
# The networks that come with this code, which every runtime has run in its tests: whoever can
# put others in their place cannot give them these hashes.
BUNDLED_SHA256 = {
    '431fd129f9840d75be1c14be2f579bd9641c2bece04b63ceb1caa4bed4a1a3b9',  # heading
    '659ec240de95722f0f9141296ed49688c80d98c9a8ba6b3ac5f91be45a9b8dea',  # signs
    '9ddcf3d1725bf8b5d993346be2a3005839a9be1ad43b2a8fade2c433c0b58d18',  # its finder
}
WORDS = ('bad_alloc', 'bad allocation', 'out of memory', 'failed to allocate', 'cannot allocate')
# Isolated, and with this process's places: nothing is imported from the working directory.
CHILD = (
    'import json, sys; sys.path[:] = json.loads(sys.argv[1]); '
    'from alexnet_ros.engine.trial import main; sys.exit(main(sys.argv[2:]))'
)
ONE_THREAD = ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS')
log = logging.getLogger(__name__)


def try_model(
    package: ModelPackage,
    runtime: str,
    *,
    precision: str | None = None,
    max_batch: int = 16,
    cache_dir: str | Path | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """
    Load and run a model in a child process with limits, unless it was before or is bundled.

    :param runtime: ``openvino`` or ``onnxruntime``, on the CPU; one that is not
        installed tries nothing.
    :param cancelled: asked twenty times a second; the child is then ended.
    :returns: why the runtime refuses the model, empty if it does not.
    :raises EngineBuildError: the model takes too much time or memory, ends the
        process that loads it, or ``cancelled`` said so.
    """
    if package.sha256(precision) in BUNDLED_SHA256 or importlib.util.find_spec(runtime) is None:
        return ''
    if not (package.folder / 'model.yaml').is_file():
        return ''  # a finder that this process has just made, before it joins a package
    facts = (2, package.sha256(precision), runtime, version_of(runtime), max_batch)
    passed = note_path(cache_dir, facts, 'tried')
    if passed is not None and passed.exists():
        return ''
    size = package.model_file(precision).bytes
    memory = MEMORY_BYTES + MEMORY_PER_BYTE * size
    cpu_s = CPU_S + CPU_S_PER_MIB * (size >> 20)
    words = [
        *(sys.executable, '-I', '-c', CHILD, json.dumps([one for one in sys.path if one])),
        *(str(package.folder), runtime, package.model_file(precision).precision),
        *(str(max_batch), str(memory), str(cpu_s)),
        'finder' if isinstance(package, FinderPackage) else 'classifier',
    ]
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(ONE_THREAD, '1'),
    )
    path = package.onnx_path(precision)
    with child:
        code = _waited(child, path, cancelled)
        why = child.stdout.read(4096).decode(errors='replace') if child.stdout else ''
    if code == REFUSED:
        return one_line(why)
    if code == OUT_OF_MEMORY:
        raise EngineBuildError(
            f'{path}: takes more than {memory >> 20} MiB to load and run; it is not loaded'
        )
    if code in (-24, -9):  # SIGXCPU, then SIGKILL
        raise EngineBuildError(
            f'{path}: takes more than {cpu_s} s of processor time to load and run, or was '
            'ended for its memory; it is not loaded'
        )
    if code < 0:
        raise EngineBuildError(
            f'{path}: ends the process that loads it (signal {-code}); it is not loaded'
        )
    if code == 0 and passed is not None:
        try:
            write_file(passed, b'')
        except FileWriteError as error:
            log.debug('%s; the model is tried again at the next start', error)
    return ''


def open_cpu(
    package: ModelPackage, name: str, *, spinning: bool = False, **options: Any
) -> Engine:
    """
    Open a model in ``openvino``, or in ONNX Runtime on ``cpu`` or ``cuda``.

    :param spinning: see :class:`~alexnet_ros.engine.onnxrt.OnnxRuntimeEngine`.
    :param options: ``precision``, ``threads`` and ``max_batch``.
    """
    if name == 'openvino':
        from alexnet_ros.engine.openvino import OpenVinoEngine

        return OpenVinoEngine(package, **options)
    from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine

    return OnnxRuntimeEngine(package, provider=name, spinning=spinning, **options)


def _waited(child: 'subprocess.Popen[bytes]', path: Path, cancelled: Callable[[], bool]) -> int:
    """Wait for a child, which never outlives this."""
    end_s = time.monotonic() + LIMIT_S
    try:
        while True:
            try:
                return child.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if cancelled():
                    raise EngineBuildError(f'{path}: loading was stopped') from None
                if time.monotonic() > end_s:
                    raise EngineBuildError(
                        f'{path}: takes more than {LIMIT_S:.0f} s to load and run; not loaded'
                    ) from None
    finally:
        child.kill()
        child.wait()


def _data_bytes() -> int:
    """Return what the interpreter holds already; a machine of many cores has it hold more."""
    with Path('/proc/self/status').open(encoding='ascii', errors='replace') as status:
        sizes = [line.split()[1] for line in status if line.startswith('VmData:')]
    return int(sizes[0]) << 10 if sizes else 0


def main(words: list[str]) -> int:
    """Be the child: load, run batches, and say by the exit status how it went."""
    folder, runtime, precision, max_batch, memory, cpu_s, part = words
    limit = int(memory) + _data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s), int(cpu_s) + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        whole = ModelPackage.load(folder)
        package = whole.finder if part == 'finder' and whole.finder else whole
        name = 'openvino' if runtime == 'openvino' else 'cpu'
        engine = open_cpu(package, name, precision=precision, threads=1, max_batch=int(max_batch))
        for size in {*range(1, min(int(max_batch), EACH_BATCH)), int(max_batch)}:
            engine.infer(np.zeros((size, *engine.info.input_hw, 3), np.uint8))
    except MemoryError:
        return OUT_OF_MEMORY
    except EngineUnavailableError:
        return 1
    except AlexnetRosError as error:
        if any(word in one_line(error).lower() for word in WORDS):
            return OUT_OF_MEMORY
        if isinstance(error, EngineRunError):  # such as NaN, which is told of each image
            return 1
        print(error)
        return REFUSED
    return 0
