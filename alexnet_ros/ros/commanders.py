"""Notices who else publishes on the navigator's topics, and what they say there."""

from collections import deque
from typing import TYPE_CHECKING

from nav2_msgs.msg import SpeedLimit
from std_msgs.msg import Bool

from alexnet_ros.navigation.others import Others
from alexnet_ros.ros import qos

if TYPE_CHECKING:
    from alexnet_ros.ros.sign_navigator_node import SignNavigator

OWN_S = 0.5  # a lock heard so soon after our own may be our own
WINDOW_S = 1.0  # in which locks that were said and heard are counted
SURPLUS = 3  # more heard than said in a window are another's
GONE_S = 3.0  # nobody else is there when nobody was seen for so long
REMEMBERED = 64  # of our own limits, to know them again


class Commanders:
    """
    Watches ``speed_limit`` and ``stop_lock``.

    One commander is the rule. The graph tells of others; only then what comes
    on the topics counts, as far as it is not our own.

    :param node: whose topics they are.
    :param others: takes what others say.
    """

    def __init__(self, node: 'SignNavigator', others: Others) -> None:
        self._node = node
        self._others = others
        self._own: deque[tuple[int, int, bool, float]] = deque(maxlen=REMEMBERED)
        self._locked = False
        self._locked_ns: int | None = None  # steady; when we last said that we lock
        self._surplus = 0  # locks heard beyond those said in this window
        self._window_ns = 0
        self._seen_ns: int | None = None  # steady; when others were last in the graph
        node.listen(SpeedLimit, 'speed_limit', self._on_limit, qos.RESULTS)
        node.listen(Bool, 'stop_lock', self._on_lock, qos.RESULTS)
        self._topics = [node.resolve_topic_name(one) for one in ('speed_limit', 'stop_lock')]

    def look(self, steady_ns: int) -> None:
        """Look into the graph and at the count of locks; call often, it is cheap."""
        if steady_ns - self._window_ns > WINDOW_S * 1e9:
            if self._others.publishers and self._surplus >= SURPLUS:
                self._others.hear_lock()
            self._surplus, self._window_ns = 0, steady_ns
        names = set()
        for topic in self._topics:
            if self._node.count_publishers(topic) < 2:
                continue
            found = [
                f'{one.node_namespace.rstrip("/")}/{one.node_name}'
                for one in self._node.get_publishers_info_by_topic(topic)
            ]
            own = self._node.get_fully_qualified_name()
            if own in found:
                found.remove(own)
            names |= {f'{one} ({topic})' for one in found}
        if names:
            self._seen_ns = steady_ns
            self._others.observe_publishers(tuple(sorted(names)))
        elif self._seen_ns is not None and steady_ns - self._seen_ns > GONE_S * 1e9:
            self._others.observe_publishers(())

    def note_limit(self, message: SpeedLimit) -> None:
        """Know a limit again that is about to be said."""
        self._own.append(_facts(message))

    def note_lock(self, steady_ns: int, *, locked: bool) -> None:
        """Know what is about to be said on the lock."""
        self._locked = locked
        if locked:
            self._locked_ns = steady_ns
            self._surplus -= 1

    def _on_limit(self, message: SpeedLimit) -> None:
        if self._others.publishers and _facts(message) not in self._own:
            self._others.hear_limit(message.speed_limit, percentage=message.percentage)
            self._node.speak_again()

    def _on_lock(self, message: Bool) -> None:
        self._surplus += message.data
        if not self._others.publishers:
            return
        if not message.data and self._locked:
            self._node.speak_again()
        elif message.data and not self._locked:
            now_ns = self._node.steady_ns()
            if self._locked_ns is None or now_ns - self._locked_ns > OWN_S * 1e9:
                self._others.hear_lock()


def _facts(message: SpeedLimit) -> tuple[int, int, bool, float]:
    """Return what tells one limit from another; a simulated clock gives many one stamp."""
    stamp = message.header.stamp
    return stamp.sec, stamp.nanosec, message.percentage, message.speed_limit
