"""
What training reads of the benchmark and of the drawn signs, as CSVs with tars beside them.

    python -m tools.training_split ../shared build/signs

``train.csv``: GTSRB's manifest with the columns ``split``, which keeps what is measured out of
training, and ``outline``, the shape that the sign is cut out along. ``val``: every eighth track.
``test``: tracks that show a sign which also stands in a road frame that is kept apart; nobody
learns from them. ``train``: all others.

``drawings.csv``: the drawn signs as classes of a finder's objects. Each class is pasted as often
as any other, so they are dealt out to as many classes as make a quarter of what is pasted; of
four drawings one is of a kind that a finder may find or not (``ignore``).
"""

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from alexnet_ros.training.sources import (
    Record,
    held_out,
    is_dev,
    mark_of,
    read_rows,
    records_from_manifest,
    tar_members,
)

OUTLINES = {
    **dict.fromkeys((11, *range(18, 32)), 'triangle'),
    12: 'diamond',
    13: 'inverted',
    14: 'octagon',
}
FOUND = ('regulatory', 'warning')  # starts of the names of drawings that are to be found
FIRST_DRAWN, FOUND_CLASSES, OTHER_CLASSES = 100, 12, 4


def twins_of_dev(annotations: Path) -> set[str]:
    """Return the crops (file names) that show what stands in the frames to measure on."""
    return {
        str(entry['twin']).rsplit(' ', 1)[-1]
        for name, entries in json.loads(annotations.read_text()).items()
        if is_dev(name)
        for entry in entries
        if entry.get('twin')
    }


def split_rows(data: Path) -> tuple[list[Record], list[dict[str, str]]]:
    """
    Return GTSRB's crops and the rows of its manifest with their ``split`` and ``outline``.

    :param data: folder with gtsrb/ and gtsdb/.
    """
    manifest = data / 'gtsrb/train.csv'
    rows = read_rows(manifest, ('file', 'class_id', 'track'))
    records = records_from_manifest(manifest, sorted(manifest.parent.glob('*.tar')))
    twins = twins_of_dev(data / 'gtsdb/annotations.json')
    tracks = {mark_of(r) for r, row in zip(records, rows, strict=True) if row['file'] in twins}
    found = []
    for record, row, held in zip(records, rows, held_out(records, 8), strict=True):
        part = 'val' if held else 'test' if mark_of(record) in tracks else 'train'
        outline = OUTLINES.get(record.class_id, 'disc')
        found.append({**row, 'split': part, 'outline': outline})
    return records, found


def drawn_rows(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of ``drawings.csv``; what is far from square may be found or not."""
    sizes = {row['file']: row for row in read_rows(folder / 'drawings.csv', ('file', 'width'))}
    for number, member in enumerate(sorted(tar_members(folder / 'images.tar'))):
        name = member.rsplit('/', 1)[-1]
        row = sizes.get(name)
        if row is None:
            continue
        shape = int(row['width']) / max(1, int(row['height']))
        found = name.startswith(FOUND) and 0.7 < shape < 1.4
        class_id = FIRST_DRAWN + (
            number % FOUND_CLASSES if found else FOUND_CLASSES + number % OTHER_CLASSES
        )
        ignore = str(int(not found))
        yield {'file': member, 'class_id': str(class_id), 'split': 'train', 'ignore': ignore}


def write_rows(path: Path, rows: Sequence[dict[str, str]], tars: Sequence[Path]) -> None:
    """Write a CSV, and link the tars of its files beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for tar in tars:
        link = path.parent / tar.name
        link.unlink(missing_ok=True)
        link.symlink_to(tar.resolve())


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('data', type=Path)
    parser.add_argument('output', type=Path, help='folder')
    args = parser.parse_args()
    _, rows = split_rows(args.data)
    write_rows(args.output / 'train.csv', rows, sorted((args.data / 'gtsrb').glob('*.tar')))
    drawings = args.data / 'sign_drawings'
    write_rows(args.output / 'drawings.csv', list(drawn_rows(drawings)), [drawings / 'images.tar'])
    counts = {part: sum(row['split'] == part for row in rows) for part in ('train', 'val', 'test')}
    print(f'{args.output}/train.csv: {counts}')


if __name__ == '__main__':
    main()
