"""``alexnet_ros export``: a checkpoint, weights from elsewhere or a foreign ONNX to a package."""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ros.cli.options import add_data_arguments, add_number, data_from, whole
from alexnet_ros.errors import ConfigError

if TYPE_CHECKING:
    from alexnet_ros.labels import Labels
    from alexnet_ros.training.export import Draft


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    text = ".safetensors of train, or an AlexNet's .pth, .pth.tar or .safetensors"
    parser.add_argument('checkpoint', type=Path, nargs='?', help=text)
    add_data_arguments(parser, required=False)
    text = "folder of the package; its name is the model's"
    parser.add_argument('--output', type=Path, required=True, metavar='DIR', help=text)
    parser.add_argument('--name', help="model name; by default the folder's")
    parser.add_argument('--version', default='1.0.0', help='of the model')
    text = 'files to keep, such as int8,fp32; by default int8 with --data, else fp32'
    parser.add_argument('--precision', default='', metavar='LIST', help=text)
    text = 'of classes that the labels give none: sign, object'
    parser.add_argument('--role', default='', help=text)
    parser.add_argument('--licence', default='unknown', help='of the weights')
    resizes = ('stretch', 'centre_crop')
    text = 'how an image becomes the input of a network trained elsewhere'
    parser.add_argument('--resize', default='centre_crop', choices=resizes, help=text)
    text = (
        'crops beside a CSV (file, class_id), those of the background class, to set the limit '
        'for unknown with; by default some are made'
    )
    parser.add_argument('--negatives', type=Path, metavar='CSV', help=text)
    foreign = parser.add_argument_group('a foreign ONNX classifier')
    text = 'takes NCHW or NHWC; float, half or uint8'
    foreign.add_argument('--onnx', type=Path, metavar='FILE', help=text)
    presets = ('imagenet', 'caffe', 'keras-caffe', '0-1', 'tf', 'none')
    text = 'normalisation: imagenet (torchvision), caffe (BGR minus mean), 0-1, tf (-1 to 1)'
    foreign.add_argument('--preset', choices=presets, help=text)
    text = "subtracted from the 0-255 values, in the file's colour order"
    foreign.add_argument('--mean', type=numbers, metavar='V[,V,V]', help=text)
    text = 'multiplied after that'
    foreign.add_argument('--scale', type=numbers, metavar='V[,V,V]', help=text)
    foreign.add_argument('--colour', choices=('rgb', 'bgr'), help="the file's colour order")
    text = 'input side where the file leaves it open'
    add_number(foreign, '--size', whole(0, 2048), 0, 'PX', text)
    heads = ('auto', 'softmax', 'sigmoid', 'probabilities')
    text = 'how its scores become probabilities; auto looks at the end of the graph'
    foreign.add_argument('--head', default='auto', choices=heads, help=text)


def numbers(text: str) -> tuple[float, ...]:
    """Read one or three finite numbers."""
    try:
        values = tuple(float(word) for word in text.split(','))
    except ValueError:
        values = ()
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise argparse.ArgumentTypeError(f'must be one or three numbers, got {text!r}')
    return values


def run(args: argparse.Namespace) -> int:
    """Export; prints the folder."""
    if (args.checkpoint is None) == (args.onnx is None):
        print('export needs either a checkpoint or --onnx FILE', file=sys.stderr)
        return 2
    if args.checkpoint is not None and args.checkpoint.suffix == '.onnx':
        args.onnx, args.checkpoint = args.checkpoint, None
    from alexnet_ros.training.drafts import measured_from
    from alexnet_ros.training.export import write_measured

    name = args.name or args.output.name
    draft, facts = _draft(args, name)
    measured = None
    if args.data is not None:
        group = facts.get('group', '') if facts else ''
        if facts and args.group and 'group' in facts and args.group != group:
            raise ConfigError(f'the run was trained with --group {group!r}, not {args.group!r}')
        if facts and args.labels is not None:
            _check_labels(args.labels, draft.labels)
        data = data_from(args, known=list(draft.labels), group=group)
        for note in data.notes:
            _report(note)
        measured = measured_from(data, facts, negatives_from=args.negatives)
    again = bool(draft.architecture.get('quantised'))  # in INT8 as it came
    elsewhere = args.onnx is None and facts is None
    default = 'int8' if measured and not again else 'fp16' if elsewhere else 'fp32'
    package = write_measured(
        args.output,
        draft,
        measured,
        (args.precision or default).split(','),
        command='alexnet_ros ' + ' '.join(Path(w).name if '/' in w else w for w in sys.argv[1:]),
        report=_report,
    )
    sizes = ', '.join(f'{p} {f.bytes / 1e6:.2f} MB' for p, f in package.files.items())
    print(f'{args.output}: {sizes}')
    return 0


def _report(text: object) -> None:
    print(text, file=sys.stderr, flush=True)


def _check_labels(path: Path, labels: 'Labels') -> None:
    """Refuse a label file that is not the checkpoint's own."""
    from alexnet_ros.training.layouts import labels_from

    given = [label.name for label in labels_from(path)]
    known = [label.name for label in labels if label.role != 'background']
    if given != known:
        raise ConfigError(
            f'{path} names {", ".join(given[:8])}; the checkpoint was trained on '
            f'{", ".join(known[:8])} in this order, which stays: leave --labels out'
        )


def _draft(args: argparse.Namespace, name: str) -> 'tuple[Draft, dict[str, Any] | None]':
    """Return what is exported, and the facts of a checkpoint of ``train``."""
    from alexnet_ros.training.checkpoint import is_checkpoint
    from alexnet_ros.training.layouts import labels_from

    common: dict[str, Any] = {
        'name': name,
        'version': args.version,
        'role': args.role,
        'licence': args.licence,
    }
    if args.checkpoint is not None and is_checkpoint(args.checkpoint):
        from alexnet_ros.training.drafts import draft_from_checkpoint

        draft, facts = draft_from_checkpoint(args.checkpoint, **common)
        if args.labels is not None and args.data is None:
            _check_labels(args.labels, draft.labels)
        return draft, facts
    common['labels'] = labels_from(args.labels) if args.labels else []
    if args.checkpoint is not None:
        from alexnet_ros.training.drafts import draft_from_weights
        from alexnet_ros.training.weights import read_weights

        weights = read_weights(args.checkpoint)
        return draft_from_weights(weights, resize=args.resize, **common), None
    from alexnet_ros.training.foreign import draft_from_onnx
    from alexnet_ros.training.foreign_wrap import PRESETS, Preprocessing
    from alexnet_ros.training.weights import refuse_caffe

    refuse_caffe(args.onnx)

    mean, scale, colour = PRESETS[args.preset or 'none']
    if args.preset is None and args.mean is None and args.scale is None:
        _report(
            'no normalisation given: the network gets pixels from 0 to 255; most want one, '
            'see --preset'
        )
    draft, found = draft_from_onnx(
        args.onnx,
        preprocessing=Preprocessing(
            args.mean or mean, args.scale or scale, args.colour or colour, args.size, args.resize
        ),
        head=args.head,
        **common,
    )
    _report(found)
    return draft, None
