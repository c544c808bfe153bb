"""
Times of several things, taken in turn.

A shared machine changes its speed from minute to minute. So the cases are
run in alternating rounds, A B C A B C, and compared round by round: what slows
one slows its neighbours too, and the ratio stands.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

Case = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """
    The times of one case.

    :param round_ms: median time of one call in each round, milliseconds.
    :param calls_ms: time of every call, milliseconds.
    """

    round_ms: tuple[float, ...]
    calls_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.round_ms)

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile, 0 to 100, over all calls, milliseconds."""
        return float(np.percentile(self.calls_ms, percent))

    def row(self) -> dict[str, float]:
        """Return the figures of a table row, milliseconds."""
        return {
            'median_ms': round(self.median_ms, 4),
            'p95_ms': round(self.percentile_ms(95), 4),
            'min_ms': round(min(self.calls_ms), 4),
            'spread_low_ms': round(min(self.round_ms), 4),
            'spread_high_ms': round(max(self.round_ms), 4),
            'calls': len(self.calls_ms),
        }


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of the measured time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def alternate(
    cases: Mapping[str, Case],
    *,
    rounds: int = 5,
    round_s: float = 0.3,
    min_calls: int = 5,
    tick: Callable[[], object] | None = None,
) -> dict[str, Timing]:
    """
    Time all cases in alternating rounds.

    :param cases: name to a call without arguments; each is warmed up first.
    :param rounds: how often each case has its turn.
    :param round_s: about how long one turn lasts, seconds.
    :param min_calls: calls in a turn, however long they take.
    :param tick: called after each turn, to show progress.
    """
    for case in cases.values():
        case()
        case()
    rounds_ms: dict[str, list[float]] = {name: [] for name in cases}
    calls_ms: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            times = _one_turn(case, round_s, min_calls)
            rounds_ms[name].append(statistics.median(times))
            calls_ms[name].extend(times)
            if tick is not None:
                tick()
    return {name: Timing(tuple(rounds_ms[name]), tuple(calls_ms[name])) for name in cases}


def _one_turn(case: Case, round_s: float, min_calls: int) -> list[float]:
    times: list[float] = []
    with no_collection():
        end_ns = time.perf_counter_ns() + int(round_s * 1e9)
        while len(times) < min_calls or time.perf_counter_ns() < end_ns:
            start_ns = time.perf_counter_ns()
            case()
            times.append((time.perf_counter_ns() - start_ns) / 1e6)
    return times


def ratio(slow: Timing, fast: Timing) -> tuple[float, float, float]:
    """Return median, least and greatest ratio of two cases, compared round by round."""
    pairs: Sequence[float] = [a / b for a, b in zip(slow.round_ms, fast.round_ms, strict=True)]
    return statistics.median(pairs), min(pairs), max(pairs)


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """
    Return a Markdown table.

    :param columns: key of a row to the heading of its column; rows that lack a
        key leave the cell empty.
    """
    lines = [f'| {" | ".join(columns.values())} |', '|' + '---|' * len(columns)]
    lines += [f'| {" | ".join(_cell(row.get(key)) for key in columns)} |' for row in rows]
    return '\n'.join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ''
    if isinstance(value, float):
        return f'{value:.3g}' if abs(value) < 100 else f'{value:.0f}'
    return str(value)
