"""
The bond that Nav2's lifecycle manager keeps with a node, where asked for.

``bondpy`` is an apt package of ROS and optional. Its heartbeats come from a
thread of its own and say nothing about this node's health, so the node breaks
the bond itself when it finds that it hangs.
"""

import importlib
from typing import Any

from rclpy.node import Node

from alexnet_ros.errors import ConfigError

TOPIC = 'bond'  # what Nav2's lifecycle manager uses
PERIOD_S = 0.1
# The manager's heartbeats pass through our executor; a busy moment there must
# not look like the manager's death, so that side's time-out is out of the way.
TIMEOUT_S = 1e6


class ManagerBond:
    """
    One bond an activation; a used one cannot be started again.

    :param node: its name is the bond's id.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bond: Any = None

    def start(self) -> None:
        """
        Form the bond.

        :raises ConfigError: bondpy is not installed.
        """
        try:
            bondpy = importlib.import_module('bondpy.bondpy')
        except ImportError as error:
            raise ConfigError(
                f'bond: true needs bondpy ({error}); install ros-$ROS_DISTRO-bondpy '
                'or set bond: false'
            ) from error
        bond = bondpy.Bond(self._node, TOPIC, self._node.get_name())
        bond.set_heartbeat_period(PERIOD_S)
        bond.set_heartbeat_timeout(TIMEOUT_S)
        bond.start()
        self._bond = bond

    def stop(self) -> None:
        """Take the bond down in order; calling again does nothing."""
        bond, self._bond = self._bond, None
        if bond is not None:  # shutting down one that never started raises
            bond.shutdown()

    def break_off(self) -> None:
        """Tell the manager that this node has failed."""
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.break_bond()
