"""
What a bag really shows: read from CSV, asked by stamp.

Columns, by their names in the first line:

- ``class_id`` or ``class_name``: needed;
- ``start_ns`` and ``end_ns``, or ``start_s`` and ``end_s``: a span in which
  the sign is to be seen;
- or ``stamp_ns`` or ``stamp_s``: one frame;
- ``camera``: empty or missing for any;
- ``x``, ``y``, ``width``, ``height``: the tight box in pixels, with a stamp.

``_ns`` are the stamps of the images, ``_s`` seconds since the first image.
Stamps without spans become spans: the same class without a break of a second
is one sign.
"""

import bisect
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.errors import DatasetError
from alexnet_ros.records import BBoxXYWH

NEAREST_NS = 5_000_000  # a stamp may differ from its frame's by less than this
BREAK_NS = 1_000_000_000
BOX = ('x', 'y', 'width', 'height')


@dataclass(frozen=True, slots=True)
class TruthSpan:
    """A sign and when it is to be seen; camera empty for any."""

    camera: str
    class_id: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class TruthMark:
    """A sign in one frame, with its box where that is known."""

    camera: str
    class_id: int
    stamp_ns: int
    bbox_xywh: BBoxXYWH | None


class Truth:
    """Spans and marks of one bag; without spans the marks are made from them."""

    def __init__(self, spans: Iterable[TruthSpan] = (), marks: Iterable[TruthMark] = ()) -> None:
        self.marks = sorted(marks, key=lambda mark: (mark.stamp_ns, mark.camera))
        self._stamps = [mark.stamp_ns for mark in self.marks]
        self.spans = sorted(
            spans or _spans_from(self.marks),
            key=lambda span: (span.start_ns, span.end_ns, span.class_id),
        )

    def marks_at(self, camera: str, stamp_ns: int) -> list[TruthMark]:
        """Return what one frame shows."""
        first = bisect.bisect_left(self._stamps, stamp_ns - NEAREST_NS)
        last = bisect.bisect_right(self._stamps, stamp_ns + NEAREST_NS)
        return [m for m in self.marks[first:last] if m.camera in {'', camera}]

    def spans_at(self, camera: str, stamp_ns: int) -> list[TruthSpan]:
        """Return the spans that hold one frame."""
        return [
            s
            for s in self.spans
            if s.start_ns <= stamp_ns <= s.end_ns and s.camera in {'', camera}
        ]


def _spans_from(marks: list[TruthMark]) -> list[TruthSpan]:
    """Join the marks of one class without a break to spans."""
    spans: list[TruthSpan] = []
    open_spans: dict[tuple[str, int], int] = {}
    for mark in marks:
        key = (mark.camera, mark.class_id)
        place = open_spans.get(key)
        if place is not None and mark.stamp_ns - spans[place].end_ns <= BREAK_NS:
            spans[place] = TruthSpan(*key, spans[place].start_ns, mark.stamp_ns)
        else:
            open_spans[key] = len(spans)
            spans.append(TruthSpan(*key, mark.stamp_ns, mark.stamp_ns))
    return spans


def _time_ns(row: Mapping[str, str], name: str, first_ns: int) -> int | None:
    """Return a time column in nanoseconds, or None where it is not given."""
    if row.get(f'{name}_ns'):
        return int(row[f'{name}_ns'])
    if row.get(f'{name}_s'):
        return first_ns + round(float(row[f'{name}_s']) * 1e9)
    return None


def _class_id(row: Mapping[str, str], ids: Mapping[str, int]) -> int:
    if row.get('class_id'):
        return int(row['class_id'])
    name = row.get('class_name', '')
    if name not in ids:
        raise ValueError(f'class {name!r} is not one of the model')
    return ids[name]


def _line(row: Mapping[str, str], ids: Mapping[str, int], first_ns: int) -> TruthSpan | TruthMark:
    camera, class_id = row.get('camera') or '', _class_id(row, ids)
    start, end = _time_ns(row, 'start', first_ns), _time_ns(row, 'end', first_ns)
    if start is not None and end is not None:
        if end < start:
            raise ValueError('the span ends before it starts')
        return TruthSpan(camera, class_id, start, end)
    stamp = _time_ns(row, 'stamp', first_ns)
    if stamp is None:
        raise ValueError('neither a stamp nor a start and an end')
    if not all(row.get(name) for name in BOX):
        return TruthMark(camera, class_id, stamp, None)
    x, y, width, height = (float(row[name]) for name in BOX)
    return TruthMark(camera, class_id, stamp, (x, y, width, height))


def read_truth(path: str | Path, names: Mapping[int, str], first_ns: int) -> Truth:
    """
    Read a truth file.

    :param names: the model's class names, for files that give no ids.
    :param first_ns: stamp of the bag's first image, which ``_s`` count from.
    :raises DatasetError: unreadable; the message names file and line.
    """
    path = Path(path)
    ids = {name: class_id for class_id, name in names.items()}
    lines: list[TruthSpan | TruthMark] = []
    try:
        with path.open(newline='', encoding='utf8') as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                try:
                    lines.append(_line(row, ids, first_ns))
                except (ValueError, TypeError) as error:
                    raise DatasetError(f'{path}, line {number}: {error}') from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error
    if not lines:
        raise DatasetError(f'{path} has no ground-truth rows')
    return Truth(
        [line for line in lines if isinstance(line, TruthSpan)],
        [line for line in lines if isinstance(line, TruthMark)],
    )
