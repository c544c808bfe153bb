"""
The other side of a node's bond: what Nav2's lifecycle manager does, in Python.

A manager configures and activates its nodes, forms a bond named as the node on
the topic ``bond`` and, once that is broken, asks the node to deactivate and to
clean up, waiting for each answer without end. As a process
(``python -m tests.ros.bond_partner``) this keeps one bond and says what comes
of it, so that a test can end it in any way.
"""

import sys
import time
from typing import TYPE_CHECKING, Any

import bondpy.bondpy
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

if TYPE_CHECKING:  # importing it takes a domain of its own, the partner wants the node's
    from tests.ros.robot import Bench

NODE = 'alexnet'
PERIOD_S = 0.25  # the manager's, Nav2 main; Jazzy and before: 0.1
TIMEOUT_S = 4.0  # the manager's default
NEVER_S = 1e6
ASK_AGAIN_S = 10.0
GOALS = {
    Transition.TRANSITION_CONFIGURE: 'inactive',
    Transition.TRANSITION_ACTIVATE: 'active',
    Transition.TRANSITION_DEACTIVATE: 'inactive',
    Transition.TRANSITION_CLEANUP: 'unconfigured',
}


class Partner:
    """
    One bond with the classifier, as a manager has it.

    :param node: spun by the test; each bond wants one of its own, for bondpy
        declares a parameter when a bond times out.
    :param timeout_s: how long heartbeats may stay away.
    """

    def __init__(self, node: Node, timeout_s: float = TIMEOUT_S) -> None:
        self.node = node
        self.bond = bondpy.bondpy.Bond(node, 'bond', NODE)
        self.bond.set_heartbeat_period(PERIOD_S)
        self.bond.set_heartbeat_timeout(timeout_s)
        self.bond.start()

    @property
    def state(self) -> str:
        """WaitingForSister, Alive, AwaitSisterDeath or Dead."""
        return str(self.bond.sm.getState().getName().removeprefix('SM.'))

    @property
    def watches(self) -> bool:
        """Whether it would miss a heartbeat: bondpy counts from the second one."""
        return self.state == 'Alive' and self.bond.heartbeat_timer.timer.is_alive()

    def close(self) -> None:
        self.node.destroy_subscription(self.bond.sub)
        self.bond.shutdown()
        self.node.destroy_publisher(self.bond.pub)


class Manager:
    """
    Brings the classifier up, keeps a bond with it and resets it when that breaks.

    :param bench: spins the nodes of its bonds.
    """

    def __init__(self, bench: 'Bench') -> None:
        self._bench = bench
        self._nodes: list[Node] = []
        self._client = bench.node.create_client(ChangeState, f'/{NODE}/change_state')
        self.partner: Any = None

    def ready(self) -> bool:
        """Whether the node's service seems to be there."""
        return bool(self._client.service_is_ready())

    def ask(self, transition: int) -> bool:
        """Ask for a transition; fail if no answer comes."""
        request = ChangeState.Request(transition=Transition(id=transition))
        self._bench.until('the service is there', self.ready)
        future = self._client.call_async(request)
        next_s = time.monotonic() + ASK_AGAIN_S

        def settled() -> bool:
            # The answer to a client that the node does not know yet is lost.
            nonlocal next_s
            if future.done() or time.monotonic() < next_s:
                return bool(future.done())
            next_s += ASK_AGAIN_S
            state = self._bench.call(GetState, f'/{NODE}/get_state').current_state.label
            return bool(state == GOALS[transition])

        self._bench.until('the request is answered', settled)
        return not future.done() or bool(future.result().success)

    def configure(self) -> None:
        assert self.ask(Transition.TRANSITION_CONFIGURE)

    def activate(self, timeout_s: float = TIMEOUT_S) -> Partner:
        """Activate the node and bond with it."""
        self.drop()  # else its last word may be heard as the first one of the new bond
        assert self.ask(Transition.TRANSITION_ACTIVATE)
        return self.join(timeout_s)

    def join(self, timeout_s: float = TIMEOUT_S) -> Partner:
        """Bond with a node that is active, or will be soon."""
        self.drop()
        node = Node(
            f'manager{len(self._nodes)}', context=self._bench.context, use_global_arguments=False
        )
        self._nodes.append(node)
        self._bench.executor.add_node(node)
        partner = Partner(node, timeout_s)
        self.partner = partner
        self._bench.until('the bond is formed', lambda: partner.watches)
        return partner

    def reset(self) -> None:
        """Do what the manager does after a broken bond; the node may be gone."""
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            if self.ready():
                self.ask(transition)
        self.drop()

    def drop(self) -> None:
        """Forget the bond, as after a reset."""
        partner, self.partner = self.partner, None
        if partner is not None:
            partner.close()

    def close(self) -> None:
        self.drop()
        for node in self._nodes:
            self._bench.executor.remove_node(node)
            node.destroy_node()


def main() -> int:
    """Keep one bond; say ``formed`` and ``broken``."""
    rclpy.init()
    node = Node('partner')
    partner, said = Partner(node, NEVER_S), ''
    try:
        while rclpy.ok():
            rclpy.spin_once(node, timeout_sec=0.05)
            if partner.state != said:
                said = partner.state
                print(said, flush=True)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    return 0


if __name__ == '__main__':
    sys.exit(main())
