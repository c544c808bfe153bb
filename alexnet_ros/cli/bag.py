"""``alexnet_ros bag``: videos, pictures and cameras become a bag."""

import argparse
import sys
from pathlib import Path

from alexnet_ros.bags.pictures import PICTURE_RATE_HZ, TOPIC, bag_from_sources
from alexnet_ros.bags.writer import COMPRESSIONS, STORAGES
from alexnet_ros.cli.options import SOURCES, above, add_number
from alexnet_ros.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('sources', nargs='+', metavar='SOURCE', help=SOURCES)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the new bag')
    parser.add_argument('--topic', default=TOPIC, help='image topic (default: %(default)s)')
    parser.add_argument(
        '--compressed', action='store_true', help='JPEG on TOPIC/compressed, not raw images'
    )
    text = 'frame rate of pictures; videos keep theirs (default: %(default)g)'
    parser.add_argument(
        '--rate', type=above(0, 1000), default=PICTURE_RATE_HZ, metavar='HZ', help=text
    )
    text = 'stop after this long, such as from a camera; 0 = at the end'
    add_number(parser, '--seconds', above(0, 1e6), 0.0, 'S', text)
    parser.add_argument('--storage', choices=tuple(STORAGES), default='mcap')
    parser.add_argument(
        '--compression',
        choices=tuple(name for name in COMPRESSIONS if name),
        default='',
        help='zstd compression mode (default: none)',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object')


def run(args: argparse.Namespace) -> int:
    """Write the bag."""
    frames = bag_from_sources(
        args.out,
        args.sources,
        topic=args.topic,
        compressed=args.compressed,
        rate_hz=args.rate,
        seconds=args.seconds,
        storage=args.storage,
        compression=args.compression,
    )
    if args.json:
        print_json({'bag': str(args.out), 'frames': frames})
    else:
        print(f'{args.out}: {frames} frames', file=sys.stderr)
    return 0
