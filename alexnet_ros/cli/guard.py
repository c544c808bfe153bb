"""Every program of the package ends in a result or in one line; the nodes' programs."""

import importlib
import os
import sys
from collections.abc import Callable

from alexnet_ros.dependencies import missing_package
from alexnet_ros.errors import AlexnetRosError


def guarded(program: str, job: Callable[[], int]) -> int:
    """
    Do a job and say in one line why it failed.

    :param program: what the line begins with.
    :returns: the job's own exit status; 1 after an error of ours, a missing package or a
        file that cannot be used; 130 after Ctrl-C.
    """
    try:
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
    print(f'{program}: {" ".join(line.split())}', file=sys.stderr, flush=True)
    return 1


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
