"""``alexnet_ros export-finder``: a finder's checkpoint into a model package."""

import argparse
import sys
from pathlib import Path

from alexnet_ros.cli.train_finder import add_data_arguments, data_from

EPILOG = """\
The finder is folded and quantised to INT8 with pictures of its training data, measured on
the frames kept apart, and put into the package beside the classifier.

Example
  alexnet_ros export-finder run/checkpoint.safetensors --frames cones/annotations.json \\
    --package models/cones
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument('checkpoint', type=Path, help='of train-finder')
    add_data_arguments(parser)
    parser.add_argument(
        '--package', type=Path, required=True, metavar='DIR', help='folder of the model package'
    )
    parser.add_argument(
        '--size',
        default='960x544',
        metavar='WxH',
        help="the network's input, multiples of 32; frames are scaled to fit into it",
    )
    parser.add_argument(
        '--min-score', type=float, default=0.03, help='least probability of an object, 0 to 1'
    )


def run(args: argparse.Namespace) -> int:
    """Export; 0 when the package was written."""
    from alexnet_ros.errors import ConfigError
    from alexnet_ros.training.finder_export import export_finder

    sides = args.size.split('x')
    if len(sides) != 2 or not all(side.isdecimal() for side in sides):
        raise ConfigError(f'--size must be WIDTHxHEIGHT such as 960x544, got {args.size!r}')
    package = export_finder(
        args.checkpoint,
        args.package,
        data_from(args),
        height=int(sides[1]),
        width=int(sides[0]),
        min_score=args.min_score,
        command='alexnet_ros ' + ' '.join(Path(w).name if '/' in w else w for w in sys.argv[1:]),
    )
    print(f'{package.folder}: has a finder for frames scaled to {args.size}')
    return 0
