"""
Where labelled images come from: folders, CSV manifests, tars, GTSRB's layout.

Every reader gives :class:`Record` objects; nothing is decoded here.
"""

import csv
import os
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from alexnet_ros.errors import DatasetError

SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.webp')


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
    """

    path: Path
    class_id: int
    group: str
    member: str = ''
    offset: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        """A name for messages and reports."""
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
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise DatasetError(
                    f'{path} has the columns {reader.fieldnames}, missing {sorted(missing)}'
                )
            rows = list(reader)
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
    try:
        class_id = int(text)
    except ValueError:
        class_id = -1
    if class_id < 0 or (classes is not None and class_id >= classes):
        limit = 'a whole number from 0' if classes is None else f'0 to {classes - 1}'
        raise DatasetError(f'{where}: unknown label {text!r}, expected {limit}')
    return class_id


def records_from_manifest(
    manifest: Path, images: Sequence[Path], classes: int | None = None
) -> list[Record]:
    """
    Read a CSV with ``file`` and ``class_id`` (and ``track`` or ``group``).

    :param manifest: the CSV.
    :param images: folders and tars searched in order for each file; the
        manifest's own folder when empty.
    :param classes: refuse ids from this number on.
    :raises DatasetError: a missing file or an unknown label, named.
    """
    places = list(images) or [manifest.parent]
    for place in places:
        if not place.exists():
            raise DatasetError(f'{place} does not exist; --images takes folders and tars')
    tars = {place: tar_members(place) for place in places if place.is_file()}
    folders = [place for place in places if place.is_dir()]
    records = []
    for number, row in enumerate(read_rows(manifest, ('file', 'class_id')), start=2):
        where = f'{manifest} line {number}'
        class_id = class_id_from(row['class_id'], where, classes)
        name = row['file']
        track = row.get('group') or row.get('track') or ''
        group = f'{class_id}/{track}' if track else name
        found = _found(name, tars, folders)
        if found is None:
            raise DatasetError(f'{where}: {name} is in none of the given folders and tars')
        path, member, offset, size = found
        records.append(Record(path, class_id, group, member, offset, size))
    return records


def _found(
    name: str, tars: dict[Path, dict[str, tuple[int, int]]], folders: Iterable[Path]
) -> tuple[Path, str, int, int] | None:
    """Return path, member, offset and size of a manifest's file."""
    for tar, members in tars.items():
        if name in members:
            return (tar, name, *members[name])
    for folder in folders:
        if (folder / name).is_file():
            return folder / name, '', 0, 0
    return None
