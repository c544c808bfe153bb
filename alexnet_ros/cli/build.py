"""``alexnet_ros build``: compile engines ahead of time."""

import argparse
import dataclasses
import json
from typing import Any

from alexnet_ros.cli.options import add_model_option, add_number, whole
from alexnet_ros.cli.progress import BuildBar
from alexnet_ros.config import TensorRtSettings, settings_from_mapping
from alexnet_ros.engine.tensorrt.api import load_tensorrt
from alexnet_ros.engine.tensorrt.engine import prepare
from alexnet_ros.engine.tensorrt.explain import Kernel, kernels_of, listing
from alexnet_ros.engine.tensorrt.plan import Plan
from alexnet_ros.errors import EngineCacheError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.signs.finder import MAX_CANVASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_model_option(parser)
    text = 'which TensorRT (default: tensorrt)'
    parser.add_argument(
        '--backend', choices=('tensorrt', 'tensorrt_rtx'), default='tensorrt', help=text
    )
    text = 'target GPU instead of the one in this machine; repeatable; tensorrt_rtx only'
    parser.add_argument('--compute-capability', action='append', metavar='X.Y', help=text)
    which = parser.add_mutually_exclusive_group()
    text = "repeatable (default: the model's own choice)"
    which.add_argument('--precision', action='append', choices=('int8', 'fp16', 'fp32'), help=text)
    which.add_argument('--all', action='store_true', help='build every precision of the model')
    text = "largest batch; must match the node's max_batch"
    add_number(parser, '--max-batch', whole(1, 256), 16, 'N', text)
    text = 'engine cache (default: alexnet_ros in $XDG_CACHE_HOME or ~/.cache)'
    parser.add_argument('--cache-dir', metavar='DIR', help=text)
    text = 'list the kernels of the engine: types, fused layers, weights'
    parser.add_argument('--explain', action='store_true', help=text)
    parser.add_argument(
        '--rebuild', action='store_true', help='build even if the engine is cached'
    )
    for field in dataclasses.fields(TensorRtSettings):
        if field.name == 'cuda_graph':  # plays no role in a build
            continue
        option = '--' + field.name.replace('_', '-')
        text = f'{field.metadata["text"].rstrip(".")} (default: {field.default})'
        if isinstance(field.default, bool):
            parser.add_argument(
                option, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(option, type=type(field.default), metavar='X', help=text)
    parser.add_argument('--json', action='store_true', help='print one JSON object an engine')


def run(args: argparse.Namespace) -> int:
    """Build what is asked for."""
    names = [field.name for field in dataclasses.fields(TensorRtSettings)]
    given = {name: getattr(args, name, None) for name in names}
    settings = settings_from_mapping(
        TensorRtSettings, {name: value for name, value in given.items() if value is not None}
    )
    package = ModelPackage.load(args.model)
    precisions = list(package.files) if args.all else args.precision or [None]
    for precision in precisions:
        for capability in args.compute_capability or [None]:
            chosen = {'settings': settings, 'compute_capability': capability}
            built = [_built(args, package, args.max_batch, precision=precision, **chosen)]
            if package.finder is not None:
                built.append(_built(args, package.finder, MAX_CANVASES, **chosen))
            _print(built, as_json=args.json)
    return 0


def _built(
    args: argparse.Namespace, package: ModelPackage, max_batch: int, **options: Any
) -> tuple[Plan, list[Kernel] | None]:
    """Build one network; returns its kernels, too, if they are asked for."""
    again = args.explain and args.backend == 'tensorrt_rtx'  # only its builder tells the kernels
    with BuildBar() as bar:
        plan = prepare(
            package,
            args.backend,
            max_batch=max_batch,
            cache_dir=args.cache_dir,
            progress=bar,
            rebuild=args.rebuild or again,
            **options,
        )
    if plan.path is None:
        raise EngineCacheError(
            f'the engine {plan.key.name} was built but could not be saved; free disk space or '
            'give another --cache-dir'
        )
    if not args.explain:
        return plan, None
    return plan, kernels_of(load_tensorrt(args.backend), plan.data, plan.layers)


def _print(built: list[tuple[Plan, list[Kernel] | None]], *, as_json: bool) -> None:
    """Say what is there now: the classifier's engine and the finder's, if it has one."""
    rows = []
    for plan, kernels in built:
        facts: dict[str, Any] = {
            'engine': str(plan.path),
            'cached': plan.cached,
            'seconds': round(plan.seconds, 3),
            'bytes': len(plan.data),
        }
        if kernels is not None:
            facts |= {'precision': plan.key.precision, 'kernels': [k.as_dict() for k in kernels]}
        rows.append(facts)
        if not as_json:
            done = 'already there' if plan.cached else f'built in {plan.seconds:.1f} s'
            print(f'{plan.path}: {done}, {len(plan.data) / 1e6:.1f} MB', flush=True)
            if kernels is not None:
                print(listing(kernels), flush=True)
    if as_json:
        print(json.dumps(rows[0] | ({'finder': rows[1]} if len(rows) > 1 else {})), flush=True)
