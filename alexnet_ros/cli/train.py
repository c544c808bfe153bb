"""``alexnet_ros train``: labelled images to a checkpoint."""

import argparse
import contextlib
import ctypes
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from alexnet_ros.cli.options import add_data_arguments, add_number, data_from, whole
from alexnet_ros.config import flat_fields

MALLOPT = {  # of glibc's malloc.h: its defaults make training three times as slow by page faults
    -1: 1_000_000_000,  # M_TRIM_THRESHOLD, bytes
    -2: 500_000_000,  # M_TOP_PAD, bytes
    -3: 1_000_000_000,  # M_MMAP_THRESHOLD, bytes
    -8: 2,  # M_ARENA_MAX
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the settings come from their own declaration."""
    from alexnet_ros.training.settings import OLD_NAMES, TrainSettings

    add_data_arguments(parser)
    parser.add_argument('--output', type=Path, metavar='DIR', help='folder of the run')
    parser.add_argument(
        '--preview', type=Path, metavar='PNG', help='only draw what augmentation makes of the data'
    )
    text = 'go on for N steps where the run in --output had ended'
    add_number(parser, '--more-steps', whole(0, 100_000_000), 0, 'N', text)
    add_run_options(parser, TrainSettings, OLD_NAMES)


def add_run_options(
    parser: argparse.ArgumentParser, settings: type, old_names: Mapping[str, str]
) -> None:
    """
    Declare how a run of training goes, its settings among the options.

    :param old_names: former names of settings, hidden and taken for one release.
    """
    parser.add_argument(
        '--recipe', type=Path, metavar='YAML', help='settings by name; options override it'
    )
    parser.add_argument(
        '--restart', action='store_true', help='begin anew even where a checkpoint lies'
    )
    parser.add_argument(
        '--device', default='auto', choices=('auto', 'cpu', 'cuda'), help='where to compute'
    )
    add_number(parser, '--cores', whole(0, 1024), 0, 'N', 'CPU threads for the network; 0 = all')
    group = parser.add_argument_group('settings (also names in a recipe)')
    fields = flat_fields(settings)
    for name, field in fields.items():
        add_setting(group, name, field)
    for old, name in old_names.items():
        if name in fields:
            add_setting(group, name, fields[name], old)


def overrides_of(args: argparse.Namespace, settings: type) -> dict[str, Any]:
    """Return the settings that were given as options."""
    names = flat_fields(settings)
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def add_setting(group: Any, name: str, field: dataclasses.Field[Any], old: str = '') -> None:
    """
    Declare one setting as an option without a default, so that recipes show through.

    :param old: its former name, which is taken and not shown.
    """
    text = f'{field.metadata["text"]} Default: {field.default!r}.'.replace('%', '%%')
    how: dict[str, Any] = {
        'type': type(field.default),
        'choices': field.metadata['choices'] or None,
    }
    if isinstance(field.default, bool):
        how = {'action': argparse.BooleanOptionalAction}
    elif not how['choices']:
        how['metavar'] = type(field.default).__name__.upper()
    group.add_argument(
        '--' + (old or name).replace('_', '-'),
        dest=name,
        default=None,
        help=argparse.SUPPRESS if old else text,
        **how,
    )


def progress_bar() -> Callable[[float, int, float], None]:
    """Return what shows progress from 0 to 1, the step and the loss."""
    bar = tqdm(total=1.0, leave=False, bar_format='{percentage:3.0f}%|{bar}| {remaining} {desc}')

    def show(progress: float, step: int, loss: float) -> None:
        if not bar.n:  # a resumed run: what is already done took no time
            bar.initial = bar.n = progress
        bar.set_description_str(f'left, step {step}, loss {loss:.3f}', refresh=False)
        bar.update(progress - bar.n)

    return show


def tune_malloc() -> None:
    """Let glibc keep the memory that every step frees and takes again."""
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOPT.items():
            mallopt(parameter, value)


def run(args: argparse.Namespace) -> int:
    """Train; 0 when the run reached its end or was asked to stop."""
    tune_malloc()
    from alexnet_ros.training.run import architecture_for, train
    from alexnet_ros.training.settings import TrainSettings, settings_for
    from alexnet_ros.training.state import join_workers

    settings = settings_for(args.recipe, overrides_of(args, TrainSettings))
    data = data_from(args)
    if args.preview is not None:
        from alexnet_ros.training.reports import write_preview

        size = architecture_for(settings, max(2, len(data.labels))).size_px
        count = write_preview(settings, data, args.preview, size)
        print(f'{args.preview}: {count} pictures as the network sees them in training')
        return 0
    if args.output is None:
        print('train needs --output DIR (or --preview FILE)', file=sys.stderr)
        return 2
    workers = join_workers(args.device, args.cores)
    try:
        figures = train(
            settings,
            data,
            args.output,
            resume=not args.restart,
            more_steps=args.more_steps,
            workers=workers,
            on_step=progress_bar() if workers.first and sys.stderr.isatty() else None,
            report=lambda text: tqdm.write(text, file=sys.stderr) if workers.first else None,
        )
    finally:
        workers.close()
    if workers.first:
        shown = ', '.join(f'{name} {value:.4f}' for name, value in figures.items())
        print(f'{args.output / "checkpoint.safetensors"}: {shown or "nothing to do"}')
    return 0
