"""A classifier process seen from outside: images in, results and diagnostics out."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, Detection2DArray

from tests.ros.robot import Bench, NodeProcess, stamp_ns

GOOD_CLASS = '0'  # red, what :meth:`Bench.image` shows


class Wire:
    """
    A classifier process, its camera, and everything it says.

    :param kind: message class of the camera.
    :param good: makes a message that is recognised as red.
    """

    def __init__(
        self,
        bench: Bench,
        node: NodeProcess,
        kind: type = Image,
        good: Callable[[], Any] | None = None,
    ) -> None:
        self.bench, self.node = bench, node
        self.good_image = good or bench.image
        self.results = bench.listen(Classification, 'alexnet/classification')
        self.boxes = bench.listen(Detection2DArray, 'alexnet/detections')
        self.reports = bench.listen(DiagnosticArray, '/diagnostics')
        topic = 'image/compressed' if kind is CompressedImage else 'image'
        self._camera = bench.node.create_publisher(kind, topic, qos_profile_sensor_data)
        self._good_ns: set[int] = set()

    # In

    def send(self, message: Any, *, answerable: bool = False) -> int:
        """Publish under a new stamp; ``answerable`` if a result may come of it."""
        self.bench.stamp_s += 1
        message.header.stamp.sec = self.bench.stamp_s
        if answerable:
            self._good_ns.add(stamp_ns(message))
        self._camera.publish(message)
        self.bench.spin_for(0.03)
        return stamp_ns(message)

    def recovers(self, class_id: str = GOOD_CLASS, make: Callable[[], Any] | None = None) -> None:
        """Send good images until one is answered rightly; check all that was published."""
        sent: set[int] = set()

        def answered() -> bool:
            sent.add(self.send((make or self.good_image)(), answerable=True))
            return any(stamp_ns(one) in sent for one in self.results.messages)

        self.bench.until('the next good image is answered', answered)
        mine = [one for one in self.results.messages if stamp_ns(one) in sent]
        assert all(one.results[0].class_id == class_id for one in mine)
        self.check()

    def check(self) -> None:
        """Check that the process lives and nothing stale, invented or NaN came out."""
        assert self.node.alive(), self.node.log
        assert 'Traceback' not in self.node.log, self.node.log
        for one in [*self.results.messages, *self.boxes.messages]:
            assert stamp_ns(one) in self._good_ns, 'a result of an image that has none'
        for one in self.results.messages:
            assert all(_is_probability(result.score) for result in one.results)
        for one in self.boxes.messages:
            for box in one.detections:
                assert all(_is_probability(r.hypothesis.score) for r in box.results)
                assert math.isfinite(box.bbox.size_x * box.bbox.size_y)

    def refuses(self, make: Callable[[], Any], reason: str) -> None:
        """Send bad images until the diagnostics count one and warn; then check recovery."""
        key = f'rejected: {reason}'
        self.bench.until('diagnostics come', lambda: self.status('input'))
        before = self.values('input')
        seen = len(self.reports)

        def counted() -> bool:
            self.send(make())
            newest = self.results.messages[-5:]
            assert all(stamp_ns(one) in self._good_ns for one in newest), 'a result came of it'
            rises = {
                one: int(value) - int(before.get(one, '0'))
                for one, value in self.values('input').items()
                if one.startswith('rejected: ')
            }
            right = rises.pop(key, 0)
            assert right or max(rises.values(), default=0) < 5, f'counted otherwise: {rises}'
            return right > 0

        self.bench.until(f'{key} rises', counted)
        levels = {one.level for one in self._statuses('input', seen)}
        assert levels - {DiagnosticStatus.OK}, 'the diagnostics stayed OK'
        self.recovers()

    # Out

    def _statuses(self, task: str, since: int = 0) -> list[DiagnosticStatus]:
        return [
            status
            for report in self.reports.messages[since:]
            for status in report.status
            if status.name == f'alexnet: {task}'
        ]

    def status(self, task: str) -> DiagnosticStatus | None:
        """Return the newest diagnostic of a task, None before the first."""
        found = self._statuses(task)
        return found[-1] if found else None

    def values(self, task: str) -> dict[str, str]:
        """Return the newest values of a task."""
        status = self.status(task)
        return {} if status is None else {one.key: one.value for one in status.values}

    # Services

    def state(self) -> str:
        return state_of(self.bench)

    def change(self, transition: int) -> bool:
        return change_state(self.bench, transition)

    def set(self, name: str, value: Any) -> Any:
        """Set one parameter over its service; returns the result."""
        return set_parameter(self.bench, '/alexnet', name, value)


def _is_probability(value: float) -> bool:
    return 0.0 <= value <= 1.0  # false for NaN


def state_of(bench: Bench, node: str = '/alexnet') -> str:
    return str(bench.call(GetState, f'{node}/get_state').current_state.label)


def change_state(bench: Bench, transition: int, node: str = '/alexnet') -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(bench.call(ChangeState, f'{node}/change_state', request).success)


def set_parameter(bench: Bench, node: str, name: str, value: Any) -> Any:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return bench.call(SetParameters, f'{node}/set_parameters', request).results[0]


def status_kib(pid: int, field: str) -> int:
    """Return a memory figure of a process, such as ``VmHWM`` or ``VmRSS``, KiB."""
    with Path(f'/proc/{pid}/status').open() as file:
        for line in file:
            if line.startswith(f'{field}:'):
                return int(line.split()[1])
    raise KeyError(field)
