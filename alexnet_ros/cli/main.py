"""
The ``alexnet_ros`` command: one sub-command a job.

A command is a module in this folder with ``add_arguments(parser)`` and
``run(args) -> int``; it is imported only when it is called, so that
``--help`` is quick and a missing optional package concerns its user alone.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from alexnet_ros import __version__
from alexnet_ros.errors import AlexnetRosError

COMMANDS = {  # name: one line for --help; the module has the same name
    'classify': 'classify whole images',
    'recognize': 'find and classify signs in images and videos',
    'evaluate': 'measure accuracy on labelled crops',
    'train': 'train AlexNet on labelled images',
    'compress': 'factor the fully connected layers and fine-tune',
    'export': 'turn a checkpoint into a model package',
    'build': 'compile an engine ahead of time',
    'replay': 'run a bag through the recognizer and write a report',
    'play': 'play a bag into running nodes',
    'collect': 'turn a bag into a folder of images to label',
    'bench': 'measure this machine',
    'doctor': 'check ROS, DDS, GPU, TensorRT and the models',
    'demo': 'run the whole chain on a rendered or a given drive',
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :returns: 0 done, 1 the job failed (one line on standard error), 2 usage.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog='alexnet_ros', description='AlexNet image recognition for ROS 2.'
    )
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    chosen = next((word for word in words if not word.startswith('-')), None)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + '.')
        if name == chosen:
            module = importlib.import_module(f'alexnet_ros.cli.{name}')
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    args = parser.parse_args(words)
    try:
        code: int = args.run(args)
    except AlexnetRosError as error:
        print(f'alexnet_ros {args.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'alexnet_ros {args.command}: stopped', file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == '__main__':
    sys.exit(main())
