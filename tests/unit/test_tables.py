"""CSV cells that a spreadsheet would calculate."""

import csv
import io

import pytest

from alexnet_ros import tables


@pytest.mark.parametrize(
    ('text', 'cell'),
    [
        ('=1+1|calc', "'=1+1|calc"),
        ('@x', "'@x"),
        ('-a', "'-a"),
        ('+', "'+"),
        ('-1.5', '-1.5'),
        ('stop', 'stop'),
        ("'s", "'s"),
    ],
)
def test_a_formula_in_a_cell_is_quoted(text: str, cell: str) -> None:
    assert tables.csv_cell(text) == cell
    assert tables.text_of_cell(cell) == text


def test_rows_read_back_as_they_were() -> None:
    rows = [['=cmd|x', '-3', 'a"b,c\nd'], ['@a', '', "'=x"]]
    text = tables.csv_text(['name', '=b', 'c'], rows)
    read = [[tables.text_of_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text))]
    assert read == [['name', '=b', 'c'], *rows]
    assert not any(line.startswith(('=', '@')) for line in text.splitlines())
