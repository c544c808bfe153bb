"""What stands around a node: the executor, the log, callbacks that raise."""

import logging
import sys
import threading
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from alexnet_ros.ros.lifecycle import ManagedNode
from alexnet_ros.ros.process import MAX_ERRORS, RosLogHandler, _spin, make_executor
from tests.ros.robot import Bench


class Plain(ManagedNode):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__('plain', **kwargs)


@pytest.fixture
def node(bench: Bench) -> Plain:
    made = bench.add(Plain)
    assert isinstance(made, Plain)
    return made


def test_a_callback_that_raises_now_and_then_does_not_end_the_spin(
    bench: Bench, node: Plain, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    calls: list[int] = []

    def sometimes() -> None:
        calls.append(1)
        if len(calls) == 3:
            stop.set()
        elif len(calls) == 1:
            raise ValueError('only once')

    node.create_timer(0.01, sometimes)
    assert _spin(bench.executor, node, stop) == 0
    assert len(calls) == 3
    assert 'only once' in capfd.readouterr().err
    assert node.exit_request is None


def test_callbacks_that_always_raise_end_the_process_with_an_error(
    bench: Bench, node: Plain
) -> None:
    def always() -> None:
        raise ValueError('again')

    node.create_timer(0.001, always)
    bench.executor.remove_node(bench.node)
    assert _spin(bench.executor, node, threading.Event()) == 1
    assert str(MAX_ERRORS) in node.last_error


def test_an_exit_request_ends_the_spin_with_its_code(bench: Bench, node: Plain) -> None:
    node.request_exit(70, 'the device is lost')
    assert _spin(bench.executor, node, threading.Event()) == 70


def test_the_executor_is_chosen_and_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rclpy.init(args=[])
    try:
        single = make_executor('single')
        assert isinstance(single, SingleThreadedExecutor)
        single.shutdown()
        monkeypatch.setitem(sys.modules, 'rclpy.experimental', None)
        for choice in ('auto', 'events'):
            executor = make_executor(choice)
            assert isinstance(executor, SingleThreadedExecutor)
            executor.shutdown()
    finally:
        rclpy.try_shutdown()


def test_the_packages_log_reaches_the_ros_log(
    node: Plain, capfd: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger('alexnet_ros.test_process')
    handler = RosLogHandler(node.get_logger())
    log.addHandler(handler)
    log.propagate = False
    try:
        log.setLevel(logging.DEBUG)
        for level, text in ((logging.WARNING, 'one'), (logging.ERROR, 'two'), (logging.INFO, 'x')):
            log.log(level, text)
    finally:
        log.removeHandler(handler)
    seen = capfd.readouterr().err
    assert '[WARN]' in seen
    assert '[ERROR]' in seen
    assert '[plain]: x' in seen
