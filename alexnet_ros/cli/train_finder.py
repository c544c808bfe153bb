"""``alexnet_ros train-finder``: annotated frames to a finder's checkpoint."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ros.cli.train import add_run_options, overrides_of, progress_bar, tune_malloc
from alexnet_ros.config import settings_from_mapping

if TYPE_CHECKING:
    from alexnet_ros.training.finder_data import FinderData


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where a finder's pictures come from."""
    parser.add_argument(
        '--frames', type=Path, nargs='+', required=True, metavar='JSON', help='annotated frames'
    )
    several: dict[str, Any] = {'type': Path, 'nargs': '+', 'default': []}
    parser.add_argument('--crops', metavar='CSV', help='objects to paste', **several)
    text = 'shows none of the objects'
    parser.add_argument('--background-video', metavar='FILE', help=text, **several)


def data_from(args: argparse.Namespace) -> 'FinderData':
    """Return what :func:`add_data_arguments` took."""
    from alexnet_ros.training.finder_data import FinderData

    return FinderData(args.frames, args.crops, args.background_video)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the settings come from their own declaration."""
    from alexnet_ros.training.settings import OLD_NAMES, FinderTrainSettings

    add_data_arguments(parser)
    parser.add_argument(
        '--output', type=Path, required=True, metavar='DIR', help='folder of the run'
    )
    add_run_options(parser, FinderTrainSettings, OLD_NAMES)


def run(args: argparse.Namespace) -> int:
    """Train; 0 when the run reached its end."""
    tune_malloc()
    from tqdm import tqdm

    from alexnet_ros.training.finder_train import train_finder
    from alexnet_ros.training.settings import FinderTrainSettings, read_recipe

    values = read_recipe(args.recipe) | overrides_of(args, FinderTrainSettings)
    losses = train_finder(
        settings_from_mapping(FinderTrainSettings, values),
        data_from(args),
        args.output,
        resume=not args.restart,
        device=args.device,
        cores=args.cores,
        on_step=progress_bar() if sys.stderr.isatty() else None,
        report=lambda text: tqdm.write(text, file=sys.stderr),
    )
    shown = ', '.join(f'{name} {value:.4f}' for name, value in losses.items())
    print(f'{args.output / "checkpoint.safetensors"}: {shown}')
    return 0
