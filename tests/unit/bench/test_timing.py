import time

from alexnet_ros.bench.machine import machine
from alexnet_ros.bench.timing import Timing, alternate, ratio, table


def test_alternate_takes_every_case_in_every_round() -> None:
    order: list[str] = []
    timings = alternate(
        {'a': lambda: order.append('a'), 'b': lambda: order.append('b')},
        rounds=3,
        round_s=0.0,
        min_calls=2,
    )
    assert ''.join(order) == 'aabb' + 'aabb' * 3  # a warm-up, then the rounds
    assert all(len(t.round_ms) == 3 and len(t.calls_ms) == 6 for t in timings.values())


def test_a_longer_case_measures_longer() -> None:
    timings = alternate(
        {'short': lambda: None, 'long': lambda: time.sleep(0.01)}, rounds=3, round_s=0.0
    )
    assert min(timings['long'].calls_ms) >= 10
    assert ratio(timings['long'], timings['short'])[0] > 1


def test_ratio_compares_round_by_round() -> None:
    slow = Timing((10.0, 40.0, 20.0), (10.0, 40.0, 20.0))
    fast = Timing((5.0, 10.0, 10.0), (5.0, 10.0, 10.0))
    assert ratio(slow, fast) == (2.0, 2.0, 4.0)


def test_row_has_the_spread_over_rounds() -> None:
    row = Timing((2.0, 1.0, 3.0), (2.0, 1.0, 3.0)).row()
    assert (row['median_ms'], row['spread_low_ms'], row['spread_high_ms']) == (2.0, 1.0, 3.0)


def test_machine_names_what_changes_a_measurement() -> None:
    facts = machine()
    assert facts['cores'] >= 1
    assert facts['read_bandwidth_gb_s'] > 0
    assert 'numpy' in facts['versions']


def test_table_leaves_what_a_row_lacks_empty() -> None:
    text = table([{'a': 1.23456, 'b': 'x'}, {'a': 1234.5}], {'a': 'A', 'b': 'B'})
    assert text.splitlines() == ['| A | B |', '|---|---|', '| 1.23 | x |', '| 1234 |  |']
