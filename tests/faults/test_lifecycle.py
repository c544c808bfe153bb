"""Requests, callbacks and states at the wrong moment, against a classifier process."""

import pytest
from lifecycle_msgs.msg import Transition
from std_msgs.msg import String
from std_srvs.srv import SetBool

from tests.faults.faults import fault
from tests.faults.wire import Wire
from tests.ros.robot import stamp_ns

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


@pytest.mark.parametrize(
    'transition',
    [
        pytest.param(
            number,
            id=name,
            marks=fault(
                'lifecycle',
                f'invalid transition: {name}',
                'requested of an active node',
                'answered with no; state and results stay',
            ),
        )
        for name, number in (
            ('configure', CONFIGURE),
            ('activate twice', ACTIVATE),
            ('cleanup', CLEANUP),
            ('no such number', 199),
        )
    ],
)
def test_impossible_transition_is_refused(wire: Wire, transition: int) -> None:
    assert wire.state() == 'active'
    assert not wire.change(transition)
    assert wire.state() == 'active'
    wire.recovers()


@fault(
    'lifecycle',
    'unhandled callback error',
    'a callback that raises, ten times',
    'logged with its traceback; the node goes on',
)
def test_callback_that_raises_does_not_end_the_node(wire: Wire) -> None:
    boom = wire.bench.node.create_publisher(String, 'boom', 10)
    wire.bench.until('the node listens', boom.get_subscription_count)
    for count in range(10):
        boom.publish(String(data=f'surprise {count}'))
    wire.bench.until(
        'all are logged',
        lambda: all(f'RuntimeError: surprise {count}' in wire.node.log for count in range(10)),
    )
    wire.bench.node.destroy_publisher(boom)
    wire.node.lines[:] = [one for one in wire.node.lines if 'Traceback' not in one]
    wire.recovers()
    assert wire.state() == 'active'


@fault(
    'lifecycle',
    'inactive is silent',
    'images to a deactivated node',
    'no result until it is active again',
)
def test_inactive_node_publishes_nothing(wire: Wire) -> None:
    wire.recovers()
    assert wire.change(DEACTIVATE)
    for _ in range(10):
        wire.send(wire.good_image())  # not answerable: a result would be noticed
    wire.bench.spin_for(0.3)
    assert wire.change(ACTIVATE)
    wire.recovers()


@fault(
    'lifecycle',
    'disabled is silent',
    '~/enable false, twice, then true',
    'no result until it is enabled again',
)
def test_disabled_node_publishes_nothing(wire: Wire) -> None:
    wire.recovers()
    for _ in range(2):
        assert wire.bench.call(SetBool, 'alexnet/enable', SetBool.Request(data=False)).success
    for _ in range(10):
        wire.send(wire.good_image())  # not answerable: a result would be noticed
    wire.bench.spin_for(0.3)
    assert wire.bench.call(SetBool, 'alexnet/enable', SetBool.Request(data=True)).success
    wire.recovers()


@fault(
    'lifecycle',
    'cycles under load',
    'ten full cycles while images stream in',
    'results after each; none for what came in between',
)
def test_cycles_while_images_stream_in(wire: Wire) -> None:
    def stream() -> None:
        message = wire.good_image()
        wire._good_ns.add(stamp_ns(message))
        wire._camera.publish(message)

    timer = wire.bench.node.create_timer(0.02, stream)
    silent: set[int] = set()
    try:
        for _ in range(10):
            assert wire.change(DEACTIVATE)
            before = set(wire._good_ns)
            wire.bench.spin_for(0.1)
            assert wire.change(CLEANUP)
            silent |= wire._good_ns - before
            assert wire.change(CONFIGURE)
            assert wire.change(ACTIVATE)
            before = set(wire._good_ns)
            wire.bench.until(
                'a new image is answered',
                lambda before=before: set(wire.results.stamps()) - before,
            )
    finally:
        wire.bench.node.destroy_timer(timer)
    wire.recovers()
    assert silent
    assert not silent & set(wire.results.stamps())
