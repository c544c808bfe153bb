"""What was measured on: processor, memory and its speed, versions."""

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np

PACKAGES = ('numpy', 'opencv-python-headless', 'opencv-python', 'onnxruntime', 'openvino', 'torch')


def machine() -> dict[str, object]:
    """Describe this machine as far as it changes a measurement."""
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gib': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1),
        'read_bandwidth_gb_s': round(read_bandwidth_gb_s(), 1),
        'load_1min': round(os.getloadavg()[0], 2),
        'system': f'{platform.system()} {platform.release()} {platform.machine()}',
        'python': platform.python_version(),
        'versions': {name: v for name in PACKAGES if (v := _version(name))},
    }


def read_bandwidth_gb_s() -> float:
    """
    Measure how fast one core reads memory, in 10^9 bytes a second.

    The best of several passes over an array larger than the core's own caches;
    a large shared cache can still hold it, and then this is that cache's speed,
    as it is for the network's weights.
    """
    values = np.ones(32_000_000, np.int64)  # 256 MB
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        values.sum()
        best = max(best, values.nbytes / (time.perf_counter() - start) / 1e9)
    return best


def _processor() -> str:
    """Return the processor's name, its vector extensions for INT8 beside it."""
    name, flags = platform.machine(), ''
    try:
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            key, _, value = line.partition(':')
            if key.strip() in {'model name', 'Hardware'}:
                name = value.strip()
            if key.strip() in {'flags', 'Features'}:
                flags = value
                break
    except OSError:
        pass
    wanted = ('avx2', 'avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp')
    seen = [flag for flag in wanted if flag in flags.split()]
    return f'{name} ({", ".join(seen)})' if seen else name


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
