"""Processes that end with the one that started them, however that one ends."""

import ctypes
import os
import signal
import sys

VARIABLE = 'ALEXNET_ROS_PARENT'
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def child_environment() -> dict[str, str]:
    """Return the variables of this process, with its id for :func:`end_with_parent`."""
    return {**os.environ, VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """
    Let this process get a SIGTERM when its parent is gone, if that one asked for it.

    A node that a shell or systemd started is not concerned: they set no
    :data:`VARIABLE`. Linux only; elsewhere nothing happens.
    """
    asked = os.environ.get(VARIABLE, '')
    if not asked.isdecimal() or not sys.platform.startswith('linux'):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    try:
        os.kill(int(asked), 0)
    except ProcessLookupError:  # it went before the line above
        os.kill(os.getpid(), signal.SIGTERM)
    except PermissionError:
        pass
