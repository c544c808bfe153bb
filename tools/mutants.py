"""
Break the core in small ways and count what no test notices.

Cosmic Ray changes one operator, number or branch at a time in a copy of the
tree, and the tests of that part run. A mutant that survives is either a line
that no test asks about, or a change that means the same. The copy, the session
and the report lie in ``build/mutants``; nothing else is written.
"""

import argparse
import fcntl
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import venv
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / 'build' / 'mutants'
TOOLS = OUTPUT / 'tools'
REQUIREMENTS = ROOT / 'tools' / 'requirements' / 'locked' / 'mutants.txt'
PARTS = {  # what is broken: what must notice
    'codec': 'tests/unit/codec',
    'model_package': 'tests/unit/model_package tests/unit/test_files.py',
    'navigation': 'tests/unit/navigation',
    'postprocess.py': 'tests/unit/test_postprocess.py tests/unit/test_recognizer.py',
    'tracking.py': 'tests/unit/test_track_motion.py tests/unit/test_tracking.py',
    'files.py': 'tests/unit/test_files.py tests/unit/test_tables.py',
}
CONFIG = """[cosmic-ray]
module-path = "alexnet_ros/{part}"
timeout = 300.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def tool() -> str:
    """Return the path of Cosmic Ray, installed if it is not there."""
    path = TOOLS / 'bin' / 'cosmic-ray'
    if not path.exists():
        venv.create(TOOLS, with_pip=True, clear=True)
        words = [TOOLS / 'bin' / 'python', '-m', 'pip', 'install', '-q', '--require-hashes']
        subprocess.run([*words, '-r', REQUIREMENTS], check=True)
    return str(path)


def copied() -> Path:
    """Return a fresh copy of what is committed or changed, without what is ignored."""
    tree = OUTPUT / 'tree'
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard'],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    return tree


def sampled(session: Path, most: int, seed: int) -> int:
    """Leave a random sample of the mutants in a session; return how many there were."""
    with closing(sqlite3.connect(session)) as base:
        jobs = sorted(row[0] for row in base.execute('SELECT job_id FROM work_items'))
        random.Random(seed).shuffle(jobs)
        for job in jobs[most:]:
            base.execute('DELETE FROM mutation_specs WHERE job_id = ?', (job,))
            base.execute('DELETE FROM work_items WHERE job_id = ?', (job,))
        base.commit()
    return len(jobs)


def survivors(session: Path) -> tuple[int, int, list[str]]:
    """Return how many mutants were tried, how many tests noticed, and the others."""
    query = (
        'SELECT s.module_path, s.start_pos_row, s.operator_name, r.test_outcome, r.diff '
        'FROM work_results r JOIN mutation_specs s ON s.job_id = r.job_id'
    )
    left, tried, killed = [], 0, 0
    with closing(sqlite3.connect(session)) as base:
        for module, row, operator, told, diff in base.execute(query):
            outcome = str(told).rpartition('.')[2].upper()
            tried += outcome in {'KILLED', 'SURVIVED'}  # else it could not be made or run
            killed += outcome == 'KILLED'
            if outcome == 'SURVIVED':
                changed = re.findall(r'^[-+](?![-+]).*$', diff or '', re.MULTILINE)
                left.append(f'{module}:{row} {operator}\n    ' + '\n    '.join(changed))
    return tried, killed, left


def main() -> int:
    """Try a sample of the mutants of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('parts', nargs='*', choices=[[], *PARTS], metavar='PART')
    parser.add_argument('--sample', type=int, default=20, help='mutants a part; 0 = all of them')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (OUTPUT / 'lock').open('w', encoding='utf-8') as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # two runs would share the copy
        return tried_all(args.parts or list(PARTS), args.sample, args.seed)


def tried_all(parts: list[str], sample: int, seed: int) -> int:
    """Try a sample of the mutants of some parts and print what survives."""
    cosmic_ray, tree = tool(), copied()
    total = noticed = 0
    for part in parts:
        config = OUTPUT / f'{part}.toml'
        session = OUTPUT / f'{part}.sqlite'
        session.unlink(missing_ok=True)
        words = {'part': part, 'python': sys.executable, 'tests': PARTS[part]}
        config.write_text(CONFIG.format(**words), encoding='utf-8')
        for command in ('baseline', 'init', 'exec'):
            places = [config] if command == 'baseline' else [config, session]
            if command == 'exec':
                there = sampled(session, sample or sys.maxsize, seed)
            done = subprocess.run(
                [cosmic_ray, command, *map(str, places)],
                cwd=tree,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                print(f'{part}: {command} failed:\n{done.stdout}{done.stderr}', file=sys.stderr)
                return 1
        tried, killed, left = survivors(session)
        total, noticed = total + tried, noticed + killed
        print(f'{part}: {killed} of {tried} noticed, sampled from {there}', flush=True)
        for one in left:
            print(f'  survives: {one}', flush=True)
    print(f'all: {noticed} of {total} noticed')
    return 0


if __name__ == '__main__':
    sys.exit(main())
