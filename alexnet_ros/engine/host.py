"""What the CPU runtimes ask of this machine, and of each other's errors."""

import os


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_line(error: Exception) -> str:
    """Return the text of a runtime's error as one line of at most 300 characters."""
    return ' '.join(str(error).split())[:300]
