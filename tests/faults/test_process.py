"""Processes that are killed, hang, load slowly or are told to end."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from std_msgs.msg import Bool

from alexnet_ros.ros.process import EXIT_BOUND_S
from tests.faults import faulty_classifier as faulty
from tests.faults.chain import Chain
from tests.faults.conftest import FAULTY
from tests.faults.faults import fault
from tests.faults.launched import Launched
from tests.faults.wire import Wire, change_state, state_of
from tests.models import colour_of
from tests.ros.robot import DEADLINE_S, ROOT, Bench, NodeProcess, make_image
from tests.ros.test_classifier_launch import RUN

START = Callable[..., NodeProcess]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    made = Chain(tmp_path, policy='stop', stale_after_s=2.0)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def patient_chain(tmp_path: Path) -> Iterator[Chain]:
    made = Chain(tmp_path, policy='stop', stale_after_s=60.0)
    try:
        yield made
    finally:
        made.close()


@fault(
    'process',
    'SIGKILL of the classifier',
    'kill -9 while a limit is in force',
    'the limit holds and is repeated, the lock follows on_stale; a new process recovers',
)
def test_killed_classifier_leaves_navigation_safe(chain: Chain) -> None:
    def limited() -> bool:
        chain.send(make_image((0, 0, 255), 0), answerable=True)
        return chain.ears.values == [5.0] and chain.ears.locked is False

    chain.bench.until('the limit is in force', limited)
    chain.classifier.signal(signal.SIGKILL)
    assert chain.classifier.wait() == -signal.SIGKILL
    chain.bench.until('the lock is on', lambda: chain.ears.locked)
    said = len(chain.ears.limits)
    chain.bench.until('the limit is repeated', lambda: len(chain.ears.limits) > said + 1)
    assert chain.ears.values == [5.0]
    chain.classifier.close()
    chain.classifier = chain.start()
    chain.bench.until('it recovers', limited)
    assert chain.navigator.alive()


@fault(
    'process',
    'slow configure',
    'a model that takes a minute to load',
    'the navigator locks on and speaks at its pace; SIGTERM ends the load with 0',
)
def test_slow_configure_leaves_the_navigator_alone(chain: Chain) -> None:
    chain.classifier.close()
    slow = chain.start('tests.ros.slow_classifier', SLOW='load')
    try:
        chain.bench.until('it is loading', lambda: 'loading slowly' in slow.log)
        chain.bench.until('the lock is on', lambda: chain.ears.locked)
        chain.ears.clear()
        chain.bench.until('the navigator speaks on', lambda: len(chain.ears.locks) >= 10)
        assert {one.data for one in chain.ears.locks.messages} == {True}
        assert slow.alive()
        slow.signal(signal.SIGTERM)
        assert slow.wait() == 0, slow.log
    finally:
        slow.close()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
@fault('process', 'signal in state finalized', 'shutdown transition, then the signal', 'exit 0')
def test_signal_in_finalized_ends_with_zero(
    bench: Bench, start_node: START, model: Path, number: int
) -> None:
    node = start_node(model=model, autostart=True)
    bench.until('it is active', lambda: state_of(bench) == 'active')
    assert change_state(bench, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state_of(bench) == 'finalized'
    node.signal(number)
    assert node.wait() == 0, node.log
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['SIGINT', 'SIGTERM'])
@fault(
    'process',
    'signal while inference hangs',
    'the engine never returns, then the signal',
    f'exit 0 after at most {EXIT_BOUND_S:g} s',
)
def test_signal_while_inference_hangs_ends_with_zero(
    bench: Bench, start_node: START, model: Path, number: int
) -> None:
    assert EXIT_BOUND_S < 2.0
    node = start_node(
        model=model, autostart=True, lazy=False, inference_timeout_s=600.0, module=FAULTY
    )
    wire = Wire(bench, node)
    wire.recovers()

    def hangs() -> bool:
        if not sent:
            wire.send(make_image(faulty.HANGS, 0))
            sent.append(1)
        before = len(wire.results)
        for _ in range(5):
            wire.send(wire.good_image(), answerable=True)
        return len(wire.results) == before

    sent: list[int] = []
    bench.until('it hangs', hangs)
    node.signal(number)
    assert node.wait() == 0, node.log


@fault(
    'process',
    'respawn is written down',
    'the launch files read as Python',
    'each starts its node with respawn and a delay; the whole chain by default',
)
def test_launch_files_can_respawn() -> None:
    def words(file: str, name: str) -> list[set[str | None]]:
        """Return the keywords of each call of a function."""
        tree = ast.parse((ROOT / file).read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        return [{w.arg for w in one.keywords} for one in calls if ast.unparse(one.func) == name]

    assert all('respawn' in one for one in words('alexnet_ros/ros/launching.py', 'Node'))
    for name, nodes in (('classifier', 1), ('navigator', 2)):
        calls = words(f'launch/{name}.launch.py', 'started')
        assert len(calls) == nodes
        assert all('respawn_delay' in one for one in calls)
    for name in ('signs', 'navigator'):
        assert "'use_respawn': ('true'" in (ROOT / 'launch' / f'{name}.launch.py').read_text()


@fault(
    'process',
    'SIGKILL under launch',
    'kill -9 of a launched navigator',
    'launch starts it anew and it speaks',
)
def test_launch_respawns_a_killed_node(bench: Bench) -> None:
    if importlib.util.find_spec('launch_ros') is None:
        pytest.skip('launch_ros is not installed here (it has no wheel)')
    locks = bench.listen(Bool, 'stop_lock')
    process = subprocess.Popen(
        [sys.executable, '-c', RUN, str(ROOT / 'launch' / 'navigator.launch.py')],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ),
    )
    try:
        bench.until('it speaks', lambda: locks.messages)
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
        assert children
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        bench.until('they are gone', lambda: not any(map(running, children)))
        bench.spin_for(0.3)
        locks.messages.clear()
        bench.until('a new one speaks', lambda: locks.messages)
        process.send_signal(signal.SIGINT)
        log, _ = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert log.count('process started with pid') == 2, log


def running(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def launch(bench: Bench, model: Path, tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    if importlib.util.find_spec('launch_ros') is None:
        pytest.skip('launch_ros is not installed here (it has no wheel)')
    started: list[Launched] = []

    def start(*words: str) -> Launched:
        started.append(Launched(bench, tmp_path, model, *words))
        return started[-1]

    yield start
    for one in started:
        one.close()


@fault(
    'process',
    'hung inference under launch',
    'a frame that is never done, use_respawn:=true',
    'exit 70; launch starts it anew, autostart makes it active and it answers',
)
def test_launch_respawns_a_hung_classifier(bench: Bench, launch: Callable[..., Launched]) -> None:
    launched = launch()
    launched.answers()
    launched.hang()
    launched.answers()
    assert state_of(bench) == 'active'
    launched.stop()


@fault(
    'process',
    'hung inference under launch and a manager',
    "the same with a bond and a partner that does what Nav2's lifecycle manager does",
    'the bond breaks, no service is left to wait for; the new process is brought up and answers',
)
def test_launch_and_a_manager_bring_a_hung_classifier_back(
    bench: Bench, launch: Callable[..., Launched]
) -> None:
    manager = manager_of(bench)
    launched = launch('autostart:=false', 'bond')
    try:
        manager.configure()
        partner = manager.activate()
        launched.answers()
        launched.hang()
        bench.until('the bond is broken', lambda: partner.state == 'Dead')
        manager.reset()
        broken_s = time.monotonic()
        manager.configure()
        print(f'there again {time.monotonic() - broken_s:.1f} s after the bond broke')
        manager.activate()
        launched.answers()
        launched.stop()
    finally:
        manager.close()


@fault(
    'process',
    'bond broken by the partner',
    "the manager's side breaks it, a limit is in force",
    'the classifier goes on; the limit stays, the lock stays off',
)
def test_a_bond_that_the_partner_breaks_leaves_navigation_alone(patient_chain: Chain) -> None:
    chain = patient_chain
    manager = manager_of(chain.bench)
    chain.classifier.close()
    chain.classifier = chain.start(FAULTY, '-p', 'bond:=true')
    try:
        partner = manager.join()

        def limited() -> bool:
            chain.send(make_image(colour_of(2), 0), answerable=True)
            return chain.ears.values == [5.0] and chain.ears.locked is False

        chain.bench.until('the limit is in force', limited)
        chain.ears.clear()
        partner.bond.break_bond()
        chain.bench.until('the bond is broken', lambda: partner.state == 'Dead')
        sent: set[int] = set()

        def goes_on() -> bool:
            sent.add(chain.send(make_image(colour_of(2), 0), answerable=True))
            return len(sent.intersection(chain.wire.results.stamps())) >= 20

        chain.bench.until('the classifier goes on', goes_on)
        chain.bench.until('so does the navigator', lambda: chain.ears.locks.messages)
        chain.bench.until('both are said', lambda: chain.ears.limits.messages)
        assert {one.data for one in chain.ears.locks.messages} == {False}
        assert set(chain.ears.values) == {5.0}
        assert chain.classifier.alive()
        assert chain.navigator.alive()
    finally:
        manager.close()


def manager_of(bench: Bench) -> Any:
    """Return what plays the lifecycle manager, where bondpy is installed."""
    pytest.importorskip('bondpy', reason='bondpy (apt: ros-$ROS_DISTRO-bondpy) is not installed')
    from tests.ros.bond_partner import Manager

    return Manager(bench)
