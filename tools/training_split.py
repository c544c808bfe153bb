"""
GTSRB's manifest with a column ``split`` that keeps what is measured out of training.

    python -m tools.training_split ../shared build/signs/train.csv

``val``: every eighth track. ``test``: tracks that show a sign which also stands in a road
frame that is kept apart; nobody learns from them. ``train``: all others.
"""

import argparse
import csv
from pathlib import Path

from alexnet_ros.training.finder_data import twins_of_dev
from alexnet_ros.training.sources import (
    Record,
    held_out,
    mark_of,
    read_rows,
    records_from_manifest,
)


def split_rows(data: Path) -> tuple[list[Record], list[dict[str, str]]]:
    """
    Return GTSRB's crops and the rows of its manifest with their ``split``.

    :param data: folder with gtsrb/ and gtsdb/.
    """
    manifest = data / 'gtsrb/train.csv'
    rows = read_rows(manifest, ('file', 'class_id', 'track'))
    records = records_from_manifest(manifest, sorted(manifest.parent.glob('*.tar')))
    twins = twins_of_dev(data / 'gtsdb/annotations.json')
    tracks = {mark_of(r) for r, row in zip(records, rows, strict=True) if row['file'] in twins}
    parts = (
        'val' if held else 'test' if mark_of(record) in tracks else 'train'
        for record, held in zip(records, held_out(records, 8), strict=True)
    )
    return records, [{**row, 'split': part} for row, part in zip(rows, parts, strict=True)]


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('data', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    _, rows = split_rows(args.data)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    counts = {part: sum(row['split'] == part for row in rows) for part in ('train', 'val', 'test')}
    print(f'{args.output}: {counts}')


if __name__ == '__main__':
    main()
