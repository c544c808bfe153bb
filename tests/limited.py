"""Running something in a child process that may take so much time and memory and no more."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE_MIB = 400  # an interpreter with NumPy, OpenCV and rosbags, by its private memory
# Each thread of a pool has a stack, and there are as many as there are cores.
ONE_THREAD = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


def within(code: str, *words: object, cpu_s: int = 20, mib: int = 300) -> str:
    """
    Run Python code with limits and return what it prints; fail where it takes more.

    :param words: its ``sys.argv[1:]``.
    :param cpu_s: processor time, seconds; not affected by what else runs.
    :param mib: memory beyond that of the imports.
    """

    def limit() -> None:
        memory = (BASE_MIB + mib) << 20
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(
        [sys.executable, '-c', code, *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, '1')},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f'{done.returncode}: {done.stderr[-1500:]}'
    assert 'Traceback' not in done.stderr
    return done.stdout


@contextlib.contextmanager
def limited_files(max_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, old[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
