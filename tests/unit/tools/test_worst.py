"""The search for the dearest input: it finds what is dear, and survives what it finds."""

import random
import time
from pathlib import Path

import pytest

from tools import worst
from tools.fuzz_targets import TARGETS, dear, guarded, seeds


def spins(data: bytes) -> None:
    end_s = time.process_time() + len(data)
    while time.process_time() < end_s:
        pass


def holds(data: bytes) -> None:
    bytearray(len(data) << 20)[::4096] = b'\1' * (len(data) << 8)


def raises(data: bytes) -> None:
    raise TypeError(str(data))


def test_time_memory_and_exceptions_are_seen_from_outside() -> None:
    assert worst.cost(spins, b'1')[0] >= 0.9
    assert worst.cost(holds, b'x' * 200)[1] > 100 << 20
    assert worst.cost(raises, b'')[2] == 'an exception that is no refusal'


def test_what_costs_more_than_its_budget_is_kept_as_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worst, 'OUTPUT', tmp_path)
    search = worst.Search('onnx')
    search.take(b'fine', 0.001, 1 << 20, '')
    assert not search.findings
    search.take(b'slow', 30.0, 1 << 20, '')
    search.take(b'large', 0.001, 1 << 30, '')
    assert [line.split(': ')[1].split(',')[0] for line in search.findings] == [
        '30000 ms of processor time',
        '1024 MiB',
    ]
    assert (tmp_path / 'onnx/worst-0').read_bytes() == b'slow'


@pytest.mark.parametrize('target', [name for name in TARGETS if name != 'recognizer'])
def test_the_dearest_inputs_that_are_known_stay_within_the_budget(target: str) -> None:
    one = guarded(TARGETS[target])
    one(seeds(target)[0])
    for data in [*seeds(target)[:2], *dear(target)]:
        cpu_s, memory, problem = worst.cost(one, data)
        assert not problem
        assert not worst.BUDGETS[target].exceeded(len(data), cpu_s, memory)


def test_altered_inputs_are_bounded_and_the_same_for_a_seed() -> None:
    first, second = (
        [worst.altered(b'abcdef' * 9, [b'xyz'], random.Random(seed)) for seed in range(40)]
        for _ in range(2)
    )
    assert first == second
    assert all(len(one) <= worst.MOST for one in first)
