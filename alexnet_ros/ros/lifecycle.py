"""
A lifecycle node whose transitions cannot fail silently.

rclpy's own class swallows exceptions in ``on_*`` without a word, leaves
publishers enabled after a failed activation and lets an invalid transition
request end the executor; :class:`ManagedNode` closes these holes. A node of
this package overrides the ``do_*`` methods and :meth:`ManagedNode.release`.
"""

import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import (
    LifecycleNode,
    LifecyclePublisher,
    LifecycleState,
    TransitionCallbackReturn,
)

from alexnet_ros.errors import AlexnetRosError

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR
QUERIES = (
    'get_state',
    'get_available_states',
    'get_available_transitions',
    'get_transition_graph',
)


class Ending:
    """What a node and its process say to each other of the end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stopping = threading.Event()
        self.exit_request: tuple[int, str] | None = None
        self.exit_hook: Callable[[int, str], None] = lambda _code, _reason: None
        super().__init__(*args, **kwargs)

    def request_exit(self, code: int, reason: str) -> None:
        """Ask the process to end, from any thread; a code other than 0 respawns it; once."""
        if self.exit_request is None:
            self.exit_request = (code, reason)
            self.exit_hook(code, reason)


class ManagedNode(Ending, LifecycleNode):
    """
    Lifecycle node with logged, released and reversible transitions.

    An :class:`~alexnet_ros.errors.AlexnetRosError` in configure or activate is
    an expected failure: one line is logged and the state stays where it was.
    Any other exception is logged with its traceback and leads through
    ``on_error`` to ``unconfigured``, everything released, publishers silent.
    """

    def __init__(self, node_name: str, **kwargs: Any) -> None:
        self.last_error = ''
        self._active = False
        self._outputs: list[LifecyclePublisher] = []
        super().__init__(node_name, **kwargs)
        self._guard_change_state()

    # What a node overrides

    def do_configure(self) -> None:
        """Acquire what the node needs; an exception undoes it by :meth:`release`."""

    def do_activate(self) -> None:
        """Prepare to run; the publishers are enabled after this returns."""

    def do_deactivate(self) -> None:
        """Stop working; the publishers are silent already."""

    def release(self) -> None:
        """Free everything acquired; called in any state, more than once."""

    # What rclpy calls

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure, or release and stay unconfigured."""
        self.last_error = ''
        result = self._guarded(
            'configure', self.do_configure, partial(super().on_configure, state)
        )
        if result != SUCCESS:
            self._guarded('release after a failed configure', self.release)
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate; enabling the publishers comes last."""
        self.last_error = ''
        result = self._guarded('activate', self.do_activate, partial(super().on_activate, state))
        if result == SUCCESS:
            self._active = True
        else:
            self._silence(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Silence the publishers, then stop working."""
        self._silence(state)
        result = self._guarded(
            'deactivate', self.do_deactivate, partial(super().on_deactivate, state)
        )
        return ERROR if result == FAILURE else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything."""
        self._silence(state)
        result = self._guarded('cleanup', self.release)
        return ERROR if result == FAILURE else result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and release from any state; always ends finalized."""
        was_active = self._active
        self._silence(state)
        if was_active:
            self._guarded('deactivate for shutdown', self.do_deactivate)
        self._guarded('shutdown', self.release)
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything and go back to unconfigured, publishers silent."""
        self._silence(state)
        return self._guarded('release after an error', self.release)

    # Helpers

    @property
    def active(self) -> bool:
        """Whether callbacks may work; subscriptions and timers check it first."""
        return self._active

    def create_lifecycle_publisher(self, *args: Any, **kwargs: Any) -> LifecyclePublisher:
        """Create a publisher that is silent unless the node is active."""
        publisher = super().create_lifecycle_publisher(*args, **kwargs)
        self._outputs.append(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher) -> bool:
        """Destroy a publisher of :meth:`create_lifecycle_publisher`."""
        if publisher in self._outputs:
            self._outputs.remove(publisher)
        return super().destroy_lifecycle_publisher(publisher)

    def request_exit(self, code: int, reason: str) -> None:
        """Ask the process to end, from any thread; the first request stands."""
        if self.exit_request is None:
            self.last_error = reason
            self.get_logger().fatal(reason)
        super().request_exit(code, reason)
        self.stopping.set()

    def start_soon(self) -> None:
        """Configure and activate by itself as soon as the node spins."""
        # A steady clock: under simulated time a ROS timer waits for /clock.
        clock = Clock(clock_type=ClockType.STEADY_TIME)

        def start() -> None:
            timer.cancel()
            if not self.stopping.is_set() and self.trigger_configure() == SUCCESS:
                self.trigger_activate()

        timer = self.create_timer(0.001, start, clock=clock)

    def finalize(self) -> None:
        """Run ``on_shutdown`` if the state allows it, then release in any case."""
        self.stopping.set()
        try:
            self.trigger_shutdown()
        except Exception:
            # finalized already, or the context is gone: on_shutdown cannot run
            self._active = False
        self._guarded('release', self.release)

    def answer_queries(self) -> None:
        """
        Answer who has asked for the state, from within a transition that takes long.

        The executor that would answer runs this transition. A change of state that
        is asked for meanwhile waits for its end.
        """
        for name in QUERIES:
            service = getattr(self, f'_service_{name}', None)
            while service is not None:
                with service.handle:
                    taken = service.handle.service_take_request(service.srv_type.Request)
                if taken is None or taken[0] is None:
                    break
                answer = service.callback(taken[0], service.srv_type.Response())
                service.send_response(answer, taken[1])

    def withdraw(self) -> None:
        """
        Take the services away, for good; calling again does nothing.

        rclpy leaves those of the state machine to the garbage collector. Where
        a hung thread holds the node, others see them long after the process
        has ended, and wait for answers.
        """
        for service in list(self.services):
            self.destroy_service(service)
        machine = getattr(self, '_state_machine', None)
        if machine is not None:
            machine.destroy_when_not_in_use()

    def _silence(self, state: LifecycleState) -> None:
        self._active = False
        for publisher in self._outputs:
            publisher.on_deactivate(state)

    def _guarded(self, name: str, *steps: Callable[[], Any]) -> TransitionCallbackReturn:
        """Run the steps of a transition; turn what one raises into a log entry and a result."""
        try:
            results = [step() for step in steps]
        except AlexnetRosError as error:
            self.last_error = str(error)
            self.get_logger().error(f'cannot {name}: {error}')
            return FAILURE
        except Exception as error:
            self.last_error = f'{type(error).__name__}: {error}'
            self.get_logger().error(f'cannot {name}:\n{traceback.format_exc()}')
            return ERROR
        return next((one for one in results if one in {FAILURE, ERROR}), SUCCESS)

    def _guard_change_state(self) -> None:
        """Answer an impossible transition with False instead of ending the spin."""
        service = getattr(self, '_service_change_state', None)
        if service is None:
            return
        handle = service.callback

        def change_state(request: Any, response: Any) -> Any:
            try:
                return handle(request, response)
            except Exception as error:
                wanted = request.transition.label or request.transition.id
                self.get_logger().warning(f'transition {wanted} refused: {error}')
                response.success = False
                return response

        service.callback = change_state
