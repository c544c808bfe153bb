"""A node without a lifecycle, for :func:`alexnet_ros.ros.process.run_node`."""

from typing import Any, Generic, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from alexnet_ros.ros.lifecycle import Ending
from alexnet_ros.ros.parameters import Parameters

LAST_WORD_S = 0.3  # how long the last message of a node that ends may take to arrive
T = TypeVar('T')


class PlainNode(Ending, Node, Generic[T]):
    """Holds settings as parameters, which ConfigError refuses, and asks its process to end."""

    executor_choice = 'single'

    def __init__(self, node_name: str, kind: type[T], **kwargs: Any) -> None:
        super().__init__(node_name, **kwargs)
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.parameters: Parameters[T] = Parameters(
            self,
            kind,
            active=lambda: True,
            configured=lambda: True,
            remedy='start the node with it',
        )

    @property
    def settings(self) -> T:
        """Return the values of the parameters."""
        return self.parameters.current
