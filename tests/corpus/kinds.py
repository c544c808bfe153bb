"""Bags as recorders and drivers leave them, each with what must be read of it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import Stores, get_typestore

from alexnet_ros.bags.typestore import COMPRESSED, IMAGE, typestore
from alexnet_ros.bags.writer import BagWriter, header
from alexnet_ros.pictures import jpeg_from_rgb
from tests.boxes_bag import PERIOD_NS, START_NS, frame_of
from tests.corpus.mcap_file import Message, Options, write_mcap
from tests.split_bag import SplitBagWriter

CLASSES = [0] * 6 + [1] * 6  # six red frames, six green ones: two signs to the model of tests
ALL = len(CLASSES)
TOPIC = '/camera/image'
JPEG = f'{TOPIC}/compressed'
SIGNS = ('red', 'green')


@dataclass(frozen=True)
class Kind:
    """
    One circumstance.

    :param make: writes it into a folder; returns what is given to ``replay``.
    :param read: topic to the number of frames that are used.
    :param lost: messages that are claimed and are not there.
    :param rejected: by reason.
    :param said: a text that must be among the losses.
    :param signs: confirmed, of any camera, in their order.
    """

    name: str
    make: Callable[[Path], Path]
    read: dict[str, int] = field(default_factory=lambda: {JPEG: ALL})
    lost: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    said: str = ''
    signs: tuple[str, ...] = SIGNS


def stamp(index: int) -> int:
    """The time of a frame, nanoseconds."""
    return START_NS + index * PERIOD_NS


def cdr(message: Any) -> bytes:
    """Serialise."""
    return bytes(typestore().serialize_cdr(message, message.__msgtype__))


def jpeg_message(
    index: int, stamp_ns: int | None = None, form: str = 'jpeg', data: Any = None
) -> Any:
    """A compressed image of the frame of that number."""
    data = data or jpeg_from_rgb(frame_of(CLASSES[index], seed=index), 95)
    return typestore().types[COMPRESSED](
        header=header(stamp(index) if stamp_ns is None else stamp_ns, 'camera'),
        format=form,
        data=np.frombuffer(data, np.uint8),
    )


def raw_message(index: int, encoding: str, pixels: Any) -> Any:
    """An image of some encoding."""
    return typestore().types[IMAGE](
        header=header(stamp(index), 'camera'),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=np.frombuffer(np.ascontiguousarray(pixels).tobytes(), np.uint8),
    )


def frames(topic: str = JPEG, numbers: Iterable[int] = range(ALL)) -> list[Message]:
    """The drive on one topic."""
    return [Message(topic, COMPRESSED, stamp(i), cdr(jpeg_message(i))) for i in numbers]


def mcap(
    options: Options | None = None, order: Callable[[list[Message]], list[Message]] = list
) -> Any:
    """One MCAP file by itself."""

    def make(folder: Path) -> Path:
        path = folder / 'drive.mcap'
        write_mcap(path, order(frames()), options)
        return path

    return make


def messages(make_all: Callable[[], list[tuple[str, Any, int]]], **how: Any) -> Any:
    """A bag folder of messages, each topic, message or (kind, data), and time."""

    def make(folder: Path) -> Path:
        with BagWriter(folder / 'bag', **how) as bag:
            for topic, message, at_ns in make_all():
                if isinstance(message, tuple):
                    bag.write_raw(topic, *message, at_ns)
                else:
                    bag.write(topic, message, at_ns)
        return folder / 'bag'

    return make


def drive(**how: Any) -> list[tuple[str, Any, int]]:
    """The drive, with other stamps, format or topic."""
    topic = how.pop('topic', JPEG)
    return [(topic, jpeg_message(i, **how), stamp(i)) for i in range(ALL)]


def empty_companion(folder: Path) -> Path:
    """A raw topic without messages beside the compressed one."""
    with BagWriter(folder / 'bag') as bag:
        bag.add_topic(TOPIC, IMAGE)
        for topic, message, at_ns in drive():
            bag.write(topic, message, at_ns)
    return folder / 'bag'


def split_without_metadata(folder: Path) -> Path:
    """The files of a killed recorder."""
    with SplitBagWriter(folder / 'run', 5) as bag:
        for topic, message, at_ns in drive():
            bag.write(topic, message, at_ns)
    (folder / 'run/metadata.yaml').unlink()
    return folder / 'run'


def wal_left(folder: Path) -> Path:
    """The write-ahead log of a killed recorder, with all messages in it."""
    with BagWriter(folder / 'bag', storage='sqlite3') as bag:
        bag.add_topic(JPEG, COMPRESSED)
    path = folder / 'bag/bag.db3'
    database = sqlite3.connect(path)
    database.execute('PRAGMA journal_mode=WAL')
    database.execute('PRAGMA wal_autocheckpoint=0')
    for index in range(ALL):
        row = (1, stamp(index), cdr(jpeg_message(index)))
        database.execute('INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)', row)
    database.commit()
    killed = folder / 'killed'
    shutil.copytree(folder / 'bag', killed)
    database.close()
    (killed / 'metadata.yaml').unlink()
    return killed


def odd_path(folder: Path) -> Path:
    """A sqlite3 bag in a folder whose name would be read as options."""
    made = messages(drive, storage='sqlite3')(folder)
    shutil.move(made, folder / 'run#3 what? 50%20')
    return folder / 'run#3 what? 50%20'


def ros1_bytes() -> list[tuple[int, bytes]]:
    """The drive as ROS 1 serialises it."""
    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    found = []
    for index in range(ALL):
        message = types[COMPRESSED](
            header=types['std_msgs/msg/Header'](
                seq=index,
                stamp=types['builtin_interfaces/msg/Time'](*divmod(stamp(index), 10**9)),
                frame_id='camera',
            ),
            format='jpeg',
            data=jpeg_message(index).data,
        )
        found.append((stamp(index), bytes(store.serialize_ros1(message, COMPRESSED))))
    return found


def ros1_bag(folder: Path) -> Path:
    """A ``.bag``."""
    path = folder / 'drive.bag'
    with Ros1Writer(path) as bag:
        connection = bag.add_connection(
            JPEG, COMPRESSED, typestore=get_typestore(Stores.ROS1_NOETIC)
        )
        for at_ns, data in ros1_bytes():
            bag.write(connection, at_ns, data)
    return path


def ros1_mcap(folder: Path) -> Path:
    """An MCAP file of profile ros1."""
    path = folder / 'drive.mcap'
    kind = 'sensor_msgs/CompressedImage'
    written = [Message(JPEG, kind, at_ns, data) for at_ns, data in ros1_bytes()]
    write_mcap(path, written, Options(profile='ros1', encoding='ros1'))
    return path


def cut_off(folder: Path) -> Path:
    """An unchunked file whose end never reached the disk."""
    path = mcap(Options(chunk_messages=0))(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 8 // 10])
    return path


def mosaic(index: int, form: str) -> bytes:
    """The frame as a red-first mosaic in a grey JPEG or PNG."""
    red, green, blue = np.moveaxis(frame_of(CLASSES[index], seed=index), 2, 0)
    grey = green.copy()
    grey[::2, ::2], grey[1::2, 1::2] = red[::2, ::2], blue[1::2, 1::2]
    done, data = cv2.imencode(form, grey, [cv2.IMWRITE_JPEG_QUALITY, 100] if 'j' in form else [])
    assert done
    return data.tobytes()


def bayer(form: str, text: str) -> Any:
    """A drive of mosaics."""
    return messages(
        lambda: [
            (JPEG, jpeg_message(i, None, text, mosaic(i, form)), stamp(i)) for i in range(ALL)
        ]
    )


def odd_bayer() -> list[tuple[str, Any, int]]:
    """Raw mosaics with an odd width."""
    found = []
    for index in range(ALL):
        grey = cv2.imdecode(np.frombuffer(mosaic(index, '.png'), np.uint8), cv2.IMREAD_GRAYSCALE)
        pixels = np.ascontiguousarray(grey[:, :-1])
        found.append((TOPIC, raw_message(index, 'bayer_rggb8', pixels), stamp(index)))
    return found


def depth_names() -> list[tuple[str, Any, int]]:
    """A colour camera of a device called depth, beside its distances."""
    flat = np.full((8, 8), 900, np.uint16)
    found = []
    for index in range(ALL):
        message = raw_message(index, 'rgb8', frame_of(CLASSES[index], seed=index))
        found.append(('/intel_realsense_r200_depth/image_raw', message, stamp(index)))
        found.append(
            ('/depth_camera/depth/image_raw', raw_message(index, '16UC1', flat), stamp(index))
        )
    return found


def companions() -> list[tuple[str, Any, int]]:
    """What ``record -a`` takes beside a raw topic."""
    found = []
    for index in range(ALL):
        message = raw_message(index, 'rgb8', frame_of(CLASSES[index], seed=index))
        found.append((TOPIC, message, stamp(index)))
        for last in ('compressed', 'zstd', 'avif', 'ffmpeg', 'compressedDepth'):
            packed = jpeg_message(index, None, f'rgb8; {last}', b'\0\1\2\3' * 9)
            found.append((f'{TOPIC}/{last}', packed, stamp(index)))
    return found


def foreign() -> list[tuple[str, Any, int]]:
    """Text on the topic and one image message of ten bytes among the images."""
    text = typestore().types['std_msgs/msg/String'](data='hello')
    short = (COMPRESSED, b'\0\1\0\0' + bytes(6))
    bad = [('/chatter', text, stamp(1)), (JPEG, short, stamp(11) + 9)]
    return sorted([*drive(), *bad], key=lambda one: one[2])


def two_types(folder: Path) -> Path:
    """A topic with images and texts."""
    text = cdr(typestore().types['std_msgs/msg/String'](data='hello'))
    path = folder / 'drive.mcap'
    mixed = [
        *frames(),
        *[Message(JPEG, 'std_msgs/msg/String', stamp(i) + 1, text) for i in range(5)],
    ]
    write_mcap(path, sorted(mixed, key=lambda one: one.log_ns))
    return path


def clock_step() -> list[tuple[str, Any, int]]:
    """Three frames of 1970, then the clock is set."""
    times = [10**11 + i * PERIOD_NS if i < 3 else stamp(i) for i in range(ALL)]
    return [(JPEG, jpeg_message(i, at_ns), at_ns) for i, at_ns in enumerate(times)]


def two_topics(*topics: str) -> Any:
    """The same pictures on two topics."""
    return messages(
        lambda: [(topic, jpeg_message(i), stamp(i)) for i in range(ALL) for topic in topics]
    )


def swapped(found: list[Message]) -> list[Message]:
    """One pair in the wrong order."""
    return [*found[:3], found[4], found[3], *found[5:]]


def by_topic(folder: Path) -> Path:
    """Unchunked, one topic after the other."""
    path = folder / 'drive.mcap'
    write_mcap(path, [*frames('/front/jpeg'), *frames('/left/jpeg')], Options(chunk_messages=0))
    return path


BOTH = {'/front/jpeg': ALL, '/left/jpeg': ALL}
TWICE = ('red', 'red', 'green', 'green')
RAW = {TOPIC: ALL}
KINDS = [
    Kind('plain', messages(drive)),
    Kind('chunk index, no message index', mcap(Options(message_index=False))),
    Kind('channels not repeated', mcap(Options(repeat_channels=False))),
    Kind('schemas not repeated', mcap(Options(repeat_schemas=False))),
    Kind('neither repeated, no index', mcap(Options(True, False, False, False))),
    Kind('no statistics', mcap(Options(statistics=False))),
    Kind('no summary', mcap(Options(summary=False))),
    Kind('unchunked', mcap(Options(chunk_messages=0))),
    Kind('unchunked, one pair swapped', mcap(Options(chunk_messages=0), swapped)),
    Kind('chunked, one pair swapped', mcap(None, swapped)),
    Kind('topic after topic', by_topic, BOTH, signs=TWICE),
    Kind('cut off', cut_off, {JPEG: 9}, said='cut off', signs=('red', 'green')),
    Kind('split without metadata', split_without_metadata, said='metadata.yaml is missing'),
    Kind('write-ahead log left', wal_left, said='write-ahead log is read too'),
    Kind('path with #, ? and %', odd_path),
    Kind('ROS 1 bag', ros1_bag),
    Kind('ROS 1 MCAP', ros1_mcap),
    Kind('empty raw companion', empty_companion),
    Kind('companions of all transports', messages(companions), RAW),
    Kind(
        'colour camera called depth',
        messages(depth_names),
        {'/intel_realsense_r200_depth/image_raw': ALL},
    ),
    Kind(
        'name without /compressed',
        messages(lambda: drive(topic='/pylon/jpeg')),
        {'/pylon/jpeg': ALL},
    ),
    Kind(
        'text and a torn message',
        messages(foreign),
        rejected={'malformed': 1},
        said='cannot be read',
    ),
    Kind('topic with two types', two_types),
    Kind('Bayer in JPEG', bayer('.jpg', 'bayer_rggb8; jpeg compressed ')),
    Kind('Bayer in PNG', bayer('.png', 'bayer_rggb8; png compressed ')),
    Kind('Bayer of odd width', messages(odd_bayer), RAW),
    *[
        Kind(f'format {form!r}', messages(lambda form=form: drive(form=form)))
        for form in (
            '',
            'mjpeg',
            'image/jpeg',
            '.jpg',
            'jpeg; rgb8',
            'rgb8; jpeg compressed; bgr8',
        )
    ],
    Kind('stamps of 0', messages(lambda: drive(stamp_ns=0))),
    Kind('clock set after three frames', messages(clock_step), said='a gap of'),
    Kind(
        'the same picture on two topics',
        two_topics('/a/b', '/a_b'),
        {'/a/b': ALL, '/a_b': ALL},
        signs=TWICE,
    ),
    Kind('zstd, message by message', messages(drive, compression='message')),
    Kind('zstd, file by file', messages(drive, compression='file', storage='sqlite3')),
]
