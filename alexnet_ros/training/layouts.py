"""Recognising how a data set is laid out, and which class of which model a folder means."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from alexnet_ros.errors import DatasetError
from alexnet_ros.labels import Label
from alexnet_ros.tables import text_of_cell
from alexnet_ros.training.sources import (
    PARTS,
    SUFFIXES,
    Record,
    class_id_from,
    read_rows,
    records_beside,
    records_from_manifest,
    tar_members,
)

LABEL_FILES = ('labels.csv', 'labels.txt')
UNLABELLED = 'unlabelled'  # what ``collect`` has no label for yet
SYSTEM_FOLDERS = ('__MACOSX', '@eaDir', '__pycache__')
MakeRecord = Callable[[str, int, str], Record]


@dataclass(frozen=True)
class DataSet:
    """
    Labelled images and what was found out about them.

    :param records: all of them, before the split.
    :param labels: the classes by id; training adds the background class.
    :param notes: what was recognised and what was ignored, one line each.
    :param origin: where they come from, one line for the model package.
    :param group: the pattern that made the groups.
    """

    records: Sequence[Record]
    labels: Sequence[Label]
    notes: Sequence[str] = ()
    origin: str = ''
    group: str = ''

    @property
    def names(self) -> list[str]:
        """Class names by id."""
        return [label.name for label in self.labels]


def labels_from(path: Path) -> list[Label]:
    """
    Return classes from a CSV with ``class_id`` and ``name`` (and ``role``), or a plain list.

    :param path: a ``.txt`` file has one name a line, in the order of the ids.
    :raises DatasetError: ids with gaps, missing columns, or nothing.
    """
    if path.suffix.lower() != '.csv':
        try:
            lines = path.read_text(encoding='utf-8-sig').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'cannot read the class names {path}: {error}') from error
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise DatasetError(f'{path} has no class names; expected one a line')
        return [Label(index, name, '') for index, name in enumerate(names)]
    labels = []
    for row in read_rows(path, ('class_id', 'name')):
        name, role = text_of_cell(row['name'].strip()), (row.get('role') or '').strip()
        labels.append(Label(class_id_from(row['class_id'], str(path)), name, role))
    labels.sort(key=lambda label: label.class_id)
    if [label.class_id for label in labels] != list(range(len(labels))):
        raise DatasetError(f'{path}: class ids must be 0 to {len(labels) - 1}, each once')
    return labels


def class_of(name: str, labels: Sequence[Label]) -> int | None:
    """
    Return which class a folder or a name means, None for a stranger.

    The name itself counts, then the name without regard to case, spaces,
    hyphens and underscores, then a decimal class id.
    """

    def plain(text: str) -> str:
        return re.sub(r'[\s_/-]+', ' ', text).strip().casefold()

    same = next((label.class_id for label in labels if label.name == name), None)
    alike = [label.class_id for label in labels if plain(label.name) == plain(name)]
    if same is not None or len(alike) == 1:
        return alike[0] if same is None else same
    return int(name) if name.isascii() and name.isdecimal() and int(name) < len(labels) else None


def _known_class(name: str, labels: Sequence[Label], where: object) -> int:
    """Return which class a name means, or refuse it."""
    index = class_of(name, labels)
    if index is None:
        known = ', '.join(label.name for label in labels[:20])
        known += ', ...' if len(labels) > 20 else ''
        raise DatasetError(
            f'unknown label: {where} ({name!r}) is none of the {len(labels)} classes: {known}; '
            'rename or remove it'
        )
    return index


def _pictures_among(names: Iterable[str]) -> tuple[list[PurePosixPath], list[str]]:
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
    for counts, text in (
        (hidden, 'ignored {} files in hidden places: {}'),
        (
            other,
            'ignored {} files that are no readable pictures ({}); convert pictures to JPEG or PNG',
        ),
    ):
        if counts:
            listed = ', '.join(f'{count} {suffix}' for suffix, count in counts.most_common(6))
            notes.append(text.format(counts.total(), listed))
    return kept, notes


def _records_from_tree(
    root: Path,
    names: Iterable[str],
    folders: Iterable[str],
    make: MakeRecord,
    *,
    group: str,
    labels: Sequence[Label],
    complete: bool,
) -> DataSet:
    """
    Read files that lie in one folder a class, or in such folders in train/, val/ and test/.

    :param names: relative names of all files.
    :param folders: top folders, empty ones included.
    """
    paths, notes = _pictures_among(names)
    paths = [path for path in paths if len(path.parts) > 1 and path.parts[0] != UNLABELLED]
    tops = {path.parts[0] for path in paths}
    lead = ''
    while len(tops) == 1 and class_of(next(iter(tops)), labels) is None:
        inner = [path for path in paths if len(path.parts) > 2]
        if len({path.parts[1] for path in inner}) < 2:
            break
        lead += f'{tops.pop()}/'  # one folder round all the others
        paths = [PurePosixPath(*path.parts[1:]) for path in inner]
        tops = {path.parts[0] for path in paths}
    empty = {f for f in folders if not lead and not f.startswith('.')} - tops
    empty -= {UNLABELLED, *SYSTEM_FOLDERS}
    split = {top: PARTS[top.lower()] for top in tops if top.lower() in PARTS}
    parts = 'train' in split.values() and len(set(split.values())) > 1
    if parts:
        notes.append('recognised the parts ' + ', '.join(sorted(split)) + ' of one data set')
        stray = sorted(tops - set(split))
        if stray:
            notes.append(f'ignored folders beside them: {", ".join(stray)}')
        paths = [path for path in paths if path.parts[0] in split and len(path.parts) > 2]
        empty = set()
    found = sorted({path.parts[int(parts)] for path in paths} | empty)
    if not found:
        raise DatasetError(f'{root} has no pictures in sub-folders; expected a folder a class')
    labels = list(labels) or [Label(index, name, '') for index, name in enumerate(found)]
    ids = {name: _known_class(name, labels, f'{root}/{lead}{name}') for name in found}
    records = []
    for path in paths:
        name = lead + path.as_posix()
        record = make(name, ids[path.parts[int(parts)]], _group(group, name))
        records.append(replace(record, part=split[path.parts[0]]) if parts else record)
    seen = {record.class_id for record in records}
    missing = [label.name for label in labels if label.class_id not in seen]
    if complete and missing:
        raise DatasetError(
            f'the class {missing[0]} is empty: no readable image of it in {root}'
            + ''.join(f'; {note}' for note in notes)
        )
    return DataSet(records, labels, notes)


def _group(pattern: str, path: str) -> str:
    """Return which physical thing a file shows: what the pattern's first group matches."""
    if not pattern:
        return path
    try:
        match = re.search(pattern, path)
    except re.error as error:
        raise DatasetError(f'--group {pattern!r} is no regular expression: {error}') from error
    if match is None:
        raise DatasetError(f'--group {pattern!r} does not match {path}')
    return match.group(1) if match.groups() else match.group(0)


def _from_folder(folder: Path, group: str, labels: Sequence[Label], *, complete: bool) -> DataSet:
    beside = next((folder / name for name in LABEL_FILES if (folder / name).is_file()), None)
    named = bool(labels)
    if not named and beside is not None:
        labels = labels_from(beside)
    names = (p.relative_to(folder).as_posix() for p in folder.rglob('*') if p.is_file())
    folders = [item.name for item in folder.iterdir() if item.is_dir()]
    tracks: dict[str, str] = {}
    if (folder / 'items.csv').is_file():  # made by ``collect``: one scene stays together
        filled = sorted(n for n in folders if n != UNLABELLED and any((folder / n).iterdir()))
        folders = []  # empty ones wait for pictures
        if not named and labels:  # those that have pictures, those added by hand last
            ids = {class_of(name, labels) for name in filled}
            kept = [label.name for label in labels if label.class_id in ids]
            kept += [name for name in filled if class_of(name, labels) is None]
            roles = {label.name: label.role for label in labels}
            labels = [Label(index, name, roles.get(name, '')) for index, name in enumerate(kept)]
        rows = read_rows(folder / 'items.csv', ('name', 'track'))
        tracks = {} if group else {row['name']: row['track'] for row in rows}

    def make(name: str, class_id: int, own_group: str) -> Record:
        track = tracks.get(PurePosixPath(name).name, '')
        return Record(folder / name, class_id, track or own_group)

    return _records_from_tree(
        folder, names, folders, make, group=group, labels=labels, complete=complete
    )


def _from_tar(tar: Path, group: str, labels: Sequence[Label], *, complete: bool) -> DataSet:
    members = tar_members(tar)

    def make(name: str, class_id: int, own_group: str) -> Record:
        return Record(tar, class_id, own_group, name, *members[name])

    return _records_from_tree(
        tar, members, (), make, group=group, labels=labels, complete=complete
    )


def _records_from_gtsrb(folder: Path) -> list[Record]:
    """Read GTSRB's own layout: ``GT-*.csv`` beside PPM files."""
    records = []
    for table in sorted(folder.rglob('GT-*.csv')):
        rows = read_rows(table, ('Filename', 'ClassId'), delimiter=';')
        for number, row in enumerate(rows, start=2):
            where = f'{table} line {number}'
            class_id = class_id_from(row['ClassId'], where)
            path = table.parent / row['Filename']
            if not path.is_file():
                raise DatasetError(f'{where}: {path} does not exist')
            records.append(Record(path, class_id, f'{class_id}/{path.name.split("_")[0]}'))
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
    own, found = labels_from(labels) if labels else [], None
    if data.suffix == '.tar':
        found = _from_tar(data, group, known or own, complete=complete)
    elif data.is_dir() and next(data.rglob('GT-*.csv'), None) is None:
        for label in own if known else ():
            _known_class(label.name, known, labels)
        found = _from_folder(data, group, known or own, complete=complete)
    if found is not None:
        return replace(found, origin=data.name, group=group)
    if data.is_dir():
        records = _records_from_gtsrb(data)
    else:
        beside = data.parent / 'labels.csv'
        if not own and beside.is_file() and not beside.samefile(data):
            own = labels_from(beside)
        count = len(own or known) or None
        records = (
            records_from_manifest(data, images, count) if images else records_beside(data, count)
        )
    notes: list[str] = []
    if known and own:
        used = sorted({record.class_id for record in records})
        if any(class_of(own[index].name, known) is not None for index in used):
            ids = {index: _known_class(own[index].name, known, data) for index in used}
            records = [replace(record, class_id=ids[record.class_id]) for record in records]
        else:
            notes.append(f'{data}: class names differ from the model, ids are taken as they are')
    high = max(records, key=lambda record: record.class_id)
    numbers = [Label(index, str(index), '') for index in range(high.class_id + 1)]
    final = list(known) or own or numbers
    if high.class_id >= len(final):
        raise DatasetError(
            f'unknown label {high.class_id} of {high.name}: there are {len(final)} names'
        )
    return DataSet(records, final, notes, data.name, group)


def counts_text(records: Sequence[Record], held: Sequence[Record], names: Sequence[str]) -> str:
    """Return the classes with how many images of each are learned and held out."""
    learn, check = (Counter(record.class_id for record in part) for part in (records, held))
    rows = [f'{name} {learn[index]}+{check[index]}' for index, name in enumerate(names)]
    return f'{len(names)} classes (to learn from + held out): ' + ', '.join(rows)
