"""rclpy's lifecycle traps, one by one, on a node that fails on demand."""

from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from std_msgs.msg import String

from alexnet_ros.errors import ConfigError
from alexnet_ros.ros.lifecycle import ERROR, FAILURE, SUCCESS, ManagedNode
from tests.ros.robot import Bench

STEPS = ('configure', 'activate', 'deactivate', 'release')


class Fragile(ManagedNode):
    """Raises what it is told to, in the step it is told to."""

    def __init__(self, **kwargs: Any) -> None:
        self.failures: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.output: Any = None
        super().__init__('fragile', **kwargs)

    def _step(self, name: str) -> None:
        self.calls.append(name)
        error = self.failures.pop(name, None)
        if error is not None:
            raise error

    def do_configure(self) -> None:
        self.output = self.create_lifecycle_publisher(String, '~/out', 10)
        self._step('configure')

    def do_activate(self) -> None:
        self._step('activate')

    def do_deactivate(self) -> None:
        self._step('deactivate')

    def release(self) -> None:
        if self.output is not None:
            self.destroy_lifecycle_publisher(self.output)
            self.output = None
        self._step('release')

    @property
    def state(self) -> str:
        return str(self._state_machine.current_state[1])


@pytest.fixture
def node(bench: Bench) -> Fragile:
    made = bench.add(Fragile)
    assert isinstance(made, Fragile)
    return made


def test_the_way_up_and_down(node: Fragile) -> None:
    assert node.trigger_configure() == SUCCESS
    assert not node.output.is_activated
    assert node.trigger_activate() == SUCCESS
    assert node.active
    assert node.output.is_activated
    assert node.trigger_deactivate() == SUCCESS
    assert not node.active
    assert not node.output.is_activated
    assert node.trigger_cleanup() == SUCCESS
    assert node.state == 'unconfigured'
    assert node.calls == ['configure', 'activate', 'deactivate', 'release']


def test_an_expected_error_in_configure_is_one_line_and_released(
    node: Fragile, capfd: pytest.CaptureFixture[str]
) -> None:
    node.failures['configure'] = ConfigError('no such model; run export')
    assert node.trigger_configure() == FAILURE
    assert node.state == 'unconfigured'
    assert node.last_error == 'no such model; run export'
    assert node.calls == ['configure', 'release']
    log = capfd.readouterr().err
    assert 'cannot configure: no such model; run export' in log
    assert 'Traceback' not in log
    assert node.trigger_configure() == SUCCESS


def test_an_unforeseen_error_in_configure_is_logged_with_its_traceback(
    node: Fragile, capfd: pytest.CaptureFixture[str]
) -> None:
    node.failures['configure'] = KeyError('surprise')
    assert node.trigger_configure() == ERROR
    assert node.state == 'unconfigured'
    assert node.output is None
    log = capfd.readouterr().err
    assert 'Traceback' in log
    assert 'surprise' in log


def test_an_expected_error_in_activate_stays_inactive_and_silent(node: Fragile) -> None:
    node.trigger_configure()
    node.failures['activate'] = ConfigError('not now')
    assert node.trigger_activate() == FAILURE
    assert node.state == 'inactive'
    assert not node.active
    assert not node.output.is_activated
    assert node.trigger_activate() == SUCCESS


def test_an_unforeseen_error_in_activate_releases_and_leaves_no_open_publisher(
    node: Fragile,
) -> None:
    node.trigger_configure()
    publisher = node.output
    node.failures['activate'] = RuntimeError('broken')
    assert node.trigger_activate() == ERROR
    assert node.state == 'unconfigured'
    assert not node.active
    assert not publisher.is_activated
    assert node.output is None


def test_an_error_after_the_publishers_were_enabled_disables_them_again(
    node: Fragile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late:
        def on_activate(self, _state: Any) -> Any:
            raise RuntimeError('the last entity fails')

    node.trigger_configure()
    publisher = node.output
    monkeypatch.setattr(node, '_managed_entities', [publisher, Late()])
    assert node.trigger_activate() == ERROR
    assert not publisher.is_activated
    assert not node.active


@pytest.mark.parametrize('step', ['deactivate', 'release'])
def test_an_error_on_the_way_down_ends_unconfigured_and_silent(node: Fragile, step: str) -> None:
    node.trigger_configure()
    node.trigger_activate()
    publisher = node.output
    node.failures[step] = RuntimeError('broken')
    if step == 'deactivate':
        assert node.trigger_deactivate() == ERROR
    else:
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == ERROR
    assert node.state == 'unconfigured'
    assert not publisher.is_activated
    assert node.trigger_configure() == SUCCESS


@pytest.mark.parametrize('step', STEPS)
def test_shutdown_ends_finalized_whatever_fails(node: Fragile, step: str) -> None:
    node.trigger_configure()
    node.trigger_activate()
    node.failures[step] = RuntimeError('broken')
    assert node.trigger_shutdown() == SUCCESS
    assert node.state == 'finalized'
    assert 'release' in node.calls


def test_an_impossible_transition_is_answered_with_no_and_the_node_lives(
    bench: Bench, node: Fragile
) -> None:
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not bench.call(ChangeState, '/fragile/change_state', request).success
    label = ChangeState.Request(transition=Transition(label='no such'))
    assert not bench.call(ChangeState, '/fragile/change_state', label).success
    assert bench.call(GetState, '/fragile/get_state').current_state.label == 'unconfigured'
    configure = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert bench.call(ChangeState, '/fragile/change_state', configure).success
    assert not bench.call(ChangeState, '/fragile/change_state', configure).success
    assert bench.call(GetState, '/fragile/get_state').current_state.label == 'inactive'
    assert node.calls == ['configure']


def test_activating_twice_changes_nothing(bench: Bench, node: Fragile) -> None:
    node.trigger_configure()
    node.trigger_activate()
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not bench.call(ChangeState, '/fragile/change_state', request).success
    assert node.active
    assert node.state == 'active'


def test_finalize_twice_and_from_any_state_is_harmless(node: Fragile) -> None:
    node.trigger_configure()
    node.finalize()
    assert node.state == 'finalized'
    node.finalize()
    assert node.state == 'finalized'


def test_the_first_exit_request_stands(node: Fragile) -> None:
    told: list[tuple[int, str]] = []
    node.exit_hook = lambda code, reason: told.append((code, reason))
    node.request_exit(70, 'first')
    node.request_exit(1, 'second')
    assert node.exit_request == (70, 'first')
    assert told == [(70, 'first')]
    assert node.stopping.is_set()


def test_start_soon_needs_no_ros_time(bench: Bench) -> None:
    made = bench.add(Fragile, use_sim_time=True)  # and nobody publishes /clock
    assert isinstance(made, Fragile)
    made.start_soon()
    bench.until('it is active', lambda: made.active)
