"""Recognising how a data set is laid out."""

import re
from collections.abc import Sequence
from pathlib import Path

from alexnet_ros.errors import DatasetError
from alexnet_ros.training.sources import (
    SUFFIXES,
    Record,
    class_id_from,
    read_rows,
    records_from_manifest,
    tar_members,
)


def names_from_csv(path: Path) -> list[str]:
    """
    Return class names from a CSV with ``class_id`` and ``name``.

    :raises DatasetError: ids with gaps, or missing columns.
    """
    rows = read_rows(path, ('class_id', 'name'))
    names = {class_id_from(row['class_id'], str(path)): row['name'].strip() for row in rows}
    if sorted(names) != list(range(len(rows))):
        raise DatasetError(f'{path}: class ids must be 0 to {len(rows) - 1}, each once')
    return [names[index] for index in range(len(rows))]


def records_from_folder(
    folder: Path, group: str = '', names: Sequence[str] = ()
) -> tuple[list[Record], list[str]]:
    """
    Read a folder with one sub-folder a class.

    :param group: regular expression; what its first group matches in a file's
        path is one physical thing, never split. Without it each file is one.
    :param names: the classes in order; else the sub-folders' names, sorted.
    :raises DatasetError: no classes, an empty class, or a folder that is no
        known class.
    """
    found = sorted(item.name for item in folder.iterdir() if item.is_dir())
    if not found:
        raise DatasetError(f'{folder} has no sub-folders; expected one for each class')
    names = list(names) or found
    stray = sorted(set(found) - set(names))
    if stray:
        raise DatasetError(f'unknown label: {folder / stray[0]} is none of {list(names)}')
    records = []
    for class_id, name in enumerate(names):
        files = (
            sorted(path for path in (folder / name).rglob('*') if path.suffix.lower() in SUFFIXES)
            if (folder / name).is_dir()
            else []
        )
        if not files:
            raise DatasetError(f'the class {name} is empty: no image in {folder / name}')
        records += [
            Record(path, class_id, _group(group, path.relative_to(folder).as_posix()))
            for path in files
        ]
    return records, list(names)


def records_from_tar(
    tar: Path, group: str = '', names: Sequence[str] = ()
) -> tuple[list[Record], list[str]]:
    """Read a tar with one folder a class; see :func:`records_from_folder`."""
    members = {
        name: span
        for name, span in sorted(tar_members(tar).items())
        if Path(name).suffix.lower() in SUFFIXES and '/' in name
    }
    found = sorted({Path(name).parent.name for name in members})
    if not found:
        raise DatasetError(f'{tar} has no images in folders; expected one folder for each class')
    names = list(names) or found
    ids = {name: index for index, name in enumerate(names)}
    records = []
    for name, (offset, size) in members.items():
        label = Path(name).parent.name
        if label not in ids:
            raise DatasetError(f'unknown label: {tar}:{name} is none of {list(names)}')
        records.append(Record(tar, ids[label], _group(group, name), name, offset, size))
    missing = set(range(len(names))) - {record.class_id for record in records}
    if missing:
        raise DatasetError(f'the class {names[min(missing)]} is empty: no image in {tar}')
    return records, list(names)


def records_from_gtsrb(folder: Path) -> list[Record]:
    """
    Read GTSRB's own layout: ``GT-*.csv`` beside PPM files.

    :param folder: ``Final_Training/Images`` (with ``00000`` ... inside), or
        ``Final_Test/Images`` with ``GT-final_test.csv`` in it.
    :raises DatasetError: a missing file, or a column that is not there.
    """
    records = []
    for table in sorted(folder.rglob('GT-*.csv')):
        for number, row in enumerate(
            read_rows(table, ('Filename', 'ClassId'), delimiter=';'), start=2
        ):
            where = f'{table} line {number}'
            class_id = class_id_from(row['ClassId'], where)
            path = table.parent / row['Filename']
            if not path.is_file():
                raise DatasetError(f'{where}: {path} does not exist')
            track = row['Filename'].split('_')[0] if '_' in row['Filename'] else row['Filename']
            records.append(Record(path, class_id, f'{class_id}/{track}'))
    if not records:
        raise DatasetError(f'{folder} has no GT-*.csv')
    return records


def read_data(
    data: Path, images: Sequence[Path] = (), labels: Path | None = None, group: str = ''
) -> tuple[list[Record], list[str]]:
    """
    Read a data set of any known layout.

    :param data: a CSV manifest, a tar, a folder of classes, or GTSRB's folder.
    :param images: folders and tars of a manifest's files.
    :param labels: class names; for a manifest ``labels.csv`` beside it is
        taken by itself.
    :returns: the records and the class names.
    :raises DatasetError: as the readers.
    """
    if not data.exists():
        raise DatasetError(f'{data} does not exist')
    names = names_from_csv(labels) if labels else []
    if data.is_dir():
        if next(data.rglob('GT-*.csv'), None) is None:
            return records_from_folder(data, group, names)
        records = records_from_gtsrb(data)
    elif data.suffix == '.tar':
        return records_from_tar(data, group, names)
    else:
        beside = data.parent / 'labels.csv'
        if not names and beside.is_file():
            names = names_from_csv(beside)
        places = list(images) or sorted(data.parent.glob('*.tar')) or [data.parent]
        records = records_from_manifest(data, places, len(names) or None)
    if not names:
        names = [str(index) for index in range(max(r.class_id for r in records) + 1)]
    high = max(records, key=lambda record: record.class_id)
    if high.class_id >= len(names):
        raise DatasetError(
            f'unknown label {high.class_id} of {high.name}: there are {len(names)} names'
        )
    return records, names


def _group(pattern: str, path: str) -> str:
    if not pattern:
        return path
    match = re.search(pattern, path)
    if match is None:
        raise DatasetError(f'--group {pattern!r} does not match {path}')
    return match.group(1) if match.groups() else match.group(0)
