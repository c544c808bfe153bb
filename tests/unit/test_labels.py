from pathlib import Path

import pytest

from alexnet_ros.errors import LabelFileError
from alexnet_ros.labels import Label, Labels
from tests.limited import within
from tests.shared_data import shared

GOOD = Labels(
    [Label(0, 'stop', 'sign'), Label(1, 'a, "b"', ''), Label(2, 'nichts ü', 'background')]
)


def test_labels_written_and_read_back_are_equal(tmp_path: Path) -> None:
    path = tmp_path / 'labels.csv'
    path.write_bytes(GOOD.csv_bytes())
    assert Labels.read(path) == GOOD
    assert hash(Labels.read(path)) == hash(GOOD)


def test_labels_are_a_sequence_with_names_and_roles() -> None:
    assert len(GOOD) == 3
    assert GOOD.names == ('stop', 'a, "b"', 'nichts ü')
    assert GOOD[1].name == 'a, "b"'
    assert [label.class_id for label in GOOD[1:]] == [1, 2]
    assert GOOD.with_role('background') == (GOOD[2],)
    assert repr(GOOD).startswith('Labels(3 classes: stop')


def test_file_of_a_spreadsheet_with_mark_and_crlf_is_read() -> None:
    data = b'\xef\xbb\xbfclass_id,name,role\r\n0,stop,sign\r\n\r\n'
    assert Labels.from_bytes(data).names == ('stop',)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'an empty file'),
        ('id,name\n0,a\n', 'expected the header class_id,name,role, got id,name'),
        ('class_id,name,role\n', 'at least one class'),
        ('class_id,name,role\n1,a,sign\n', 'expected class_id 0, got 1'),
        ('class_id,name,role\n0,a,sign\n0,b,sign\n', 'expected class_id 1, got 0'),
        ('class_id,name,role\n0,a,sign\n1,a,sign\n', 'both called'),
        ('class_id,name,role\n0, ,sign\n', 'has no name'),
        ('class_id,name,role\n0,"a\nb",sign\n', 'control characters'),
        ('class_id,name,role\n0,\u202egnis,sign\n', 'control characters'),
        ('class_id,name,role\n0,' + 'a' * 201 + ',sign\n', 'more than 200'),
        ('class_id,name,role\n-1,a,sign\n', 'line 2'),
        ('class_id,name,role\n0,a\n', 'line 2'),
        ('class_id,name,role\n99999999999999999999,a,b\n', 'line 2'),
        ('class_id,name,role\n0,"a,b\n', 'not CSV text'),
    ],
)
def test_malformed_text_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(LabelFileError, match=words):
        Labels.from_bytes(text.encode(), 'labels.csv')


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(LabelFileError, match='UTF-8'):
        Labels.from_bytes(b'\xff\xfe\x00')


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelFileError, match=r'none\.csv: cannot be read: No such file'):
        Labels.read(tmp_path / 'none.csv')


def test_real_class_names_fit() -> None:
    lines = (shared('gtsrb') / 'labels.csv').read_text().splitlines()[1:]
    text = 'class_id,name,role\n' + ''.join(f'{line},sign\n' for line in lines)
    assert len(Labels.from_bytes(text.encode())) == 43


def test_an_id_behind_a_separator_that_only_text_functions_strip_is_read() -> None:
    labels = Labels.from_bytes(b'class_id,name,role\n\x1c0,a,\n')
    assert [label.class_id for label in labels] == [0]


@pytest.mark.parametrize('line', [b'\n', b'0,a,\n', b'0,a,b,c\n', b'ab,'])
def test_labels_of_the_largest_size_take_little_memory(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / 'labels.csv'
    path.write_bytes((b'class_id,name,role\n' + line * ((8 << 20) // len(line)))[: 8 << 20])
    code = """
import sys
from pathlib import Path
from alexnet_ros.labels import LabelFileError, Labels
try:
    Labels.read(Path(sys.argv[1]))
except LabelFileError as error:
    print(error)
"""
    assert 'labels' in within(code, path, cpu_s=10, mib=250)
