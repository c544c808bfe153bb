"""One storage file of a bag, of any format, behind one interface."""

import itertools
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1 import ReaderError as Ros1Error
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.errors import ReaderError

from alexnet_ros.bags.salvage import UNPACKED_BYTES, McapScan, Say, StoredMessage
from alexnet_ros.bags.sqlite import SqliteFile
from alexnet_ros.bags.unpack import UNPACK_ERRORS

UNREADABLE = (
    ReaderError,
    Ros1Error,
    *UNPACK_ERRORS,
    OSError,
    KeyError,
    IndexError,
    TypeError,
    AssertionError,
    OverflowError,
    struct.error,
)  # what damage makes the library raise


class Storage(Protocol):
    """
    What a bag needs of its files.

    ``counts`` are the messages of each topic and type, ``claimed`` how many
    there should be by the file's own word (0 if it says nothing), ``span_ns``
    the times of the first and the last.
    """

    counts: Counter[tuple[str, str]]
    claimed: int
    span_ns: tuple[int, int] | None

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield the messages of some topics, empty for all, in the order of time."""


def open_storage(path: Path, say: Say, scratch: Path) -> Storage:
    """Look into one ``.mcap``, ``.db3`` or ``.bag`` file; copies go to ``scratch``."""
    if path.suffix == '.db3':
        return SqliteFile(path, say, scratch)
    return Ros1File(path, say) if path.suffix == '.bag' else McapFile(path, say)


class McapFile:
    """An MCAP file: by its index where that is complete, else from the front."""

    def __init__(self, path: Path, say: Say) -> None:
        self._path, self._say = path, say
        self._scan: McapScan | None = None
        try:
            with Reader(path) as reader:
                if not _index_is_complete(reader.storage):
                    raise ReaderError('its index is not complete')
                self.counts, self.span_ns = _held_by(reader)
                self.claimed = reader.message_count
        except UNREADABLE:
            self._scan = McapScan(path, say)
            self.counts, self.span_ns = self._scan.counts, self._scan.span_ns
            self.claimed = self._scan.claimed

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield by the index; go on from the front where that leads to damage."""
        last_ns, given = -1, Counter[str]()  # what has been given at that time, by topic
        if self._scan is None:
            try:
                with Reader(self._path) as reader:
                    chosen = [c for c in reader.connections if not wanted or c.topic in wanted]
                    for connection, log_ns, data in reader.messages(chosen) if chosen else ():
                        if log_ns != last_ns:
                            last_ns, given = log_ns, Counter()
                        given[connection.topic] += 1
                        yield StoredMessage(connection.topic, connection.msgtype, log_ns, data)
                return
            except UNREADABLE as error:
                name = self._path.name
                self._say(f'{name}: damaged inside ({error}); what follows is salvaged')
                self._scan = McapScan(self._path, self._say)
        for message in self._scan.messages():
            if (wanted and message.topic not in wanted) or message.log_ns < last_ns:
                continue
            if message.log_ns == last_ns and given[message.topic]:
                given[message.topic] -= 1
            else:
                yield message


def _held_by(reader: Any) -> tuple[Counter[tuple[str, str]], tuple[int, int] | None]:
    """Return the messages by topic and type and the times of the first and the last."""
    counts: Counter[tuple[str, str]] = Counter()
    for connection in reader.connections:
        counts[connection.topic, connection.msgtype] += connection.msgcount
    return counts, (reader.start_time, reader.end_time - 1) if reader.message_count else None


def _index_is_complete(mcap: Any) -> bool:
    """
    Tell whether rosbags finds every message of an opened MCAP file by its index.

    And within bounds: it holds all chunks at once that overlap in time, and each twice.
    """
    total = mcap.metadata.message_count
    return (
        bool(mcap.chunks)
        and _held_at_once(mcap.chunks) <= UNPACKED_BYTES
        and sum(connection.msgcount for connection in mcap.connections) == total
        and sum(sum(chunk.channel_count.values()) for chunk in mcap.chunks) == total
        and all('/' in connection.msgtype for connection in mcap.connections)
        and all(connection.ext.serialization_format == 'cdr' for connection in mcap.connections)
    )


def _held_at_once(chunks: list[Any]) -> int:
    """Return the most bytes of chunks that overlap in time."""
    starts = [(one.message_start_time, 0, one.uncompressed_size) for one in chunks]
    ends = [(one.message_end_time, 1, -one.uncompressed_size) for one in chunks]
    return max(itertools.accumulate(int(size) for *_, size in sorted(starts + ends)))


class Ros1File:
    """A ``.bag`` of ROS 1."""

    def __init__(self, path: Path, say: Say) -> None:
        self._path, self._say = path, say
        self.counts: Counter[tuple[str, str]] = Counter()
        self.claimed = 0
        self.span_ns: tuple[int, int] | None = None
        try:
            with Ros1Reader(path) as reader:
                self.counts, self.span_ns = _held_by(reader)
        except UNREADABLE as error:
            say(f'{path.name}: cannot be read ({error}); try rosbag reindex')

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield the messages as ROS 1 serialised them."""
        try:
            with Ros1Reader(self._path) as reader:
                chosen = [c for c in reader.connections if not wanted or c.topic in wanted]
                for connection, log_ns, data in reader.messages(chosen) if chosen else ():
                    yield StoredMessage(
                        connection.topic, connection.msgtype, log_ns, bytes(data), ros1=True
                    )
        except UNREADABLE as error:
            self._say(f'{self._path.name}: damaged inside ({error}); the rest is lost')
