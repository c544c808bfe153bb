"""
Reading what is left of a damaged bag file.

An MCAP file that was cut off has lost its index, but its records still stand
one after the other; a cut-off sqlite3 file still holds its first pages. Both
are read from the front, one record at a time, and the loss is said.
"""

import sqlite3
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import lz4.frame  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
HEAD = struct.Struct('<BQ')  # opcode, length
LARGEST_RECORD = 1 << 31  # bytes; a length beyond it is damage, not a record

Say = Callable[[str], None]


class StoredMessage(NamedTuple):
    """One message as it lies in a file."""

    topic: str
    kind: str
    log_ns: int
    data: bytes


def _text(data: bytes, offset: int) -> tuple[str, int]:
    """Read a length-prefixed string; return it and the offset behind it."""
    (size,) = struct.unpack_from('<I', data, offset)
    end = offset + 4 + size
    if end > len(data):
        raise struct.error('string passes the end of its record')
    return data[offset + 4 : end].decode('utf8', 'replace'), end


def _unpacked(compression: str, data: bytes) -> bytes:
    """Decompress as much of a chunk as there is."""
    if compression == 'zstd':
        return bytes(zstd.ZstdDecompressor().decompress(data))
    if compression == 'lz4':
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data))
    return data


class _McapScan:
    """The state of one walk over the records of a file."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.schemas: dict[int, str] = {}
        self.channels: dict[int, tuple[str, str]] = {}

    def record(self, code: int, body: bytes) -> Iterator[StoredMessage]:
        """Take in one record; yield the message if it is one."""
        if code == SCHEMA:
            (number,) = struct.unpack_from('<H', body)
            self.schemas[number] = _text(body, 2)[0]
        elif code == CHANNEL:
            number, schema = struct.unpack_from('<HH', body)
            self.channels[number] = (_text(body, 4)[0], self.schemas.get(schema, ''))
        elif code == MESSAGE:
            channel, _, log_ns, _ = struct.unpack_from('<HIQQ', body)
            if channel in self.channels:
                topic, kind = self.channels[channel]
                yield StoredMessage(topic, kind, log_ns, body[22:])

    def chunk(self, body: bytes, where: str) -> Iterator[StoredMessage]:
        """Yield the messages of a chunk, whole or cut off."""
        compression, offset = _text(body, 28)
        try:
            inner = _unpacked(compression, body[offset + 8 :])
        except (zstd.ZstdError, RuntimeError) as error:
            self.say(f'{where}: a chunk cannot be decompressed ({error})')
            return
        place = 0
        while place + HEAD.size <= len(inner):
            code, size = HEAD.unpack_from(inner, place)
            place += HEAD.size
            if place + size > len(inner):
                return  # the caller says that the file is cut off here
            yield from self.record(code, inner[place : place + size])
            place += size


def salvage_mcap(path: Path, say: Say) -> Iterator[StoredMessage]:
    """
    Yield the messages of an MCAP file in the order in which they lie there.

    :param say: is told, in one line, what could not be read.
    """
    total = path.stat().st_size
    with path.open('rb') as file:
        if file.read(8) != MAGIC:
            say(f'{path.name}: no MCAP file')
            return
        scan = _McapScan(say)
        while head := file.read(HEAD.size):
            start = file.tell() - len(head)
            if len(head) < HEAD.size:
                say(f'{path.name}: cut off after {start} bytes')
                return
            code, size = HEAD.unpack(head)
            if code == DATA_END:
                return
            if code == 0 or size > LARGEST_RECORD:
                say(f'{path.name}: damaged at byte {start} of {total}; the rest is lost')
                return
            yield from _record_of(file, code, size, scan, path)
            if file.tell() < start + HEAD.size + size or file.tell() > total:
                say(
                    f'{path.name}: cut off after {total} bytes, no index; '
                    f'everything before is used'
                )
                return
    say(f'{path.name}: the index is missing; read from the front')


def _record_of(
    file: BinaryIO, code: int, size: int, scan: _McapScan, path: Path
) -> Iterator[StoredMessage]:
    """Read and take in one record of the file."""
    if code not in {SCHEMA, CHANNEL, MESSAGE, CHUNK}:
        file.seek(size, 1)
        return
    body = file.read(size)
    try:
        if code == CHUNK:
            yield from scan.chunk(body, path.name)
        elif len(body) == size:
            yield from scan.record(code, body)
    except struct.error:
        scan.say(f'{path.name}: a damaged record was skipped')


def salvage_sqlite(path: Path, say: Say) -> Iterator[StoredMessage]:
    """
    Yield the messages of a sqlite3 file by row, until its pages end.

    :param say: is told, in one line, what could not be read.
    """
    last = 0
    try:
        database = sqlite3.connect(f'file:{path}?mode=ro&immutable=1', uri=True)
    except sqlite3.Error as error:
        say(f'{path.name}: cannot be opened ({error})')
        return
    try:
        # Lets sqlite open a file that is shorter than its header says.
        database.execute('PRAGMA writable_schema=ON')
        topics = {
            number: (name, kind)
            for number, name, kind in database.execute('SELECT id, name, type FROM topics')
        }
        rows = database.execute('SELECT id, topic_id, timestamp, data FROM messages ORDER BY id')
        for number, topic, log_ns, data in rows:
            last = number
            if topic in topics:
                name, kind = topics[topic]
                yield StoredMessage(name, kind, log_ns, bytes(data))
    except sqlite3.Error as error:
        say(f'{path.name}: damaged after message {last} ({error}); everything before is used')
    finally:
        database.close()
