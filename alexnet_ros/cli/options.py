"""
The options that commands share, each declared once, and the numbers they take.

A value out of its range is wrong usage (exit 2), told by the parser before
anything is opened.
"""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ros.cli.progress import BuildBar
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.engine.select import CANDIDATES
from alexnet_ros.errors import ConfigError
from alexnet_ros.model_package import PRECISIONS
from alexnet_ros.recognizer import Recognizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alexnet_ros.labels import Label
    from alexnet_ros.training.layouts import DataSet

MODEL = 'signs'
SOURCES = 'image, video, folder or glob of them, or a camera: index, /dev/video0, rtsp://...'


def _ranged(
    kind: type[int] | type[float], low: float, high: float, *, open_low: bool = False
) -> 'Callable[[str], Any]':
    """Return a type for argparse: a finite number in a range."""
    told = 'a whole number' if kind is int else 'a number'
    if open_low:
        told += f' above {low:g}' + ('' if math.isinf(high) else f', at most {high:g}')
    else:
        told += f', {low:g} or more' if math.isinf(high) else f' from {low:g} to {high:g}'

    def read(text: str) -> Any:
        try:
            value: Any = kind(text)
        except ValueError:
            value = math.nan  # which is in no range
        inside = low <= value <= high and value != math.inf
        if not inside or (open_low and value == low):
            raise argparse.ArgumentTypeError(f'must be {told}, got {text!r}')
        return value

    return read


def whole(low: float, high: float) -> 'Callable[[str], Any]':
    """Return a type for argparse: a whole number from ``low`` to ``high``."""
    return _ranged(int, low, high)


def number(low: float, high: float) -> 'Callable[[str], Any]':
    """Return a type for argparse: a finite number from ``low`` to ``high``."""
    return _ranged(float, low, high)


def above(low: float, high: float) -> 'Callable[[str], Any]':
    """Return a type for argparse: a finite number above ``low``, up to ``high``."""
    return _ranged(float, low, high, open_low=True)


fraction = number(0, 1)


def setting(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``, a setting of the recognizer; the value as JSON where it is that."""
    name, sign, value = text.partition('=')
    try:
        read: Any = json.loads(value)
    except ValueError:
        read = value
    if not sign:
        raise argparse.ArgumentTypeError(f'must be NAME=VALUE, got {text!r}')
    try:
        settings_from_mapping(RecognizerSettings, {name: read})
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name, read


def add_number(  # noqa: PLR0917 - read as a row of a table
    parser: argparse._ActionsContainer,
    flag: str,
    kind: 'Callable[[str], Any]',
    default: float,
    unit: str,
    text: str,
) -> None:
    """
    Declare an option that takes a number; its help tells the default.

    :param kind: such as :func:`whole`, which checks the range.
    :param unit: what stands for the number in the help.
    """
    told = f'{text} (default: {default:g})'
    parser.add_argument(flag, type=kind, default=default, metavar=unit, help=told)


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Declare which model is meant."""
    text = 'model package: name or folder (default: %(default)s)'
    parser.add_argument('--model', default=MODEL, metavar='M', help=text)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare which model runs and on what."""
    add_model_option(parser)
    text = 'inference runtime (default: auto, TensorRT if it works)'
    parser.add_argument('--backend', choices=tuple(CANDIDATES), default='auto', help=text)
    parser.add_argument('--precision', choices=PRECISIONS, help="default: the model's smallest")
    text = 'CPU threads for inference; 0 = chosen by the engine'
    add_number(parser, '--threads', whole(0, 256), 0, 'N', text)


def add_regions_option(parser: argparse.ArgumentParser) -> None:
    """Declare what of a frame is looked at."""
    text = 'find signs, or classify whole frames (default: signs)'
    parser.add_argument('--regions', choices=('signs', 'frame'), default='signs', help=text)


def add_threshold_option(parser: argparse.ArgumentParser) -> None:
    """Declare from which probability on a class counts."""
    text = "results below this probability are unknown, on top of the model's rule"
    add_number(parser, '--score-threshold', fraction, 0.0, 'P', text)


def add_speed_option(parser: argparse.ArgumentParser) -> None:
    """Declare how fast a bag is played."""
    text = '2 plays twice as fast (default: 1; --rate is the old name)'
    kind = above(0, 100)
    parser.add_argument(
        '--speed', '--rate', dest='rate', type=kind, default=1.0, metavar='X', help=text
    )


def add_images_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare the folders and tars that a manifest's files are in."""
    parser.add_argument('--images', type=Path, nargs='+', default=[], metavar='DIR|TAR', help=text)


def add_bag_options(parser: argparse.ArgumentParser) -> None:
    """Declare what of a bag is looked at, and how."""
    add_regions_option(parser)
    text = 'image topic, repeatable (default: all cameras of the bag)'
    parser.add_argument('--topic', action='append', default=[], metavar='TOPIC', help=text)
    text = 'recognizer parameter, such as confirm_hits=4; repeatable'
    parser.add_argument(
        '--set', action='append', type=setting, default=[], metavar='NAME=VALUE', help=text
    )


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the recognizer settings of :func:`add_bag_options`."""
    return {'regions': args.regions, **dict(args.set)}


def engine_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the engine options of :func:`add_model_options`."""
    return {'backend': args.backend, 'precision': args.precision, 'threads': args.threads}


def open_recognizer(args: argparse.Namespace, settings: RecognizerSettings) -> Recognizer:
    """Load the model that the options name, showing an engine's build."""
    with BuildBar() as bar:
        return Recognizer.open(args.model, settings=settings, progress=bar, **engine_of(args))


def add_data_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare where labelled images lie."""
    text = 'CSV manifest, folder of classes, tar, or GTSRB folder'
    parser.add_argument('--data', type=Path, required=required, metavar='PATH', help=text)
    add_images_option(parser, "where a manifest's files are")
    parser.add_argument('--labels', type=Path, metavar='CSV|TXT', help='class names')
    text = 'part of a file path that identifies one physical object, such as "(.*)_[0-9]+"'
    parser.add_argument('--group', default='', metavar='REGEX', help=text)


def data_from(
    args: argparse.Namespace, known: 'Sequence[Label]' = (), group: str = ''
) -> 'DataSet':
    """
    Read what the options of :func:`add_data_arguments` name.

    :param known: the classes of a model, among which those of the data are found.
    :param group: the pattern of the model's own training.
    """
    from alexnet_ros.training.layouts import read_data

    pattern = args.group or group
    return read_data(args.data, args.images, args.labels, pattern, known=known, complete=not known)
