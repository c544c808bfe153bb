"""
The message types that bags hold, without ROS.

``rosbags`` brings the common interfaces. Those of vision_msgs (4.x) and
nav2_msgs that the node publishes, and Foxglove's annotations of images, are
registered here by their fields (``messages.msg``), so that the type hashes of the former equal the
real packages'.
"""

import struct
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = (IMAGE, COMPRESSED)


@cache
def definitions() -> dict[str, str]:
    """Return the fields of the messages that rosbags lacks, by type, as in ``.msg`` files."""
    text = Path(__file__).with_name('messages.msg').read_text(encoding='utf-8')
    parts = (part.partition('\n') for part in text.split('=' * 80 + '\nMSG: ')[1:])
    return {name: fields for name, _, fields in parts}


@cache
def typestore() -> Typestore:
    """Return the types of Jazzy with those of :func:`definitions`; shared."""
    store = get_typestore(Stores.ROS2_JAZZY)
    found = {}
    for name, text in definitions().items():
        found.update(get_types_from_msg(text, name))
    store.register(found)
    return store


def stamp_ns_of(header: Any) -> int:
    """Return a header's stamp as integer nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def stamp_ns_from_cdr(data: bytes) -> int:
    """Return the stamp of a serialised message (12 bytes or more) that begins with a header."""
    order = '<' if data[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)
