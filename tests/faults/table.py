"""
A pytest plugin that runs the whole fault suite and writes its table.

``make faults`` loads it: it adds the tests of :mod:`tests.faults.elsewhere` and
counts what was sent. With ``--faults-table`` it writes the page of cases, but
only of a whole run in which nothing failed.
"""

import datetime as dt
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.faults.elsewhere import ELSEWHERE, cases_of
from tests.faults.faults import GROUPS, TRIED, Case

BEGIN, END = '<!-- table of cases: begin -->', '<!-- table of cases: end -->'
WORDS = {'passed': 'as required', 'failed': '**FAILED**', 'skipped': 'not run here'}


def between(text: str, begin: str, end: str, new: str) -> str:
    """Return a text with what stands between two marks replaced."""
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f'{begin} and {end} are missing')
    return f'{head}{begin}\n{new.strip()}\n{end}{tail}'


class Table:
    """Collects outcomes and prints or writes them."""

    def __init__(self, path: Path | None, tests: Path | None) -> None:
        self.path, self.tests = path, tests
        self.cases: dict[str, list[Case]] = {}
        self.outcomes: dict[str, str] = {}
        self.skipped: set[str] = set()  # files that need what is not installed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that is skipped as a whole."""
        if report.skipped:
            self.skipped.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Find the cases of each test; leave out what stands for none."""
        chosen = []
        for item in items:
            own = [mark.args[0] for mark in item.iter_markers('fault')]
            found = own or cases_of(item.nodeid)
            if found:
                self.cases[item.nodeid] = found
            if found or item.nodeid.startswith('tests/faults'):
                chosen.append(item)
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases."""
        old = self.outcomes.get(report.nodeid, 'passed')
        if report.failed or (report.skipped and old == 'passed'):
            self.outcomes[report.nodeid] = report.outcome
        else:
            self.outcomes.setdefault(report.nodeid, 'passed')

    def results(self) -> dict[Case, str]:
        """Return the outcome of every case: the worst of its tests."""
        order = ['passed', 'skipped', 'failed']
        found: dict[Case, str] = {}
        unfinished: set[Case] = set()
        for nodeid, cases in self.cases.items():
            outcome = self.outcomes.get(nodeid)
            for case in cases:
                if outcome is None:
                    unfinished.add(case)
                else:
                    found[case] = max(found.get(case, 'passed'), outcome, key=order.index)
        for case, test in ELSEWHERE:
            if test.partition('::')[0] in self.skipped:
                found[case] = 'skipped'
        for case in unfinished:
            found.pop(case, None)
        return dict(sorted(found.items(), key=lambda one: GROUPS.index(one[0].group)))

    def pytest_sessionfinish(self) -> None:
        """Write for each test its cases and outcome, null if it did not run."""
        if self.tests is not None:
            self.tests.write_text(
                json.dumps(
                    {
                        nodeid: [
                            self.outcomes.get(nodeid),
                            [f'{one.group}: {one.name}' for one in cases],
                        ]
                        for nodeid, cases in self.cases.items()
                    }
                )
            )

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print the figures; write the table of a complete run."""
        results = self.results()
        missing = [case.name for case, _ in ELSEWHERE if case not in results]
        counts = {word: list(results.values()).count(word) for word in WORDS}
        text = (
            f'{len(results)} cases in {len(self.cases)} tests: {counts["passed"]} as required, '
            f'{counts["failed"]} failed, {counts["skipped"]} not run here; '
            f'{TRIED["messages"]} messages sent and {TRIED["mutations"]} mutations tried'
        )
        terminalreporter.section('fault suite')
        terminalreporter.line(text)
        whole = not config.option.keyword and set(self.cases) <= set(self.outcomes)
        if missing and whole and self.path is not None:
            terminalreporter.line('without a test: ' + ', '.join(missing))
        if self.path is not None and whole and not missing and not counts['failed']:
            self.write(results, text)
            terminalreporter.line(f'table written to {self.path}')
        elif self.path is not None:
            terminalreporter.line(f'{self.path} stays as it is: not a whole run without a failure')

    def write(self, results: dict[Case, str], text: str) -> None:
        """Put the table into the document."""
        assert self.path is not None
        day = dt.datetime.now(dt.timezone.utc).date()
        document = self.path.read_text()
        machine = f'Python {platform.python_version()}, {platform.machine()}'
        head = [f'Last whole run: {day}, {machine}. {text}.']
        rows = []
        for case, outcome in results.items():
            last = f'{WORDS[outcome]}, {day}'
            cells = (case.group, case.name, case.stimulus, case.required, last)
            rows.append('| ' + ' | '.join(one.replace('|', '/') for one in cells) + ' |')
        order = sorted(rows, key=lambda row: GROUPS.index(row.split(' | ')[0][2:]))
        lines = [
            *head,
            '',
            '| group | case | stimulus | required | last run |',
            '|---|---|---|---|---|',
            *order,
        ]
        self.path.write_text(between(document, BEGIN, END, '\n'.join(lines)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the document."""
    parser.addoption('--faults-table', type=Path, help='document that gets the table of cases')
    parser.addoption('--faults-json', type=Path, help='file that gets the outcome of each test')


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect, and to count what is published."""
    table = Table(config.getoption('faults_table'), config.getoption('faults_json'))
    config.pluginmanager.register(table, 'faults-table')
    try:
        from rclpy.publisher import Publisher
    except ImportError:
        return
    publish = Publisher.publish

    def counted(self: Any, message: Any) -> None:
        if not self.topic_name.startswith(('/alexnet/', '/sign_navigator/', '/diagnostics')):
            TRIED['messages'] += 1
        publish(self, message)

    Publisher.publish = counted
