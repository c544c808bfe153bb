"""``alexnet_ros collect``: images worth labelling, out of bags."""

import argparse
import contextlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from alexnet_ros.bags.find import bags_in
from alexnet_ros.bags.reader import frames_of
from alexnet_ros.cli.options import (
    above,
    add_bag_options,
    add_model_options,
    add_number,
    fraction,
    open_recognizer,
    settings_of,
    whole,
)
from alexnet_ros.cli.progress import Progress
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.dataset.collect import HOW, CollectOptions, collect_bag
from alexnet_ros.dataset.collection import Collection
from alexnet_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``collect``."""
    parser.add_argument(
        'bags', nargs='*', metavar='BAG', help='bags; without any, only rebuild manifest.csv'
    )
    parser.add_argument('--output', required=True, type=Path, help='the collection')
    text = 'select by rate, change or uncertainty (default: uncertain; change with --classes)'
    parser.add_argument('--by', choices=HOW, help=text)
    text = 'your own classes: collect whole frames without a model, to sort into these folders'
    parser.add_argument('--classes', metavar='A,B,...', help=text)
    text = 'whole frames instead of the regions found in them'
    parser.add_argument('--whole-frames', action='store_true', help=text)
    text = 'with --by rate: maximum images per second per sign or camera'
    add_number(parser, '--rate', above(0, 1000), 1.0, 'HZ', text)
    text = 'with --by change: minimum difference to the last one, 0 to 1'
    add_number(parser, '--change', fraction, 0.06, 'FRACTION', text)
    text = 'with --by uncertain: probabilities below this are uncertain'
    add_number(parser, '--below', fraction, 0.9, 'SCORE', text)
    text = 'maximum number of new images per bag; 0 = no limit'
    add_number(parser, '--limit', whole(0, math.inf), 0, 'N', text)
    add_model_options(parser)
    add_bag_options(parser)
    parser.add_argument('--json', action='store_true', help='print the counts as one JSON line')


def run(args: argparse.Namespace) -> int:
    """Collect from each bag in turn, then write the manifest."""
    added = 0
    classes = tuple(word.strip() for word in (args.classes or '').split(',') if word.strip())
    how = args.by or ('change' if classes else 'uncertain')
    if classes and how == 'uncertain':
        raise ConfigError('--classes works with --by change or rate, without a model')
    if args.bags:
        bags = bags_in(args.bags)
        settings = settings_from_mapping(RecognizerSettings, settings_of(args))
        opened: Any = contextlib.nullcontext() if classes else open_recognizer(args, settings)
        with opened as recognizer:
            for bag in bags:
                progress = Progress(frames_of(bag, tuple(args.topic)), bag.name)
                added += collect_bag(
                    bag,
                    args.output,
                    recognizer,
                    CollectOptions(
                        how=how,
                        crops=not (args.whole_frames or classes),
                        classes=classes,
                        topics=tuple(args.topic),
                        rate_hz=args.rate,
                        change=args.change,
                        below=args.below,
                        limit=args.limit,
                        on_frame=progress.update,
                    ),
                ).added
                progress.close()
    counts = Collection(args.output, {}).write_manifest()
    if args.json:
        print(json.dumps({'added': added, **counts}))
    else:
        print(
            f'{added} added; {counts["labelled"]} with a label ({counts["moved"]} moved by '
            f'hand), {counts["unlabelled"]} without, {counts["refused"]} refused'
        )
        print(
            f'sort the files into the class folders of {args.output}, by hand or with '
            f'alexnet_ros label {args.output}; then: alexnet_ros train --data {args.output}',
            file=sys.stderr,
        )
    return 0
