"""Node processes are led through their lifecycle, and their failures are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alexnet_ros.ros.clients import control
from alexnet_ros.ros.clients.control import LifecycleClient, NodeControlError, NodeProcess
from alexnet_ros.ros.clients.dds_check import profile_environment
from alexnet_ros.ros.clients.graph_check import image_topic_report
from alexnet_ros.ros.clients.player import Player
from alexnet_ros.ros.clients.session import Session
from tests.ros.robot import DEADLINE_S, DOMAIN

MODULE = 'alexnet_ros.ros.classifier_node'


@pytest.fixture
def session() -> Iterator[Session]:
    with Session('control_test', domain=DOMAIN) as made:
        yield made


def _process(tmp_path: Path, **parameters: object) -> NodeProcess:
    return NodeProcess(
        MODULE,
        'led',
        parameters=parameters,
        log=tmp_path / 'led.log',
        env=profile_environment(DOMAIN),
    )


def test_node_is_led_up_and_down_and_ends_with_0(
    session: Session, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, 'STOP_S', DEADLINE_S)  # what ends it is itself
    with _process(tmp_path, model=str(model), backend='onnxruntime') as process:
        client = LifecycleClient(session.node, process)
        assert client.state(DEADLINE_S) == 'unconfigured'
        for transition, state in (
            ('configure', 'inactive'),
            ('activate', 'active'),
            ('deactivate', 'inactive'),
            ('cleanup', 'unconfigured'),
        ):
            client.change(transition, DEADLINE_S)
            assert client.state() == state
        process.check()
        assert process.stop() == 0


def test_failed_configure_gives_the_nodes_own_reason(session: Session, tmp_path: Path) -> None:
    with _process(tmp_path, model='no_such_model') as process:
        client = LifecycleClient(session.node, process)
        with pytest.raises(NodeControlError, match=r'could not configure.*no_such_model'):
            client.change('configure', DEADLINE_S)


def test_process_that_ends_is_told_with_its_last_line(session: Session, tmp_path: Path) -> None:
    process = NodeProcess(
        'alexnet_ros.no_such_module', 'led', parameters={}, log=tmp_path / 'led.log'
    )
    with process, pytest.raises(NodeControlError, match=r'ended with 1: .*no_such_module'):
        LifecycleClient(session.node, process).state(DEADLINE_S)


def test_graph_report_shows_image_publishers(session: Session) -> None:
    Player(session.node, {'/some/image': 'sensor_msgs/msg/Image'}, clock=False)
    lines, faults = image_topic_report(session.node)
    assert '/some/image: from control_test reliable, 0 listening' in lines
    assert faults == []
