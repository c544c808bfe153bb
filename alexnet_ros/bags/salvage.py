"""
MCAP files read from the front, by their records alone.

The way into a file whose own index is missing, incomplete or wrong: one that
was cut off, one written without chunks or without a message index, one whose
summary does not repeat the channels, one recorded by ROS 1. All records are
listed first, with their times, and then read in the order of time.

Record layouts: https://mcap.dev/spec.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from alexnet_ros.bags.unpack import UNPACK_ERRORS, unpacked_chunk

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, STATISTICS, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0B, 0x0F
FOOTER = 0x02
HEAD = struct.Struct('<BQ')  # opcode, length
MESSAGE_HEAD = struct.Struct('<HIQQ')  # channel, sequence, log time, publish time
LARGEST_RECORD = 1 << 31  # bytes; a length beyond it is damage, not a record
UNPACKED_CHUNKS = 4  # kept, for files whose chunks overlap in time
UNPACKED_BYTES = 64 << 20  # of them at most, beside the one that is read
FIELDS = 5  # of an entry
MAX_DEFINITIONS = 200_000  # schemas and channels of one file, all repetitions together
MAX_ENTRIES = 4_000_000  # messages of one file: a day of an IMU at 46 Hz; 40 bytes each
SMALL_FILE_ENTRIES = 100_000  # and one for each byte: those of a chunk of nothing have none

Say = Callable[[str], None]


class StoredMessage(NamedTuple):
    """One message as it lies in a file, in CDR or as ROS 1 serialises it."""

    topic: str
    kind: str
    log_ns: int
    data: bytes
    ros1: bool = False


class Channel(NamedTuple):
    """What a channel says of its messages."""

    topic: str
    schema: int
    ros1: bool


def ros2_name(kind: str) -> str:
    """
    Return a type's name as ROS 2 writes it.

    >>> ros2_name('sensor_msgs/Image')
    'sensor_msgs/msg/Image'
    """
    package, sign, name = kind.partition('/')
    return f'{package}/msg/{name}' if sign and '/' not in name else kind


def text_at(data: bytes, offset: int) -> tuple[str, int]:
    """Read a length-prefixed string; return it and the offset behind it."""
    (size,) = struct.unpack_from('<I', data, offset)
    end = offset + 4 + size
    if end > len(data):
        raise struct.error('string passes the end of its record')
    return data[offset + 4 : end].decode('utf8', 'replace'), end


class McapScan:
    """
    All messages of one MCAP file, listed from the front.

    :param path: the file.
    :param say: is told, in one line, what could not be read.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.claimed = 0  # messages by the file's own statistics
        self._say = say
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, Channel] = {}
        # Of each message: time, chunk, place in the chunk's content (in the file where the
        # chunk is 0), size, channel; as plain numbers, for there may be millions.
        self._found = array('Q')
        self._definitions = 0
        self._total = path.stat().st_size
        self._most = min(MAX_ENTRIES, SMALL_FILE_ENTRIES + self._total)
        with path.open('rb') as file:
            self._list(file)
        entries = np.frombuffer(self._found, np.uint64).reshape(-1, FIELDS)
        known = np.isin(entries[:, 4], list(self._channels))
        if not known.all():
            say(f'{path.name}: {np.sum(~known)} messages name no known channel')
        entries = entries[known]
        self._entries = entries[np.argsort(entries[:, 0], kind='stable')]
        self._found = array('Q')

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Return the number of messages of each topic and type."""
        found: Counter[tuple[str, str]] = Counter()
        for number, count in zip(
            *(part.tolist() for part in np.unique(self._entries[:, 4], return_counts=True)),
            strict=True,
        ):
            found[self._channels[number].topic, self._kind(number)] += count
        return found

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """Return the times of the first and the last message, None without any."""
        times = self._entries[:, 0]
        return (int(times[0]), int(times[-1])) if len(times) else None

    def messages(self) -> Iterator[StoredMessage]:
        """Yield the messages in the order of time."""
        with self.path.open('rb') as file:
            kept: dict[int, bytes] = {}

            def content(chunk: int) -> bytes:
                if chunk not in kept:
                    file.seek(chunk)
                    _, size = HEAD.unpack(file.read(HEAD.size))
                    large = sum(map(len, kept.values())) > UNPACKED_BYTES
                    if large or len(kept) >= UNPACKED_CHUNKS:
                        kept.clear()
                    kept[chunk] = self._content(file.read(min(size, self._total)))
                return kept[chunk]

            for entry in self._entries:
                log_ns, chunk, place, size, number = entry.tolist()
                if chunk:
                    data = content(chunk)[place : place + size]
                else:
                    file.seek(place)
                    data = file.read(size)
                channel = self._channels[number]
                yield StoredMessage(channel.topic, self._kind(number), log_ns, data, channel.ros1)

    @property
    def _full(self) -> bool:
        return len(self._found) >= self._most * FIELDS

    def _kind(self, channel: int) -> str:
        return ros2_name(self._schemas.get(self._channels[channel].schema, ''))

    def _list(self, file: BinaryIO) -> None:
        """Walk over the records of the file, up to its footer."""
        name, total = self.path.name, self._total
        if file.read(8) != MAGIC:
            self._say(f'{name}: no MCAP file')
            return
        ended = False  # past the data, in the summary
        while head := file.read(HEAD.size):
            if self._full:
                self._say(f'{name}: only the first {self._most} messages are read')
                return
            start = file.tell() - len(head)
            if len(head) < HEAD.size:
                self._say(f'{name}: cut off after {start} bytes')
                return
            code, size = HEAD.unpack(head)
            if code == FOOTER:
                return
            if code == 0 or size > LARGEST_RECORD:
                if not ended:
                    self._say(f'{name}: damaged at byte {start} of {total}; the rest is lost')
                return
            ended = ended or code == DATA_END
            self._take(file, code, size)
            if start + HEAD.size + size > total:
                self._say(
                    f'{name}: cut off after {total} bytes, no index; everything before is used'
                )
                return
            file.seek(start + HEAD.size + size)
        if not ended:
            self._say(f'{name}: the index is missing; read from the front')

    def _take(self, file: BinaryIO, code: int, size: int) -> None:
        """Take in one record of the file; what is no longer needed is not read."""
        place = file.tell()
        whole = place + size <= self._total
        size = min(size, self._total - place)  # reading allocates what it is asked for
        try:
            if code == MESSAGE:
                if whole:
                    self._list_message(file.read(MESSAGE_HEAD.size), 0, place, size)
            elif code == CHUNK:
                self._list_chunk(file.read(size), place - HEAD.size)
            elif code in {SCHEMA, CHANNEL, STATISTICS}:
                self._define(code, file.read(size))
        except struct.error:
            self._say(f'{self.path.name}: a damaged record was skipped')

    def _define(self, code: int, body: bytes) -> None:
        self._definitions += 1
        if self._definitions > MAX_DEFINITIONS:
            raise struct.error(f'more than {MAX_DEFINITIONS} definitions')
        if code == SCHEMA:
            (number,) = struct.unpack_from('<H', body)
            self._schemas[number] = text_at(body, 2)[0]
        elif code == CHANNEL:
            number, schema = struct.unpack_from('<HH', body)
            topic, at = text_at(body, 4)
            self._channels[number] = Channel(topic, schema, text_at(body, at)[0] == 'ros1')
        else:
            (self.claimed,) = struct.unpack_from('<Q', body)

    def _list_message(self, head: bytes, chunk: int, place: int, size: int) -> None:
        channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(head)
        if size < MESSAGE_HEAD.size:
            raise struct.error(f'a message of {size} bytes')
        begin = place + MESSAGE_HEAD.size
        self._found.extend((log_ns, chunk, begin, size - MESSAGE_HEAD.size, channel))

    def _content(self, body: bytes) -> bytes:
        """Return the records of a chunk, as many as there are."""
        compression, offset = text_at(body, 28)
        try:
            return unpacked_chunk(compression, body[offset + 8 :])
        except UNPACK_ERRORS as error:
            self._say(f'{self.path.name}: a chunk cannot be decompressed ({error})')
            return b''

    def _list_chunk(self, body: bytes, chunk: int) -> None:
        """List the messages of a chunk, whole or cut off."""
        inner = self._content(body)
        place = 0
        while place + HEAD.size <= len(inner) and not self._full:
            code, size = HEAD.unpack_from(inner, place)
            place += HEAD.size
            if place + size > len(inner):
                return  # the caller says that the file is cut off here
            if code == MESSAGE:
                self._list_message(inner[place : place + MESSAGE_HEAD.size], chunk, place, size)
            elif code in {SCHEMA, CHANNEL}:
                self._define(code, inner[place : place + size])
            else:
                raise struct.error(f'a record of kind {code} in a chunk')
            place += size
