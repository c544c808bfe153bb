"""
Show that the fault suite notices faults: break the package, expect failures.

Every breakage of ``tests/faults/mutants`` is put into a copy of the package and
of the tests in a temporary folder, and the tests that must notice it run there.
All of them must fail, and all of them must have passed before in a copy that is
whole, with the same short deadline. The checkout is never touched. Results are
kept in ``build/faults.json``, so a run that was stopped goes on where it was;
``--again`` begins anew. They go into ``docs/reliability.md``. The exit status
is 1 if a breakage went unnoticed, or if a case was not seen to fail.
"""

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COPIED = ('alexnet_ros', 'tests', 'config', 'launch', 'tools')
LEFT_OUT = ('.git', '.hypothesis', 'build', 'install', 'log')
BEGIN, END = '<!-- table of breakages: begin -->', '<!-- table of breakages: end -->'
KEPT = ROOT / 'build' / 'faults.json'
LIMIT_S = 600.0
DEADLINE_S = 20.0  # a failing test waits this long for what cannot come

Outcomes = dict[str, list[Any]]  # node id of a test: outcome (None: did not run), its cases


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


def run_tests(root: Path, words: Iterable[str]) -> tuple[Outcomes, str]:
    """Run pytest in a copy; return its outcomes and the first reason of a failure."""
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder, 'tests.json'), Path(folder, 'log')
        # What a sourced ROS 2 has there stays, behind the copy.
        path = os.pathsep.join(filter(None, (str(root), os.environ.get('PYTHONPATH'))))
        with log.open('w') as file:
            done = subprocess.Popen(
                [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                 '-p', 'tests.faults.table', '--faults-json', str(result), *words],
                cwd=root, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONPATH': path},
            )  # fmt: skip
            with contextlib.suppress(subprocess.TimeoutExpired):
                done.wait(LIMIT_S)
            with contextlib.suppress(ProcessLookupError):  # nodes that a stopped run left
                os.killpg(done.pid, signal.SIGKILL)
            done.wait()
        text = log.read_text()
        outcomes = json.loads(result.read_text()) if result.exists() else {}
    reasons = [line[1:].strip() for line in text.splitlines() if line.startswith('E  ')]
    return outcomes, (reasons or text.strip().splitlines()[-1:] or [''])[0]


def nodes_of(mutant: Any, known: Outcomes) -> list[str]:
    """
    Return the tests that must notice a breakage.

    A file that skips itself, for want of a package, has none.

    :raises ValueError: where one of its tests is none of the suite.
    """
    found = []
    files = {one.split('::')[0] for one in known}
    for test in mutant.tests:
        own = [one for one in known if one == test or one.startswith((f'{test}[', f'{test}::'))]
        file = test.split('::')[0]
        if not own and (file in files or not (ROOT / file).exists()):
            raise ValueError(f'{mutant.what}: no case of the suite has the test {test}')
        found += own
    return found


class Results:
    """
    What was seen so far, kept in a file.

    ``sound`` are the tests that passed in a copy that is whole, ``breakages``
    the outcome, day and cases of each breakage; a change of it makes them void.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        content = json.loads(path.read_text()) if path.exists() else {}
        self.sound: dict[str, str] = content.get('sound', {})
        self.breakages: dict[str, Any] = content.get('breakages', {})

    def keep(self) -> None:
        """Write the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(
            json.dumps({'sound': self.sound, 'breakages': self.breakages}, indent=1))

    def of(self, mutant: Any) -> dict[str, Any]:
        """Return the outcome of a breakage."""
        return self.breakages.get(key_of(mutant), {'outcome': 'not run', 'day': '', 'cases': []})


def key_of(mutant: Any) -> str:
    """Return what a kept result belongs to: any change of a breakage makes it void."""
    return '\n'.join((*mutant[:-1], *mutant.tests))


def judged(nodes: list[str], outcomes: Outcomes, sound: Iterable[str]) -> tuple[str, list[str]]:
    """Return the outcome of a breakage and the cases that were seen to fail."""
    by = {node: outcomes.get(node, [None, []])[0] for node in nodes}
    shaky = [node for node in nodes if by[node] == 'failed' and node not in sound]
    if shaky:
        return f'ERROR: fails without it too: {shaky[0]}', []
    if passed := [node for node, outcome in by.items() if outcome == 'passed']:
        return f'UNNOTICED by {len(passed)} of {len(by)}: {passed[0]}', []
    if None in by.values():
        return 'ERROR: no outcome', []
    failed = [node for node, outcome in by.items() if outcome == 'failed']
    cases = dict.fromkeys(case for node in failed for case in outcomes[node][1])
    return ('noticed', list(cases)) if failed else ('not run here', [])


def today() -> str:
    """Return the date."""
    return str(dt.datetime.now(dt.timezone.utc).date())


def missing_of(mutants: list[Any], known: Outcomes, results: Results) -> list[str]:
    """Return the cases that no breakage was seen to make fail."""
    seen = {case for one in mutants for case in results.of(one)['cases']}
    return sorted({case for _, cases in known.values() for case in cases} - seen)


def write(mutants: list[Any], known: Outcomes, results: Results) -> None:
    """Put the table into the document."""
    from tests.faults.table import between

    counts = Counter(results.of(one)['outcome'].split(':')[0].split(' by')[0] for one in mutants)
    cases = {case for _, own in known.values() for case in own}
    missing = missing_of(mutants, known, results)
    lines = [
        f'{counts["noticed"]} of {len(mutants)} breakages noticed. {len(cases) - len(missing)} of '
        f'{len(cases)} cases were seen to fail'
        + ('.' if not missing else f'; not: {"; ".join(missing[:9])}'
           + (' and others.' if len(missing) > 9 else '.')),
        '', '| breakage | in | cases that failed | outcome |', '|---|---|---|---|',
    ]
    for mutant in mutants:
        found = results.of(mutant)
        names = '; '.join(found['cases']).replace('|', '/')
        lines.append(
            f'| {mutant.what} | `{mutant.file}` | {names} | {found["outcome"]} {found["day"]} |')
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


def prove(
    todo: list[Any], known: Outcomes, results: Results, jobs: int, renew: Callable[[], None],
) -> None:  # fmt: skip
    """Run the tests of all breakages, first in a whole copy, then in broken ones."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        free: SimpleQueue[Path] = SimpleQueue()
        for count in range(jobs):
            (Path(folder) / str(count)).mkdir()
            free.put(shadow(Path(folder) / str(count)))

        def control(nodes: list[str]) -> None:
            root = free.get()
            try:
                outcomes, why = run_tests(root, nodes)
            finally:
                free.put(root)
            for node in nodes:
                outcome = outcomes.get(node, [None])[0]
                if outcome == 'passed':
                    results.sound[node] = today()
                elif outcome != 'skipped':
                    print(f'FAILS UNBROKEN: {node} ({why[:200]})', flush=True)
            print(f'whole: {nodes[0].split("::")[0]}, {len(nodes)} tests', flush=True)
            results.keep()

        def breakage(mutant: Any) -> None:
            root = free.get()
            path, nodes = place_of(mutant, root), nodes_of(mutant, known)
            text = path.read_text()
            try:
                path.write_text(text.replace(mutant.old, mutant.new))
                outcomes, why = run_tests(root, nodes) if nodes else ({}, '')
            finally:
                path.write_text(text)
                free.put(root)
            outcome, cases = judged(nodes, outcomes, results.sound)
            print(f'{outcome}: {mutant.group}: {mutant.what} ({why[:120]})', flush=True)
            results.breakages[key_of(mutant)] = {
                'outcome': outcome, 'day': today(), 'cases': cases}
            results.keep()
            renew()

        files: dict[str, list[str]] = {}
        for node in dict.fromkeys(node for one in todo for node in nodes_of(one, known)):
            if node not in results.sound:
                files.setdefault(node.split('::')[0], []).append(node)
        list(pool.map(control, files.values()))
        list(pool.map(breakage, in_turn(todo)))


def main() -> int:
    """Try all breakages, or those whose group or words are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('words', nargs='*', help='only breakages with this in group or text')
    parser.add_argument('--again', action='store_true', help='forget earlier results of these')
    parser.add_argument('--jobs', type=int, default=2, help='how many at a time')
    parser.add_argument('--results', type=Path, default=KEPT,
                        help='another file of results; the document is left as it is then')
    parser.add_argument('--list', action='store_true', help='only say what was not seen to fail')
    args = parser.parse_args()
    # In the background it may be ignored, and each test of Ctrl-C would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, str(ROOT))
    from tests.faults.elsewhere import FILES
    from tests.faults.mutants import MUTANTS

    chosen = [
        one for one in MUTANTS
        if not args.words or any(word in f'{one.group} {one.what}' for word in args.words)
    ]
    if faults := [f'{one.what}: {fault_of(one)}' for one in chosen if fault_of(one)]:
        print('these breakages do not fit the package any more:', *faults, sep='\n  ')
        return 1
    known, why = run_tests(ROOT, ['--collect-only', 'tests/faults', *FILES])
    if not known:
        print(f'the suite cannot be collected: {why}')
        return 1
    results = Results(args.results)
    if args.again:
        for one in chosen:
            results.breakages.pop(key_of(one), None)
            for node in nodes_of(one, known):
                results.sound.pop(node, None)
    todo = [one for one in chosen if results.of(one)['outcome'] != 'noticed']

    def renew() -> None:
        if args.results == KEPT:
            write(MUTANTS, known, results)

    if not args.list:
        prove(todo, known, results, args.jobs, renew)
    renew()
    good = sum(results.of(one)['outcome'] == 'noticed' for one in chosen)
    missing = missing_of(MUTANTS, known, results)
    print(f'{good} of {len(chosen)} breakages noticed; {len(missing)} cases not seen to fail')
    if not args.words:
        print(*missing, sep='\n')
    return 0 if good == len(chosen) and (args.words or not missing) else 1


if __name__ == '__main__':
    sys.exit(main())
