"""A recogniser that the test plays, and ears on everything the navigator says."""

import json
import time
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.msg import SpeedLimit
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, Float32, String
from vision_msgs.msg import (
    Classification,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from alexnet_ros.navigation import Moment
from alexnet_ros.ros.sign_navigator_node import SignNavigator
from tests.ros.robot import Bench

RATE_HZ = 20
PATIENT_S = 60.0
PATIENT = {'stale_after_s': PATIENT_S, 'max_age_s': PATIENT_S}  # for a process: see CalmNavigator
STOP, YIELD, LIMIT_30, LIMIT_50, END_OF_ALL = 14, 13, 1, 2, 32
EVENTS = QoSProfile(depth=1000)


def detection(
    class_id: int | str,
    track_id: str = '1',
    height_px: float = 60.0,
    score: float = 0.99,
    x_px: float = 0.0,
) -> Detection2D:
    """Return one sign; an empty track id means unconfirmed, x of 0 an unset place."""
    one = Detection2D(id=track_id)
    one.bbox.size_x = one.bbox.size_y = float(height_px)  # an int would arrive as garbage
    one.bbox.center.position.x = float(x_px)
    one.results = [
        ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=str(class_id), score=score))
    ]
    return one


class CalmClock:
    """
    Real time, but for what the machine was away.

    A navigator minds lost images. Where the machine stands still for a second,
    its clock and the one that images are stamped with stand still with it.
    """

    LONGEST_NS = 60_000_000  # between two ticks, which are 50 ms apart

    def __init__(self) -> None:
        self._real_ns = self._ns = time.monotonic_ns()
        self._to_ros_ns = time.time_ns() - self._ns
        self.owned = False  # somebody ticks who wants no other to

    def tick(self) -> None:
        self._ns, self._real_ns = self.steady_ns(), time.monotonic_ns()

    def steady_ns(self) -> int:
        return self._ns + min(time.monotonic_ns() - self._real_ns, self.LONGEST_NS)

    def ros_ns(self) -> int:
        return self.steady_ns() + self._to_ros_ns


class CalmNavigator(SignNavigator):
    """The navigator in the process of the test, by a clock that a busy machine does not hurry."""

    def __init__(self, **kwargs: Any) -> None:
        self.calm = CalmClock()
        super().__init__(**kwargs)
        self.create_timer(1 / RATE_HZ, self._tick_calm, clock=self.steady)

    def _tick_calm(self) -> None:
        if not self.calm.owned:
            self.calm.tick()

    def _now(self) -> Moment:
        simulated = self.get_parameter('use_sim_time').value
        ros_ns = self.get_clock().now().nanoseconds if simulated else self.calm.ros_ns()
        return Moment(ros_ns, self.calm.steady_ns())


class Ears:
    """What a navigator publishes, in order."""

    def __init__(self, bench: Bench, name: str = 'sign_navigator') -> None:
        self.limits = bench.listen(SpeedLimit, 'speed_limit', EVENTS)
        self.locks = bench.listen(Bool, 'stop_lock', EVENTS)
        self.told = bench.listen(String, f'{name}/events', EVENTS)
        self.headings = bench.listen(Float32, f'{name}/heading', EVENTS)
        self.diagnostics = bench.listen(DiagnosticArray, '/diagnostics', EVENTS)

    @property
    def values(self) -> list[float]:
        """The speed limits in metres a second, repetitions left out."""
        found: list[float] = []
        for message in self.limits.messages:
            assert message.percentage is False
            if not found or found[-1] != message.speed_limit:
                found.append(message.speed_limit)
        return found

    @property
    def locked(self) -> bool | None:
        return self.locks.last.data if self.locks.messages else None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.data) for message in self.told.messages]

    def kinds(self, *wanted: str) -> list[str]:
        return [one['event'] for one in self.events if not wanted or one['event'] in wanted]

    @property
    def status(self) -> Any:
        """The newest diagnostic of the navigator, or None."""
        found = [one for message in self.diagnostics.messages for one in message.status]
        return found[-1] if found else None

    def clear(self) -> None:
        for listener in (self.limits, self.locks, self.told, self.diagnostics):
            listener.messages.clear()


class Recogniser:
    """
    Publishes one message an image, at a steady rate, once it has been told what to show.

    The images are stamped with ``now_ns()``: the time of the navigator, if it is in this process.
    """

    def __init__(self, bench: Bench, *, frames: bool = False) -> None:
        self._bench = bench
        self.signs: list[Detection2D] = []
        self.scores: list[tuple[int, float]] = []
        self.shift_s = 0.0
        self.camera = 'front'
        self.running = frames  # signs begin with the first show()
        self.now_ns: Any = lambda: bench.node.get_clock().now().nanoseconds
        self._tick: Any = lambda: None
        for one in bench.nodes:
            if isinstance(one, CalmNavigator):
                one.calm.owned, self.now_ns, self._tick = True, one.calm.ros_ns, one.calm.tick
        self._frames = frames
        kind, topic = (
            (Classification, 'classification') if frames else (Detection2DArray, 'detections')
        )
        self._publisher = bench.node.create_publisher(kind, topic, 10)
        self._timer = bench.node.create_timer(1 / RATE_HZ, self.publish)
        bench.until('the navigator listens', self._publisher.get_subscription_count)

    def publish(self) -> None:
        self._tick()
        if not self.running:
            return
        message = Classification() if self._frames else Detection2DArray()
        stamp_ns = self.now_ns() + round(self.shift_s * 1e9)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        message.header.frame_id = self.camera
        if self._frames:
            message.results = [
                ObjectHypothesis(class_id=str(one), score=score) for one, score in self.scores
            ]
        else:
            message.detections = self.signs
        self._publisher.publish(message)

    def show(self, *signs: Detection2D) -> None:
        self.signs = list(signs)
        self.running = True
