"""What choosing and running an engine asks of this machine."""

import importlib.metadata
import os
from pathlib import Path

# What the kernel drivers make for a GPU: PCs and servers; Jetson, older and newer; and
# the driver's library that Windows lends to WSL.
GPU_FILES = ('dev/nvidia[0-9]*', 'dev/nvhost-gpu', 'dev/nvgpu', 'usr/lib/wsl/lib/libcuda.so.1')


def has_nvidia_gpu(root: Path = Path('/')) -> bool:
    """Say whether an NVIDIA GPU is in this machine, usable or not, without loading anything."""
    return any(any(root.glob(pattern)) for pattern in GPU_FILES)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version_of(distribution: str) -> str:
    """Return the version of an installed package, ``?`` for one that came another way."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # a distribution's own, onnxruntime-gpu
        return '?'
