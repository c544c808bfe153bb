"""``alexnet_ros evaluate``: accuracy of a model package on labelled crops."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from alexnet_ros.cli.options import (
    add_images_option,
    add_model_options,
    add_number,
    engine_of,
    whole,
)
from alexnet_ros.cli.progress import Progress

MAX_SHOWN = 12  # classes of a confusion matrix in a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_options(parser)
    parser.add_argument(
        '--manifest', type=Path, metavar='CSV', help='labels: file, class_id (and track)'
    )
    text = 'where the files are; without --manifest a folder or tar of classes'
    add_images_option(parser, text)
    text = 'only the groups that train holds out with this setting; 0 = all images'
    add_number(parser, '--hold-out-every', whole(0, math.inf), 0, 'N', text)
    parser.add_argument(
        '--views', type=int, default=1, choices=(1, 10), help='views of each image, averaged'
    )
    parser.add_argument(
        '--mirror', action='store_true', help='mirror five of the ten views (never road signs)'
    )
    text = 'write per_class.csv, confusion.png and errors.png there'
    parser.add_argument('--report', type=Path, metavar='DIR', help=text)
    parser.add_argument('--json', action='store_true', help='print one JSON object')


def run(args: argparse.Namespace) -> int:
    """Evaluate and print."""
    import numpy as np

    from alexnet_ros.engine.select import open_engine
    from alexnet_ros.errors import DatasetError
    from alexnet_ros.model_package import ModelPackage
    from alexnet_ros.training.evaluate import evaluate
    from alexnet_ros.training.sources import ImageBank, held_out

    if args.manifest is None and not args.images:
        print(
            'evaluate needs --manifest CSV, or --images with a folder of classes', file=sys.stderr
        )
        return 2
    package = ModelPackage.load(args.model)
    records = _records(args, package)
    if args.hold_out_every:
        kept = held_out(records, args.hold_out_every)
        records = [record for record, held in zip(records, kept, strict=True) if held]
    if not records:
        raise DatasetError('there are no images to evaluate')
    bank = ImageBank(records, memory_mb=512)
    progress = Progress(len(records), 'evaluate', 'images')
    with progress, open_engine(package, **engine_of(args)) as engine:
        figures, answers = evaluate(
            package,
            engine,
            bank,
            [record.class_id for record in records],
            views=args.views,
            mirror=args.mirror,
            progress=lambda done, _count: progress.update(done - progress.n),
        )
        found = figures.numbers() | {'confusion': figures.confusion.tolist()}
    if args.report is not None:
        from alexnet_ros.training.reports import write_report

        write_report(args.report, figures, answers, records=records, images=bank, package=package)
    if args.json:
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        if key != 'confusion':
            print(f'{key}: {value:.5f}' if isinstance(value, float) else f'{key}: {value}')
    names = [label.name for label in package.known_labels]
    if len(names) <= MAX_SHOWN:
        print(confusion_text(figures.confusion, names))
        return 0
    worst = np.argsort(np.nan_to_num(figures.recalls, nan=2.0), kind='stable')[:5]
    for index in worst.tolist():
        if figures.recalls[index] < 1:
            print(f'  {names[index]}: recall {figures.recalls[index]:.4f}')
    return 0


def confusion_text(confusion: Any, names: list[str]) -> str:
    """Return a table: a row a true class, a column an answer, counts in it."""
    short = [name[:12] for name in names]
    width = max(5, *(len(name) for name in short)) + 1
    lines = ['confusion (rows: truth, columns: answer)', ' ' * width]
    lines[1] += ''.join(f'{name:>{width}}' for name in short)
    for name, row in zip(short, confusion.tolist(), strict=True):
        lines.append(f'{name:<{width}}' + ''.join(f'{count:>{width}}' for count in row))
    return '\n'.join(lines)


def _records(args: argparse.Namespace, package: Any) -> list[Any]:
    """Return the labelled images, their classes found among the model's by name or id."""
    from alexnet_ros.training.layouts import read_data

    known, records = list(package.labels), list[Any]()
    places = [args.manifest] if args.manifest is not None else args.images
    for place in places:
        images = args.images if args.manifest is not None else ()
        data = read_data(place, images, known=known, complete=False)
        records += data.records
        for note in data.notes:
            print(note, file=sys.stderr)
    for part in ('test', 'val'):
        if any(record.part == part for record in records):
            print(f'evaluating the {part} part', file=sys.stderr)
            return [record for record in records if record.part == part]
    return records
