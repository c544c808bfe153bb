"""
Decompression of files, chunks and messages, in one place and within limits.

A hundred kilobytes can hold gigabytes of nothing. Sizes are checked where they
are declared, and what comes out is counted where they are not.
"""

import bz2
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import lz4.frame  # type: ignore[import-untyped]
from rosbags.rosbag1 import reader as storage_ros1
from rosbags.rosbag2 import storage_mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
UNPACK_ERRORS = (zstd.ZstdError, RuntimeError, ValueError, EOFError, MemoryError)
MAX_UNPACKED_BYTES = 200_000_000  # a message or chunk: the largest image the codec takes, as RGB
FILE_BYTES = 256 << 20  # a file unpacked whole: this, and for each packed byte so many more
BAG_BYTES = 4 << 30  # all that one pass over a bag unpacks: the same
BYTES_PER_BYTE = 256
LEFT_FREE_BYTES = 512 << 20  # of the disk that holds the scratch folder
STEP_BYTES = 1 << 20
MAX_FRAMES = 16  # zstd writes one
T = TypeVar('T')


class Allowance:
    """
    What one pass over a bag may unpack in all.

    Chunks that are read again and again count each time, also those that are
    not compressed.

    :param bag_bytes: the size of the bag's files.
    """

    _in_force = threading.local()

    def __init__(self, bag_bytes: int) -> None:
        self.most = self.left = BAG_BYTES + BYTES_PER_BYTE * bag_bytes

    def over(self, items: Iterator[T]) -> Iterator[T]:
        """Yield from an iterator what it unpacks within this allowance."""
        while self.left >= 0:
            before = getattr(self._in_force, 'allowance', None)
            self._in_force.allowance = self
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._in_force.allowance = before
            yield item

    @classmethod
    def take(cls, size: int) -> bool:
        """Take from the allowance in force, if there is one; tell whether anything was left."""
        allowance = getattr(cls._in_force, 'allowance', None)
        if allowance is None:
            return True
        before = allowance.left
        allowance.left -= size
        return bool(before >= 0)

    @classmethod
    def spend(cls, size: int) -> None:
        """Take from the allowance in force; ValueError where nothing was left of it."""
        if not cls.take(size):
            raise ValueError('the bag unpacks to more than its allowance')


def unpacked_chunk(compression: str, data: bytes) -> bytes:
    """Decompress what there is of an MCAP chunk; UNPACK_ERRORS if it is damaged or too large."""
    return _CHUNKS.get(compression, _as_it_is)(data)


def unpacked_message(data: bytes) -> bytes:
    """Return a message as it was before the mode "message"; UNPACK_ERRORS as above."""
    return _unpacked_zstd(data, whole=True) if data[:4] == ZSTD_MAGIC else data


def _unpacked_zstd(data: bytes, *, whole: bool = False) -> bytes:
    parts: list[bytes] = []
    size = 0
    Allowance.spend(0)
    while data:
        if data[:4] == ZSTD_MAGIC:
            declared = zstd.get_frame_info(data).decompressed_size
            _check(size + (_counted(data) if declared is None else declared))
        one = zstd.ZstdDecompressor()
        parts.append(one.decompress(data, MAX_UNPACKED_BYTES + 1 - size))
        size += len(parts[-1])
        _check(size)
        if len(parts) > MAX_FRAMES:
            raise ValueError(f'it has more than {MAX_FRAMES} frames')
        if whole and not one.eof:
            raise EOFError('its end is missing')
        data = one.unused_data if one.eof else b''
    Allowance.spend(size)
    return parts[0] if len(parts) == 1 else b''.join(parts)


def _counted(data: bytes) -> int:
    """Return what a frame that does not declare its size unpacks to, without keeping it."""
    one, size = zstd.ZstdDecompressor(), 0
    while size <= MAX_UNPACKED_BYTES and (part := one.decompress(data, STEP_BYTES)):
        size, data = size + len(part), b''
        if one.eof:
            break
    return size


def _unpacked_lz4(data: bytes) -> bytes:
    _check(int(lz4.frame.get_frame_info(data)['content_size']))
    return _bounded(lz4.frame.LZ4FrameDecompressor(), data)


def _unpacked_bz2(data: bytes) -> bytes:
    """Decompress the stream of a buffer, as an old ROS 1 bag has it."""
    return _bounded(bz2.BZ2Decompressor(), data)


def _bounded(one: Any, data: bytes) -> bytes:
    Allowance.spend(0)
    found = bytes(one.decompress(data, MAX_UNPACKED_BYTES + 1))
    _check(len(found))
    Allowance.spend(len(found))
    return found


def _as_it_is(data: bytes) -> bytes:
    Allowance.spend(len(data))
    return data


def _check(size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise ValueError(f'it unpacks to more than {MAX_UNPACKED_BYTES} bytes')


def unpack_file(packed: Path, target: Path) -> None:
    """
    Decompress a zstd file, as far as it goes.

    :raises UNPACK_ERRORS: it ends early, is damaged, or unpacks to more than
        its size and the disk allow; the target holds the rest.
    """
    limit = FILE_BYTES + BYTES_PER_BYTE * packed.stat().st_size
    limit = min(limit, shutil.disk_usage(target.parent).free - LEFT_FREE_BYTES)
    with target.open('wb') as out, zstd.open(packed, 'rb') as source:
        while part := source.read(STEP_BYTES):
            if out.tell() + len(part) > limit:
                raise ValueError(f'it unpacks to more than {max(limit, 0)} bytes')
            out.write(part)


def _no_qos(metadata: bytes) -> list[Any]:
    del metadata
    return []


_CHUNKS: dict[str, Callable[[bytes], bytes]] = {
    'zstd': _unpacked_zstd,
    'lz4': _unpacked_lz4,
    'bz2': _unpacked_bz2,
    'none': _as_it_is,
    '': _as_it_is,
}


def _of_any_size(unpack: Callable[[bytes], bytes]) -> Callable[[bytes, int], bytes]:
    return lambda data, _claimed: unpack(data)


def _bound_rosbags() -> None:
    """
    Have rosbags' readers unpack within the same limits.

    They decompress whole chunks whatever they claim, and read the QoS text
    that a channel carries with a YAML reader without limits; nothing here
    needs that text.
    """
    for name, unpack in _CHUNKS.items():
        if name in storage_mcap.DECOMPRESSORS:
            storage_mcap.DECOMPRESSORS[name] = _of_any_size(unpack)
        if name in storage_ros1.decompressors:
            storage_ros1.decompressors[name] = unpack
    storage_mcap.get_qos = _no_qos


_bound_rosbags()
