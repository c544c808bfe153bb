from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.errors import BagError
from alexnet_ros.report.compare import compare, drops, gate
from alexnet_ros.report.write import read_report


def sign(class_id: int, at_s: float, right: bool | None = None) -> dict[str, Any]:
    return {
        'camera': '',
        'class_id': class_id,
        'class_name': f'class {class_id}',
        'confirmed_s': at_s,
        'last_s': at_s + 1,
        'right': right,
        'track_id': '1',
    }


def report(*signs: dict[str, Any], right: int = 2, false: int = 0) -> dict[str, Any]:
    errors = [{'kind': 'false', 'at_s': 9.0, 'truth': 'nothing', 'got': 'Stop'}] * false
    spans = [{'class_name': 'Yield', 'start_s': 4.0, 'confirmed': i < right} for i in range(2)]
    return {
        'complete': True,
        'signs': list(signs),
        'model': {'name': 'm', 'version': '1', 'precision': 'int8'},
        'timing': {'stages': {'engine': {'p50_ms': 3.0}}},
        'truth': {
            'event_precision': 1.0,
            'event_recall': right / 2,
            'frame_accuracy': 0.9,
            'wrong_reports_per_frame': 0.0,
            'median_delay_s': 0.1,
            'events_right': right,
            'events_false': false,
            'events_expected': 2,
            'spans': spans,
            'errors': errors,
        },
    }


def test_same_reports_have_no_changes() -> None:
    one = report(sign(1, 1.0), sign(2, 5.0))
    found = compare(one, one, 'old')
    assert found['signs'] == []
    assert {figure['change'] for figure in found['figures']} == {'same'}


@pytest.mark.parametrize(
    ('now', 'before', 'kind', 'grade'),
    [
        ([sign(1, 1.0)], [], 'new', 'fair'),
        ([sign(1, 1.0, right=False)], [], 'new', 'bad'),
        ([], [sign(1, 1.0)], 'gone', 'bad'),
        ([], [sign(1, 1.0, right=False)], 'gone', 'good'),
        ([sign(1, 1.5)], [sign(1, 1.0)], 'later', 'bad'),
        ([sign(1, 1.0)], [sign(1, 1.5)], 'earlier', 'good'),
        ([sign(2, 1.0, right=True)], [sign(1, 1.0)], 'class', 'good'),
    ],
)
def test_each_change_is_named(now: Any, before: Any, kind: str, grade: str) -> None:
    (change,) = compare(report(*now), report(*before), 'old')['signs']
    assert (change['kind'], change['grade']) == (kind, grade)


def test_figures_are_graded_by_their_direction() -> None:
    found = compare(report(right=1), report(right=2), 'old')
    grades = {figure['what']: figure['grade'] for figure in found['figures']}
    assert grades['event recall'] == 'bad'


def test_drop_beyond_the_limit_fails_by_name() -> None:
    found = compare(report(right=1), report(right=2), 'old')
    assert drops(found, {}) == []
    assert drops(found, {'recall': 0.5, 'precision': 0.0}) == []
    (reason,) = drops(found, {'recall': 0.49})
    assert 'event recall fell from 1 to 0.5' in reason
    assert drops(compare(report(right=2), report(right=1), 'old'), {'recall': 0.0}) == []


def test_gate_passes_and_fails_by_name() -> None:
    assert gate([report()], 1.0, 0) == []
    assert gate([report(right=1)], None, None) == []
    (reason,) = gate([report(right=1)], 0.9, None)
    assert 'Yield at 4.0 s' in reason
    (reason,) = gate([report(false=1)], None, 0)
    assert 'Stop at 9.0 s (truth: nothing)' in reason
    assert gate([report(right=1), report(), report()], 0.8, 0) == []  # all bags together
    assert gate([{'truth': None, 'complete': True}], 0.5, None) == [
        'there is no truth to judge by'
    ]
    assert gate([{**report(), 'complete': False}], 0.5, None) == [
        'a replay was stopped before its end'
    ]


@pytest.mark.parametrize(
    'text',
    [
        *('[' * 100_000, '{"a":' * 100_000, '1' * 5000, '', 'null', '{"signs": 1, "cameras": 2}'),
        *('{"signs": [1], "cameras": {}, "truth": null}', '{"signs": [], "cameras": {}}'),
        '{"signs":[],"cameras":{},"truth":null,"timing":{"stages":{"engine":[]}},"model":{}}',
    ],
    ids=range(9),
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / 'report.json').write_text(text)
    with pytest.raises(BagError, match=r'as a report|is not a report') as caught:
        read_report(tmp_path)
    assert str(caught.value).isprintable()
