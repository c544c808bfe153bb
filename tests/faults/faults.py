"""Marks of the fault suite: which case a test stands for, and what was tried."""

from collections import Counter
from dataclasses import dataclass

import pytest

GROUPS = (
    'raw image',
    'compressed',
    'content',
    'time',
    'stream',
    'model',
    'GPU',
    'lifecycle',
    'process',
    'parameters',
    'Nav2',
    'security',
    'fuzzing',
    'soak',
)
TRIED: Counter[str] = Counter()  # 'mutations' and what else a test counts


@dataclass(frozen=True)
class Case:
    """
    One row of the table.

    :param group: one of ``GROUPS``.
    :param name: what is wrong.
    :param stimulus: what the test does.
    :param required: what has to follow, beside a living process, nothing stale
        or NaN published and recovery with the next good input.
    """

    group: str
    name: str
    stimulus: str
    required: str

    def __post_init__(self) -> None:
        assert self.group in GROUPS, self.group


def fault(group: str, name: str, stimulus: str, required: str) -> pytest.MarkDecorator:
    """Mark a test as the test of a case; several tests may share one."""
    return pytest.mark.fault(Case(group, name, stimulus, required))


def mutations(count: int = 1) -> None:
    """Count altered inputs, for the summary."""
    TRIED['mutations'] += count
