"""
Everything in one run: ``make bench``.

Runs the engines beside what users would take instead, then ``alexnet_ros
bench`` (network, cameras, whole recognitions, the node as a process), writes
``docs/benchmarks.json`` and the tables of ``docs/benchmarks.md``, and says which
ratios moved against the committed file: ratios taken within one run, since
absolute times say more about the machine and its neighbours than about the code.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from alexnet_ros.bench.machine import machine
from alexnet_ros.bench.timing import table
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ScoreSpec, write_package

ROOT = Path(__file__).resolve().parents[1]
PAGE, DATA = ROOT / 'docs/benchmarks.md', ROOT / 'docs/benchmarks.json'
BEGIN, END = '<!-- bench: written by make bench -->', '<!-- bench: end -->'
WORK = ROOT / 'build/bench'
TOLERANCE = 0.25  # a ratio may move so far by noise on a shared machine


def command(*words: object) -> list:
    """Run one part with this interpreter and return the JSON values of its lines."""
    words = [sys.executable, *map(str, words)]
    print('measuring:', *words[1:3], file=sys.stderr)
    done = subprocess.run(words, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(f'{words[1]} ended with {done.returncode}: rows of it are missing', file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def slow_package(folder: Path) -> Path:
    """Write AlexNet of 2012 in FP32 with random weights as a package: a slow network."""
    sys.path.insert(0, str(ROOT / 'benchmarks'))
    from networks import form

    write_package(
        folder,
        name='slow',
        version='1',
        input=InputSpec(227, 227),
        labels=Labels([Label(i, f'class {i}', 'object') for i in range(1000)]),
        files={'fp32': form('2012-fp32', WORK).path},
        scores=ScoreSpec(),
        architecture={'variant': '2012', 'classes': 1000},
        metrics={},
        origin={'weights': 'random, for benchmarks only'},
    )
    return folder


def measure(args: argparse.Namespace) -> dict:
    """Run all parts and return one object."""
    common = ('--model', args.model, '--rounds', args.rounds)
    rows = [*command('benchmarks/engines.py', *common)]
    rows += command('benchmarks/ingest.py', '--rounds', args.rounds)
    rows += command('benchmarks/street.py', *common)
    rows += command('benchmarks/regions.py', *common)
    node = ('--seconds', args.seconds, '--slow-model', slow_package(WORK / 'slow'))
    rows += command('-m', 'alexnet_ros', 'bench', '--json', *common, *node)
    facts = {key: value for row in rows if 'group' not in row for key, value in row.items()}
    rows = [row for row in rows if 'group' in row]
    return {
        'date': datetime.now(timezone.utc).date().isoformat(),
        'machine': facts.get('machine', machine()) | {'load_at_end': machine()['load_1min']},
        'default': facts.get('default'),
        'rows': [row for row in rows if row['group'] != 'node'],
        'node': [row for row in rows if row['group'] == 'node'],
    }


def moved(
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
    tolerance: float = TOLERANCE,
) -> list[str]:
    """Say which ratios moved by more than a fraction, and which rows came or went."""
    before = {(row['group'], row['name']): row for row in old if 'faster' in row}
    after = {(row['group'], row['name']): row for row in new if 'faster' in row}
    lines = []
    for key, row in after.items():
        if key not in before:
            lines.append(f'new: {key[0]}: {key[1]}')
            continue
        was, now = float(before[key]['faster']), float(row['faster'])
        if was > 0 and abs(now / was - 1) > tolerance:
            word = 'slower' if now < was else 'faster'
            lines.append(
                f'{word}: {key[0]}: {key[1]}: {was:.2f} to {now:.2f} times {row["baseline"]}'
            )
    lines += [f'gone: {key[0]}: {key[1]}' for key in before if key not in after]
    return lines


def targets(result: dict) -> list[dict]:
    """Return what the design asks for beside what was measured; what was not run is left out."""
    found = {(row['group'], row['name']): row for row in (*result['rows'], *result['node'])}
    default = result['default'] or 'ONNX Runtime'
    shipped = f'alexnet_ros shipped, {default}'
    node = 'p95 over the engine alone, stamp to result'
    asked = {  # what: group, row, figure, asked, beyond
        f'AlexNet as shipped at batch 1 ({default}, the default here), times PyTorch FP32': (
            *('batch 1', shipped, 'faster', '14', '20'),
        ),
        'sign mode, street frames at 1920x1080, times YOLOv8n at 640x640': (
            *('street 1920x1080', 'sign mode, street frames, the default', 'faster', '2.5', '4'),
        ),
        'four cameras in one batch, times four runs': (
            *('cameras', '4 in one batch', 'faster', '1.7', '2'),
        ),
        f'{node}, 640x480 raw, ms': ('node', '640x480 raw', 'over_engine_p95_ms', '4', '3'),
        f'{node}, 1920x1080 raw, ms': ('node', '1920x1080 raw', 'over_engine_p95_ms', '10', '7'),
        "share of the processor's INT8 peak, batch 1": ('batch 1', shipped, 'int8_peak', '', ''),
        "share of the processor's INT8 peak, batch 8": (
            *('batch 8', shipped, 'int8_peak', '0.4', '0.6'),
        ),
    }
    return [
        {'what': what, 'asked': least, 'beyond': best, 'measured': found[group, name][key]}
        for what, (group, name, key, least, best) in asked.items()
        if key in found.get((group, name), ())
    ]


def page(result: dict) -> str:
    """Return the tables of one run as Markdown."""
    facts, rows = result['machine'], result['rows']
    versions = ', '.join(f'{name} {version}' for name, version in facts['versions'].items())
    text = [
        (
            f'Measured on {result["date"]}: {facts["processor"]}, {facts["cores"]} cores, '
            f'{facts["memory_gib"]} GiB, one core reads {facts["read_bandwidth_gb_s"]} GB/s, '
            f'{facts["system"]}, Python {facts["python"]}, {versions}; load {facts["load_1min"]} '
            f'before and {facts["load_at_end"]} after. Times are medians of alternating rounds.'
        ),
        '### Asked and measured',
        table(
            targets(result),
            {'what': 'what', 'asked': 'asked', 'beyond': 'beyond', 'measured': 'measured'},
        ),
        '### Engines',
        table(
            [row for row in rows if row['group'].startswith('batch')],
            {
                'group': 'batch',
                'name': 'engine',
                'median_ms': 'median ms',
                'spread_low_ms': 'least',
                'spread_high_ms': 'most',
                'faster': 'times PyTorch eager',
                'weights_mb': 'file MB',
                'bound_ms': 'bound ms',
                'peak_mb': 'peak memory MB',
                'int8_peak': 'share of INT8 peak',
            },
        ),
        "The bound is the file's bytes over the speed at which one core reads memory.",
        '### Classes',
        table(
            [row for row in rows if row['group'] == 'classes'],
            {'name': 'shipped shape, INT8', 'median_ms': 'median ms', 'weights_mb': 'file MB'},
        ),
        '### Backends of this package',
        table(
            [row for row in rows if row['group'] == 'engine'],
            {
                'name': 'backend',
                'median_ms': 'median ms',
                'p95_ms': 'p95 ms',
                'faster': 'times ONNX Runtime on the CPU',
            },
        ),
        '### Street frames, beside a detector in the same runtime',
        table(
            [row for row in rows if row['group'] == 'street 1920x1080'],
            {
                'name': '1920x1080',
                'median_ms': 'median ms',
                'p95_ms': 'p95 ms',
                'faster': 'times YOLOv8n',
            },
        ),
        '### Cameras: one batch against one run each',
        table(
            [row for row in rows if row['group'] == 'cameras'],
            {
                'name': '640x480 cameras',
                'median_ms': 'median ms',
                'faster': 'frames a second, ratio',
            },
        ),
        '### Ingest: message to network input',
        table(
            [row for row in rows if row['group'] == 'ingest'],
            {
                'name': 'frame, case',
                'p50_ms': 'p50 ms',
                'p95_ms': 'p95 ms',
                'faster': 'times the usual way',
            },
        ),
        '### Regions in a frame',
        table(
            [row for row in rows if row['group'] == 'regions'],
            {'name': 'given boxes', 'median_ms': 'median ms', 'faster': 'times one region'},
        ),
        '### Whole recognitions, stage by stage (medians, ms)',
        table(
            [row for row in rows if row['group'] == 'recognizer'],
            {
                'name': 'mode, frame',
                'median_ms': 'all',
                'regions_ms': 'regions',
                'preprocess_ms': 'preprocess',
                'engine_ms': 'engine',
                'postprocess_ms': 'postprocess',
                'tracking_ms': 'tracking',
                'detections': 'detections',
                'frames_per_s': 'frames/s',
            },
        ),
        '### The node as a process: stamp to result',
        table(
            result['node'],
            {
                'name': 'input',
                'sent_hz': 'sent Hz',
                'delivered': 'delivered',
                'latency_p50_ms': 'p50 ms',
                'latency_p95_ms': 'p95 ms',
                'latency_p99_ms': 'p99 ms',
                'engine_p50_ms': 'engine alone ms',
                'over_engine_p95_ms': 'p95 over engine ms',
                'cpu_ms_per_result': 'CPU ms per result',
                'rss_mb': 'memory MB',
                'first_result_s': 'start to first result s',
                'idle_cpu_cores': 'idle cores',
            },
        ),
    ]
    return '\n\n'.join(text)


def main() -> int:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='signs')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=4.0, help='each run of the node')
    parser.add_argument('--write', action='store_true', help='write docs/benchmarks.{json,md}')
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    result = measure(args)
    print(page(result))
    worse: list[str] = []
    if DATA.exists():
        lines = moved(json.loads(DATA.read_text())['rows'], result['rows'])
        print('\n'.join(['', 'Against the committed figures:', *(lines or ['nothing moved'])]))
        worse = [line for line in lines if line.startswith('slower')]
    (WORK / 'benchmarks.json').write_text(json.dumps(result, indent=1) + '\n')
    if args.write:
        DATA.write_text(json.dumps(result, indent=1) + '\n')
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f'{before}{BEGIN}\n{page(result)}\n{END}{after}')
        return 0
    return 1 if worse else 0


if __name__ == '__main__':
    sys.exit(main())
