"""``label`` on a live topic: a publisher in its own process, frames labelled as the page does."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from alexnet_ros.training.layouts import read_data
from tests.ros.robot import DEADLINE_S, ROOT

CAMERA = """
import itertools, sys
import numpy as np, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from alexnet_ros.pictures import jpeg_from_rgb

topic = sys.argv[1]
packed = topic.endswith('/compressed')
rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(
    CompressedImage if packed else Image, topic, qos_profile_sensor_data)
numbers = itertools.count()

def send():
    pixels = np.full((48, 64, 3), 16 * (next(numbers) % 16), np.uint8)  # each frame its own grey
    if packed:
        message = CompressedImage(format='jpeg', data=jpeg_from_rgb(pixels, 95))
    else:
        message = Image(height=48, width=64, encoding='rgb8', step=192, data=pixels.tobytes())
    publisher.publish(message)

node.create_timer(0.03, send)
rclpy.spin(node)
"""
Start = Callable[..., 'subprocess.Popen[str]']


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python process that ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> 'subprocess.Popen[str]':
        process = subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=ROOT, text=True, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Page:
    """What the page in the browser asks of the command."""

    def __init__(self, command: 'subprocess.Popen[str]') -> None:
        assert command.stdout is not None
        self.port = int(command.stdout.readline().rsplit(':', 1)[1])

    def ask(self, method: str, path: str, values: Any = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=DEADLINE_S)
        body = None if values is None else json.dumps(values)
        connection.request(method, path, body, {'Content-Type': 'application/json'})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def newer_than(self, frame: int) -> int:
        """Return the number of a later frame."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            number = json.loads(self.ask('GET', '/state')[1])['frame']
            if number is not None and number > frame:
                return int(number)
            time.sleep(0.05)
        pytest.fail(f'no frame came after {frame}')

    def grey(self, frame: int) -> float:
        return grey_of(self.ask('GET', f'/frame.jpg?{frame}')[1])

    def label(self, frame: int, name: str) -> int:
        return self.ask('POST', '/label', {'frame': frame, 'class': name})[0]


def grey_of(jpeg: bytes) -> float:
    return float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


@pytest.mark.parametrize('topic', ['/camera/image_raw', '/camera/image_raw/compressed'])
def test_frames_of_a_live_camera_go_to_the_class_that_was_seen(
    topic: str, start: Start, tmp_path: Path
) -> None:
    camera = start('-c', CAMERA, topic)
    command = start(
        *('-m', 'alexnet_ros', 'label', tmp_path, '--classes', 'dark,bright', '--topic', topic),
        *('--port', 0, '--scene-s', 0.001, '--val-every', 3),
    )
    page = Page(command)
    shown: dict[str, list[float]] = {'dark': [], 'bright': []}
    frame = 0
    while min(map(len, shown.values())) < 3:
        frame = page.newer_than(frame)
        grey = page.grey(frame)
        name = 'bright' if grey > 120 else 'dark'
        assert page.label(frame, name) == 200
        assert page.label(frame, 'dark') == 409  # one frame has one label
        shown[name].append(grey)
    camera.kill()
    camera.wait()
    command.send_signal(signal.SIGINT)
    assert command.wait(DEADLINE_S) == 0
    assert command.stdout is not None
    counts = ', '.join(f'{name} {len(greys)}' for name, greys in shown.items())
    assert counts in command.stdout.read()
    data = read_data(tmp_path)
    assert {record.part for record in data.records} == {'train', 'val'}
    for class_id, name in enumerate(data.names):
        files = sorted((r.path for r in data.records if r.class_id == class_id), key=_time)
        stored = [grey_of(path.read_bytes()) for path in files]
        np.testing.assert_allclose(stored, shown[name], atol=3)  # what was seen, not a later one


def _time(path: Path) -> int:
    return int(path.stem.split('_')[1])
