"""``alexnet_ros bench``: measure this machine, everything in one run."""

import argparse
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from alexnet_ros.bench.machine import machine
from alexnet_ros.bench.recognition import Image, Row, camera_rows, engine_rows, stage_rows
from alexnet_ros.bench.timing import table
from alexnet_ros.cli.options import above, add_model_option, add_number, whole
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.files import share_folders
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.parent import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZES = ((640, 480), (960, 540), (1280, 720), (1920, 1080))  # of the drive's frames, pixels
NODE = 'node'
PARTS: 'Mapping[str, Callable[..., list[Row]]]' = {  # those that need no ROS
    'engine': lambda package, _frames, rounds: engine_rows(package, rounds=rounds),
    'cameras': lambda package, frames, rounds: camera_rows(
        package, frames['640x480'][0], rounds=rounds
    ),
    'recognizer': lambda package, frames, rounds: stage_rows(package, frames, rounds=rounds),
}
COLUMNS = {
    'group': 'group',
    'name': 'case',
    'median_ms': 'median ms',
    'p95_ms': 'p95 ms',
    'faster': 'times faster than',
    'baseline': 'the baseline',
}
NODE_COLUMNS = {
    'name': 'node',
    'delivered': 'delivered',
    'latency_p50_ms': 'p50 ms',
    'latency_p95_ms': 'p95 ms',
    'latency_p99_ms': 'p99 ms',
    'results_hz': 'results/s',
    'cpu_ms_per_result': 'CPU ms per result',
    'rss_mb': 'memory MB',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_option(parser)
    text = 'measure this part alone; repeat for more'
    parser.add_argument('--only', choices=(*PARTS, NODE), action='append', help=text)
    add_number(parser, '--rounds', whole(1, 1000), 5, 'N', 'alternating rounds')
    add_number(parser, '--seconds', above(0, 3600), 5.0, 'S', 'duration of each node run')
    parser.add_argument('--slow-model', help='slow model package, for the overload scenario')
    parser.add_argument('--json', action='store_true', help='one JSON object a row')


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    package, facts = ModelPackage.load(args.model), machine()
    parts = args.only or [*PARTS, NODE]
    frames = _drive_frames() if set(parts) & {'cameras', 'recognizer'} else {}
    rows: list[Row] = []
    for part in PARTS:
        if part in parts:
            print(f'measuring: {part}', file=sys.stderr)
            rows += PARTS[part](package, frames, args.rounds)
    nodes = _nodes(args) if NODE in parts else []
    if args.json:
        for row in ({'machine': facts}, *rows, *nodes):
            print(json.dumps(row))
        return 0
    print(f'{facts["processor"]}, {facts["cores"]} cores, load {facts["load_1min"]}')
    for found, columns in ((rows, COLUMNS), (nodes, NODE_COLUMNS)):
        if found:
            print(f'\n{table(found, columns)}')
    return 0


def _drive_frames() -> dict[str, list[Image]]:
    """Return a frame a second of the rendered drive, at several sizes."""
    from alexnet_ros.synthetic.drive import drive_frames

    return {
        f'{size_wh[0]}x{size_wh[1]}': [
            frame.image_rgb
            for frame in drive_frames(size_wh=size_wh, rate_hz=1.0, duration_s=20.0)
        ]
        for size_wh in SIZES
    }


def _nodes(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the node's scenarios, by the program that lies with the package's other files."""
    program = next((p for f in share_folders() if (p := f / 'benchmarks/node.py').is_file()), None)
    if program is None:
        raise AlexnetRosError('benchmarks/node.py is not installed: bench needs it for the node')
    words = [sys.executable, str(program), '--model', args.model, '--seconds', str(args.seconds)]
    words += ['--slow-model', args.slow_model] if args.slow_model else []
    done = subprocess.run(
        words, env=child_environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
