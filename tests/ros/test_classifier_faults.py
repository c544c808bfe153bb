"""Overload, failing and hanging engines: what the node does about them."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from vision_msgs.msg import Classification

from alexnet_ros.errors import EngineFatalError, EngineRunError
from alexnet_ros.ros.classifier_node import EXIT_FATAL, ClassifierNode
from alexnet_ros.ros.diagnostics import ERROR, OK, STALE, WARN, Finding
from alexnet_ros.ros.lifecycle import SUCCESS
from tests.models import tiny_package
from tests.ros.robot import DEADLINE_S, Bench, stamp_ns


class Valve:
    """Stands before a real engine: holds runs back, or makes them fail."""

    def __init__(self, node: ClassifierNode) -> None:
        self._engine = node._worker.recognizer.engine
        node._worker.recognizer.engine = self
        self.open = threading.Event()
        self.open.set()
        self.runs = 0
        self.fail: Callable[[], Exception | None] = lambda: None

    def infer(self, batch: Any, **options: Any) -> Any:
        self.runs += 1
        self.open.wait(DEADLINE_S)
        error = self.fail()
        if error is not None:
            raise error
        return self._engine.infer(batch, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class Rig:
    """An active classifier behind a valve, its camera and its results."""

    def __init__(self, bench: Bench, model: Path, **parameters: Any) -> None:
        self.bench = bench
        node = bench.add(ClassifierNode, model=str(model), **parameters)
        assert isinstance(node, ClassifierNode)
        self.node = node
        assert node.trigger_configure() == SUCCESS, node.last_error
        self.valve = Valve(node)
        self.results = bench.listen(Classification, 'alexnet/classification')
        self.camera = bench.camera()
        assert node.trigger_activate() == SUCCESS, node.last_error
        self.stats = node._ports[''].stats
        self.flow()

    def send(self) -> Image:
        """Send one image and wait until the node has it."""
        image = self.bench.image()
        received = self.stats.received
        self.camera.publish(image)
        self.bench.until('the image arrives', lambda: self.stats.received > received)
        return image

    def flow(self) -> None:
        """Send images until one is answered, and wait until nothing is on its way."""
        self.bench.until_answered(self.camera, self.results)
        last = stamp_ns(self.send())
        self.bench.until('the last is answered', lambda: self.results.stamps()[-1] == last)

    def flow_until_limited(self) -> None:
        """Send images until the node has begun to leave them to newer ones."""
        dropped = self.stats.dropped

        def left() -> bool:
            self.send()
            self.bench.spin_for(0.3)
            return self.stats.dropped > dropped + 2

        self.bench.until('images are left out', left)

    def finding(self, task: str) -> Finding:
        return next(one for one in self.node.findings() if one.task == task)


@pytest.fixture
def rig(bench: Bench, model: Path) -> Iterator[Rig]:
    made = Rig(bench, model)
    yield made
    made.valve.open.set()


def test_under_overload_the_newest_frame_is_next(rig: Rig) -> None:
    before, dropped = len(rig.results), rig.stats.dropped
    rig.valve.open.clear()
    runs = rig.valve.runs
    first = rig.send()
    rig.bench.until('the first is in work', lambda: rig.valve.runs > runs)
    others = [rig.send() for _ in range(9)]
    rig.valve.open.set()
    rig.bench.until('two results', lambda: len(rig.results) == before + 2)
    rig.bench.spin_for(0.2)
    stamps = [one.header.stamp.sec for one in rig.results.messages[before:]]
    assert stamps == [first.header.stamp.sec, others[-1].header.stamp.sec]
    assert rig.stats.dropped == dropped + 8


def test_a_rate_limit_holds_and_then_gives_the_newest(rig: Rig) -> None:
    rig.node.set_parameters([Parameter('max_rate_hz', value=0.01)])
    rig.flow_until_limited()
    images = [stamp_ns(rig.send()) for _ in range(4)]
    rig.bench.spin_for(0.6)
    assert set(images).isdisjoint(rig.results.stamps())
    rig.node.set_parameters([Parameter('max_rate_hz', value=0.0)])
    rig.bench.until('the newest comes', lambda: rig.results.stamps()[-1] == images[-1])
    assert set(images[:-1]).isdisjoint(rig.results.stamps())


def test_malformed_bytes_are_counted_and_change_nothing(rig: Rig) -> None:
    whole = serialize_message(rig.bench.image())
    bad = [whole[:30], whole[:-1], whole[:1] + b'\xff' + whole[2:]]
    for count, data in enumerate(bad, 1):
        rig.camera.publish(data)
        rig.bench.until('it counts', lambda c=count: rig.stats.rejected['bad_data'] == c)
    rig.flow()
    assert rig.node.exit_request is None


def test_a_failing_run_is_counted_and_the_next_one_works(rig: Rig) -> None:
    errors = iter([EngineRunError('out of memory'), ValueError('unforeseen')])
    rig.valve.fail = lambda: next(errors, None)
    before = len(rig.results)
    pipeline = rig.node._pipeline
    for count in (1, 2):
        rig.send()
        rig.bench.until('it is counted', lambda c=count: pipeline.inference_errors == c)
        assert rig.finding('backend').level == ERROR
    assert len(rig.results) == before
    rig.flow()
    assert rig.finding('backend').level == OK
    assert rig.node.exit_request is None


def test_logits_that_are_not_finite_are_never_published(bench: Bench, tmp_path: Path) -> None:
    tiny_package(tmp_path / 'nan', logit_bias=float('nan'))
    node = bench.add(ClassifierNode, model=str(tmp_path / 'nan'))
    if node.trigger_configure() == SUCCESS:  # it may be refused right here
        assert node.trigger_activate() == SUCCESS
        results = bench.listen(Classification, 'alexnet/classification')
        camera = bench.camera()

        def counted() -> bool:
            camera.publish(bench.image())
            bench.spin_for(0.05)
            return node._pipeline.inference_errors > 0

        bench.until('the error is counted', counted)
        assert not results.messages
    assert node.exit_request is None


def test_a_lost_device_ends_the_process(rig: Rig) -> None:
    rig.valve.fail = lambda: EngineFatalError('illegal address')
    rig.send()
    code, reason = rig.bench.until('an exit is asked for', lambda: rig.node.exit_request)
    assert code == EXIT_FATAL
    assert 'illegal address' in reason


def test_a_hanging_frame_ends_the_process(rig: Rig) -> None:
    rig.node.set_parameters([Parameter('inference_timeout_s', value=0.1)])
    rig.valve.open.clear()
    rig.send()
    code, reason = rig.bench.until('an exit is asked for', lambda: rig.node.exit_request)
    rig.valve.open.set()
    assert code == EXIT_FATAL
    assert 'in work for' in reason


def test_deactivating_during_a_frame_publishes_nothing_of_it(rig: Rig) -> None:
    before, runs = len(rig.results), rig.valve.runs
    rig.valve.open.clear()
    rig.send()
    rig.bench.until('it is in work', lambda: rig.valve.runs > runs)
    assert rig.node.trigger_deactivate() == SUCCESS
    rig.valve.open.set()
    rig.bench.spin_for(0.3)
    assert len(rig.results) == before
    assert rig.node.trigger_activate() == SUCCESS
    rig.flow()


def test_a_frame_of_before_a_pause_is_not_published_after_it(rig: Rig) -> None:
    before, runs = len(rig.results), rig.valve.runs
    rig.valve.open.clear()
    rig.send()
    rig.bench.until('it is in work', lambda: rig.valve.runs > runs)
    assert rig.node.trigger_deactivate() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    rig.valve.open.set()
    rig.bench.spin_for(0.3)
    assert len(rig.results) == before
    rig.flow()


def test_shutting_down_during_a_frame_ends_finalized(rig: Rig) -> None:
    runs = rig.valve.runs
    rig.valve.open.clear()
    rig.send()
    rig.bench.until('it is in work', lambda: rig.valve.runs > runs)
    threading.Timer(0.2, rig.valve.open.set).start()
    assert rig.node.trigger_shutdown() == SUCCESS
    assert rig.node._state_machine.current_state[1] == 'finalized'
    assert rig.node._worker is None
    assert rig.node.exit_request is None


def test_silence_becomes_stale_and_then_an_error_and_recovers(rig: Rig) -> None:
    def level() -> bytes:
        return rig.finding('input').level

    def after(**seconds: float) -> None:
        for name, value in seconds.items():
            assert rig.node.set_parameters([Parameter(name, value=value)])[0].successful

    after(error_after_s=3600.0, stale_after_s=0.2)
    rig.bench.until('it is well', lambda: rig.send() and level() in {OK, WARN})
    rig.bench.until('it is stale', lambda: level() == STALE)
    rig.bench.spin_for(0.3)
    assert level() == STALE
    after(error_after_s=0.5)
    rig.bench.until('it is an error', lambda: level() == ERROR)
    rig.bench.until('it is well again', lambda: rig.send() and level() in {OK, WARN})


def test_two_publishers_on_one_topic_are_reported(rig: Rig) -> None:
    second = rig.bench.camera()

    def warned() -> bool:
        rig.send()
        finding = rig.finding('input')
        return finding.level == WARN and 'publishers' in finding.message

    rig.bench.until('the second camera is noticed', warned)
    rig.bench.node.destroy_publisher(second)


def test_stamps_that_go_back_are_counted_and_answered(rig: Rig) -> None:
    rig.bench.stamp_s = 100
    rig.flow()
    rig.bench.stamp_s = 0  # as a bag that starts anew
    rig.flow()
    assert rig.stats.stamp_jumps == 1
    assert rig.results.last.header.stamp.sec < 100
