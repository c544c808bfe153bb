"""Labelled images: where each one lies, reading it, and splitting them by group."""

import csv
import io
import os
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2s
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError

Image = NDArray[np.uint8]

SUFFIXES = (  # what OpenCV or Pillow reads
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.ppm', '.pgm', '.pbm', '.pnm', '.bmp', '.dib'),
    *('.webp', '.tif', '.tiff', '.gif', '.jp2'),
)
PARTS = {  # names of the folders, or of a manifest's split column, in lower case
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}


@dataclass(frozen=True)
class Record:
    """
    One labelled image, not yet read.

    :param path: the file, or the tar that holds it.
    :param class_id: label, counted from 0.
    :param group: what must not be split between training and validation, for
        instance one physical sign.
    :param member: name inside the tar, empty for a plain file.
    :param offset: first byte of the image in ``path``.
    :param size: its bytes; 0 for the whole file.
    :param part: ``train``, ``val`` or ``test`` where the data set says so.
    """

    path: Path
    class_id: int
    group: str
    member: str = ''
    offset: int = 0
    size: int = 0
    part: str = ''

    @property
    def name(self) -> str:
        """Return a name for messages and reports."""
        return f'{self.path}:{self.member}' if self.member else str(self.path)


@lru_cache(maxsize=64)
def tar_members(path: Path) -> dict[str, tuple[int, int]]:
    """
    Return name to (offset, bytes) of the regular files in a plain tar.

    :raises DatasetError: not an uncompressed tar.
    """
    try:
        with tarfile.open(path, 'r:') as tar:
            return {
                item.name.removeprefix('./'): (item.offset_data, item.size)
                for item in tar
                if item.isreg()
            }
    except (OSError, tarfile.TarError) as error:
        raise DatasetError(f'{path} is not a readable uncompressed tar: {error}') from error


def bytes_of(record: Record) -> bytes:
    """
    Return the encoded image.

    :raises DatasetError: the file cannot be read.
    """
    try:
        with record.path.open('rb') as file:
            if not record.size:
                return file.read()
            return os.pread(file.fileno(), record.size, record.offset)
    except OSError as error:
        raise DatasetError(f'cannot read {record.name}: {error.strerror}') from error


def read_rows(path: Path, columns: Sequence[str], delimiter: str = ',') -> list[dict[str, str]]:
    """
    Return the rows of a CSV that has at least the given columns.

    :raises DatasetError: missing file, missing column or no rows.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            names = reader.fieldnames or ()
            missing = sorted(set(columns) - set(names))
            if missing:
                raise DatasetError(f'{path} has the columns {list(names)}, missing {missing}')
            rows = []
            for row in reader:
                if any(row[column] is None for column in columns):
                    raise DatasetError(
                        f'{path} line {reader.line_num}: the row is too short, expected '
                        f'{", ".join(names)}'
                    )
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f'cannot read the manifest {path}: {error}') from error
    if not rows:
        raise DatasetError(f'the manifest {path} has no rows')
    return rows


def class_id_from(text: str, where: str, classes: int | None = None) -> int:
    """
    Return a checked class id.

    :raises DatasetError: not a number, negative or beyond the classes.
    """
    class_id = int(text) if text.strip().isdecimal() and len(text) < 10 else -1
    if class_id < 0 or (classes is not None and class_id >= classes):
        limit = 'a whole number from 0' if classes is None else f'0 to {classes - 1}'
        raise DatasetError(f'{where}: unknown label {text!r:.40}, expected {limit}')
    return class_id


def records_from_manifest(
    manifest: Path, images: Sequence[Path], classes: int | None = None
) -> list[Record]:
    """
    Read a CSV with ``file`` and ``class_id`` (and ``track`` or ``group``).

    :param manifest: the CSV.
    :param images: folders and tars searched for each file, the tars first.
    :param classes: refuse ids from this number on.
    :raises DatasetError: a missing file or an unknown label, named.
    """
    for place in images:
        if not place.exists():
            raise DatasetError(f'{place} does not exist; --images takes folders and tars')
    tars = {place: tar_members(place) for place in images if place.is_file()}
    records = []
    for number, row in enumerate(read_rows(manifest, ('file', 'class_id')), start=2):
        where, name = f'{manifest} line {number}', row['file']
        class_id = class_id_from(row['class_id'], where, classes)
        track = row.get('group') or row.get('track') or ''
        group = f'{class_id}/{track}' if track else name
        part = PARTS.get((row.get('split') or '').strip().lower(), '')
        tar = next((tar for tar, members in tars.items() if name in members), None)
        folder = next((p for p in images if p.is_dir() and (p / name).is_file()), None)
        if tar is not None:
            records.append(Record(tar, class_id, group, name, *tars[tar][name], part))
        elif folder is not None:
            records.append(Record(folder / name, class_id, group, part=part))
        else:
            raise DatasetError(f'{where}: {name} is in none of the given folders and tars')
    return records


def records_beside(manifest: Path, classes: int | None = None) -> list[Record]:
    """Read a CSV whose images lie beside it; see :func:`records_from_manifest`."""
    tars = sorted(manifest.parent.glob('*.tar'))
    return records_from_manifest(manifest, [*tars, manifest.parent], classes)


def decode(record: Record) -> Image:
    """
    Return one image, (H, W, 3) uint8, RGB, as OpenCV or else Pillow reads it.

    :raises DatasetError: neither can read it.
    """
    content = bytes_of(record)
    data = np.frombuffer(content, np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        image = None
    if image is not None:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    try:
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(content)) as picture:
            return np.asarray(picture.convert('RGB'), np.uint8)
    except Exception as error:  # without Pillow, or any of its own errors
        raise DatasetError(f'unreadable image {record.name} ({data.size} bytes)') from error


class ImageBank:
    """
    Images by index, decoded once.

    :param records: what to read.
    :param memory_mb: images beyond this many megabytes are decoded each time.
    """

    def __init__(self, records: Sequence[Record], memory_mb: int = 4096) -> None:
        self.records = list(records)
        self._kept: dict[int, Image] = {}
        self._free = memory_mb * 1_000_000

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.records)

    def __getitem__(self, index: int) -> Image:
        """Return one image, (H, W, 3) uint8 RGB; do not write into it."""
        image = self._kept.get(index)
        if image is None:
            image = decode(self.records[index])
            if image.nbytes <= self._free:
                self._free -= image.nbytes
                self._kept[index] = image
        return image

    def load(self, threads: int = 2) -> None:
        """Decode what fits now, so that unreadable files are found at the start."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.__getitem__, range(len(self)), chunksize=256):
                pass


def held_out(records: Sequence[Record], every: int = 8) -> list[bool]:
    """
    Say for each record whether it is held out for validation.

    Where the data set names a ``val`` part, that is it. Else the groups within
    each class, in order of name, are dealt out: every ``every``-th is held out,
    and at least one where a class has two or more.

    :param every: one group in this many; 0 holds nothing out.
    """
    if any(record.part == 'val' for record in records):
        return [record.part == 'val' for record in records]
    groups: dict[int, set[str]] = defaultdict(set)
    for record in records:
        groups[record.class_id].add(record.group)
    chosen: set[tuple[int, str]] = set()
    for class_id, names in groups.items():
        ordered = sorted(names)
        if every and len(ordered) > 1:
            picks = ordered[3 % every :: every] or [ordered[-1]]
            chosen |= {(class_id, name) for name in picks}
    return [(record.class_id, record.group) in chosen for record in records]


def is_dev(name: str) -> bool:
    """
    Tell whether a frame is kept out of training, to measure on: every fifth by its name.

    >>> [name for name in ('00006.jpg', '00008.jpg', 'a/00012.jpg') if is_dev(name)]
    ['00008.jpg', 'a/00012.jpg']

    :param name: the frame's file name; folders before it do not count.
    """
    return zlib.crc32(name.rsplit('/', 1)[-1].encode()) % 5 == 0


@dataclass(frozen=True)
class Split:
    """
    Which groups a run learns from and which it holds out, as marks in its checkpoint.

    A mark is a short hash of class and group, so that other commands know each
    picture again wherever the data lie.
    """

    learned: frozenset[str]
    held: frozenset[str]

    @classmethod
    def of(cls, records: Sequence[Record], every: int) -> 'Split':
        """Deal the groups out; see :func:`held_out`."""
        marks: dict[bool, set[str]] = {False: set(), True: set()}
        for record, held in zip(records, held_out(records, every), strict=True):
            marks[held].add(mark_of(record))
        return cls(frozenset(marks[False]), frozenset(marks[True]))

    def parts(self, records: Sequence[Record]) -> tuple[list[Record], list[Record], list[Record]]:
        """Return the records that were learned, held out, and are new to the run."""
        learned: list[Record] = []
        held: list[Record] = []
        new: list[Record] = []
        for record in records:
            mark = mark_of(record)
            place = held if mark in self.held else learned if mark in self.learned else new
            place.append(record)
        return learned, held, new


def mark_of(record: Record) -> str:
    """Return the mark of a record's group; see :class:`Split`."""
    return blake2s(f'{record.class_id}/{record.group}'.encode(), digest_size=6).hexdigest()
