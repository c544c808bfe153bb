"""The navigator as a process: how it starts, ends, and what it leaves behind."""

import signal
from collections.abc import Callable

import pytest
from nav2_msgs.msg import SpeedLimit

from tests.ros.navigator_bench import LIMIT_30, PATIENT, Ears, Recogniser, detection
from tests.ros.robot import PATIENTLY, Bench, NodeProcess

Start = Callable[..., NodeProcess]
MODULE = 'alexnet_ros.ros.sign_navigator_node'


@pytest.mark.parametrize(
    'number',
    [
        signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
        signal.SIGALRM, signal.SIGXCPU, signal.SIGRTMIN + 3,
    ],
)  # fmt: skip
def test_signal_ends_it_with_zero_and_the_last_word_is_locked(
    bench: Bench, start_node: Start, number: int
) -> None:
    ears = Ears(bench)
    process = start_node(module=PATIENTLY + MODULE, max_speed_mps=36.2, **PATIENT)
    bench.until('an unlocked robot', lambda: ears.locked is False)
    process.signal(number)
    bench.until('the process ends', lambda: not process.alive())
    bench.until('the last word', lambda: ears.locked)
    assert process.wait() == 0
    assert 'without cleaning up' not in process.log
    assert 'Traceback' not in process.log


def test_killed_navigator_releases_nothing_and_a_new_one_goes_on(
    bench: Bench, start_node: Start
) -> None:
    ears = Ears(bench)
    first = start_node(module=MODULE, max_speed_mps=36.2, **PATIENT)
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('a limit', lambda: ears.values)
    first.signal(signal.SIGKILL)
    bench.until('it is dead', lambda: not first.alive())

    def silent() -> bool:
        """Twist_mux locks when its timeout is over, Nav2 keeps the last limit."""
        ears.clear()
        bench.spin_for(0.6)
        return not ears.locks.messages and not ears.limits.messages

    bench.until('nothing is said any more', silent)
    start_node(module=MODULE, max_speed_mps=36.2, **PATIENT)
    bench.until('the limit of the sign still in view', lambda: ears.values)
    assert ears.values == [pytest.approx(30 / 3.6)]


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'max_speed_mps': '0.0'}, 'max_speed_mps'),
        ({'max_speed_mps': '.nan'}, 'max_speed_mps'),
        ({'on_stale': 'drive'}, 'on_stale must be one of'),
        ({'actions': '/none/such.yaml'}, 'no table of actions'),
    ],
)
def test_bad_start_ends_with_one_and_says_why(
    start_node: Start, parameters: dict[str, str], words: str
) -> None:
    process = start_node(module=MODULE, **parameters)
    assert process.wait() == 1
    assert words in process.log
    assert 'Traceback' not in process.log


def test_namespace_and_remaps_are_followed(bench: Bench, start_node: Start) -> None:
    limits = bench.listen(SpeedLimit, 'car/controller/limit')
    start_node(
        '-r',
        '__ns:=/car',
        '-r',
        'speed_limit:=controller/limit',
        '-r',
        'detections:=/detections',
        module=MODULE,
        max_speed_mps=36.2,
        **PATIENT,
    )
    recogniser = Recogniser(bench)
    recogniser.show(detection(LIMIT_30))
    bench.until('the limit', lambda: limits.messages)
