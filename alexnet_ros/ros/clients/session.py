"""A node of a command: its own context, spun in a thread of its own."""

import threading

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException

from alexnet_ros.closing import Closing
from alexnet_ros.ros.process import make_executor

SPIN_S = 0.1


class Session(Closing):
    """
    Context, node and executor thread.

    :param domain: None takes that of the environment.
    :param executor: see :func:`alexnet_ros.ros.process.make_executor`.
    """

    def __init__(self, name: str, *, domain: int | None = None, executor: str = 'single') -> None:
        self.context = Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node(
            name, context=self.context, use_global_arguments=False, start_parameter_services=False
        )
        self._executor = make_executor(executor, self.context)
        self._executor.add_node(self.node)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._spin, name=f'{name} executor', daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._halt.is_set():
            try:
                self._executor.spin_once(timeout_sec=SPIN_S)
            except ExternalShutdownException:
                return

    def close(self) -> None:
        """Stop spinning and take everything down."""
        self._halt.set()
        self._thread.join(timeout=5.0)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
