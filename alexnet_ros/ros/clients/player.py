"""Plays messages into a running system in real time, with ``/clock``."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from alexnet_ros.bags.messages import message_class
from alexnet_ros.bags.pace import Pace
from alexnet_ros.bags.salvage import StoredMessage
from alexnet_ros.bags.typestore import stamp_ns_from_cdr

CLOCK_PERIOD_S = 0.02
WAIT_PERIOD_S = 0.02
MIN_STAMPED_BYTES = 12  # encapsulation and a stamp
MATCH_GRACE_S = 0.3  # a reader learns of its writer a moment after the writer of it
OFFERED = QoSProfile(  # reliable is taken by every subscription, sensor-data ones as well
    depth=5, reliability=ReliabilityPolicy.RELIABLE
)


@dataclass(slots=True)
class PlayReport:
    """
    What was played.

    :param stamps_ns: the header stamps sent, by topic.
    :param latest_ms: most that a message went out too late, milliseconds.
    :param seconds: wall time from the first message to the last.
    """

    stamps_ns: dict[str, list[int]]
    latest_ms: float = 0.0
    seconds: float = 0.0


class Player:
    """
    Publishers for some topics and the clock that goes with them.

    :param topics: topic to type.
    :param clock: publish the source's time as ``/clock``, for nodes that run
        with ``use_sim_time``.
    """

    def __init__(self, node: Node, topics: Mapping[str, str], *, clock: bool = True) -> None:
        self._publishers = {
            topic: node.create_publisher(message_class(kind), topic, OFFERED)
            for topic, kind in topics.items()
        }
        self._clock = node.create_publisher(Clock, '/clock', 1) if clock else None

    def subscribers(self, topic: str) -> int:
        """Return how many subscriptions a topic has."""
        return int(self._publishers[topic].get_subscription_count())

    def wait_for_subscribers(self, timeout_s: float) -> list[str]:
        """Wait until each topic has a subscription; return those that have none in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if all(self.subscribers(topic) for topic in self._publishers):
                time.sleep(MATCH_GRACE_S)
                return []
            time.sleep(WAIT_PERIOD_S)
        return [topic for topic in self._publishers if not self.subscribers(topic)]

    def tick(self, now_ns: int) -> None:
        """Publish one ``/clock``."""
        if self._clock is not None:
            seconds, nanoseconds = divmod(now_ns, 10**9)
            self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def play(
        self,
        items: Iterable[StoredMessage],
        *,
        rate: float = 1.0,
        tail_s: float = 0.0,
        stop: threading.Event | None = None,
        on_sent: Callable[[StoredMessage], Any] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> PlayReport:
        """
        Publish each message when its time has come; late ones at once.

        :param rate: 2.0 plays twice as fast.
        :param tail_s: keep the clock running after the last one, seconds of
            the source's time.
        :param say: is told, in one line, of long gaps, which are skipped.
        """
        halt = threading.Event() if stop is None else stop
        report = PlayReport({topic: [] for topic in self._publishers})
        pace: Pace | None = None
        began = due = 0.0
        for item in items:
            began = began or time.monotonic()
            pace = pace or Pace(began, rate, say)
            due = pace.due_s(item.log_ns)
            self._advance(due, pace, halt)
            if halt.is_set():
                break
            report.latest_ms = max(report.latest_ms, (time.monotonic() - due) * 1e3)
            self.tick(item.log_ns)
            self._publishers[item.topic].publish(item.data)
            if len(item.data) >= MIN_STAMPED_BYTES:
                report.stamps_ns[item.topic].append(stamp_ns_from_cdr(item.data))
            if on_sent is not None:
                on_sent(item)
        report.seconds = time.monotonic() - began if began else 0.0
        if pace is not None and tail_s and not halt.is_set():
            self._advance(due + tail_s / rate, pace, halt)
        return report

    def _advance(self, due: float, pace: Pace, halt: threading.Event) -> None:
        """Let the clock run until a moment of the monotonic clock."""
        # One look at the time for both: a later one may be beyond the message, and go back with it
        while (left := due - (now_s := time.monotonic())) > 0 and not halt.is_set():
            if left > CLOCK_PERIOD_S:
                self.tick(pace.now_ns(now_s))
            halt.wait(min(left, CLOCK_PERIOD_S))
