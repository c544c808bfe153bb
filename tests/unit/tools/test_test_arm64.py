"""What two machines answer is held to each other, and differences are told."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tools.test_arm64 import ROOT, TESTS, compare, differences, existing_tests

ANSWERS: dict[str, Any] = {
    'machine': 'aarch64',
    'crops': [[3, 0.98], [12, 0.61]],
    'frames': [[], [[100, 50, 40, 40, 0.97], [300, 60, 20, 22, 0.55]]],
}


@pytest.mark.parametrize(
    ('part', 'index', 'value', 'told'),
    [
        ('crops', 0, [4, 0.98], 'crop 0'),
        ('crops', 1, [12, 0.65], 'crop 1'),
        ('frames', 0, [[1, 2, 30, 30, 0.5]], 'frame 0: 1 boxes, there 0'),
        ('frames', 1, [[100, 50, 40, 40, 0.97], [304, 60, 20, 22, 0.55]], 'frame 1'),
        ('frames', 1, [[100, 50, 40, 40, 0.97], [300, 60, 20, 22, 0.4]], 'frame 1'),
    ],
)
def test_what_differs_is_told(part: str, index: int, value: Any, told: str) -> None:
    other = copy.deepcopy(ANSWERS)
    other[part][index] = value
    (line,) = differences(other, ANSWERS)
    assert told in line


def test_rounding_is_no_difference() -> None:
    other = copy.deepcopy(ANSWERS)
    other['crops'][1][1] += 0.01
    other['frames'][1][0][0] += 1
    assert not differences(other, ANSWERS)


def test_no_answers_are_a_difference() -> None:
    empty = {'machine': 'aarch64', 'crops': [], 'frames': []}
    assert differences(empty, empty)


def test_exit_status_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / 'one.json', tmp_path / 'other.json'
    one.write_text(json.dumps(ANSWERS))
    other.write_text(json.dumps(ANSWERS))
    assert compare(one, other) == 0
    assert '2 crops, 2 boxes in 2 frames, 0 differ' in capsys.readouterr().out
    other.write_text(json.dumps({**ANSWERS, 'crops': [[3, 0.98], [13, 0.61]]}))
    assert compare(one, other) == 1


def test_tests_for_arm_are_there() -> None:
    assert set(existing_tests()) == set(TESTS)
    assert 'test_arm64.py' in (ROOT / '.github/workflows/arm64.yml').read_text()
