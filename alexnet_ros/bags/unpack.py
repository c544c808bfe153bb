"""Decompression of files, chunks and messages, in one place."""

import shutil
import sys
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
UNPACK_ERRORS = (zstd.ZstdError, RuntimeError, ValueError, EOFError, MemoryError)


def unpacked_chunk(compression: str, data: bytes) -> bytes:
    """
    Decompress as much of an MCAP chunk as there is.

    :raises UNPACK_ERRORS: it is damaged.
    """
    if compression == 'zstd':
        return bytes(zstd.ZstdDecompressor().decompress(data))
    if compression == 'lz4':
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data))
    return data


def unpacked_message(data: bytes) -> bytes:
    """
    Return a message as it was before the compression mode "message".

    :raises UNPACK_ERRORS: it is damaged.
    """
    return zstd.decompress(data) if data[:4] == ZSTD_MAGIC else data


def unpack_file(packed: Path, target: Path) -> None:
    """
    Decompress a zstd file, as far as it goes.

    :raises UNPACK_ERRORS: it ends early or is damaged; the target holds the rest.
    """
    with target.open('wb') as out, zstd.open(packed, 'rb') as source:
        shutil.copyfileobj(source, out)
