"""
The bond with Nav2's lifecycle manager.

``bondpy`` has no wheel; where it is missing a double with its contract stands
in: starting twice and shutting down before the start raise, as bondpy does.
"""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.lifecycle import FAILURE, SUCCESS
from tests.ros.robot import Bench

BONDS: list['Bond'] = []


class Bond:
    """What is used of ``bondpy.Bond``."""

    def __init__(self, _node: Any, topic: str, ident: str) -> None:
        self.topic, self.ident = topic, ident
        self.calls: list[str] = []
        BONDS.append(self)

    def set_heartbeat_period(self, seconds: float) -> None:
        assert 'start' not in self.calls
        assert 0 < seconds < 2.0

    def set_heartbeat_timeout(self, seconds: float) -> None:
        assert 'start' not in self.calls
        assert seconds > 3600.0

    def start(self) -> None:
        assert not self.calls
        self.calls.append('start')

    def shutdown(self) -> None:
        assert self.calls == ['start']
        self.calls.append('shutdown')

    def break_bond(self) -> None:
        assert self.calls == ['start']
        self.calls.append('break')


@pytest.fixture
def bondpy(monkeypatch: pytest.MonkeyPatch) -> list[Bond]:
    BONDS.clear()
    package, module = types.ModuleType('bondpy'), types.ModuleType('bondpy.bondpy')
    module.Bond = Bond  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'bondpy', package)
    monkeypatch.setitem(sys.modules, 'bondpy.bondpy', module)
    return BONDS


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
        assert (bondpy[-1].topic, bondpy[-1].ident) == ('bond', 'alexnet')
        assert node.trigger_deactivate() == SUCCESS
        assert bondpy[-1].calls == ['start', 'shutdown']
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS
    assert bondpy[-1].calls == ['start', 'shutdown']


def test_a_hang_breaks_the_bond(
    bench: Bench, model: Path, bondpy: list[Bond], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = configured(bench, model)
    assert node.trigger_activate() == SUCCESS
    monkeypatch.setattr(node._worker, 'busy_for_s', lambda _now_s: 1e9)
    bench.until('the bond is broken', lambda: bondpy[-1].calls == ['start', 'break'])
    bench.until('an exit is asked for', lambda: node.exit_request)


def test_without_bondpy_activation_fails_and_says_what_to_do(
    bench: Bench, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'bondpy', None)
    node = configured(bench, model)
    assert node.trigger_activate() == FAILURE
    assert 'bondpy' in node.last_error
    assert 'bond: false' in node.last_error
    assert not node.active
