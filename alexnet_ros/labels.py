"""Class names and what each class is for, read from ``labels.csv``."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.errors import LabelFileError, is_one_line
from alexnet_ros.files import read_file
from alexnet_ros.tables import csv_text, text_of_cell

COLUMNS = ('class_id', 'name', 'role')
MAX_BYTES = 8 << 20  # 10,000 classes with long names take 1 MB
MAX_CLASSES = 65_536
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Label:
    """
    One class of a model.

    :param class_id: index of its logit, from 0.
    :param name: what it is called in every output.
    :param role: what it is for: ``sign``, ``background``, ``heading``, ...
    """

    class_id: int
    name: str
    role: str


class Labels(tuple[Label, ...]):  # noqa: SLOT001 - the names are kept beside
    """
    All classes of a model; the position is the class id.

    ``names`` holds all names in the order of the class ids.

    :param labels: with the ids 0, 1, 2, ... in this order, each with a name.
    :raises LabelFileError: ids with gaps, empty or repeated names, none at all.
    """

    names: tuple[str, ...]

    def __new__(cls, labels: Iterable[Label]) -> 'Labels':
        """Check the classes and keep them."""
        self = super().__new__(cls, labels)
        self.names = tuple(label.name for label in self)
        if not self:
            raise LabelFileError('labels: expected at least one class, got none')
        seen: dict[str, int] = {}
        for position, label in enumerate(self):
            if label.class_id != position:
                raise LabelFileError(
                    f'labels: expected class_id {position}, got {label.class_id}; '
                    'ids run from 0 without gaps, in order'
                )
            if not label.name.strip():
                raise LabelFileError(f'labels: class {position} has no name')
            if len(label.name) > LONGEST_NAME or not is_one_line(label.name + label.role):
                raise LabelFileError(
                    f'labels: class {position} has a name of more than {LONGEST_NAME} '
                    'characters, or control characters'
                )
            if label.name in seen:
                raise LabelFileError(
                    f'labels: classes {seen[label.name]} and {position} are both '
                    f'called {label.name!r}; names must differ'
                )
            seen[label.name] = position
        return self

    @classmethod
    def read(cls, path: Path) -> 'Labels':
        """
        Read a CSV file with the columns ``class_id``, ``name`` and ``role``.

        :raises LabelFileError: missing, too large, not UTF-8 or malformed; the
            message names the file and the line.
        """
        return cls.from_bytes(read_file(path, MAX_BYTES, LabelFileError), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = 'labels') -> 'Labels':
        """
        Read the content of a label file.

        :param source: how messages call it.
        :raises LabelFileError: too large, not UTF-8 or malformed.
        """
        if len(data) > MAX_BYTES:
            raise LabelFileError(f'{source}: larger than {MAX_BYTES} bytes')
        labels = []
        try:
            rows = csv.reader(io.StringIO(data.decode('utf-8-sig'), newline=''), strict=True)
            head = next(rows, None)
            if head is None or tuple(word.strip() for word in head) != COLUMNS:
                got = 'an empty file' if head is None else ','.join(head)[:80]
                raise LabelFileError(
                    f'{source}: expected the header {",".join(COLUMNS)}, got {got}'
                )
            for row in filter(None, rows):
                if len(row) != len(COLUMNS) or not row[0].strip().isdecimal() or len(row[0]) > 9:
                    raise LabelFileError(
                        f'{source}, line {rows.line_num}: expected class_id,name,role, '
                        f'got {",".join(row)[:80]!r}'
                    )
                name, role = (text_of_cell(cell.strip()) for cell in row[1:])
                labels.append(Label(int(row[0].strip()), name, role))
                if len(labels) > MAX_CLASSES:
                    raise LabelFileError(f'{source}: more than {MAX_CLASSES} classes')
        except (UnicodeDecodeError, csv.Error) as error:
            raise LabelFileError(f'{source}: is not CSV text in UTF-8: {error}') from error
        try:
            return cls(labels)
        except LabelFileError as error:
            raise LabelFileError(f'{source}: {error}') from error

    def csv_bytes(self) -> bytes:
        """Return the content of a label file that reads back as these labels."""
        rows = ((label.class_id, label.name, label.role) for label in self)
        return csv_text(COLUMNS, rows).encode()

    def with_role(self, role: str) -> tuple[Label, ...]:
        """Return the classes that have this role."""
        return tuple(label for label in self if label.role == role)

    def __repr__(self) -> str:
        """Tell the number of classes and the first names."""
        names = ', '.join(self.names[:3]) + (', ...' if len(self) > 3 else '')
        return f'Labels({len(self)} classes: {names})'
