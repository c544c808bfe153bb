"""
Real rclpy on real DDS for the tests: own domain, own context, deadlines.

Nothing here sleeps for a fixed time: :meth:`Bench.until` spins until a
condition holds and fails with a sentence when the deadline passes.
"""

import fcntl
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / 'config' / 'fastdds.xml'
DEADLINE_S = 300.0  # bounds a failure; no test waits for it to pass, a busy machine may
ASK_AGAIN_S = 5.0
PATIENTLY = 'tests.ros.patient '
TURNS = 20  # callbacks that get their turn however late the machine is


def _own_domain() -> tuple[int, int]:
    """Return a ROS domain that no other test process holds, and its lock."""
    for offset in range(100):
        domain = 1 + (os.getpid() + offset) % 100
        name = f'/tmp/alexnet_ros_domain_{domain}.lock'
        try:
            lock = os.open(name, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError:  # another user's, whose it may be as well
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return domain, lock
    pytest.exit('no free ROS domain')


DOMAIN, _LOCK = _own_domain()
_HOME = tempfile.TemporaryDirectory()  # nothing of the user's, or of an earlier run, is taken up
for _name in list(os.environ):
    if _name.startswith(('RCUTILS_', 'ROS_SECURITY_')) or _name in {
        'ROS_LOCALHOST_ONLY',
        'ROS_LOG_DIR',
        'ROS_STATIC_PEERS',
    }:
        del os.environ[_name]
os.environ.update(
    ROS_HOME=_HOME.name,
    ROS_DOMAIN_ID=str(DOMAIN),
    ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
    FASTRTPS_DEFAULT_PROFILES_FILE=str(PROFILE),
    FASTDDS_DEFAULT_PROFILES_FILE=str(PROFILE),
)

import rclpy  # noqa: E402 - the environment comes first
from rcl_interfaces.srv import GetParameterTypes  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from alexnet_ros.parent import child_environment  # noqa: E402

try:  # Jazzy and newer
    from rclpy.event_handler import PublisherEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks


class Listener:
    """Keeps what comes on one topic, in order."""

    def __init__(self, node: Node, kind: type, topic: str, qos: QoSProfile | int = 10) -> None:
        self.messages: list[Any] = []
        self.subscription = node.create_subscription(kind, topic, self.messages.append, qos)

    def __len__(self) -> int:
        return len(self.messages)

    @property
    def last(self) -> Any:
        return self.messages[-1]

    def stamps(self) -> list[int]:
        return [stamp_ns(message) for message in self.messages]


class Bench:
    """A context, one executor, and a node that plays the rest of the robot."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory()
        self._home_before = os.environ['ROS_HOME']
        os.environ['ROS_HOME'] = self._home.name  # no robot takes up what another has kept
        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=DOMAIN)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = Node('robot', context=self.context, use_global_arguments=False)
        self.executor.add_node(self.node)
        self.nodes: list[Node] = []
        self._clients: dict[tuple[type, str], Any] = {}
        self.stamp_s = 0

    def add(self, make: Callable[..., Node], **parameters: Any) -> Node:
        """Make a node in this context with parameters and spin it."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = make(context=self.context, parameter_overrides=overrides)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def until(self, what: str, holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
        """Spin until something holds; fail with a sentence if it never does."""
        end_s = time.monotonic() + deadline_s
        while True:
            value = holds()
            if value:
                return value
            if time.monotonic() > end_s:
                pytest.fail(f'after {deadline_s:g} s still not: {what}')
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        """
        Spin on, to show that something does not happen.

        What is there already gets its turn even where the machine stood still
        for the whole of that time.
        """
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)
        for _ in range(TURNS):
            self.executor.spin_once(timeout_sec=0.0)

    def call(self, kind: type, name: str, request: Any = None) -> Any:
        """
        Call a service and return its answer.

        A question, which changes nothing, is asked again where its answer is lost.
        """
        question = kind.__name__.startswith(('Get', 'List', 'Describe'))
        client = self._client(kind, name) if question else self.client(kind, name)
        return self._answer(client, kind.Request() if request is None else request, question)

    def client(self, kind: type, name: str) -> Any:
        """
        Return a client that the server knows.

        An answer to one that it does not know yet is lost. Discovery keeps the
        order in which the clients of a node were made, so the server knows this
        one when it has answered a question of a later one.
        """
        client = self._client(kind, name)
        later = self._found(GetParameterTypes, f'{name.rpartition("/")[0]}/get_parameter_types')
        self._answer(later, GetParameterTypes.Request(), question=True)
        self.node.destroy_client(later)
        return client

    def _client(self, kind: type, name: str) -> Any:
        client = self._clients.get((kind, name))
        if client is None or not client.service_is_ready():
            client = self._clients[kind, name] = self._found(kind, name, client)
        return client

    def _answer(self, client: Any, request: Any, question: bool) -> Any:
        futures = [client.call_async(request)]
        next_s = time.monotonic() + ASK_AGAIN_S

        def answered() -> bool:
            nonlocal next_s
            if question and time.monotonic() > next_s:
                next_s = time.monotonic() + ASK_AGAIN_S
                futures.append(client.call_async(request))
            return any(one.done() for one in futures)

        self.until(f'{client.srv_name} answers', answered)
        return next(one for one in futures if one.done()).result()

    def _found(self, kind: type, name: str, client: Any = None) -> Any:
        """
        Return a client whose service was found.

        One that is made in the midst of discovery may never find its service,
        so another takes its place now and then.
        """
        client = client or self.node.create_client(kind, name)
        next_s = time.monotonic() + ASK_AGAIN_S

        def found() -> bool:
            nonlocal client, next_s
            if time.monotonic() > next_s:
                next_s = time.monotonic() + ASK_AGAIN_S
                self.node.destroy_client(client)
                client = self.node.create_client(kind, name)
            return bool(client.service_is_ready())

        self.until(f'service {name} is there', found)
        return client

    def listen(self, kind: type, topic: str, qos: QoSProfile | int = 10) -> Listener:
        """Subscribe and keep everything."""
        return Listener(self.node, kind, topic, qos)

    def camera(self, topic: str = 'image', qos: QoSProfile = qos_profile_sensor_data) -> Any:
        """Return a publisher of images, silent about readers that do not fit."""
        events = PublisherEventCallbacks(use_default_callbacks=False)
        return self.node.create_publisher(Image, topic, qos, event_callbacks=events)

    def image(self, colour: tuple[int, int, int] = (255, 0, 0), **fields: Any) -> Image:
        """Return an RGB image of one colour with the next stamp."""
        self.stamp_s += 1
        return make_image(colour, self.stamp_s, **fields)

    def until_answered(self, camera: Any, results: Listener) -> None:
        """Send good images until one of them is answered."""
        sent: set[int] = set()

        def answered() -> bool:
            image = self.image()
            sent.add(stamp_ns(image))
            camera.publish(image)
            self.spin_for(0.05)
            return not sent.isdisjoint(results.stamps())

        self.until('an image is answered', answered)

    def close(self) -> None:
        for node in self.nodes:
            self.executor.remove_node(node)
            if hasattr(node, 'withdraw'):
                node.withdraw()
            node.destroy_node()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)
        # A lifecycle node's own services live on in the graph, half gone, until
        # the node is collected; its reference cycles leave that to chance.
        self.nodes.clear()
        gc.collect()
        if os.environ['ROS_HOME'] == self._home.name:
            os.environ['ROS_HOME'] = self._home_before
        self._home.cleanup()


def make_image(
    colour: tuple[int, int, int],
    stamp_s: int,
    *,
    size_wh: tuple[int, int] = (64, 48),
    frame_id: str = 'camera_optical',
) -> Image:
    """Return an rgb8 image of one colour."""
    width, height = size_wh
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = colour
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = frame_id
    message.header.stamp.sec = stamp_s
    message.data = pixels.tobytes()
    return message


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


class NodeProcess:
    """
    A node of this package as a process, with its log.

    :param arguments: after ``--ros-args``.
    :param module: with :data:`PATIENTLY` before it, the process gets all its time to end.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        module: str = 'alexnet_ros.ros.classifier_node',
    ) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, '-m', *module.split(), '--ros-args', *arguments],
            cwd=ROOT,
            env={**child_environment(), **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(_LOCK,),  # it speaks in this domain for as long as it lives
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def log(self) -> str:
        return '\n'.join(self.lines)

    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Return the exit status; fail if the process does not end."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f'the process did not end within {deadline_s:g} s:\n{self.log}')
        self._reader.join(DEADLINE_S)
        return code

    def wait_for(self, text: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the log has a text; fail if it never comes."""
        end_s = time.monotonic() + deadline_s
        while text not in self.log and self._reader.is_alive() and time.monotonic() < end_s:
            time.sleep(0.02)
        if text not in self.log:
            pytest.fail(f'{text!r} is not in the log:\n{self.log}')

    def stop(self) -> int:
        """End it as a launch file does."""
        if self.alive():
            self.signal(signal.SIGINT)
        return self.wait()

    def close(self) -> None:
        if self.alive():
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
