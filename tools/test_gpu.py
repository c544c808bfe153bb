"""
Run what needs an NVIDIA GPU and write the measurements down.

``python tools/test_gpu.py [pytest arguments]`` runs ``tests/gpu``. Rows that
were measured replace the part of ``docs/benchmarks.md`` between its two marker
lines; without a GPU nothing is changed and the reason is printed.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'benchmarks.md'
BEGIN, END = '<!-- gpu: written by tools/test_gpu.py -->', '<!-- gpu: end -->'
RESULTS_VARIABLE = 'ALEXNET_ROS_GPU_RESULTS'
HEAD = (
    'network',
    'runner',
    'precision',
    'batch',
    'p50 ms',
    'p99 ms',
    'weights MB',
    'bound ms',
    'p50 / bound',
)


def number(row: dict[str, Any], name: str, digits: int = 3) -> str:
    """Return a figure of a row, or a dash."""
    return f'{row[name]:.{digits}f}' if name in row else '-'


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown with what they were measured on."""
    devices = sorted({str(row['device']) for row in rows})
    speeds = sorted({f'{row["bandwidth_gb_s"]:.0f}' for row in rows if 'bandwidth_gb_s' in row})
    intro = (
        f'Measured on {", ".join(devices)} ({platform.machine()}, Python '
        f'{platform.python_version()}); memory copies at {", ".join(speeds) or "-"} GB/s. Bound: '
        'weight bytes over that bandwidth. Times are of one call of `infer`, host to host; '
        'PyTorch gets its input on the GPU already.'
    )
    lines = [intro, '', '| ' + ' | '.join(HEAD) + ' |', '|' + '---|' * len(HEAD)]
    for row in rows:
        share = f'{row["p50_ms"] / row["bound_ms"]:.1f}' if row.get('bound_ms') else '-'
        cells = (
            str(row['network']),
            str(row['runner']),
            str(row['precision']),
            str(row['batch']),
            number(row, 'p50_ms'),
            number(row, 'p99_ms'),
            number(row, 'weight_mb', 1),
            number(row, 'bound_ms'),
            share,
        )
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def write_page(text: str, page: Path = PAGE) -> None:
    """Replace what stands between the markers."""
    old = page.read_text(encoding='utf-8')
    before, found, rest = old.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f'{page} lacks the lines {BEGIN!r} and {END!r}; put them back')
    draft = page.with_name(f'.{page.name}.tmp')
    draft.write_text(f'{before}{BEGIN}\n{text}\n{END}{after}', encoding='utf-8')
    draft.replace(page)


def main(arguments: list[str]) -> int:
    """Run the tests; returns pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / 'rows.json'
        command = [sys.executable, '-m', 'pytest', 'tests/gpu', *arguments]
        environment = {**os.environ, RESULTS_VARIABLE: str(results)}
        status = subprocess.call(command, cwd=ROOT, env=environment)
        rows = json.loads(results.read_text(encoding='utf-8')) if results.exists() else []
    if rows:
        write_page(table(rows))
        print(f'{len(rows)} rows written to {PAGE.relative_to(ROOT)}')
    else:
        print('nothing was measured: no test could run on a GPU (see the reasons above)')
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
