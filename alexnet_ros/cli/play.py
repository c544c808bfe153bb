"""``alexnet_ros play``: a bag into running nodes, with ``/clock``, in its own time."""

import argparse
import math
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.cli.options import add_number, add_speed_option, number, whole
from alexnet_ros.errors import BagError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alexnet_ros.bags.salvage import StoredMessage
    from alexnet_ros.ros.clients.player import Player
    from alexnet_ros.ros.clients.recorder import Received

RECORDED = {  # suffix of a topic: its type; what scoring reads
    '/classification': 'vision_msgs/msg/Classification',
    '/detections': 'vision_msgs/msg/Detection2DArray',
    '/label_info': 'vision_msgs/msg/LabelInfo',
}
TAIL_S = 1.0  # the clock runs on so long for the last results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``play``."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='bag folder, .mcap or .db3')
    text = 'repeatable (default: the image topics)'
    parser.add_argument('--topic', action='append', default=[], metavar='TOPIC', help=text)
    add_speed_option(parser)
    text = 'play N times; without N, until Ctrl-C'
    parser.add_argument(
        '--loop', type=whole(0, math.inf), nargs='?', const=0, default=1, metavar='N', help=text
    )
    parser.add_argument('--no-clock', action='store_true', help='do not publish /clock')
    text = 'maximum wait for subscribers before playing'
    add_number(parser, '--wait', number(0, math.inf), 10.0, 'SECONDS', text)
    text = 'write what the nodes publish to a new bag, for replay --results'
    parser.add_argument('--record', type=Path, metavar='FOLDER', help=text)
    parser.add_argument('--node', default='/alexnet', help='node whose results are recorded')
    text = 'camera name for --record, if there are several; repeatable'
    parser.add_argument('--camera', action='append', default=[], metavar='NAME', help=text)


def tell(line: str) -> None:
    """Print one line beside the results."""
    print(line, file=sys.stderr, flush=True)


def outgoing(bag: Path, topics: list[str]) -> 'Iterator[StoredMessage]':
    """Yield the messages of some topics of a bag, as they are stored."""
    with BagReader(bag) as reader:
        for stored, _ in reader.readable(topics):
            if stored.kind == reader.topics[stored.topic].kind:  # a topic is played as one type
                yield stored
        for line in [*reader.losses, *reader.account.lines(only_losses=True)]:
            tell(line)


class BagClock:
    """
    The time of a bag that is being played, between its messages as well.

    :param first_ns: time of its first message, nanoseconds; the time until it is sent.
    :param rate: 2 plays twice as fast.
    """

    def __init__(self, first_ns: int, rate: float) -> None:
        self._rate = rate
        self._mark = (first_ns, 0)

    def follow(self, at_ns: int) -> None:
        """Note that the message of this time was just sent."""
        self._mark = (at_ns, time.monotonic_ns())

    def __call__(self) -> int:
        """Return the bag's time, nanoseconds."""
        at_ns, sent_ns = self._mark
        passed_ns = time.monotonic_ns() - sent_ns if sent_ns else 0
        return at_ns + round(passed_ns * self._rate)


def keep(bag: BagWriter, one: 'Received') -> None:
    """Write a message that came in, at the time of its arrival."""
    bag.write_raw(one.topic, one.kind, one.data, one.received_ns)


def recorded_topics(node: str, cameras: list[str]) -> dict[str, str]:
    """Return the topics that ``--record`` listens to, with their types."""
    owners = [f'{node}/{camera}' for camera in cameras] or [node]
    found = {f'{owner}{suffix}': kind for owner in owners for suffix, kind in RECORDED.items()}
    return {**found, '/speed_limit': 'nav2_msgs/msg/SpeedLimit', '/stop_lock': 'std_msgs/msg/Bool'}


def run(args: argparse.Namespace) -> int:
    """Play; 1 if nobody listened."""
    with BagReader(args.bag) as reader:
        topics = args.topic or reader.image_topics()
        missing = [t for t in topics if t not in reader.topics or not reader.topics[t].messages]
        if missing or not topics:
            there = ', '.join(sorted(reader.topics)) or 'nothing'
            raise BagError(f'{args.bag} has no {", ".join(missing) or "images"}; it has {there}')
        kinds = {topic: reader.topics[topic].kind for topic in topics}
        start_ns = reader.start_ns
    from alexnet_ros.ros.clients.player import Player
    from alexnet_ros.ros.clients.recorder import Recorder
    from alexnet_ros.ros.clients.session import Session

    with ExitStack() as stack:
        clock = BagClock(start_ns, args.rate)
        record = args.record is not None
        bag = stack.enter_context(BagWriter(args.record)) if record else None
        session = stack.enter_context(Session('alexnet_ros_play'))
        player = Player(session.node, kinds, clock=not args.no_clock)
        if bag is not None:  # closed after the session, which feeds it
            wanted = recorded_topics(args.node, args.camera)
            latched = tuple(t for t in wanted if t.endswith('label_info'))
            kept = partial(keep, bag)
            Recorder(session.node, wanted, latched=latched, on_message=kept, clock=clock)
        unheard = player.wait_for_subscribers(args.wait)
        if unheard:
            print(f'no subscriber on {", ".join(unheard)}', file=sys.stderr)
            return 1
        return _play(args, player, list(kinds), clock)


def _play(args: argparse.Namespace, player: 'Player', topics: list[str], clock: BagClock) -> int:
    """Play as often as asked; Ctrl-C ends it well."""
    halt, times = threading.Event(), 0
    try:
        while args.loop == 0 or times < args.loop:
            report = player.play(
                outgoing(args.bag, topics),
                rate=args.rate,
                tail_s=TAIL_S,
                stop=halt,
                on_sent=lambda sent: clock.follow(sent.log_ns),
                say=tell,
            )
            times += 1
            sent = sum(len(stamps) for stamps in report.stamps_ns.values())
            print(
                f'{sent} messages in {report.seconds:.1f} s, at most '
                f'{report.latest_ms:.1f} ms late',
                file=sys.stderr,
            )
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
    return 0
