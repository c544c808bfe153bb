"""
The ``alexnet_ros`` command: one sub-command a job.

A command is a module in this folder with ``add_arguments(parser)`` and
``run(args) -> int``; it is imported only when it is called, so that
``--help`` is quick and a missing optional package concerns its user alone.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from alexnet_ros import __version__
from alexnet_ros.cli.guard import guarded

HELP = Path(__file__).with_name('help')
COMMANDS = {  # name: one line for --help; the module has the same name, with _
    'classify': 'classify whole images',
    'recognize': 'find and classify signs in images and videos',
    'evaluate': 'measure accuracy on labelled crops',
    'train': 'train AlexNet on labelled images',
    'train-finder': 'train the network that finds signs in frames',
    'features': 'make a start file for train from any AlexNet',
    'compress': 'factor the fully connected layers and fine-tune',
    'export': 'turn a checkpoint into a model package',
    'export-finder': 'put a finder into a model package',
    'build': 'compile an engine ahead of time',
    'replay': 'run a bag through the recognizer and write a report',
    'compare': 'compare two reports, with a gate',
    'bag': 'make a bag from videos, pictures or a camera',
    'play': 'play a bag into running nodes',
    'collect': 'turn a bag into a folder of images to label',
    'label': 'label pictures in the browser, live or recorded',
    'bench': 'measure this machine',
    'models': 'list the installed models, or describe one',
    'doctor': 'check ROS, DDS, GPU, TensorRT and the models',
    'demo': 'run the whole chain on a rendered or a given drive',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command: 0 done, 1 the job failed, told in one line, 2 wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith('-')), '')
    program = f'alexnet_ros {chosen}'.rstrip()
    return guarded(program, lambda: _run(words, chosen))


def make_parser(*names: str) -> argparse.ArgumentParser:
    """Return the parser of the program."""
    parser = argparse.ArgumentParser(
        prog='alexnet_ros', description='AlexNet image recognition for ROS 2.'
    )
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, text in COMMANDS.items():
        about = f'{text[0].upper()}{text[1:]}.'
        kept = argparse.RawDescriptionHelpFormatter
        sub = commands.add_parser(name, help=text, description=about, formatter_class=kept)
        if name in names:
            module = importlib.import_module(f'alexnet_ros.cli.{name.replace("-", "_")}')
            module.add_arguments(sub)
            sub.epilog = epilog(name)
            sub.set_defaults(run=module.run)
    return parser


def epilog(name: str) -> str:
    """Return what ``--help`` says of a command below its options, in its file of ``help/``."""
    file = HELP / f'{name}.txt'
    text = file.read_text(encoding='utf-8') if file.is_file() else ''
    return text.replace('{data}', (HELP / 'data.txt').read_text(encoding='utf-8'))


def _run(words: list[str], chosen: str) -> int:
    if '_ARGCOMPLETE' in os.environ:  # the shell asks what may be typed next
        line = os.environ.get('COMP_LINE', '').split()
        parser = make_parser(*line[1:2])
        importlib.import_module('argcomplete').autocomplete(parser)
    if chosen and chosen not in COMMANDS:
        near = difflib.get_close_matches(chosen, COMMANDS, n=1)
        hint = f'; did you mean {near[0]}?' if near else ''
        make_parser().error(f'there is no command {chosen}{hint} (see --help)')
    args = make_parser(chosen).parse_args(words)
    code: int = args.run(args)
    return code


if __name__ == '__main__':
    sys.exit(main())
