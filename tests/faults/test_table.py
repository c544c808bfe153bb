"""The table of cases names tests that are there."""

import pytest

from tests.faults.elsewhere import ELSEWHERE
from tests.ros.robot import ROOT


@pytest.mark.parametrize('test', sorted({test for _, test in ELSEWHERE}))
def test_a_case_of_another_folder_has_its_test(test: str) -> None:
    file, _, name = test.partition('::')
    assert f'def {name}' in (ROOT / file).read_text()
