"""The classes of a data set: read from a file, and found by name or id."""

import re
from collections.abc import Sequence
from pathlib import Path

from alexnet_ros.errors import DatasetError
from alexnet_ros.labels import Label
from alexnet_ros.tables import text_of_cell
from alexnet_ros.training.sources import class_id_from, read_rows


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
    rows = read_rows(path, ('class_id', 'name'))
    found = {
        class_id_from(row['class_id'], str(path)): (
            text_of_cell(row['name'].strip()),
            row.get('role') or '',
        )
        for row in rows
    }
    if sorted(found) != list(range(len(rows))):
        raise DatasetError(f'{path}: class ids must be 0 to {len(rows) - 1}, each once')
    return [Label(index, found[index][0], found[index][1].strip()) for index in range(len(rows))]


def names_from_csv(path: Path) -> list[str]:
    """Return the names of :func:`labels_from`."""
    return [label.name for label in labels_from(path)]


def _plain(name: str) -> str:
    return re.sub(r'[\s_/-]+', ' ', name).strip().casefold()


def class_of(name: str, labels: Sequence[Label]) -> int | None:
    """
    Return which class a folder or a name means, None for a stranger.

    The name itself counts, then the name without regard to case, spaces,
    hyphens and underscores, then a decimal class id.
    """
    for label in labels:
        if label.name == name:
            return label.class_id
    alike = [label.class_id for label in labels if _plain(label.name) == _plain(name)]
    if len(alike) == 1:
        return alike[0]
    if name.isascii() and name.isdecimal() and int(name) < len(labels):
        return int(name)
    return None


def stranger(name: str, labels: Sequence[Label], where: object) -> DatasetError:
    """Return the error for a class that is none of these."""
    known = ', '.join(label.name for label in labels[:20]) + (', ...' if len(labels) > 20 else '')
    return DatasetError(
        f'unknown label: {where} ({name!r}) is none of the {len(labels)} classes: {known}; '
        'rename or remove it'
    )
