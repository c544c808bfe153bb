"""Bags made to take all time, all memory, or to say something that nobody recorded."""

import bz2
import os
import sqlite3
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag1.reader import decompressors
from rosbags.typesys import Stores, get_typestore

from alexnet_ros.bags import unpack
from alexnet_ros.bags.find import bags_in
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.salvage import HEAD, MAGIC
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.errors import BagError
from tests.limited import within

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LARGE = 1 << 28
READ = """
import sys
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.errors import BagError
try:
    with BagReader(sys.argv[1]) as bag:
        count = sum(1 for _ in bag.messages())
        print(count, bag.losses)
        assert all(line.isprintable() for line in bag.losses)
except BagError as error:
    assert str(error).isprintable()
    print('refused', error)
"""


def zeros_zstd(size: int, *, declared: bool) -> bytes:
    """Return so many zeros in a zstd frame, made without holding them."""
    packer = zstd.ZstdCompressor(level=3)
    if declared:
        packer.set_pledged_input_size(size)
    step = bytes(1 << 24)
    parts = [packer.compress(step) for _ in range(size >> 24)]
    return b''.join([*parts, packer.flush()])


def zeros_lz4(size: int) -> bytes:
    """Return so many zeros in an lz4 frame that does not say its size."""
    packer = lz4.frame.LZ4FrameCompressor()
    step = bytes(1 << 24)
    parts = [packer.begin(), *(packer.compress(step) for _ in range(size >> 24)), packer.flush()]
    return b''.join(parts)


def record(code: int, body: bytes) -> bytes:
    return HEAD.pack(code, len(body)) + body


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack('<I', len(data)) + data


def mcap(path: Path, *records: bytes) -> None:
    path.write_bytes(MAGIC + record(1, text('ros2') + text('hostile')) + b''.join(records))


def chunk(compression: str, data: bytes, claimed: int) -> bytes:
    head = struct.pack('<QQQI', 0, 0, claimed, 0) + text(compression)
    return record(6, head + struct.pack('<Q', len(data)) + data)


def channel(topic: str, number: int = 1) -> bytes:
    schema = record(3, struct.pack('<H', 1) + text('sensor_msgs/msg/Image') + text('ros2msg') * 2)
    return schema + record(4, struct.pack('<HH', number, 1) + text(topic) + text('cdr') + text(''))


def message(data: bytes, number: int = 1) -> bytes:
    return record(5, struct.pack('<HIQQ', number, 0, 1, 1) + data)


def zstd_chunk(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), chunk('zstd', zeros_zstd(LARGE, declared=False), LARGE))


def zstd_chunk_declared(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), chunk('zstd', zeros_zstd(LARGE, declared=True), 99))


def lz4_chunk(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), chunk('lz4', zeros_lz4(LARGE), LARGE))


def zstd_message(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), message(zeros_zstd(LARGE, declared=False)))


def ros1_bag(folder: Path, compression: str, pack: Callable[[bytes], bytes], chunks: int) -> None:
    """Write a ROS 1 bag of one message a chunk, each chunk packed as is told."""
    writer = Ros1Writer(folder / 'x.bag')
    writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    writer.compressor = pack
    with writer as bag:
        store = get_typestore(Stores.ROS1_NOETIC)
        topic = bag.add_connection('/a', 'std_msgs/msg/Bool', typestore=store)
        for index in range(chunks):
            bag.write(topic, index, b'\1')
            bag.write_chunk(bag.chunks[-1])


def ros1_lz4(folder: Path) -> None:
    ros1_bag(folder, 'lz4', lambda _: zeros_lz4(LARGE), 1)


def many_frames(folder: Path) -> None:
    empty = zstd.compress(b'')
    mcap(folder / 'x.mcap', channel('/a'), message(empty * 200_000))


def packed_file(folder: Path) -> None:
    (folder / 'x.mcap.zstd').write_bytes(zeros_zstd(3 * LARGE >> 1, declared=False))


def large_record(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), HEAD.pack(5, 1 << 40) + bytes(100))


def claimed_chunk(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), HEAD.pack(6, (1 << 31) - 9) + bytes(100))


def claimed_schema(folder: Path) -> None:
    mcap(folder / 'x.mcap', channel('/a'), HEAD.pack(3, (1 << 31) - 9) + bytes(100))


def database(folder: Path, *statements: str) -> sqlite3.Connection:
    base = sqlite3.connect(folder / 'x.db3')
    for statement in statements:
        base.execute(statement)
    base.commit()
    return base


TOPICS = 'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT)'
MESSAGES = 'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data)'
TOPIC = "INSERT INTO topics VALUES(1, '/a', 'std_msgs/msg/String')"
ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT'


def endless_messages(folder: Path) -> None:
    view = (
        f"CREATE VIEW messages AS {ENDLESS} i AS id, 1 AS topic_id, i AS timestamp, x'00' AS data"
    )
    database(folder, TOPICS, TOPIC, f'{view} FROM n').close()


def endless_topics(folder: Path) -> None:
    view = f"CREATE VIEW topics AS {ENDLESS} i AS id, '/a' || i AS name, 'b' AS type FROM n"
    database(folder, MESSAGES, view).close()


def zero_blobs(folder: Path) -> None:
    view = 'CREATE VIEW messages AS SELECT 1 AS id, 1 AS topic_id, 1 AS timestamp'
    database(folder, TOPICS, TOPIC, f'{view}, zeroblob(900000000) AS data').close()


def computed_column(folder: Path) -> None:
    made = MESSAGES.replace('data)', 'data GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL)')
    base = database(folder, TOPICS, TOPIC, made)
    base.execute('INSERT INTO messages(topic_id, timestamp) VALUES(1, 1)')
    base.commit()
    base.close()


def large_number_as_data(folder: Path) -> None:
    row = 'INSERT INTO messages VALUES(1, 1, 1, 8000000000)'
    database(folder, TOPICS, TOPIC, MESSAGES, row).close()


def query_as_id(folder: Path) -> None:
    made = TOPICS.replace('INTEGER PRIMARY KEY', 'TEXT')
    row = f"INSERT INTO topics VALUES('1) UNION {ENDLESS} i FROM n --', '/a', 'b')"
    database(folder, made, row, MESSAGES).close()


def endless_pages(folder: Path) -> None:
    """Write a table whose pages lead to each other, so that it has rows for ever."""
    base = database(folder, 'PRAGMA page_size=512', TOPICS, MESSAGES, TOPIC)
    rows = ((index, index, b'x' * 40) for index in range(2000))
    base.executemany('INSERT INTO messages VALUES(?, 1, ?, ?)', rows)
    base.commit()
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'messages'"
    (root,) = base.execute(query).fetchone()
    base.close()
    file = folder / 'x.db3'
    pages = [
        bytearray(file.read_bytes()[at : at + 512]) for at in range(0, file.stat().st_size, 512)
    ]
    inner = pages[root - 1]
    leaves = [number for number, page in enumerate(pages, 1) if number > 1 and page[0] == 13]
    assert inner[0] == 5
    below = leaves[3]
    for number in (*leaves[10:24], root):
        page = bytearray(inner)
        (cells,) = struct.unpack_from('>H', page, 3)
        for place in (8, *struct.unpack_from(f'>{cells}H', page, 12)):
            struct.pack_into('>I', page, place, below)
        pages[number - 1] = page
        below = number
    file.write_bytes(b''.join(pages))


def long_topics(folder: Path) -> None:
    base = database(folder, TOPICS, MESSAGES)
    rows = ((index, '/' + 'a' * 2_000_000, 'b') for index in range(100))
    base.executemany('INSERT INTO topics VALUES(?, ?, ?)', rows)
    base.commit()
    base.close()


def name_of_no_text(folder: Path) -> None:
    """Name a table in bytes that sqlite's complaint about its definition then quotes."""
    base = database(folder, TOPICS, MESSAGES, 'PRAGMA writable_schema=ON')
    base.execute("UPDATE sqlite_master SET name = CAST(x'a5a5' AS TEXT), sql = 'CREATE'")
    base.commit()
    base.close()


def many_topics(folder: Path) -> None:
    base = database(folder, TOPICS, MESSAGES)
    base.executemany(
        'INSERT INTO topics VALUES(?, ?, ?)', ((i, f'/{i}', 'b') for i in range(200_000))
    )
    base.commit()
    base.close()


KINDS: list[tuple[Callable[[Path], None], str]] = [
    (zstd_chunk, 'unpacks to more than'),
    (zstd_chunk_declared, 'unpacks to more than'),
    (lz4_chunk, 'unpacks to more than'),
    (zstd_message, 'cannot be unpacked'),
    (ros1_lz4, 'unpacks to more than'),
    (many_frames, 'cannot be unpacked'),
    (packed_file, 'unpacks to more than'),
    (large_record, 'damaged at byte|cut off'),
    (claimed_chunk, 'cut off'),
    (claimed_schema, 'cut off'),
    (endless_messages, 'messages is not a plain table'),
    (endless_topics, 'topics is not a plain table'),
    (zero_blobs, 'messages is not a plain table'),
    (computed_column, 'computed column'),
    (large_number_as_data, ''),
    (query_as_id, ''),
    (endless_pages, 'more messages than fit into it'),
    (long_topics, 'more than 10000 topics'),
    (name_of_no_text, 'cannot be opened'),
    (many_topics, 'more than 10000 topics'),
]


@pytest.mark.parametrize(('make', 'words'), KINDS, ids=[make.__name__ for make, _ in KINDS])
def test_a_bag_made_to_exhaust_is_read_within_limits(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    bag = tmp_path / 'bag'
    bag.mkdir()
    make(bag)
    said = within(READ, bag)
    assert any(word in said for word in words.split('|')), said


def many_messages(folder: Path) -> None:
    packed = zeros_zstd(LARGE >> 3, declared=True)
    mcap(folder / 'x.mcap', channel('/a'), *[message(packed)] * 40)


def many_chunks(folder: Path) -> None:
    packed = zeros_zstd(LARGE >> 3, declared=True)
    whole = [chunk('zstd', packed + zstd.compress(message(b'1')), LARGE) for _ in range(40)]
    mcap(folder / 'x.mcap', channel('/a'), *whole)


def many_ros1_chunks(folder: Path) -> None:
    ros1_bag(folder, 'lz4', lambda data: lz4.frame.compress(data + bytes(LARGE >> 3)), 12)


@pytest.mark.parametrize('make', [many_messages, many_chunks, many_ros1_chunks])
def test_a_long_bag_of_packed_nothing_ends(tmp_path: Path, make: Callable[[Path], None]) -> None:
    bag = tmp_path / 'bag'
    bag.mkdir()
    make(bag)
    bound = 'import alexnet_ros.bags.unpack as it; it.BAG_BYTES, it.BYTES_PER_BYTE = 1 << 27, 1\n'
    assert 'the rest is not read' in within(bound + READ, bag)


def indexed(path: Path, body: bytes, messages: int, chunks: int) -> None:
    """Write an MCAP file of the same chunk many times, all over the same time, with an index."""
    data = bytearray(MAGIC + record(1, text('ros2') + text('x')))
    packed = zstd.compress(body)
    span = struct.pack('<QQ', 0, 1 << 60)
    index = b''
    for _ in range(chunks):
        start = len(data)
        data += chunk('zstd', packed, len(body)).replace(bytes(16), span, 1)
        counts = struct.pack('<IHQQ', 10, 1, len(data), 16 * messages + 15)
        place = struct.pack('<QQ', start, len(data) - start)
        sizes = struct.pack('<QQ', len(packed), len(body))
        index += record(8, span + place + counts + text('zstd') + sizes)
    data += record(15, bytes(4))
    total = messages * chunks
    figures = struct.pack('<QHIIII', total, 1, 1, 0, 0, chunks) + span
    statistics = record(11, figures + struct.pack('<IHQ', 10, 1, total))
    footer = record(2, struct.pack('<QQI', len(data), 0, 0)) + MAGIC
    path.write_bytes(bytes(data) + channel('/a') + index + statistics + footer)


def test_chunks_that_overlap_in_time_are_not_all_held_at_once(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    bag.mkdir()
    indexed(bag / 'x.mcap', message(bytes(40 << 20)), 1, 12)
    assert within(READ, bag).startswith('12 ')


@pytest.mark.parametrize('chunks', [0, 1, 200])
def test_chunks_of_millions_of_empty_messages_end(tmp_path: Path, chunks: int) -> None:
    bag = tmp_path / 'bag'
    bag.mkdir()
    body = message(b'') * ((4 << 20) // 31)
    if chunks:
        indexed(bag / 'x.mcap', body, (4 << 20) // 31, chunks)
    else:
        mcap(bag / 'x.mcap', channel('/a'), *[chunk('zstd', zstd.compress(body), len(body))] * 9)
    bound = 'import alexnet_ros.bags.unpack as it; it.BAG_BYTES, it.BYTES_PER_BYTE = 1 << 28, 1\n'
    count = int(within(bound + READ, bag).split()[0])
    assert count < 300_000


def test_thousands_of_image_topics_are_not_each_searched_for(tmp_path: Path) -> None:
    """Each was searched for by itself, through the whole bag."""
    kind = record(3, struct.pack('<H', 1) + text('sensor_msgs/msg/Image') + text('ros2msg') * 2)
    for number in range(6_000):
        named = struct.pack('<HH', number, 1) + text(f'/c{number}/image') + text('cdr') + text('')
        kind += record(4, named) + message(b'', number)
    mcap(tmp_path / 'x.mcap', chunk('zstd', zstd.compress(kind), len(kind)))
    look = READ.replace('bag.messages()', 'bag.image_topics()')
    assert 'the first 256 are looked at' in within(look, tmp_path / 'x.mcap', cpu_s=15)


def test_a_chunk_of_an_old_ros1_bag_unpacks_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unpack, 'MAX_UNPACKED_BYTES', 1 << 20)
    assert decompressors['bz2'](bz2.compress(b'fine')) == b'fine'
    with pytest.raises(ValueError, match='unpacks to more than'):
        decompressors['bz2'](bz2.compress(bytes(2 << 20)))


@pytest.mark.parametrize('code', [0, 1, 3, 5, 15])
def test_a_chunk_of_nothing_but_records_ends(tmp_path: Path, code: int) -> None:
    """Nine bytes a record: 20 kB of chunk are 22 million of them."""
    bag = tmp_path / 'bag'
    bag.mkdir()
    body = zstd.compress(record(code, text('') * 2 if code == 3 else b'') * (LARGE >> 4))
    mcap(bag / 'x.mcap', channel('/a'), chunk('zstd', body, LARGE), message(b'1'))
    assert within(READ, bag, cpu_s=12, mib=600).startswith('1 ')


METADATA = """rosbag2_bagfile_information:
  version: 9
  relative_file_paths: [{files}]
  message_count: {count}
  topics_with_message_count:
  - topic_metadata: {{name: /image, type: sensor_msgs/msg/Image}}
    message_count: {count}
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    folder = tmp_path / 'good'
    with BagWriter(folder) as bag:
        for index in range(3):
            bag.write_image('/image', 10**9 + index, np.full((2, 2, 3), index, np.uint8))
    return folder


@pytest.mark.parametrize(
    'hostile',
    [
        'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n',
        METADATA.format(files='good.mcap', count='.inf'),
        METADATA.format(files='good.mcap', count='-1'),
        METADATA.format(files='good.mcap', count='1:1:1'),
        METADATA.format(files='good.mcap', count='9' * 5000),
        '[' * 3000,
        'a: ' + '{' * 3000,
        '- ' * 100_000,
        'v: ' + '1:' * 1_000_000 + '1',
        'x' * 10_000_000,
        '\0',
        '!!python/object/apply:os.system [true]',
    ],
    ids=range(12),
)
def test_metadata_made_to_exhaust_is_passed_over_in_one_line(good: Path, hostile: str) -> None:
    (good / 'metadata.yaml').write_text(hostile)
    said = within(READ, good, cpu_s=10)
    assert said.startswith('3 ')
    assert 'metadata.yaml cannot be read' in said


def test_names_in_metadata_that_hide_something_are_escaped(good: Path) -> None:
    """They stand in the account of a bag, which goes to a terminal."""
    hidden = METADATA.format(files='good.mcap', count=5).replace(
        '/image', '"/a\\e[31m\\nall well"'
    )
    (good / 'metadata.yaml').write_text(hidden)
    with BagReader(good) as bag:
        assert any('all well' in name for name in bag.account.topics)
        assert all(name.isprintable() for name in bag.account.topics)


def test_a_file_that_is_named_three_times_is_read_once_and_said(good: Path) -> None:
    (name,) = (one.name for one in good.iterdir() if one.suffix == '.mcap')
    (good / 'metadata.yaml').write_text(METADATA.format(files=f'{name}, {name}, {name}', count=9))
    with BagReader(good) as bag:
        assert bag.message_count == 3
        assert any('named 3 times' in line for line in bag.losses)
        assert any('6 of 9 messages are lost' in line for line in bag.losses)


@pytest.mark.parametrize('name', ['metadata.yaml', 'more.mcap', 'more.db3'])
def test_a_fifo_in_a_bag_is_not_waited_for(good: Path, name: str) -> None:
    (good / name).unlink(missing_ok=True)
    os.mkfifo(good / name)
    assert within(READ, good).startswith('3 ')


def test_links_that_lead_round_and_round_are_followed_once(good: Path, tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / name).symlink_to('.')
    assert bags_in([str(tmp_path)]) == [good]


def test_a_fifo_is_no_bag(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'x.mcap')
    with pytest.raises(BagError, match='is not a bag'):
        BagReader(tmp_path / 'x.mcap')


@pytest.mark.parametrize(
    'topic', ['/a\x1b[31m', '/a\0b', '/' + 'a' * 300, '/\u202eegami', '/a\nb', '']
)
def test_a_topic_with_a_name_that_hides_something_is_left_out_and_said(
    tmp_path: Path, topic: str
) -> None:
    bag = tmp_path / 'x.mcap'
    mcap(bag, channel(topic), channel('/fine', 2), message(b'1'), message(b'2', 2))
    with BagReader(bag) as reader:
        assert list(reader.topics) == ['/fine']
        assert [one.topic for one in reader.messages()] == ['/fine']
        assert any('not a valid topic name' in line for line in reader.losses)
        assert all(line.isprintable() for line in reader.losses)


def test_a_database_that_was_cut_off_is_read_and_not_touched(tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    with BagWriter(bag, storage='sqlite3') as writer:
        for index in range(40):
            writer.write_image('/image', 10**9 + index, np.full((40, 40, 3), index, np.uint8))
    (file,) = bag.glob('*.db3')
    data = file.read_bytes()[: -(20 * 4096)]
    file.write_bytes(data)
    with BagReader(bag) as reader:
        found = sum(1 for _ in reader.images())
    assert 0 < found < 40
    assert file.read_bytes() == data
    assert sorted(one.name for one in bag.iterdir()) == [file.name, 'metadata.yaml']
