"""Starts nodes as processes and leads them through their lifecycle."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node

from alexnet_ros.closing import Closing
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.parent import child_environment

STOP_S = 5.0
APPEAR_S = 180.0  # a node's services must be there so long after its start
AGAIN_S = 2.0  # a question is asked again after so long without an answer


class NodeControlError(AlexnetRosError):
    """A node process could not be started, led or heard."""


class NodeProcess(Closing):
    """
    One node of the package in a process of its own; a context manager.

    :param module: such as ``alexnet_ros.ros.classifier_node``, or the path of
        an installed executable.
    :param env: variables beside those of this process.
    :param log: file for what it prints.
    """

    def __init__(
        self,
        module: str,
        name: str,
        *,
        parameters: Mapping[str, Any],
        log: Path,
        remappings: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.log = name, log
        words = [module] if '/' in module else [sys.executable, '-m', module]
        words += ['--ros-args', '-r', f'__node:={name}']
        for key, value in parameters.items():
            words += ['-p', f'{key}:={json.dumps(value)}']
        for key, other in (remappings or {}).items():
            words += ['-r', f'{key}:={other}']
        with log.open('w', encoding='utf-8') as stream:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=child_environment() | dict(env or {}),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise NodeControlError, with the last line that it printed, if the process ended."""
        code = self._process.poll()
        if code is not None:
            raise NodeControlError(f'{self.name} ended with {code}: {self.last_line()}')

    def last_line(self) -> str:
        """Return the last error that it printed, or the last line, without the log's prefix."""
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()
        lines = [line.strip() for line in lines if line.strip()]
        errors = [line for line in lines if 'ERROR' in line or 'FATAL' in line]
        last = (errors or lines or ['it printed nothing'])[-1]
        return f'{last.rpartition("]: ")[2] or last} (all of it: {self.log})'

    def stop(self) -> int:
        """Ask the process to end, make it end after a while; return its status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def close(self) -> None:
        """Stop the process."""
        self.stop()


class LifecycleClient:
    """Leads one lifecycle node, by a node whose executor spins in another thread."""

    def __init__(self, node: Node, process: NodeProcess) -> None:
        self._process = process
        self._change = node.create_client(ChangeState, f'/{process.name}/change_state')
        self._state = node.create_client(GetState, f'/{process.name}/get_state')

    def _call(self, client: Any, request: Any, timeout_s: float, again_s: float = math.inf) -> Any:
        deadline = time.monotonic() + APPEAR_S
        while not client.service_is_ready():
            self._process.check()
            if time.monotonic() > deadline:
                raise NodeControlError(f'{client.srv_name} did not appear in {APPEAR_S:.0f} s')
            time.sleep(0.02)
        deadline = time.monotonic() + timeout_s
        answers: SimpleQueue[Any] = SimpleQueue()
        next_s = 0.0
        while answers.empty():
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + again_s
                client.call_async(request).add_done_callback(answers.put)
            self._process.check()
            if time.monotonic() > deadline:
                raise NodeControlError(f'{client.srv_name} did not answer in {timeout_s:.0f} s')
            time.sleep(0.02)
        return answers.get().result()

    def state(self, timeout_s: float = 60.0) -> str:
        """Return the name of the node's state."""
        answer = self._call(self._state, GetState.Request(), timeout_s, AGAIN_S)
        return str(answer.current_state.label)

    def change(self, transition: str, timeout_s: float) -> None:
        """
        Make one transition.

        :param transition: ``configure``, ``activate``, ``deactivate`` or ``cleanup``.
        :raises NodeControlError: the node refused or failed; with its reason.
        """
        # The answer to a client that the node does not know yet is lost; it has learned of this
        # one when it has answered the other, which was made later.
        self.state()
        kind = getattr(Transition, f'TRANSITION_{transition.upper()}')
        request = ChangeState.Request(transition=Transition(id=kind))
        if not self._call(self._change, request, timeout_s).success:
            raise NodeControlError(
                f'{self._process.name} could not {transition}: {self._process.last_line()}'
            )
