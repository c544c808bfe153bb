"""What all tests share: imports from the root, and skips that say what to install."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest before 7 has no setting for it

from alexnet_ros.dependencies import DEPENDENCIES, missing_package


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a file that needs a package which is not installed, with what installs it."""
    outcome: Any = yield
    report = outcome.get_result()
    failure = report.call.excinfo if report.failed else None
    while failure is not None:
        error = getattr(failure, 'value', failure)
        if isinstance(error, ModuleNotFoundError):
            if (error.name or '').partition('.')[0] in DEPENDENCIES:
                report.outcome = 'skipped'
                report.longrepr = (str(collector.fspath), 0, f'Skipped: {missing_package(error)}')
            return
        failure = error.__cause__
