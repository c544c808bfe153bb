"""
A folder of collected images that people sort and ``train`` reads.

``images/CLASS_ID/`` holds what has a proposed label, ``unlabelled/`` the rest.
Moving a file to another class folder is labelling it, deleting it is refusing
it: neither comes back. ``manifest.csv`` (file, class_id, track and where the
image is from) is made anew from where the files lie; with ``labels.csv``
beside it, ``train --data`` and ``evaluate --manifest`` take it as it is.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.files import append_lines, make_folder, mend_lines, remove_drafts, write_file
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.tables import csv_text, text_of_cell

Image = NDArray[np.uint8]

COLUMNS = (
    'name',
    'hash',
    'proposed',
    'score',
    'reason',
    'bag',
    'camera',
    'stamp_ns',
    'track',
    'x',
    'y',
    'width',
    'height',
)
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

    :param names: class names, for ``labels.csv``.
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
        if names:
            labels = csv_text(('class_id', 'name'), sorted(names.items()))
            write_file(self.folder / 'labels.csv', labels)

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
                f'remove both to begin anew'
            ) from error

    def done_until(self, bag: str) -> int:
        """Return the bag time up to which this bag was gone through, -1 for not at all."""
        return self._state.get(bag, -1)

    def mark(self, bag: str, log_ns: int) -> None:
        """Note how far a bag was gone through."""
        self._state[bag] = log_ns
        write_file(self._state_path, json.dumps(self._state, indent=1, sort_keys=True) + '\n')

    def add(self, item: Item, image_rgb: Image) -> bool:
        """
        Keep an image unless it is there already, or one like it.

        :returns: whether it was kept.
        """
        if item.name in self._items:
            return False
        value = picture_hash(image_rgb)
        proposed = '' if item.proposed is None else str(item.proposed)
        known = self._hashes.setdefault(proposed, [])
        if any((value ^ other).bit_count() <= SAME_BITS for other in known):
            return False
        place = self.folder / ('unlabelled' if item.proposed is None else f'images/{proposed}')
        make_folder(place)
        write_file(place / item.name, jpeg_from_rgb(image_rgb, 95))
        box = [f'{v:.1f}' for v in item.bbox_xywh]
        row = dict(
            zip(
                COLUMNS,
                [
                    item.name,
                    f'{value:016x}',
                    proposed,
                    f'{item.score:.4f}',
                    item.reason,
                    item.bag,
                    item.camera,
                    str(item.stamp_ns),
                    item.track,
                    *box,
                ],
                strict=True,
            )
        )
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
        columns = ['file', 'class_id', 'track', *COLUMNS[2:8], *COLUMNS[9:]]
        places = {p.name: p for p in sorted(self.folder.glob('images/*/*')) if p.is_file()}
        loose = {p.name for p in self.folder.glob('unlabelled/*')}
        moved = 0
        rows = []
        for name, path in places.items():
            label = path.parent.name
            if not label.isdecimal():
                raise DatasetError(f'{path.parent}: a class folder is called by its class id')
            row = self._items.get(name, {'name': name, 'proposed': label, 'track': name})
            moved += row['proposed'] != label
            row = {**row, 'file': f'images/{label}/{name}', 'class_id': label}
            rows.append([row.get(column, '') for column in columns])
        write_file(self.folder / 'manifest.csv', csv_text(columns, rows))
        refused = len(set(self._items) - set(places) - loose)
        return {
            'labelled': len(places),
            'unlabelled': len(loose),
            'refused': refused,
            'moved': moved,
        }
