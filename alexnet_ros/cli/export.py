"""``alexnet_ros export``: a checkpoint, torchvision's file or a foreign ONNX to a package."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_ros.cli.options import DATA_HELP, add_data_arguments, data_from
from alexnet_ros.errors import ConfigError

if TYPE_CHECKING:
    from alexnet_ros.model_package import ModelPackage

EPILOG = (
    DATA_HELP
    + """
Examples
  A checkpoint, with INT8 calibrated and everything measured on its held-out images:
    alexnet_ros export run/best.safetensors --data crops/ --output models/mine
  torchvision's ImageNet file (1000 classes, class_id and name in a CSV):
    alexnet_ros export alexnet-owt-7be5be79.pth --labels imagenet.csv --output models/imagenet
  A foreign ONNX classifier that takes float NCHW:
    alexnet_ros export --onnx model.onnx --mean 104,117,123 --scale 1 --colour bgr \\
      --labels classes.csv --output models/foreign
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        'checkpoint', type=Path, nargs='?', help="our .safetensors or torchvision's .pth"
    )
    add_data_arguments(parser, required=False)
    parser.add_argument(
        '--output',
        type=Path,
        required=True,
        metavar='DIR',
        help="folder of the package; its name is the model's",
    )
    parser.add_argument('--name', help="model name; by default the folder's")
    parser.add_argument('--version', default='1.0.0', help='of the model')
    parser.add_argument(
        '--precision',
        default='',
        metavar='LIST',
        help='files to keep, such as int8,fp32; by default int8 with --data, else fp32',
    )
    parser.add_argument('--role', default='sign', help='role of the classes in labels.csv')
    parser.add_argument('--licence', default='Apache-2.0', help='of the weights')
    parser.add_argument('--note', default='', help='goes into the metrics')
    foreign = parser.add_argument_group('a foreign ONNX classifier')
    foreign.add_argument('--onnx', type=Path, metavar='FILE', help='takes float NCHW')
    foreign.add_argument(
        '--mean',
        default='0',
        metavar='V[,V,V]',
        help="subtracted from the 0-255 values, in the file's colour order",
    )
    foreign.add_argument('--scale', default='1', metavar='V[,V,V]', help='multiplied after that')
    foreign.add_argument(
        '--colour', default='rgb', choices=('rgb', 'bgr'), help="the file's colour order"
    )
    foreign.add_argument(
        '--size',
        type=int,
        default=0,
        metavar='PX',
        help='input side where the file leaves it open',
    )
    foreign.add_argument(
        '--resize',
        default='centre_crop',
        choices=('stretch', 'centre_crop'),
        help='how an image becomes the input',
    )


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Return one or three numbers."""
    try:
        values = tuple(float(word) for word in text.split(','))
    except ValueError:
        values = ()
    if len(values) not in (1, 3):
        raise ConfigError(f'{option} takes one or three numbers, got {text!r}')
    return values


def run(args: argparse.Namespace) -> int:
    """Export; prints the folder."""
    name = args.name or args.output.name
    if (args.checkpoint is None) == (args.onnx is None):
        print('export needs either a checkpoint or --onnx FILE', file=sys.stderr)
        return 2
    if args.onnx is not None:
        from alexnet_ros.training.imported import Preprocessing, wrap_package

        package = wrap_package(
            args.onnx,
            args.output,
            name=name,
            version=args.version,
            labels=args.labels,
            role=args.role,
            licence=args.licence,
            preprocessing=Preprocessing(
                numbers(args.mean, '--mean'),
                numbers(args.scale, '--scale'),
                args.colour,
                args.size,
                args.resize,
            ),
        )
    elif args.checkpoint.suffix in ('.pth', '.pt'):
        from alexnet_ros.training.imagenet import export_torchvision

        package = export_torchvision(
            args.checkpoint,
            args.output,
            labels=args.labels,
            name=name,
            version=args.version,
            precision=args.precision or 'fp16',
        )
    else:
        package = _from_checkpoint(args, name)
    sizes = ', '.join(f'{p} {f.bytes / 1e6:.2f} MB' for p, f in package.files.items())
    print(f'{args.output}: {sizes}')
    return 0


def _from_checkpoint(args: argparse.Namespace, name: str) -> 'ModelPackage':
    from alexnet_ros.training.export import export_package
    from alexnet_ros.training.prepare import measured_from
    from alexnet_ros.training.run import Data

    measured = None
    if args.data is not None:
        records, classes = data_from(args)
        measured = measured_from(Data(records, classes, args.data.name), args.checkpoint)
    precisions = args.precision or ('int8' if measured else 'fp32')
    return export_package(
        args.checkpoint,
        args.output,
        name=name,
        version=args.version,
        measured=measured,
        precisions=precisions.split(','),
        role=args.role,
        licence=args.licence,
        note=args.note,
        command='alexnet_ros ' + ' '.join(Path(w).name if '/' in w else w for w in sys.argv[1:]),
        report=lambda text: print(text, file=sys.stderr, flush=True),
    )
