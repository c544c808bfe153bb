"""
An MCAP file written record by record, with whatever a recorder may leave out.

Layouts: https://mcap.dev/spec.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b'\x89MCAP0\r\n'


@dataclass(frozen=True)
class Options:
    """What the file has; the defaults are those of ``ros2 bag record``."""

    chunk_messages: int = 4  # messages in a chunk; 0 writes none
    message_index: bool = True
    repeat_channels: bool = True
    repeat_schemas: bool = True
    statistics: bool = True
    summary: bool = True
    profile: str = 'ros2'
    encoding: str = 'cdr'


@dataclass(frozen=True)
class Message:
    """One message to write; schemas and channels are made of topic and kind."""

    topic: str
    kind: str
    log_ns: int
    data: bytes


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack('<I', len(raw)) + raw


def _record(code: int, body: bytes) -> bytes:
    return struct.pack('<BQ', code, len(body)) + body


def write_mcap(path: Path, messages: list[Message], options: Options | None = None) -> None:
    """Write the messages in the order given."""
    options = options or Options()
    names = list(dict.fromkeys((one.topic, one.kind) for one in messages))
    schema_of = {kind: number + 1 for number, kind in enumerate(sorted({k for _, k in names}))}
    style = 'ros1msg' if options.encoding == 'ros1' else 'ros2msg'
    schemas = b''.join(
        _record(0x03, struct.pack('<H', number) + _text(kind) + _text(style) + _text('uint8 a\n'))
        for kind, number in schema_of.items()
    )
    channels = b''.join(
        _record(
            0x04,
            struct.pack('<HH', number, schema_of[kind])
            + _text(topic)
            + _text(options.encoding)
            + struct.pack('<I', 0),
        )
        for number, (topic, kind) in enumerate(names)
    )
    out = bytearray(MAGIC + _record(0x01, _text(options.profile) + _text('corpus')))
    chunks: list[bytes] = []
    size = options.chunk_messages or len(messages) or 1
    for start in range(0, len(messages), size):
        part = messages[start : start + size]
        content = bytearray(schemas + channels if start == 0 else b'')
        index: dict[int, list[tuple[int, int]]] = {}
        for one in part:
            number = names.index((one.topic, one.kind))
            index.setdefault(number, []).append((one.log_ns, len(content)))
            head = struct.pack('<HIQQ', number, 0, one.log_ns, one.log_ns)
            content += _record(0x05, head + one.data)
        if not options.chunk_messages:
            out += content
            continue
        times = [one.log_ns for one in part]
        span = struct.pack('<QQ', min(times), max(times))
        place = len(out)
        packed = struct.pack('<Q', len(content)) + content
        out += _record(0x06, span + struct.pack('<QI', len(content), 0) + _text('') + packed)
        length = len(out) - place
        offsets, before = {}, len(out)
        for number, entries in index.items() if options.message_index else ():
            offsets[number] = len(out)
            pairs = b''.join(struct.pack('<QQ', *entry) for entry in entries)
            out += _record(0x07, struct.pack('<HI', number, len(pairs)) + pairs)
        table = b''.join(struct.pack('<HQ', *item) for item in offsets.items())
        chunks.append(
            _record(
                0x08,
                span
                + struct.pack('<QQI', place, length, len(table))
                + table
                + struct.pack('<Q', len(out) - before)
                + _text('')
                + struct.pack('<QQ', len(content), len(content)),
            )
        )
    out += _record(0x0F, struct.pack('<I', 0))
    begin = len(out)
    if options.summary:
        out += schemas if options.repeat_schemas else b''
        out += channels if options.repeat_channels else b''
        if options.statistics:
            times = [one.log_ns for one in messages] or [0]
            counts = b''.join(
                struct.pack('<HQ', n, sum((m.topic, m.kind) == name for m in messages))
                for n, name in enumerate(names)
            )
            numbers = (len(messages), len(schema_of), len(names), 0, 0, len(chunks))
            out += _record(
                0x0B,
                struct.pack('<QHIIIIQQ', *numbers, min(times), max(times))
                + struct.pack('<I', len(counts))
                + counts,
            )
        out += b''.join(chunks)
    start = begin if options.summary and len(out) > begin else 0
    out += _record(0x02, struct.pack('<QQI', start, 0, 0)) + MAGIC
    path.write_bytes(bytes(out))
