"""
What the headers of compressed images say, read before any pixel is decoded.

A header that claims a huge picture, or data that ends early, is refused here:
some OpenCV versions fill what is missing with the picture decoded before, a
PNG of 31 KB can unpack to 768 MB, and a JPEG of 100 KB can keep the decoder
busy for minutes.
"""

import zlib
from dataclasses import dataclass

from alexnet_ros.errors import ImageFormatError

_SIGNATURES = {
    'jpeg': (b'\xff\xd8\xff',),
    'png': (b'\x89PNG\r\n\x1a\n',),
    'pnm': (b'P5', b'P6'),
    'bmp': (b'BM',),
}
_FRAME_STARTS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROCESSES = (0xC0, 0xC1, 0xC2)  # baseline, extended sequential, progressive
MAX_SCANS = 32  # of a JPEG; encoders write about ten, or one if it is not progressive
MAX_PARTS = 65_536  # segments or chunks of a header
MAX_PACKED_TEXTS = 16  # of a PNG; each may unpack to libpng's limit of 8 MB
MAX_UNSEEN_BYTES = 1 << 20  # of a PNG's pixels: longer ones are unpacked once to see their size
_PACKED_TEXTS = (b'zTXt', b'iTXt', b'iCCP')
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Header:
    """Kind of a compressed image, its size in pixels, and whether it has one channel."""

    kind: str
    width: int
    height: int
    grey: bool = False


def kind_of(data: memoryview) -> str:
    """Return ``jpeg``, ``png``, ``pnm`` or ``bmp`` by the first bytes, or ''."""
    start = bytes(data[:8])
    for kind, signatures in _SIGNATURES.items():
        if start.startswith(signatures):
            return kind
    return ''


def header_of(data: memoryview, kind: str) -> Header:
    """
    Read the size and check that the data reaches to its end.

    :raises ImageFormatError: ``truncated`` or ``undecodable``.
    """
    if kind == 'jpeg':
        return _jpeg(data)
    if kind == 'png':
        return _png(data)
    return _pnm(data) if kind == 'pnm' else _bmp(data)


def _truncated(what: str) -> ImageFormatError:
    return ImageFormatError('truncated', f'data ends before {what}')


def _too_many_parts(what: str) -> ImageFormatError:
    return ImageFormatError('undecodable', f'{what} header of more than {MAX_PARTS} parts')


def _jpeg(data: memoryview) -> Header:
    """Walk the segments up to the first scan; an end marker must follow it."""
    at = 2
    size = None
    grey = False
    for _ in range(MAX_PARTS):
        if at + 4 > len(data):
            raise _truncated('the JPEG header')
        if data[at] != 0xFF:
            raise ImageFormatError('undecodable', f'no JPEG marker at byte {at}')
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        if marker == 0xD9:
            raise ImageFormatError('undecodable', 'JPEG without any pixels')
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2:
            raise ImageFormatError('undecodable', f'JPEG segment of {length} bytes')
        if marker == 0xDA:
            break
        if marker in _FRAME_STARTS:
            if at + 10 > len(data):
                raise _truncated('the JPEG header')
            if size is not None:
                raise ImageFormatError('undecodable', 'JPEG with two frame headers')
            if data[at + 4] != 8 or marker not in _PROCESSES:
                raise ImageFormatError(
                    'undecodable', f'JPEG of {data[at + 4]} bits, process {marker & 15}'
                )
            grey = data[at + 9] == 1
            size = data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6]
        at += 2 + length
    else:
        raise _too_many_parts('JPEG')
    if size is None:
        raise ImageFormatError('undecodable', 'JPEG without a frame header')
    if not _ends(data, at):
        raise _truncated("JPEG's end marker")
    if bytes(data[at:]).count(b'\xff\xda') > MAX_SCANS:
        # Each scan is a pass over all pixels, however few bytes it has.
        raise ImageFormatError('undecodable', f'JPEG of more than {MAX_SCANS} scans')
    return Header('jpeg', *size, grey)


def _ends(data: memoryview, scan: int) -> bool:
    """Tell whether an end marker stands behind the scan; some cameras pad the end."""
    if bytes(data[-2:]) == b'\xff\xd9' and len(data) - 2 > scan:
        return True
    return bytes(data[scan:]).rfind(b'\xff\xd9') > 0


def _png(data: memoryview) -> Header:
    """Walk the chunks from IHDR to IEND."""
    if len(data) < 33:
        raise _truncated('the PNG header')
    if bytes(data[8:16]) != b'\0\0\0\rIHDR':  # thirteen bytes, by the standard
        raise ImageFormatError('undecodable', 'PNG does not begin with IHDR')
    at = 8
    pixels: list[memoryview] = []
    packed_texts = 0
    for _ in range(MAX_PARTS):
        if at + 12 > len(data):
            raise _truncated("PNG's end (IEND)")
        length, kind = int.from_bytes(data[at : at + 4], 'big'), bytes(data[at + 4 : at + 8])
        if kind == b'IEND':
            if length:  # decoders allocate what a chunk claims before they read it
                raise ImageFormatError('undecodable', f'PNG whose IEND claims {length} bytes')
            break
        if kind == b'IDAT':
            pixels.append(data[at + 8 : at + 8 + length])
        packed_texts += kind in _PACKED_TEXTS
        at += 12 + length
    else:
        raise _too_many_parts('PNG')
    if packed_texts > MAX_PACKED_TEXTS:
        raise ImageFormatError('undecodable', f'PNG of more than {MAX_PACKED_TEXTS} packed texts')
    width, height = (int.from_bytes(data[at : at + 4], 'big') for at in (16, 20))
    row = width * _PNG_CHANNELS.get(data[25], 4) * data[24] // 8 + 2
    if sum(map(len, pixels)) > MAX_UNSEEN_BYTES and _unpacks_beyond(pixels, 2 * row * height):
        raise ImageFormatError('undecodable', 'PNG whose data unpacks to more than its pixels')
    return Header('png', width, height, data[25] == 0)


def _unpacks_beyond(parts: list[memoryview], limit: int) -> bool:
    """Tell whether a zlib stream unpacks to more: libpng would go on to its end."""
    unpacker = zlib.decompressobj()
    size = 0
    for part in parts:
        left: bytes | memoryview = part
        while left and not unpacker.eof:
            try:
                size += len(unpacker.decompress(left, 1 << 16))
            except zlib.error:
                return False  # libpng stops there too
            left = unpacker.unconsumed_tail
            if size > limit:
                return True
    return False


def _pnm(data: memoryview) -> Header:
    """Read a binary PGM or PPM header: magic, width, height, maximum, one space."""
    words: list[bytes] = []
    at = 2
    head = bytes(data[:512])
    while len(words) < 3:
        while head[at : at + 1].isspace():
            at += 1
        if head[at : at + 1] == b'#':
            at = head.find(b'\n', at) + 1
            if not at:
                raise ImageFormatError('undecodable', 'PNM header longer than 512 bytes')
            continue
        start = at
        while head[at : at + 1].isdigit():
            at += 1
        if start == at or at - start > 9:
            raise ImageFormatError('undecodable', 'malformed PNM header')
        words.append(head[start:at])
    width, height, most = map(int, words)
    if not 0 < most < 65536:
        raise ImageFormatError('undecodable', f'PNM of maximum {most}')
    channels = 3 if head[:2] == b'P6' else 1
    if len(data) < at + 1 + width * height * channels * (1 if most < 256 else 2):
        raise _truncated("PNM's last pixel")
    return Header('pnm', width, height)


def _bmp(data: memoryview) -> Header:
    """Read the size of a Windows bitmap; a negative height means top down."""
    if len(data) < 54:
        raise _truncated('the BMP header')
    width = int.from_bytes(data[18:22], 'little', signed=True)
    height = abs(int.from_bytes(data[22:26], 'little', signed=True))
    return Header('bmp', width, height)
