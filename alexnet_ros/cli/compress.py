"""``alexnet_ros compress``: factor the fully connected layers of a checkpoint."""

import argparse
from pathlib import Path

from alexnet_ros.cli.options import add_number, whole
from alexnet_ros.cli.output import print_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('checkpoint', type=Path, help='.safetensors of alexnet_ros train')
    add_number(parser, '--fc6-rank', whole(0, 4096), 0, 'R', '0 leaves fc6')
    add_number(parser, '--fc7-rank', whole(0, 4096), 0, 'R', '0 leaves fc7')
    parser.add_argument('--output', type=Path, required=True, metavar='FILE')


def run(args: argparse.Namespace) -> int:
    """Compress; prints what became of each layer."""
    from alexnet_ros.training.checkpoint import compress_checkpoint

    if args.fc6_rank == args.fc7_rank == 0:
        print_error('compress', 'give --fc6-rank, --fc7-rank or both')
        return 2
    for part in compress_checkpoint(args.checkpoint, args.output, args.fc6_rank, args.fc7_rank):
        print(
            f'{part.layer}: rank {part.rank}, {part.before:,} -> {part.after:,} weights, '
            f'{100 * part.energy:.2f} % of the energy kept'
        )
    print(args.output)
    return 0
