"""
A folder of collected images that people sort and ``train`` reads.

There is a folder a class, called by its name, for what has a proposed label,
and ``unlabelled/`` for the rest. Moving a file to another class folder, also to
a new one, is labelling it, deleting it is refusing it: neither comes back.
``train --data FOLDER`` takes it as it is; ``manifest.csv`` (file, class_id,
track and where the image is from), made anew from where the files lie, and
``labels.csv`` are for other programs.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.files import append_lines, make_folder, mend_lines, remove_drafts, write_file
from alexnet_ros.labels import Label
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.tables import csv_text, text_of_cell
from alexnet_ros.training.layouts import UNLABELLED, class_of, labels_from

Image = NDArray[np.uint8]

SEEN = ('hash', 'proposed', 'score', 'reason', 'bag', 'camera', 'stamp_ns')
COLUMNS = ('name', *SEEN, 'track', 'x', 'y', 'width', 'height')
SAME_BITS = 3  # hashes that differ in no more bits are the same picture


@dataclass(frozen=True, slots=True)
class Item:
    """
    One collected image.

    :param name: its file name, unique.
    :param proposed: class id, or None without a proposal.
    :param track: images of one physical thing, kept together by a split.
    :param bbox_xywh: what was cut out of the frame, pixels.
    """

    name: str
    proposed: int | None
    score: float
    reason: str
    bag: str
    camera: str
    stamp_ns: int
    track: str
    bbox_xywh: tuple[float, float, float, float]


def folder_of(name: str) -> str:
    """Return the folder of a class: its name, safe as one; ``train`` knows it again."""
    return name.replace('/', '-').replace('\0', '').lstrip('.') or 'class'


def picture_hash(image_rgb: Image) -> int:
    """
    Return 64 bits that nearly equal pictures share: is each cell darker than the next.

    Source: the difference hash, N. Krawetz 2013.
    """
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')


class Collection:
    """
    The folder, opened to be added to; a second run goes on where one ended.

    :raises DatasetError: the folder's own list is damaged.
    """

    def __init__(self, folder: str | Path, names: Mapping[int, str]) -> None:
        self.folder = Path(folder)
        self.added = 0
        self._items: dict[str, dict[str, str]] = {}
        self._hashes: dict[str, list[int]] = {}
        self._state: dict[str, int] = {}
        make_folder(self.folder)
        remove_drafts(self.folder)
        self._list, self._state_path = self.folder / 'items.csv', self.folder / 'state.json'
        self._read()
        self._names = dict(names)  # of the proposals; labels.csv may be of another model
        self._labels: list[Label] = []
        if (self.folder / 'labels.csv').is_file():
            self._labels = labels_from(self.folder / 'labels.csv')
        elif names:
            self._labels = [Label(index, names[index], '') for index in sorted(names)]
            self._write_labels()

    def _write_labels(self) -> None:
        rows = [(label.class_id, label.name) for label in self._labels]
        write_file(self.folder / 'labels.csv', csv_text(('class_id', 'name'), rows))

    def make_folders(self, names: Iterable[str]) -> None:
        """Make the folder of each class, for somebody to fill."""
        for name in names:
            (self.folder / folder_of(name)).mkdir(exist_ok=True)
        (self.folder / UNLABELLED).mkdir(exist_ok=True)

    def _read(self) -> None:
        try:
            if self._list.exists():
                mend_lines(self._list)
                with self._list.open(newline='', encoding='utf8') as file:
                    for cells in csv.DictReader(file):
                        row = {name: text_of_cell(cell) for name, cell in cells.items()}
                        self._items[row['name']] = row
                        self._hashes.setdefault(row['proposed'], []).append(int(row['hash'], 16))
            if self._state_path.exists():
                self._state = {
                    k: int(v) for k, v in json.loads(self._state_path.read_text()).items()
                }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f'{self.folder}: items.csv or state.json is damaged: {error}; '
                f'remove both to start over'
            ) from error

    def done_until(self, bag: str) -> int:
        """Return the bag time up to which this bag was gone through, -1 for not at all."""
        return self._state.get(bag, -1)

    def mark(self, bag: str, log_ns: int) -> None:
        """Note how far a bag was gone through."""
        self._state[bag] = log_ns
        write_file(self._state_path, json.dumps(self._state, indent=1, sort_keys=True) + '\n')

    def add(self, item: Item, image_rgb: Image) -> bool:
        """Keep an image unless it or one like it is there already; return whether it was kept."""
        if item.name in self._items:
            return False
        value = picture_hash(image_rgb)
        proposed = '' if item.proposed is None else str(item.proposed)
        known = self._hashes.setdefault(proposed, [])
        if any((value ^ other).bit_count() <= SAME_BITS for other in known):
            return False
        name = None if item.proposed is None else self._names.get(item.proposed)
        place = self.folder / (UNLABELLED if name is None else folder_of(name))
        make_folder(place)
        write_file(place / item.name, jpeg_from_rgb(image_rgb, 95))
        cells = [item.name, f'{value:016x}', proposed, f'{item.score:.4f}', item.reason]
        cells += [item.bag, item.camera, str(item.stamp_ns), item.track]
        cells += [f'{v:.1f}' for v in item.bbox_xywh]
        row = dict(zip(COLUMNS, cells, strict=True))
        if not self._items:
            write_file(self._list, csv_text(COLUMNS))
        append_lines(self._list, csv_text(row.values()))
        known.append(value)
        self._items[item.name] = row
        self.added += 1
        return True

    def write_manifest(self) -> dict[str, Any]:
        """
        Make ``manifest.csv`` from where the files lie now.

        :returns: how many images there are: ``labelled``, ``unlabelled``,
            ``refused`` (deleted by hand) and, of the labelled, ``moved``.
        """
        columns = ['file', 'class_id', 'track', *SEEN[1:], *COLUMNS[9:]]
        found = {p.name: p for p in sorted(self.folder.glob('*/*')) if p.is_file()}
        loose = {name for name, path in found.items() if path.parent.name == UNLABELLED}
        shown = {name: path for name, path in found.items() if path.parent.name[0] != '.'}
        places = {name: path for name, path in shown.items() if name not in loose}
        ids: dict[str, int] = {}
        for folder in sorted({path.parent.name for path in places.values()}):
            index = class_of(folder, self._labels)
            if index is None:  # a class that somebody added
                index = len(self._labels)
                self._labels.append(Label(index, folder, ''))
            ids[folder] = index
        if self._labels:
            self._write_labels()
        moved = 0
        rows = []
        for name, path in places.items():
            label = str(ids[path.parent.name])
            row = self._items.get(name, {'name': name, 'proposed': label, 'track': name})
            moved += row['proposed'] != label
            where = path.relative_to(self.folder).as_posix()
            row = {**row, 'file': where, 'class_id': label}
            rows.append([row.get(column, '') for column in columns])
        write_file(self.folder / 'manifest.csv', csv_text(columns, rows))
        refused = len(set(self._items) - set(places) - loose)
        counts = {'labelled': len(places), 'unlabelled': len(loose)}
        return counts | {'refused': refused, 'moved': moved}
