"""Cases whose tests live in another folder: they run with the suite and stand in its table."""

import csv
from pathlib import Path

from tests.faults.faults import Case

with Path(__file__).with_suffix('.csv').open(newline='') as _file:
    ELSEWHERE = [
        (Case(row['group'], row['case'], row['stimulus'], row['required']), row['test'])
        for row in csv.DictReader(_file)
    ]
FILES = sorted({test.partition('::')[0] for _, test in ELSEWHERE})


def cases_of(nodeid: str) -> list[Case]:
    """Return the cases that a test of another folder stands for."""
    return [case for case, start in ELSEWHERE if nodeid.startswith(start)]
