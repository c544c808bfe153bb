"""The bond over the real bondpy: a classifier process and its partner in turn end, hang, die."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('bondpy', reason='bondpy (apt: ros-$ROS_DISTRO-bondpy) is not installed here')

from bond.msg import Status
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from vision_msgs.msg import Classification

from alexnet_ros.ros.classifier_node import EXIT_FATAL
from tests.faults import faulty_classifier as faulty
from tests.ros.bond_partner import NEVER_S, TIMEOUT_S, Manager
from tests.ros.robot import Bench, NodeProcess, make_image

FAULTY = 'tests.faults.faulty_classifier'
LONG_S = 12.0  # a busy machine may be late with a heartbeat of a second
START = Callable[..., NodeProcess]


class Robot:
    """A classifier process with a bond, its camera, and its manager."""

    def __init__(self, bench: Bench, start_node: START, model: Path, executor: str) -> None:
        self.bench, self._start, self._model, self._executor = bench, start_node, model, executor
        self.results = bench.listen(Classification, 'alexnet/classification')
        self.heartbeats = bench.listen(Status, 'bond', 100)
        self.camera = bench.camera()
        self.manager = Manager(bench)
        self.node = self.start()

    def start(self, **parameters: Any) -> NodeProcess:
        self.node = self._start(
            model=self._model,
            bond=True,
            lazy=False,
            inference_timeout_s=1.0,
            executor=self._executor,
            module=FAULTY,
            **parameters,
        )
        return self.node

    def up(self, timeout_s: float = TIMEOUT_S) -> Any:
        self.manager.configure()
        return self.manager.activate(timeout_s)

    def answers(self) -> None:
        self.bench.until_answered(self.camera, self.results)

    def hang(self) -> None:
        self.bench.until('the camera is heard', self.camera.get_subscription_count)
        self.camera.publish(make_image(faulty.HANGS, 1))

    def state(self) -> str:
        return str(self.bench.call(GetState, '/alexnet/get_state').current_state.label)

    def broken(self, partner: Any) -> None:
        self.bench.until('the partner finds the bond broken', lambda: partner.state == 'Dead')

    def told(self, partner: Any) -> None:
        """Wait until the bond is broken, which the node itself must have said."""
        self.broken(partner)
        other = partner.bond.sister_instance_id
        self.bench.until(
            'it was said',
            lambda: any(
                one.instance_id == other and not one.active for one in self.heartbeats.messages
            ),
        )

    def well(self) -> None:
        assert self.node.alive(), self.node.log
        for word in ('Traceback', 'unhandled', 'More than two'):
            assert word not in self.node.log, self.node.log


@pytest.fixture(params=['auto', 'single'])
def robot(
    bench: Bench, start_node: START, model: Path, request: pytest.FixtureRequest
) -> Iterator[Robot]:
    made = Robot(bench, start_node, model, request.param)
    yield made
    made.manager.close()


def test_a_bond_forms_with_each_activation_and_breaks_in_order(robot: Robot) -> None:
    robot.manager.configure()
    seen = set()
    for _ in range(5):
        partner = robot.manager.activate(NEVER_S)
        seen.add(partner.bond.sister_instance_id)
        robot.answers()
        assert partner.state == 'Alive'
        assert robot.manager.ask(Transition.TRANSITION_DEACTIVATE)
        robot.told(partner)
        robot.well()
    assert len(seen) == 5
    # A bond that is over must not live on unseen: its topic is left alone.
    robot.manager.drop()
    robot.bench.until('no heartbeats', lambda: robot.bench.node.count_publishers('bond') == 0)
    assert robot.node.stop() == 0, robot.node.log


def test_heartbeats_that_pass_for_longer_than_the_timeout_keep_it(robot: Robot) -> None:
    partner = robot.up(LONG_S)
    for _ in range(10):
        robot.answers()
        robot.bench.spin_for(0.15 * LONG_S)
        assert partner.state == 'Alive'
    robot.well()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_breaks_it_in_order_with_no_service_left(robot: Robot, number: int) -> None:
    partner = robot.up(NEVER_S)
    robot.node.signal(number)
    robot.broken(partner)
    assert not robot.manager.ready(), 'a request of the manager would never be answered'
    assert robot.node.wait() == 0, robot.node.log
    assert 'without cleaning up' not in robot.node.log


def test_a_hang_breaks_it_and_leaves_no_service_behind(robot: Robot) -> None:
    partner = robot.up(NEVER_S)
    robot.hang()
    robot.broken(partner)
    assert not robot.manager.ready(), 'a request of the manager would never be answered'
    assert robot.node.wait() == EXIT_FATAL, robot.node.log
    robot.manager.reset()
    robot.start()
    robot.up()
    robot.answers()
    robot.well()


def test_a_kill_breaks_it_when_heartbeats_stay_away(robot: Robot) -> None:
    partner = robot.up()
    robot.node.signal(signal.SIGKILL)
    assert robot.node.wait() == -signal.SIGKILL
    robot.broken(partner)
    assert not robot.manager.ready(), 'a request of the manager would never be answered'
    robot.manager.reset()
    robot.start()
    robot.up()
    robot.answers()
    robot.well()


def test_a_partner_that_breaks_it_does_not_disturb_the_node(robot: Robot) -> None:
    partner = robot.up()
    partner.bond.break_bond()
    robot.broken(partner)
    robot.answers()
    assert robot.state() == 'active'
    robot.manager.reset()
    assert robot.state() == 'unconfigured'
    robot.up()
    robot.answers()
    robot.well()


def test_a_partner_that_vanishes_does_not_disturb_the_node(
    robot: Robot, start_node: START
) -> None:
    robot.manager.configure()
    other = start_node(module='tests.ros.bond_partner')
    assert robot.manager.ask(Transition.TRANSITION_ACTIVATE)
    other.wait_for('Alive')
    robot.bench.spin_for(0.5)
    other.signal(signal.SIGKILL)
    assert other.wait() == -signal.SIGKILL
    robot.bench.spin_for(1.5 * TIMEOUT_S)  # bondpy's own timeout is 4 s
    robot.answers()
    assert robot.state() == 'active'
    assert robot.manager.ask(Transition.TRANSITION_DEACTIVATE)
    robot.manager.activate()
    robot.answers()
    robot.well()


def test_no_partner_at_all_does_not_disturb_the_node(robot: Robot) -> None:
    robot.manager.configure()
    assert robot.manager.ask(Transition.TRANSITION_ACTIVATE)
    robot.bench.spin_for(11.0)  # bondpy waits for a partner for 10 s
    robot.answers()
    assert robot.state() == 'active'
    assert robot.node.stop() == 0, robot.node.log
    assert 'Traceback' not in robot.node.log
