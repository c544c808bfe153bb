"""
The bond with Nav2's lifecycle manager.

``bondpy`` has no wheel; where it is missing a double with its contract stands
in: starting twice and shutting down before the start raise, as bondpy does.
"""

import importlib
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.node import Node
from std_msgs.msg import String

from alexnet_ros.ros.bond import ManagerBond
from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.lifecycle import FAILURE, SUCCESS
from tests.ros.robot import Bench

BONDS: list['Bond'] = []
USED = (
    'set_heartbeat_period',
    'set_heartbeat_timeout',
    'start',
    'shutdown',
    'break_bond',
    'is_broken',
)


class Bond:
    """What is used of ``bondpy.Bond``, with a real publisher and subscription."""

    def __init__(
        self, node: Node, topic: str, bond_id: str, on_broken: Any = None, on_formed: Any = None
    ) -> None:
        assert on_broken is on_formed is None
        self.node, self.topic, self.id = node, topic, bond_id
        self.calls: list[str] = []
        self.services_left = -1
        self.pub = node.create_publisher(String, topic, 1)
        BONDS.append(self)

    def set_heartbeat_period(self, per: float) -> None:
        assert 'start' not in self.calls
        assert 0 < per < 2.0

    def set_heartbeat_timeout(self, dur: float) -> None:
        assert 'start' not in self.calls
        assert dur > 3600.0

    def start(self) -> None:
        assert not self.calls
        self.sub = self.node.create_subscription(String, self.topic, lambda _message: None, 1)
        self.calls.append('start')

    def is_broken(self) -> bool:
        return 'break' in self.calls

    def break_bond(self) -> None:
        assert self.calls == ['start']
        self.services_left = len(list(self.node.services))
        self.calls.append('break')

    def shutdown(self) -> None:
        assert 'start' in self.calls
        self.sub.destroy()
        self.pub.destroy()
        self.calls.append('shutdown')


@pytest.fixture
def bondpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Bond]]:
    package, module = types.ModuleType('bondpy'), types.ModuleType('bondpy.bondpy')
    module.Bond = Bond  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'bondpy', package)
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', module)
    yield BONDS
    BONDS.clear()  # they hold the node, whose services would live on


def configured(bench: Bench, model: Path, **parameters: Any) -> ClassifierNode:
    node = bench.add(ClassifierNode, model=str(model), bond=True, **parameters)
    assert isinstance(node, ClassifierNode)
    assert node.trigger_configure() == SUCCESS
    return node


def test_every_activation_has_a_bond_of_its_own(
    bench: Bench, model: Path, bondpy: list[Bond]
) -> None:
    node = configured(bench, model)
    assert not bondpy
    for count in (1, 2):
        assert node.trigger_activate() == SUCCESS
        assert len(bondpy) == count
        bond = bondpy[-1]
        assert (bond.topic, bond.id) == ('bond', 'alexnet')
        assert node.trigger_deactivate() == SUCCESS
        assert bond.calls == ['start', 'break', 'shutdown']
        assert bond.services_left > 0
        assert bond.sub not in list(node.subscriptions)
        assert bond.pub not in list(node.publishers)
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS
    assert bondpy[-1].calls == ['start', 'break', 'shutdown']


def test_what_the_partner_broke_is_not_broken_again(
    bench: Bench, model: Path, bondpy: list[Bond]
) -> None:
    node = configured(bench, model)
    assert node.trigger_activate() == SUCCESS
    bondpy[-1].calls.append('break')
    assert node.trigger_deactivate() == SUCCESS
    assert bondpy[-1].calls == ['start', 'break', 'shutdown']


def test_a_hang_breaks_the_bond(
    bench: Bench, model: Path, bondpy: list[Bond], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = configured(bench, model)
    assert node.trigger_activate() == SUCCESS
    monkeypatch.setattr(node._worker, 'busy_for_s', lambda _now_s: 1e9)
    bench.until('an exit is asked for', lambda: node.exit_request)
    bench.executor.remove_node(node)
    node.finalize()
    assert bondpy[-1].calls == ['start']
    node.destroy_node()
    assert bondpy[-1].calls == ['start', 'break', 'shutdown']
    # A manager that hears of it must find no service that it would wait for.
    assert bondpy[-1].services_left == 0


def test_the_double_has_the_interface_of_bondpy() -> None:
    pytest.importorskip('bondpy', reason='bondpy (apt: ros-$ROS_DISTRO-bondpy) is not here')
    real = importlib.import_module('bondpy.bondpy').Bond
    for name in USED:
        assert _parameters(getattr(Bond, name)) == _parameters(getattr(real, name)), name
    # Newer ones call the third bond_id, older ones id; it is passed by place.
    assert len(_parameters(Bond)) == len(_parameters(real))
    assert _parameters(Bond)[3:] == _parameters(real)[3:]
    used = set(re.findall(r'\bbond\.(\w+)', inspect.getsource(ManagerBond)))
    assert used - {'pub', 'sub'} == set(USED)


def _parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


def test_without_bondpy_activation_fails_and_says_what_to_do(
    bench: Bench, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'bondpy', None)
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', None)
    node = configured(bench, model)
    assert node.trigger_activate() == FAILURE
    assert 'bondpy' in node.last_error
    assert 'bond: false' in node.last_error
    assert not node.active
