"""``alexnet_ros features``: the convolutions of any AlexNet as a small start file."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('source', type=Path, help='.pth, .pth.tar or .safetensors of an AlexNet')
    parser.add_argument('output', type=Path, metavar='OUT', help='.npz or .safetensors')


def run(args: argparse.Namespace) -> int:
    """Write the file; prints what it holds."""
    from alexnet_ros.training.weights import write_features

    names = write_features(args.source, args.output)
    print(f'{args.output}: {len(names)} arrays, {args.output.stat().st_size / 1e6:.1f} MB')
    return 0
