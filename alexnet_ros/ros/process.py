"""
Run one node as a process: signals, executor, bounded and honest exit.

rclpy's own signal handlers invalidate the context before ``on_shutdown`` can
run, so they stay off; Python's handlers set a flag that the spin loop reads.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.signals import SignalHandlerOptions

from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.files import one_line
from alexnet_ros.parent import end_with_parent
from alexnet_ros.ros.lifecycle import ManagedNode
from alexnet_ros.ros.shared_memory import remove_orphans

SPIN_S = 0.1  # how long a signal may wait for the spin loop
EXIT_BOUND_S = 1.7  # after this a clean end is given up
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
LARGEST_REUSED = 32 << 20  # bytes; the most that glibc takes, enough for 3840x2160 pixels
KEPT_BYTES = 128 << 20  # of freed memory, at the heap's end
MAX_ERRORS = 20  # exceptions out of callbacks in a row before giving up
ENDING = (  # all that end a process unless it handles them, apart from its own faults
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU, signal.SIGPOLL,
    signal.SIGPWR, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)  # fmt: skip


class RosLogHandler(logging.Handler):
    """Sends what the package logs through Python's ``logging`` to the ROS log."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on with the level that is next to its own."""
        # rclpy ties a level to the line that logs, so each has its own call.
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)


def make_executor(choice: str, context: Context | None = None) -> Executor:
    """Return the executor: ``events``, ``single``, or ``auto`` for events where rclpy has it."""
    if choice != 'single':
        try:
            from rclpy.experimental import EventsExecutor
        except ImportError:
            if choice == 'events':
                rclpy.logging.get_logger('alexnet_ros').warning(
                    'this rclpy has no EventsExecutor; the single-threaded executor is used'
                )
        else:
            return EventsExecutor(context=context)
    return SingleThreadedExecutor(context=context)


def reuse_memory() -> None:
    """
    Have freed images' memory used again instead of given back to the system.

    glibc otherwise maps fresh pages for every large image, and the system
    clears each of them: two thirds of the time that taking 1920x1080 pixels
    from a topic costs.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        for parameter, value in (
            (M_MMAP_THRESHOLD, LARGEST_REUSED),
            (M_TRIM_THRESHOLD, KEPT_BYTES),
        ):
            ctypes.CDLL(None).mallopt(parameter, value)


def run_node(make_node: Callable[[], ManagedNode], args: Sequence[str] | None = None) -> int:
    """
    Make one node, spin it until a signal or its own request, and clean up.

    :param make_node: called after ``rclpy.init``; the node may have an
        attribute ``executor_choice``.
    :param args: command line, with ``--ros-args``; None for ``sys.argv``.
    :returns: exit status: 0 after a signal that ends a process, 2 if the command line
        cannot be read, 1 if the node could not be made, else what the node
        asked for.
    """
    end_with_parent()
    reuse_memory()
    stop = threading.Event()
    nodes: list[ManagedNode] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        stop.set()
        for node in nodes:
            node.stopping.set()
        _bound_exit(0, f'signal {number}')

    for number in ENDING:
        signal.signal(number, on_signal)
    orphans, orphan_bytes = remove_orphans()
    try:
        rclpy.init(
            args=None if args is None else list(args),
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except Exception as error:  # rclpy has no common type for what it cannot read
        if 'SECURITY' in str(error):
            print(f'alexnet_ros: no node can be created: {one_line(error)}', file=sys.stderr)
            return 1
        print(f'alexnet_ros: the command line cannot be used: {one_line(error)}', file=sys.stderr)
        return 2
    executor: Executor | None = None
    try:
        node = make_node()
        node.exit_hook = _bound_exit
        package_log = logging.getLogger('alexnet_ros')
        package_log.setLevel(logging.INFO)
        package_log.addHandler(RosLogHandler(node.get_logger()))
        nodes.append(node)
        if orphans:
            node.get_logger().info(
                f'shared memory of killed processes removed: {orphans} segments, '
                f'{orphan_bytes / 2**20:.0f} MiB'
            )
        executor = make_executor(getattr(node, 'executor_choice', 'auto'))
        executor.add_node(node)
        code = _spin(executor, node, stop)
    except AlexnetRosError as error:
        print(f'alexnet_ros: {error}', file=sys.stderr)
        code = 1
    except RuntimeError as error:
        if type(error).__name__ != 'RCLError':  # rclpy does not export its type
            raise
        print(f'alexnet_ros: no node can be created: {one_line(error)}', file=sys.stderr)
        code = 1
    finally:
        for node in nodes:
            node.finalize()
        if executor is not None:  # before the nodes: it holds their services
            executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if any(thread.daemon and thread.name == 'inference' for thread in threading.enumerate()):
        os._exit(code)  # it hangs in a library that must not see the interpreter go
    return code


def _spin(executor: Executor, node: ManagedNode, stop: threading.Event) -> int:
    """Spin until told to stop; an exception out of a callback does not end it."""
    errors = 0
    while not stop.is_set():
        if node.exit_request is not None:
            return node.exit_request[0]
        try:
            executor.spin_once(timeout_sec=SPIN_S)
            errors = 0
        except ExternalShutdownException:
            break
        except Exception:  # the node must outlive any one callback
            errors += 1
            node.get_logger().error(f'unhandled in a callback:\n{traceback.format_exc()}')
            if errors >= MAX_ERRORS:
                node.request_exit(1, f'{errors} callbacks in a row failed')
    return 0 if node.exit_request is None else node.exit_request[0]


def _bound_exit(code: int, reason: str) -> None:
    """End the process in bounded time even if a thread or a library hangs."""

    def end() -> None:
        print(f'alexnet_ros: ended without cleaning up after {reason}', file=sys.stderr)
        sys.stderr.flush()
        os._exit(code)

    timer: Any = threading.Timer(EXIT_BOUND_S, end)
    timer.daemon = True
    timer.start()
