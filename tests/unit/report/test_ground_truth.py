from pathlib import Path

import pytest

from alexnet_ros.errors import DatasetError
from alexnet_ros.report.ground_truth import TruthMark, TruthSpan, read_truth

NAMES = {0: 'red', 1: 'green'}
FIRST = 5 * 10**9


def truth_of(tmp_path: Path, text: str):
    path = tmp_path / 'truth.csv'
    path.write_text(text)
    return read_truth(path, NAMES, FIRST)


def test_spans_are_read_in_both_units(tmp_path: Path) -> None:
    truth = truth_of(
        tmp_path, 'start_s,end_s,start_ns,end_ns,camera,class_id\n1.5,2,,,front,1\n,,7,9,,0\n'
    )
    assert truth.spans == [
        TruthSpan('', 0, 7, 9),
        TruthSpan('front', 1, FIRST + 15 * 10**8, FIRST + 2 * 10**9),
    ]
    assert not truth.marks


def test_marks_become_spans_with_breaks(tmp_path: Path) -> None:
    text = 'stamp_s,class_name,x,y,width,height\n' + ''.join(
        f'{t},green,1,2,3,4\n' for t in (0, 0.5, 1.0, 5.0)
    )
    truth = truth_of(tmp_path, text)
    assert [(s.start_ns - FIRST, s.end_ns - FIRST) for s in truth.spans] == [
        (0, 10**9),
        (5 * 10**9, 5 * 10**9),
    ]
    near = truth.marks_at('any', FIRST + 500_000_000 + 1_000_000)
    assert near == [TruthMark('', 1, FIRST + 500_000_000, (1.0, 2.0, 3.0, 4.0))]
    assert truth.marks_at('any', FIRST + 250_000_000) == []


def test_camera_narrows(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, 'start_s,end_s,camera,class_id\n0,1,front,1\n0,1,,0\n')
    assert {s.class_id for s in truth.spans_at('left', FIRST)} == {0}
    assert {s.class_id for s in truth.spans_at('front', FIRST)} == {0, 1}


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'no ground-truth'),
        ('class_id\n', 'no ground-truth'),
        ('class_id,stamp_s\n1,\n', 'line 2: neither a stamp'),
        ('class_name,stamp_s\nblue,1\n', 'line 2: class .blue. is not one'),
        ('class_id,stamp_s\nx,1\n', 'line 2: invalid literal'),
        ('class_id,start_s,end_s\n1,1,2\n1,3,2\n', 'line 3: the span ends'),
    ],
)
def test_bad_truth_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        truth_of(tmp_path, text)


def test_missing_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match='cannot be read'):
        read_truth(tmp_path / 'none.csv', NAMES, 0)
