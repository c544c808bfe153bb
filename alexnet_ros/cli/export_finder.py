"""``alexnet_ros export-finder``: a finder's checkpoint into a model package."""

import argparse
import sys
from pathlib import Path

from alexnet_ros.cli.options import add_number, fraction
from alexnet_ros.cli.train_finder import add_data_arguments, data_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('checkpoint', type=Path, help='of train-finder')
    add_data_arguments(parser)
    text = 'folder of the model package'
    parser.add_argument('--package', type=Path, required=True, metavar='DIR', help=text)
    text = "the network's input, multiples of 32; frames are scaled to fit into it"
    parser.add_argument('--size', type=size, default=(960, 544), metavar='WxH', help=text)
    text = 'least probability of an object'
    add_number(parser, '--min-score', fraction, 0.03, 'P', text)


def size(text: str) -> tuple[int, int]:
    """Read width and height in pixels."""
    width, _, height = text.partition('x')
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f'must be WIDTHxHEIGHT such as 960x544, got {text!r}')
    return int(width), int(height)


def run(args: argparse.Namespace) -> int:
    """Export; 0 when the package was written."""
    from alexnet_ros.training.finder_export import export_finder

    width, height = args.size
    package = export_finder(
        args.checkpoint,
        args.package,
        data_from(args),
        height=height,
        width=width,
        min_score=args.min_score,
        command='alexnet_ros ' + ' '.join(Path(w).name if '/' in w else w for w in sys.argv[1:]),
    )
    print(f'{package.folder}: has a finder for frames scaled to {width}x{height}')
    return 0
