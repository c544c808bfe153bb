"""
What the headers of compressed images say, read before any pixel is decoded.

A header that claims a huge picture, or data that ends early, is refused here:
some OpenCV versions fill what is missing with the picture decoded before, a
PNG of 31 KB can unpack to 768 MB, and a progressive JPEG of 100 KB can keep
the decoder busy for minutes.
"""

from dataclasses import dataclass

from alexnet_ros.errors import ImageFormatError

_SIGNATURES = {
    'jpeg': (b'\xff\xd8\xff',),
    'png': (b'\x89PNG\r\n\x1a\n',),
    'pnm': (b'P5', b'P6'),
    'bmp': (b'BM',),
}
_FRAME_STARTS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = 0xC2
_PROCESSES = (0xC0, 0xC1, _PROGRESSIVE)  # baseline and extended sequential
MAX_SCANS = 32  # of a progressive JPEG; encoders write about ten
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Header:
    """Kind of a compressed image, and its size in pixels."""

    kind: str
    width: int
    height: int


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


def _jpeg(data: memoryview) -> Header:
    """Walk the segments up to the first scan; an end marker must follow it."""
    at = 2
    size = None
    process = 0
    while True:
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
            process = marker
            if data[at + 4] != 8 or process not in _PROCESSES:
                raise ImageFormatError(
                    'undecodable', f'JPEG of {data[at + 4]} bits, process {process & 15}'
                )
            size = data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6]
        at += 2 + length
    if size is None:
        raise ImageFormatError('undecodable', 'JPEG without a frame header')
    if not _ends(data, at):
        raise _truncated("JPEG's end marker")
    if process == _PROGRESSIVE and bytes(data[at:]).count(b'\xff\xda') > MAX_SCANS:
        # Each scan is a pass over all pixels, however few bytes it has.
        raise ImageFormatError('undecodable', f'JPEG of more than {MAX_SCANS} scans')
    return Header('jpeg', *size)


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
    while True:
        if at + 12 > len(data):
            raise _truncated("PNG's end (IEND)")
        length = int.from_bytes(data[at : at + 4], 'big')
        if bytes(data[at + 4 : at + 8]) == b'IEND':
            if length:  # decoders allocate what a chunk claims before they read it
                raise ImageFormatError('undecodable', f'PNG whose IEND claims {length} bytes')
            break
        at += 12 + length
    width, height = (int.from_bytes(data[at : at + 4], 'big') for at in (16, 20))
    return Header('png', width, height)


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
