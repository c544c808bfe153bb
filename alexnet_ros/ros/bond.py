"""
The bond that Nav2's lifecycle manager keeps with a node, where asked for.

``bondpy`` is an apt package of ROS and optional. Its heartbeats come from a
thread of its own and say nothing about this node's health; a node that finds
that it hangs ends its process, and with it the bond.

The manager answers a broken bond with requests to deactivate and clean up, and
waits for their answers without end. So a process that ends breaks its bond
last, when its services are gone, and no request can be lost in it.
"""

import importlib
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node

from alexnet_ros.dependencies import install_command
from alexnet_ros.errors import ConfigError

TOPIC = 'bond'  # what Nav2's lifecycle manager uses
PERIOD_S = 0.1
# The manager's heartbeats pass through our executor; a busy moment there must
# not look like the manager's death, so that side's time-out is out of the way.
TIMEOUT_S = 1e6
NOTICE_S = 0.1  # how long others may take to notice something; measured: up to 0.03 s


class ManagerBond:
    """One bond an activation; a used one cannot be started again."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bond: Any = None

    def start(self) -> None:
        """Form the bond, or raise ConfigError if bondpy is not installed."""
        try:
            bondpy = importlib.import_module('bondpy.bondpy')
        except ImportError as error:
            raise ConfigError(
                f'bond: true needs bondpy ({error}): {install_command("bondpy")}; '
                'or set bond: false'
            ) from error
        bond = bondpy.Bond(self._node, TOPIC, self._node.get_name())
        bond.set_heartbeat_period(PERIOD_S)
        bond.set_heartbeat_timeout(TIMEOUT_S)
        bond.start()
        self._bond = bond

    @property
    def held(self) -> bool:
        """Whether there is a bond to end."""
        return self._bond is not None

    def stop(self) -> None:
        """Break the bond in order; calling again does nothing."""
        bond, self._bond = self._bond, None
        if bond is None:  # shutting down one that never started raises
            return
        # bondpy destroys both but leaves them with the node, where an executor
        # trips over them or goes on calling them.
        self._node.destroy_subscription(bond.sub)
        if not bond.is_broken():
            bond.break_bond()
            bond.pub.wait_for_all_acked(Duration(seconds=NOTICE_S))  # else it may be lost
        bond.shutdown()
        self._node.destroy_publisher(bond.pub)
