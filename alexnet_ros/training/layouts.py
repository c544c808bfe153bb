"""Recognising how a data set is laid out, and which class of which model a folder means."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from alexnet_ros.errors import DatasetError
from alexnet_ros.labels import Label
from alexnet_ros.training.classes import class_of, labels_from, stranger
from alexnet_ros.training.sources import (
    PARTS,
    SUFFIXES,
    Record,
    class_id_from,
    read_rows,
    records_from_manifest,
    tar_members,
)

LABEL_FILES = ('labels.csv', 'labels.txt')
UNLABELLED = 'unlabelled'  # what ``collect`` has no label for yet
SYSTEM_FOLDERS = ('__MACOSX', '@eaDir', '__pycache__')


@dataclass(frozen=True)
class DataSet:
    """
    Labelled images and what was found out about them.

    :param labels: the classes by id.
    :param notes: what was recognised and what was ignored, one line each.
    """

    records: list[Record]
    labels: list[Label]
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """Class names by id."""
        return [label.name for label in self.labels]


def _listed(counts: Counter[str]) -> str:
    return ', '.join(f'{count} {suffix}' for suffix, count in counts.most_common(6))


def _sorted_out(names: Iterable[str]) -> tuple[list[PurePosixPath], list[str]]:
    """Return the pictures among relative file names, and a note for what is left out."""
    kept: list[PurePosixPath] = []
    hidden: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for name in sorted(names):
        path = PurePosixPath(name)
        odd = next((p for p in path.parts if p.startswith('.') or p in SYSTEM_FOLDERS), None)
        if odd is not None:
            hidden[odd] += 1
        elif path.suffix.lower() in SUFFIXES:
            kept.append(path)
        elif len(path.parts) > 1:
            other[path.suffix.lower() or 'without a suffix'] += 1
    notes = []
    if hidden:
        notes.append(f'ignored {sum(hidden.values())} files in hidden places: {_listed(hidden)}')
    if other:
        notes.append(
            f'ignored {sum(other.values())} files that are no readable pictures '
            f'({_listed(other)}); convert pictures to JPEG or PNG'
        )
    return kept, notes


def records_from_tree(
    root: Path,
    names: Iterable[str],
    folders: Iterable[str],
    make: Callable[[str, int, str], Record],
    *,
    group: str,
    labels: Sequence[Label],
    complete: bool,
) -> DataSet:
    """
    Read files that lie in one folder a class, or in such folders in train/, val/ and test/.

    :param names: relative names of all files.
    :param folders: top folders, empty ones included.
    :param make: the record of a relative name, a class id and a group.
    :param labels: the classes in order; else the folders' names, sorted.
    :param complete: every class must have an image.
    :raises DatasetError: no classes, an empty class, or a folder that is no
        known class.
    """
    paths, notes = _sorted_out(names)
    paths = [path for path in paths if len(path.parts) > 1 and path.parts[0] != UNLABELLED]
    tops = {path.parts[0] for path in paths}
    lead = ''
    while _only_wraps(tops, labels) and len({p.parts[1] for p in paths if len(p.parts) > 2}) > 1:
        lead += f'{tops.pop()}/'  # one folder round all the others
        paths = [PurePosixPath(*path.parts[1:]) for path in paths if len(path.parts) > 2]
        tops = {path.parts[0] for path in paths}
    empty = {f for f in folders if not lead and not f.startswith('.')} - tops
    empty -= {UNLABELLED, *SYSTEM_FOLDERS}
    split = {top for top in tops if top.lower() in PARTS}
    parts = len({PARTS[top.lower()] for top in split}) > 1 and any(
        PARTS[top.lower()] == 'train' for top in split
    )
    if parts:
        notes.append('recognised the parts ' + ', '.join(sorted(split)) + ' of one data set')
        stray = sorted(tops - split)
        if stray:
            notes.append(f'ignored folders beside them: {", ".join(stray)}')
        paths = [path for path in paths if path.parts[0] in split and len(path.parts) > 2]
        empty = set()
    level = int(parts)
    found = sorted({path.parts[level] for path in paths} | empty)
    if not found:
        raise DatasetError(f'{root} has no pictures in sub-folders; expected a folder a class')
    labels = list(labels) or [Label(index, name, '') for index, name in enumerate(found)]
    ids: dict[str, int] = {}
    for name in found:
        index = class_of(name, labels)
        if index is None:
            raise stranger(name, labels, f'{root}/{lead}{name}')
        ids[name] = index
    records = []
    for path in paths:
        inner = path.as_posix()
        record = make(lead + inner, ids[path.parts[level]], _group(group, lead + inner))
        records.append(replace(record, part=PARTS[path.parts[0].lower()]) if parts else record)
    seen = {record.class_id for record in records}
    missing = [label.name for label in labels if label.class_id not in seen]
    if complete and missing:
        raise DatasetError(
            f'the class {missing[0]} is empty: no readable image of it in {root}'
            + ''.join(f'; {note}' for note in notes)
        )
    return DataSet(records, list(labels), notes)


def _only_wraps(tops: set[str], labels: Sequence[Label]) -> bool:
    return len(tops) == 1 and class_of(next(iter(tops)), labels) is None


def _from_folder(folder: Path, group: str, labels: Sequence[Label], *, complete: bool) -> DataSet:
    beside = next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)
    named = bool(labels)
    if not named and beside is not None:
        labels = labels_from(beside)
    files = (path for path in folder.rglob('*') if path.is_file())
    folders = [item.name for item in folder.iterdir() if item.is_dir()]
    tracks: dict[str, str] = {}
    if (folder / 'items.csv').is_file():  # made by ``collect``: one scene stays together
        folders = []  # empty ones wait for pictures
        if not named and labels:
            labels = _with_pictures(folder, labels)
        tracks = {
            row['name']: row['track'] for row in read_rows(folder / 'items.csv', ('name', 'track'))
        }

    def make(name: str, class_id: int, own_group: str) -> Record:
        track = '' if group else tracks.get(PurePosixPath(name).name, '')
        return Record(folder / name, class_id, track or own_group)

    return records_from_tree(
        folder,
        (path.relative_to(folder).as_posix() for path in files),
        folders,
        make,
        group=group,
        labels=labels,
        complete=complete,
    )


def _with_pictures(folder: Path, labels: Sequence[Label]) -> list[Label]:
    """Return the classes of a collection that have pictures, those added by hand last."""
    there = sorted(
        item.name
        for item in folder.iterdir()
        if item.is_dir() and item.name != UNLABELLED and any(item.iterdir())
    )
    ids = {class_of(name, labels) for name in there}
    kept = [label for label in labels if label.class_id in ids]
    added = [Label(0, name, '') for name in there if class_of(name, labels) is None]
    return [replace(label, class_id=index) for index, label in enumerate([*kept, *added])]


def _from_tar(tar: Path, group: str, labels: Sequence[Label], *, complete: bool) -> DataSet:
    members = tar_members(tar)

    def make(name: str, class_id: int, own_group: str) -> Record:
        return Record(tar, class_id, own_group, name, *members[name])

    return records_from_tree(tar, members, (), make, group=group, labels=labels, complete=complete)


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
    data: Path,
    images: Sequence[Path] = (),
    labels: Path | None = None,
    group: str = '',
    *,
    known: Sequence[Label] = (),
    complete: bool = True,
) -> DataSet:
    """
    Read a data set of any known layout.

    :param data: a CSV manifest, a tar, a folder of classes, or GTSRB's folder.
    :param images: folders and tars of a manifest's files.
    :param labels: class names; ``labels.csv`` beside a manifest, and that or
        ``labels.txt`` in a folder of classes, is taken by itself.
    :param group: regular expression; what its first group matches in a file's
        path is one physical thing, never split. Without it each file is one.
    :param known: the classes of a model; the data's classes are found among
        them by name, or by id.
    :param complete: every class must have an image.
    :raises DatasetError: as the readers.
    """
    if not data.exists():
        raise DatasetError(f'{data} does not exist')
    own = labels_from(labels) if labels else []
    if data.is_dir() and next(data.rglob('GT-*.csv'), None) is None:
        if own and known:
            own = _reordered(own, known, labels or data)
        return _from_folder(data, group, list(known) or own, complete=complete)
    if data.suffix == '.tar':
        return _from_tar(data, group, list(known) or own, complete=complete)
    if data.is_dir():
        records = records_from_gtsrb(data)
    else:
        beside = data.parent / 'labels.csv'
        if not own and beside.is_file() and not beside.samefile(data):
            own = labels_from(beside)
        places = list(images) or sorted(data.parent.glob('*.tar')) or [data.parent]
        records = records_from_manifest(data, places, len(own or known) or None)
    notes: list[str] = []
    if known and own:
        ids = [class_of(label.name, known) for label in own]
        used = {record.class_id for record in records}
        if any(ids[index] is not None for index in used):
            strangers = [own[index].name for index in sorted(used) if ids[index] is None]
            if strangers:
                raise stranger(strangers[0], known, data)
            records = [replace(record, class_id=ids[record.class_id] or 0) for record in records]
        else:
            notes.append(f'{data}: class names differ from the model, ids are taken as they are')
    if not own and not known:
        count = max(record.class_id for record in records) + 1
        own = [Label(index, str(index), '') for index in range(count)]
    final = list(known) or own
    high = max(records, key=lambda record: record.class_id)
    if high.class_id >= len(final):
        raise DatasetError(
            f'unknown label {high.class_id} of {high.name}: there are {len(final)} names'
        )
    return DataSet(records, final, notes)


def _reordered(own: list[Label], known: Sequence[Label], where: Path) -> list[Label]:
    """Refuse a label file that names other classes than the model."""
    for label in own:
        if class_of(label.name, known) is None:
            raise stranger(label.name, known, where)
    return own


def counts_text(records: Sequence[Record], held: Sequence[Record], names: Sequence[str]) -> str:
    """Return the classes with how many images of each are learned and held out."""
    learn = Counter(record.class_id for record in records)
    check = Counter(record.class_id for record in held)
    rows = [f'{name} {learn[index]}+{check[index]}' for index, name in enumerate(names)]
    return f'{len(names)} classes (to learn from + held out): ' + ', '.join(rows)


def _group(pattern: str, path: str) -> str:
    if not pattern:
        return path
    try:
        match = re.search(pattern, path)
    except re.error as error:
        raise DatasetError(f'--group {pattern!r} is no regular expression: {error}') from error
    if match is None:
        raise DatasetError(f'--group {pattern!r} does not match {path}')
    return match.group(1) if match.groups() else match.group(0)
