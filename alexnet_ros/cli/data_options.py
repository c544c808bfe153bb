"""The options that say where labelled images are, for several commands."""

import argparse
from pathlib import Path

from alexnet_ros.training.layouts import read_data
from alexnet_ros.training.sources import Record

DATA_HELP = """\
Data may be
  a folder with one sub-folder a class (its name is the class name),
  a tar of the same form,
  a CSV with the columns file and class_id (and track or group: images of one
    track, such as one physical sign, stay on one side of the split); the files
    lie in --images, folders or tars, by default beside the CSV,
  GTSRB's own folder (PPM files and GT-*.csv).
Class names come from --labels, a CSV with class_id and name; beside a manifest
labels.csv is taken by itself.
"""


def add_data_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --data, --images, --labels and --group."""
    parser.add_argument(
        '--data',
        type=Path,
        required=required,
        metavar='PATH',
        help='CSV manifest, folder of classes, tar, or GTSRB folder',
    )
    parser.add_argument(
        '--images',
        type=Path,
        nargs='+',
        default=[],
        metavar='DIR|TAR',
        help="where a manifest's files lie",
    )
    parser.add_argument('--labels', type=Path, metavar='CSV', help='class names: class_id, name')
    parser.add_argument(
        '--group',
        default='',
        metavar='REGEX',
        help='part of a file path that names one physical thing, such as "(.*)_[0-9]+"',
    )


def data_from(args: argparse.Namespace) -> tuple[list[Record], list[str]]:
    """Read what the arguments name; see :func:`read_data`."""
    return read_data(args.data, args.images, args.labels, args.group)
