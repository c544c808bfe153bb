"""What the commands share: options for the model, JSON lines, errors, names of files."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_ros.config import RecognizerSettings
from alexnet_ros.engine.progress import ProgressPrinter
from alexnet_ros.engine.select import CANDIDATES
from alexnet_ros.recognizer import Recognizer


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Declare which model runs and on what."""
    parser.add_argument('--model', required=True, metavar='M', help='model name or folder')
    parser.add_argument(
        '--backend',
        choices=tuple(CANDIDATES),
        default='auto',
        help='what runs the network (default: auto, TensorRT where it works)',
    )
    parser.add_argument(
        '--precision', choices=('int8', 'fp16', 'fp32'), help="default: the model's smallest"
    )
    parser.add_argument(
        '--threads',
        type=whole(0, 256),
        default=0,
        metavar='N',
        help='CPU threads of the network (default: 0, chosen by the engine)',
    )


def open_recognizer(args: argparse.Namespace, settings: RecognizerSettings) -> Recognizer:
    """
    Load the model that the options name, showing an engine's build.

    :param args: parsed, with the options of :func:`add_model_options`.
    """
    printer = ProgressPrinter()
    try:
        return Recognizer.open(
            args.model,
            backend=args.backend,
            settings=settings,
            precision=args.precision,
            threads=args.threads,
            progress=printer,
        )
    finally:
        printer.close()


class whole:  # noqa: N801 - used as a function
    """
    A type for argparse: a whole number in a closed range.

    :param low: the least.
    :param high: the most.
    """

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __call__(self, text: str) -> int:
        """Read the number."""
        try:
            value = int(text)
        except ValueError:
            value = self.low - 1
        if not self.low <= value <= self.high:
            raise argparse.ArgumentTypeError(
                f'must be a whole number from {self.low} to {self.high}, got {text!r}'
            )
        return value


def share(text: str) -> float:
    """Read a number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:  # NaN is not in it
        raise argparse.ArgumentTypeError(f'must be a number from 0 to 1, got {text!r}')
    return value


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object as one line, at once; NaN is refused, JSON has none."""
    print(json.dumps(values, allow_nan=False), flush=True)


def print_error(command: str, text: str) -> None:
    """Print one line about something that failed, to standard error."""
    print(f'alexnet_ros {command}: {" ".join(text.split())}', file=sys.stderr, flush=True)


def shown_path(path: Path) -> str:
    """Return a path as text that any terminal and any JSON reader takes."""
    return os.fsencode(path).decode('utf-8', 'replace')
