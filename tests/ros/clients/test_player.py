"""What is played arrives as it was, with the clock; what is published is recorded."""

import itertools
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from alexnet_ros.bags.messages import message_class
from alexnet_ros.bags.salvage import StoredMessage
from alexnet_ros.bags.typestore import stamp_ns_from_cdr
from alexnet_ros.ros.clients import player as player_module
from alexnet_ros.ros.clients.player import Player
from alexnet_ros.ros.clients.recorder import Recorder
from alexnet_ros.ros.clients.session import Session
from tests.ros.robot import DOMAIN

KIND = 'vision_msgs/msg/Detection2DArray'
START_NS = 1_750_000_000 * 10**9


@pytest.fixture
def session() -> Iterator[Session]:
    with Session('player_test', domain=DOMAIN) as made:
        yield made


def _item(index: int) -> StoredMessage:
    message = Detection2DArray(header=Header(frame_id=f'frame {index}'))
    message.header.stamp.sec, message.header.stamp.nanosec = START_NS // 10**9, index
    data = serialize_message(message)
    return StoredMessage('/played', KIND, START_NS + index * 10_000_000, data)


def _collect(session: Session, count: int) -> tuple[Recorder, threading.Event]:
    done = threading.Event()

    def on_message(_received: Any) -> None:
        if len([m for m in recorder.received if m.kind == KIND]) == count:
            done.set()

    recorder = Recorder(
        session.node, {'/played': KIND, '/clock': 'rosgraph_msgs/msg/Clock'}, on_message=on_message
    )
    return recorder, done


def test_play_sends_every_message_unchanged_in_order(session: Session) -> None:
    recorder, done = _collect(session, 20)
    player = Player(session.node, {'/played': KIND})
    assert player.wait_for_subscribers(300.0) == []
    assert recorder.wait_for_publishers(['/played'], 300.0) == []
    items = [_item(index) for index in range(20)]
    sent: list[StoredMessage] = []
    report = player.play(items, tail_s=0.1, on_sent=sent.append)
    assert done.wait(300.0)
    got = [one for one in recorder.received if one.kind == KIND]
    assert [one.data for one in got] == [item.data for item in items]
    assert got[3].message.header.frame_id == 'frame 3'
    assert report.stamps_ns['/played'] == [START_NS + index for index in range(20)]
    assert sent == items
    clocks = [
        stamp
        for one in recorder.received
        if one.kind.endswith('Clock')
        for stamp in [one.message.clock]
    ]
    times = [stamp.sec * 10**9 + stamp.nanosec for stamp in clocks]
    assert times == sorted(times)
    assert times[-1] <= items[-1].log_ns + 200_000_000


def test_play_stopped_early_sends_no_more(session: Session) -> None:
    player = Player(session.node, {'/played': KIND}, clock=False)
    stop = threading.Event()

    def on_sent(_item: StoredMessage) -> None:
        stop.set()

    report = player.play((_item(i) for i in range(1000)), stop=stop, on_sent=on_sent)
    assert len(report.stamps_ns['/played']) == 1


def test_clock_of_a_machine_that_stands_still_now_and_then_never_goes_back(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, ticks = itertools.count(1000.0, 0.35), []  # each look at the time takes so long
    monkeypatch.setattr(player_module.time, 'monotonic', lambda: next(now_s))
    player = Player(session.node, {'/played': KIND})
    monkeypatch.setattr(player, 'tick', ticks.append)
    items = [_item(0)._replace(log_ns=START_NS + index * 10**9) for index in range(20)]
    player.play(items, tail_s=0.5)
    assert ticks == sorted(ticks)
    assert len(ticks) > len(items)
    assert ticks[-1] <= items[-1].log_ns + 500_000_000


def test_wait_for_subscribers_names_the_topics_without(session: Session) -> None:
    player = Player(session.node, {'/nobody_listens': KIND}, clock=False)
    assert player.wait_for_subscribers(0.1) == ['/nobody_listens']


def test_stamp_from_cdr_follows_its_byte_order() -> None:
    assert stamp_ns_from_cdr(b'\0\1\0\0' + struct.pack('<iI', 5, 7)) == 5_000_000_007
    assert stamp_ns_from_cdr(b'\0\0\0\0' + struct.pack('>iI', 5, 7)) == 5_000_000_007


def test_message_class_by_name() -> None:
    assert message_class('rosgraph_msgs/msg/Clock') is Clock
    with pytest.raises(ImportError):
        message_class('no_such_msgs/msg/Thing')
