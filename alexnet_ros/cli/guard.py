"""Every program of the package ends in a result or in one line; the nodes' programs."""

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from alexnet_ros.dependencies import missing_package
from alexnet_ros.errors import AlexnetRosError, printable


def guarded(program: str, job: Callable[[], int]) -> int:
    """
    Do a job and say in one line why it failed.

    :returns: the job's own exit status; 1 after an error of ours, a missing package or a
        file that cannot be used; 130 after Ctrl-C.
    """
    try:
        with _ended_by_signals():
            return job()
    except AlexnetRosError as error:
        line = str(error)
    except ImportError as error:
        line = missing_package(error)
        if not line:
            raise
    except KeyboardInterrupt:
        print(f'{program}: stopped', file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a read-only folder
        line = f'{error.strerror or error}' + (f': {error.filename}' if error.filename else '')
    print(f'{program}: {printable(" ".join(line.split()))}', file=sys.stderr, flush=True)
    return 1


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the program, so that it stops what it started."""
    here = threading.current_thread() is threading.main_thread()
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if here and signal.getsignal(number) == signal.SIG_DFL
    ]

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _node(name: str) -> int:
    """Run the node of one module; it is imported inside the guard."""

    def job() -> int:
        code: int = importlib.import_module(f'alexnet_ros.ros.{name}_node').main()
        return code

    return guarded(f'alexnet_ros {name}', job)


def classifier() -> int:
    """Run the ``classifier`` node."""
    return _node('classifier')


def sign_navigator() -> int:
    """Run the ``sign_navigator`` node."""
    return _node('sign_navigator')


def velocity_gate() -> int:
    """Run the ``velocity_gate`` node."""
    return _node('velocity_gate')
