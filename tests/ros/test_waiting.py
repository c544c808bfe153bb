"""The node says what it waits for, and what is lost before it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from alexnet_ros.parent import child_environment
from alexnet_ros.ros.classifier_node import ClassifierNode
from alexnet_ros.ros.clients.dds_check import VARIABLES
from alexnet_ros.ros.clients.session import Session
from tests.ros.robot import DOMAIN, PROFILE, ROOT, Bench

CAMERA = """
import sys, time
from array import array
import rclpy
from alexnet_ros.parent import end_with_parent
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
end_with_parent()
rclpy.init()
node = rclpy.create_node('elsewhere')
camera = node.create_publisher(Image, 'image', qos_profile_sensor_data)
message = Image(height=480, width=640, encoding='rgb8', step=1920)
message.data = array('B', bytes(640 * 480 * 3))
began, index = time.monotonic(), 0
while True:
    time.sleep(max(0.0, began + index / 30 - time.monotonic()))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(
        10**18 + index * 33_333_333, 10**9)  # by the sensor's own clock
    camera.publish(message)
    index += 1
"""


@pytest.fixture
def active(bench: Bench, model: Path) -> Callable[..., ClassifierNode]:
    def make(**parameters: Any) -> ClassifierNode:
        node = bench.add(ClassifierNode, model=str(model), autostart=True, **parameters)
        assert isinstance(node, ClassifierNode)
        bench.until('it is active', lambda: node.active)
        return node

    return make


def input_of(node: ClassifierNode) -> Any:
    return next(one for one in node.findings() if one.task == 'input')


@pytest.mark.parametrize(
    ('kind', 'topic', 'transport', 'says'),
    [
        (
            CompressedImage,
            'image',
            'raw',
            'sends CompressedImage: set image_transport to compressed',
        ),
        (CompressedImage, 'image/compressed', 'raw', 'set image_transport to compressed'),
        (Image, 'image/compressed', 'compressed', 'sends Image: set image_transport to raw'),
        (Image, 'image', 'compressed', 'set image_transport to raw'),
        (String, 'image', 'raw', 'sends std_msgs/msg/String, not sensor_msgs/msg/Image'),
        (Image, 'front/image_raw', 'raw', 'image topics there are: /front/image_raw (Image)'),
    ],
)
def test_what_hinders_images_is_said_with_its_remedy(  # noqa: PLR0917
    bench: Bench, active: Any, kind: type, topic: str, transport: str, says: str
) -> None:
    node = active(image_transport=transport)
    with Session('camera', domain=DOMAIN) as elsewhere:  # a participant has one type a topic
        elsewhere.node.create_publisher(kind, topic, qos_profile_sensor_data)
        bench.until(says, lambda: says in input_of(node).message)


def test_log_names_the_topic_and_what_there_is_once(
    bench: Bench, active: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    active()
    said = ''

    def told() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return 'waiting for images on /image: nobody publishes it' in said

    bench.until('it is logged', told)
    bench.spin_for(2.5)
    said += capfd.readouterr().err
    assert said.count('waiting for images') == 1


def test_camera_without_the_profile_is_noticed(bench: Bench, active: Any) -> None:
    node = active()
    heard = bench.listen(DiagnosticArray, '/diagnostics')
    env = {key: value for key, value in child_environment().items() if key not in VARIABLES}
    camera = subprocess.Popen([sys.executable, '-c', CAMERA], cwd=ROOT, env=env)
    try:
        bench.until('images come', lambda: input_of(node).values['frames received'] > 0)
        warned = bench.until(
            'the loss is told',
            lambda: next(
                (
                    status
                    for message in heard.messages
                    for status in message.status
                    if 'images a second arrive' in status.message
                ),
                None,
            ),
        )
    finally:
        camera.kill()
        camera.wait()
    assert f'{VARIABLES[0]}={PROFILE}' in warned.message
    values = {pair.key: pair.value for pair in warned.values}
    assert float(values['rate sent, by stamps (Hz)']) > float(values['input rate (Hz)'])
