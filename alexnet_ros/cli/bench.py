"""``alexnet_ros bench``: measure this machine, everything in one run."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_ros.bench.compare import moved, table
from alexnet_ros.bench.machine import machine
from alexnet_ros.bench.recognition import (
    Image,
    Row,
    camera_rows,
    engine_rows,
    region_rows,
    stage_rows,
)
from alexnet_ros.cli.options import above, add_model_option, add_number, whole
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.parent import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZES = ((640, 480), (960, 540), (1280, 720), (1920, 1080))  # of the drive's frames, pixels
PARTS = ('engine', 'cameras', 'regions', 'recognizer', 'node')
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
    'cpu_ms_per_result': 'CPU ms a result',
    'rss_mb': 'memory MB',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_option(parser)
    parser.add_argument(
        '--only', choices=PARTS, action='append', help='measure this part alone; repeat for more'
    )
    add_number(parser, '--rounds', whole(1, 1000), 5, 'N', 'alternating rounds')
    add_number(parser, '--seconds', above(0, 3600), 5.0, 'S', 'duration of each node run')
    parser.add_argument('--slow-model', help='slow model package, for the overload scenario')
    parser.add_argument(
        '--check', type=Path, metavar='FILE', help='report which ratios changed since FILE'
    )
    parser.add_argument('--json', action='store_true', help='one JSON object a row')


def run(args: argparse.Namespace) -> int:
    """Measure and print; 1 if ``--check`` found a ratio that got worse."""
    package = ModelPackage.load(args.model)
    parts = args.only or list(PARTS)
    facts = machine()
    rows = _recognition(package, parts, args.rounds)
    nodes = _nodes(args) if 'node' in parts else []
    if args.json:
        for row in ({'machine': facts}, *rows, *nodes):
            print(json.dumps(row))
    else:
        print(f'{facts["processor"]}, {facts["cores"]} cores, load {facts["load_1min"]}\n')
        print(table(rows, COLUMNS), end='\n\n')
        if nodes:
            print(table(nodes, NODE_COLUMNS))
    if args.check:
        return _check(args.check, rows)
    return 0


def _recognition(package: ModelPackage, parts: list[str], rounds: int) -> list[Row]:
    """Return the rows that need no ROS."""
    frames = _drive_frames()
    vga = frames['640x480'][0]
    makers: Mapping[str, Callable[[], list[Row]]] = {
        'engine': lambda: engine_rows(package, rounds=rounds),
        'cameras': lambda: camera_rows(package, vga, rounds=rounds),
        'regions': lambda: region_rows(package, vga, rounds=rounds),
        'recognizer': lambda: stage_rows(package, frames, rounds=rounds),
    }
    rows: list[Row] = []
    for part in parts:
        if part in makers:
            print(f'measuring: {part}', file=sys.stderr)
            rows += makers[part]()
    return rows


def _drive_frames() -> dict[str, list[Image]]:
    """Return a frame a second of the rendered drive, at several sizes."""
    from alexnet_ros.synthetic.drive import drive_frames

    return {
        f'{width}x{height}': [
            frame.image_rgb
            for frame in drive_frames(size_wh=(width, height), rate_hz=1.0, duration_s=20.0)
        ]
        for width, height in SIZES
    }


def _nodes(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the node's scenarios, by the program that lies with the package's other files."""
    from alexnet_ros.ros.clients.dds_check import share_folders

    program = next((p for f in share_folders() if (p := f / 'benchmarks/node.py').is_file()), None)
    if program is None:
        raise AlexnetRosError('benchmarks/node.py is not installed: bench needs it for the node')
    words = [sys.executable, str(program), '--model', args.model, '--seconds', str(args.seconds)]
    words += ['--slow-model', args.slow_model] if args.slow_model else []
    done = subprocess.run(
        words, env=child_environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(path: Path, rows: list[Row]) -> int:
    """Compare with a committed file."""
    lines = moved(json.loads(path.read_text())['rows'], rows)
    for line in lines or ['no ratio moved beyond the noise']:
        print(line, file=sys.stderr)
    return 1 if any(line.startswith('slower') for line in lines) else 0
