"""The classifier as a process: its contract as another process sees it."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool
from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.ros.classifier_node import EXIT_FATAL
from alexnet_ros.ros.qos import LATCHED
from tests.models import colour_of
from tests.ros.robot import PATIENTLY, Bench, NodeProcess

START = Callable[..., NodeProcess]
TOPICS = {
    '/alexnet/classification': 'vision_msgs/msg/Classification',
    '/alexnet/detections': 'vision_msgs/msg/Detection2DArray',
    '/alexnet/label_info': 'vision_msgs/msg/LabelInfo',
    '/alexnet/overlay/compressed': 'sensor_msgs/msg/CompressedImage',
    '/alexnet/transition_event': 'lifecycle_msgs/msg/TransitionEvent',
    '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
    '/image': 'sensor_msgs/msg/Image',
}
SERVICES = {
    '/alexnet/enable': 'std_srvs/srv/SetBool',
    '/alexnet/change_state': 'lifecycle_msgs/srv/ChangeState',
    '/alexnet/get_state': 'lifecycle_msgs/srv/GetState',
    '/alexnet/set_parameters': 'rcl_interfaces/srv/SetParameters',
}


def state(bench: Bench, node: str = '/alexnet') -> str:
    return str(bench.call(GetState, f'{node}/get_state').current_state.label)


def change(bench: Bench, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(bench.call(ChangeState, '/alexnet/change_state', request).success)


def active(bench: Bench) -> bool:
    return state(bench) == 'active'


def test_the_contract_of_a_running_node(bench: Bench, start_node: START, model: Path) -> None:
    start_node(model=model)
    assert state(bench) == 'unconfigured'
    reports = bench.listen(DiagnosticArray, '/diagnostics')
    assert change(bench, Transition.TRANSITION_CONFIGURE)
    assert state(bench) == 'inactive'
    assert change(bench, Transition.TRANSITION_ACTIVATE)
    assert not change(bench, Transition.TRANSITION_ACTIVATE)
    assert state(bench) == 'active'

    def visible() -> bool:
        topics = dict(bench.node.get_topic_names_and_types())
        services = dict(bench.node.get_service_names_and_types())
        return all(topics.get(name) == [kind] for name, kind in TOPICS.items()) and all(
            services.get(name) == [kind] for name, kind in SERVICES.items()
        )

    bench.until('all topics and services are visible', visible)
    (image,) = bench.node.get_subscriptions_info_by_topic('/image')
    assert image.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert image.qos_profile.durability == DurabilityPolicy.VOLATILE
    (labels,) = bench.node.get_publishers_info_by_topic('/alexnet/label_info')
    assert labels.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert labels.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    for topic in ('classification', 'detections'):
        (output,) = bench.node.get_publishers_info_by_topic(f'/alexnet/{topic}')
        assert output.qos_profile.reliability == ReliabilityPolicy.RELIABLE

    late = bench.listen(LabelInfo, '/alexnet/label_info', LATCHED)
    bench.until('latched labels come', lambda: len(late))
    results = bench.listen(Classification, '/alexnet/classification')
    boxes = bench.listen(Detection2DArray, '/alexnet/detections')
    camera = bench.camera()
    sent: dict[int, Any] = {}

    def answered() -> bool:
        picture = bench.image(colour_of(2))
        sent[picture.header.stamp.sec] = picture.header
        camera.publish(picture)
        bench.spin_for(0.05)
        return len(results) >= 3 and len(boxes) >= 3

    bench.until('results come', answered)
    for one in results.messages:
        assert one.header == sent[one.header.stamp.sec]
        assert one.results[0].class_id == '2'
        assert all(0.0 <= h.score <= 1.0 for h in one.results)

    def told() -> dict[str, Any]:
        camera.publish(bench.image())
        status = {one.name: one for one in reports.last.status} if len(reports) else {}
        values = status and {
            v.key: v.value for v in status.get('alexnet: latency', status['alexnet: node']).values
        }
        return status if 'total p95 (ms)' in (values or {}) else {}

    status = bench.until('diagnostics tell the latency', told)
    assert set(status) == {
        f'alexnet: {task}' for task in ('node', 'input', 'backend', 'model', 'latency')
    }
    assert all(one.hardware_id for one in status.values())
    keys = {one.name: {v.key: v.value for v in one.values} for one in status.values()}
    assert float(keys['alexnet: input']['input rate (Hz)']) > 0
    assert len(keys['alexnet: model']['sha256']) == 64
    assert keys['alexnet: backend']['backend'] in {'onnxruntime', 'openvino'}
    assert keys['alexnet: backend']['reason']
    for stage in ('decode', 'preprocess', 'engine', 'postprocess', 'publish', 'total'):
        for percent in ('p50', 'p95', 'p99'):
            assert float(keys['alexnet: latency'][f'{stage} {percent} (ms)']) >= 0

    names = DescribeParameters.Request(names=['score_threshold'])
    described = bench.call(DescribeParameters, '/alexnet/describe_parameters', names)
    assert described.descriptors[0].floating_point_range[0].to_value == 1.0
    live = SetParameters.Request(
        parameters=[
            Parameter('score_threshold', value=0.5).to_parameter_msg(),
            Parameter('score_threshold', value=2.0).to_parameter_msg(),
            Parameter('backend', value='tensorrt').to_parameter_msg(),
        ]
    )
    answers = bench.call(SetParameters, '/alexnet/set_parameters', live).results
    assert [one.successful for one in answers] == [True, False, False]
    assert all(one.reason for one in answers[1:])
    got = bench.call(
        GetParameters, '/alexnet/get_parameters', GetParameters.Request(names=['score_threshold'])
    )
    assert got.values[0].double_value == 0.5
    assert bench.call(SetBool, '/alexnet/enable', SetBool.Request(data=False)).success
    assert change(bench, Transition.TRANSITION_DEACTIVATE)
    assert change(bench, Transition.TRANSITION_CLEANUP)
    assert change(bench, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(bench) == 'finalized'


def test_remaps_and_namespaces_move_the_topics(
    bench: Bench, start_node: START, model: Path
) -> None:
    reports = bench.listen(DiagnosticArray, '/diagnostics')
    start_node(
        '-r',
        '__ns:=/robot',
        '-r',
        '__node:=eyes',
        '-r',
        'image:=/camera/image_raw',
        model=model,
        image_transport='compressed',
        autostart=True,
    )
    bench.until('it is active', lambda: state(bench, '/robot/eyes') == 'active')
    wanted = {'/camera/image_raw/compressed', '/robot/eyes/classification'}
    bench.until(
        'the topics are where they were moved',
        lambda: wanted <= {name for name, _ in bench.node.get_topic_names_and_types()},
    )
    bench.until(
        'the diagnostics carry the namespace',
        lambda: any(
            one.name == 'robot/eyes: node' for report in reports.messages for one in report.status
        ),
    )


def test_quality_of_service_is_overridden_by_parameters_in_every_configuration(
    bench: Bench, start_node: START, model: Path
) -> None:
    start_node(
        '-p',
        'qos_overrides./image.subscription.reliability:=reliable',
        '-p',
        'qos_overrides./alexnet/detections.publisher.depth:=3',
        model=model,
        autostart=True,
    )
    bench.until('it is active', lambda: active(bench))

    def image_reliability() -> str:
        found = bench.node.get_subscriptions_info_by_topic('/image')
        return found[0].qos_profile.reliability.name if found else ''

    bench.until('images are asked for reliably', lambda: image_reliability() == 'RELIABLE')
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        assert change(bench, transition), transition
    bench.until('and again', lambda: image_reliability() == 'RELIABLE')


def test_diagnostics_go_on_without_a_clock(bench: Bench, start_node: START, model: Path) -> None:
    reports = bench.listen(DiagnosticArray, '/diagnostics')
    start_node(model=model, autostart=True, use_sim_time=True, diagnostics_period_s=0.5)
    bench.until(
        'it is reported active, again and again, on a steady clock',
        lambda: (
            sum(
                one.name == 'alexnet: node' and one.message == 'active'
                for report in reports.messages
                for one in report.status
            )
            >= 3
        ),
    )


def test_an_incompatible_camera_is_reported(bench: Bench, start_node: START, model: Path) -> None:
    node = start_node(model=model, autostart=True, image_reliability='reliable')
    reports = bench.listen(DiagnosticArray, '/diagnostics')
    bench.camera(qos=QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    bench.until(
        'the diagnostics name the policy',
        lambda: any(
            one.name == 'alexnet: input' and 'RELIABILITY' in one.message and one.level == b'\x02'
            for report in reports.messages
            for one in report.status
        ),
    )
    node.wait_for('incompatible')


def test_autostart_that_cannot_configure_says_so_in_one_line_and_stays(
    bench: Bench, start_node: START, model: Path
) -> None:
    node = start_node(model=model, backend='tensorrt', cache_dir='/nowhere', autostart=True)
    bench.until('it says why', lambda: 'cannot configure' in node.log)
    (line,) = [one for one in node.lines if 'cannot configure' in one]
    assert 'TensorRT' in line
    assert 'Traceback' not in node.log
    assert state(bench) == 'unconfigured'
    assert node.stop() == 0


def test_a_wrong_parameter_ends_in_one_line_with_its_range(start_node: START) -> None:
    node = start_node(top_k=1000)
    assert node.wait() == 1
    assert 'top_k' in node.lines[-1]
    assert '[1, 100]' in node.lines[-1]
    assert 'Traceback' not in node.log


def test_a_command_line_that_cannot_be_read_ends_in_one_line(start_node: START) -> None:
    node = start_node('--params-file', '/no/such.yaml')
    assert node.wait() == 2
    assert '/no/such.yaml' in node.lines[-1]
    assert 'Traceback' not in node.log


@pytest.mark.parametrize(
    ('number', 'where'),
    [
        (signal.SIGTERM, State.PRIMARY_STATE_UNCONFIGURED),
        (signal.SIGINT, State.PRIMARY_STATE_INACTIVE),
        (signal.SIGINT, State.PRIMARY_STATE_ACTIVE),
        (signal.SIGTERM, State.PRIMARY_STATE_ACTIVE),
    ],
)
def test_a_signal_ends_it_with_0_after_on_shutdown(
    bench: Bench, start_node: START, model: Path, number: int, where: int
) -> None:
    events = bench.listen(TransitionEvent, '/alexnet/transition_event')
    node = start_node(module=PATIENTLY + 'alexnet_ros.ros.classifier_node', model=model)
    assert state(bench) == 'unconfigured'
    if where != State.PRIMARY_STATE_UNCONFIGURED:
        assert change(bench, Transition.TRANSITION_CONFIGURE)
    if where == State.PRIMARY_STATE_ACTIVE:
        assert change(bench, Transition.TRANSITION_ACTIVATE)
    sent_s = time.monotonic()
    node.signal(number)
    assert node.wait() == 0, node.log
    print(f'ended after {time.monotonic() - sent_s:.2f} s')
    assert 'without cleaning up' not in node.log
    bench.until(
        'it was finalized',
        lambda: any(one.goal_state.label == 'finalized' for one in events.messages),
    )


def test_a_signal_while_the_model_loads_ends_it_with_0(
    bench: Bench, start_node: START, model: Path
) -> None:
    node = start_node(
        model=model,
        autostart=True,
        module='tests.ros.slow_classifier',
        environment={'SLOW': 'load', 'LOADED': '/no such file'},
    )
    bench.until('it is loading', lambda: 'loading slowly' in node.log)
    node.signal(signal.SIGTERM)
    assert node.wait() == 0, node.log


@pytest.mark.parametrize('executor', ['auto', 'single'])
def test_it_says_that_it_is_configuring_while_the_model_loads(
    bench: Bench, start_node: START, model: Path, tmp_path: Path, executor: str
) -> None:
    loaded = tmp_path / 'loaded'
    node = start_node(
        model=model,
        executor=executor,
        module='tests.ros.slow_classifier',
        environment={'SLOW': 'load', 'LOADED': str(loaded)},
    )
    assert state(bench) == 'unconfigured'
    client = bench.client(ChangeState, '/alexnet/change_state')
    configured = client.call_async(
        ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    )
    bench.until('it is loading', lambda: 'loading slowly' in node.log)
    assert [state(bench) for _ in range(3)] == ['configuring'] * 3
    assert not configured.done()
    loaded.touch()
    bench.until('it is configured', configured.done)
    assert configured.result().success
    assert state(bench) == 'inactive'
    assert change(bench, Transition.TRANSITION_ACTIVATE)


@pytest.mark.parametrize('how', ['hang', 'fatal'])
def test_a_lost_engine_ends_the_process_for_a_respawn(
    bench: Bench, start_node: START, model: Path, how: str
) -> None:
    node = start_node(
        model=model,
        autostart=True,
        lazy=False,
        inference_timeout_s=0.5,
        module='tests.ros.slow_classifier',
        environment={'SLOW': how},
    )
    bench.until('it is active', lambda: active(bench))
    camera = bench.camera()

    def ended() -> bool:
        camera.publish(bench.image())
        bench.spin_for(0.05)
        return not node.alive()

    bench.until('the process ends', ended)
    assert node.wait() == EXIT_FATAL, node.log
    assert ('in work for' if how == 'hang' else 'illegal address') in node.log


def test_a_kill_leaves_nothing_that_disturbs_the_next_one(
    bench: Bench, start_node: START, model: Path
) -> None:
    first = start_node(model=model, autostart=True)
    bench.until('it is active', lambda: active(bench))
    first.signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    second = start_node(model=model, autostart=True)
    results = bench.listen(Classification, '/alexnet/classification')
    camera = bench.camera()

    def answered() -> bool:
        camera.publish(bench.image())
        bench.spin_for(0.05)
        return len(results) > 0

    bench.until('the next one answers', answered)
    assert second.stop() == 0
