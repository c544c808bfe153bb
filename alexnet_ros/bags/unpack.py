"""
Decompression of files, chunks and messages, in one place and within limits.

A hundred kilobytes can hold gigabytes of nothing. Sizes are checked where they
are declared, and what comes out is counted where they are not.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
from rosbags.rosbag2 import storage_mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
UNPACK_ERRORS = (zstd.ZstdError, RuntimeError, ValueError, EOFError, MemoryError)
MAX_UNPACKED_BYTES = 200_000_000  # a message or chunk: the largest image the codec takes, as RGB
FILE_BYTES = 256 << 20  # a file unpacked: this, and for each packed byte so many more
FILE_BYTES_PER_BYTE = 256
LEFT_FREE_BYTES = 512 << 20  # of the disk that holds the scratch folder
STEP_BYTES = 1 << 20
MAX_FRAMES = 16  # zstd writes one


def unpacked_chunk(compression: str, data: bytes) -> bytes:
    """
    Decompress as much of an MCAP chunk as there is.

    :raises UNPACK_ERRORS: it is damaged or larger than ``MAX_UNPACKED_BYTES``.
    """
    if compression == 'zstd':
        return _unpacked_zstd(data)
    return _unpacked_lz4(data) if compression == 'lz4' else data


def unpacked_message(data: bytes) -> bytes:
    """
    Return a message as it was before the compression mode "message".

    :raises UNPACK_ERRORS: it is damaged or larger than ``MAX_UNPACKED_BYTES``.
    """
    return _unpacked_zstd(data, whole=True) if data[:4] == ZSTD_MAGIC else data


def _unpacked_zstd(data: bytes, *, whole: bool = False) -> bytes:
    """Decompress the frames of a buffer; stop at the limit, not behind it."""
    parts: list[bytes] = []
    size = 0
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
    """Decompress the frame of a buffer; stop at the limit, not behind it."""
    _check(int(lz4.frame.get_frame_info(data)['content_size']))
    found = lz4.frame.LZ4FrameDecompressor().decompress(data, MAX_UNPACKED_BYTES + 1)
    _check(len(found))
    return bytes(found)


def _check(size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise ValueError(f'it unpacks to more than {MAX_UNPACKED_BYTES} bytes')


def unpack_file(packed: Path, target: Path) -> None:
    """
    Decompress a zstd file, as far as it goes.

    :raises UNPACK_ERRORS: it ends early, is damaged, or unpacks to more than
        its size and the disk allow; the target holds the rest.
    """
    limit = FILE_BYTES + FILE_BYTES_PER_BYTE * packed.stat().st_size
    limit = min(limit, shutil.disk_usage(target.parent).free - LEFT_FREE_BYTES)
    with target.open('wb') as out, zstd.open(packed, 'rb') as source:
        while part := source.read(STEP_BYTES):
            if out.tell() + len(part) > limit:
                raise ValueError(f'it unpacks to more than {max(limit, 0)} bytes')
            out.write(part)


def _no_qos(metadata: bytes) -> list[Any]:
    del metadata
    return []


def _bound_rosbags() -> None:
    """
    Have rosbags' reader of MCAP files unpack within the same limits.

    It decompresses whole chunks whatever they claim, and reads the QoS text
    that a channel carries with a YAML reader without limits; nothing here
    needs that text.
    """
    storage_mcap.DECOMPRESSORS.update(
        zstd=lambda data, _: _unpacked_zstd(data), lz4=lambda data, _: _unpacked_lz4(data)
    )
    storage_mcap.get_qos = _no_qos


_bound_rosbags()
