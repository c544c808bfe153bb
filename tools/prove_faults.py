"""
Show that the fault suite notices faults: break the package, expect a failure.

Every breakage of ``tests/faults/mutants.py`` is put into a copy of the package
and of the tests in a temporary folder, and the test that must notice it runs
there. The checkout is never touched. Results are kept in ``build/faults.json``,
so a run that was stopped goes on where it was; ``--again`` begins anew. They go
into ``docs/reliability.md``; the exit status is 1 if a breakage went unnoticed.
"""

import argparse
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COPIED = ('alexnet_ros', 'tests', 'config', 'launch')
LEFT_OUT = ('.git', 'build', 'install', 'log')
BEGIN, END = '<!-- table of breakages: begin -->', '<!-- table of breakages: end -->'
KEPT = ROOT / 'build' / 'faults.json'
LIMIT_S = 600.0
DEADLINE_S = 40.0  # a failing test waits this long for what cannot come
FAILED = 1  # pytest's exit status when tests ran and some failed


def shadow(folder: Path) -> Path:
    """Make a checkout whose package and tests are copies and whose rest are links."""
    for one in ROOT.iterdir():
        if one.name in COPIED:
            shutil.copytree(
                one, folder / one.name, ignore=shutil.ignore_patterns('__pycache__'))
        elif one.name not in LEFT_OUT:
            (folder / one.name).symlink_to(one)
    robot = folder / 'tests' / 'ros' / 'robot.py'
    shorter = f'DEADLINE_S = {DEADLINE_S}'
    robot.write_text(re.sub('(?m)^DEADLINE_S = [0-9.]+', shorter, robot.read_text()))
    return folder


def place_of(mutant: Any, root: Path) -> Path:
    """Return the file that a breakage alters."""
    inside = root / 'alexnet_ros' / mutant.file
    return inside if inside.exists() else root / mutant.file


def fault_of(mutant: Any) -> str:
    """Return why a breakage cannot be applied, empty if it can."""
    path = place_of(mutant, ROOT)
    if not path.exists():
        return f'{mutant.file} is gone'
    count = path.read_text().count(mutant.old)
    return '' if count == 1 else f'{mutant.file} has its text {count} times, not once'


def tried(mutant: Any, root: Path) -> tuple[str, str]:
    """
    Run one test against one breakage.

    :returns: ``noticed``, ``UNNOTICED`` or ``ERROR``, and pytest's last words.
    """
    path = place_of(mutant, root)
    whole = path.read_text()
    path.write_text(whole.replace(mutant.old, mutant.new))
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-x', '-q', '-p', 'no:cacheprovider', mutant.test],
            cwd=root, capture_output=True, text=True, timeout=LIMIT_S, check=False,
            env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
        )
        code, text = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, text = -1, f'E   no end after {LIMIT_S:g} s'
    finally:
        path.write_text(whole)
    reasons = [line[1:].strip() for line in text.splitlines() if line.startswith('E  ')]
    if code == FAILED:
        return 'noticed', reasons[0] if reasons else ''
    last = (text.strip().splitlines() or [''])[-1]
    return ('UNNOTICED' if code == 0 else 'ERROR'), last


def key_of(mutant: Any) -> str:
    """Return what a kept result belongs to: any change of a breakage makes it void."""
    return '\n'.join(mutant)


def write(mutants: list[Any], kept: dict[str, list[str]]) -> None:
    """Put the table into the document."""
    from tests.faults.table import between

    outcomes = [kept.get(key_of(one), ['not run', '']) for one in mutants]
    counts = Counter(outcome for outcome, _ in outcomes)
    lines = [
        f'{counts["noticed"]} of {len(mutants)} breakages noticed, {counts["not run"]} not run.',
        '', '| group | breakage | in | test | outcome |', '|---|---|---|---|---|',
    ]
    for mutant, (outcome, day) in zip(mutants, outcomes, strict=True):
        test = mutant.test.rsplit('/', 1)[1].replace('|', '/')
        lines.append(
            f'| {mutant.group} | {mutant.what} | `{mutant.file}` | `{test}` | {outcome} {day} |')
    path = ROOT / 'docs' / 'reliability.md'
    path.write_text(between(path.read_text(), BEGIN, END, '\n'.join(lines)))


def in_turn(mutants: list[Any]) -> list[Any]:
    """Return one breakage of each group first, then the second ones, and so on."""
    seen: Counter[str] = Counter()
    ranks = []
    for one in mutants:
        ranks.append(seen[one.group])
        seen[one.group] += 1
    return [one for _, one in sorted(zip(ranks, mutants, strict=True), key=lambda pair: pair[0])]


def main() -> int:
    """Try all breakages, or those whose group or words are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('words', nargs='*', help='only breakages with this in group or text')
    parser.add_argument('--again', action='store_true', help='forget earlier results of these')
    parser.add_argument('--jobs', type=int, default=2, help='how many at a time')
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.faults.mutants import MUTANTS

    chosen = [
        one for one in MUTANTS
        if not args.words or any(word in f'{one.group} {one.what}' for word in args.words)
    ]
    faults = [f'{one.what}: {fault_of(one)}' for one in chosen if fault_of(one)]
    if faults:
        print('these breakages do not fit the package any more:', *faults, sep='\n  ')
        return 1
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for mutant in chosen if args.again else ():
        kept.pop(key_of(mutant), None)
    todo = in_turn([one for one in chosen if kept.get(key_of(one), [''])[0] != 'noticed'])
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for count in range(args.jobs):
            (Path(folder) / str(count)).mkdir()
            free.put(shadow(Path(folder) / str(count)))

        def one(mutant: Any) -> None:
            root = free.get()
            try:
                outcome, why = tried(mutant, root)
            finally:
                free.put(root)
            print(f'{outcome}: {mutant.group}: {mutant.what} ({why[:120]})', flush=True)
            kept[key_of(mutant)] = [outcome, str(dt.datetime.now(dt.timezone.utc).date())]
            KEPT.write_text(json.dumps(kept, indent=1))
            write(MUTANTS, kept)

        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(one, todo))
    write(MUTANTS, kept)
    good = sum(kept[key_of(one)][0] == 'noticed' for one in chosen)
    print(f'{good} of {len(chosen)} breakages noticed')
    return 0 if good == len(chosen) else 1


if __name__ == '__main__':
    sys.exit(main())
