"""The table of actions: what is accepted, and what is refused with which words."""

import csv
from pathlib import Path

import pytest

from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation import find_table, read_table
from alexnet_ros.navigation.actions import MAX_BYTES
from tests.shared_data import shared

SIGNS = read_table(find_table('sign_actions.yaml'))


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / 'table.yaml'
    path.write_text(text)
    return path


def test_shipped_sign_table_has_all_43_classes() -> None:
    assert SIGNS.reads == 'detections'
    assert list(SIGNS) == list(range(43))
    limits = {i: one.speed_mps for i, one in SIGNS.items() if one.kind == 'speed_limit'}
    assert limits == pytest.approx(
        {
            0: 20 / 3.6,
            1: 30 / 3.6,
            2: 50 / 3.6,
            3: 60 / 3.6,
            4: 70 / 3.6,
            5: 80 / 3.6,
            7: 100 / 3.6,
            8: 120 / 3.6,
        }
    )
    assert [SIGNS[i].kind for i in (6, 13, 14, 32, 12)] == [
        'end_of_limit',
        'yield',
        'stop',
        'end_of_limits',
        'none',
    ]


def test_shipped_sign_table_uses_the_names_of_the_data_set() -> None:
    with (shared('gtsrb') / 'labels.csv').open(newline='') as file:
        names = {int(row['class_id']): row['name'] for row in csv.DictReader(file)}
    assert SIGNS.misnamed(names) == {}


@pytest.mark.parametrize('name', ['blocked_actions.yaml', 'heading_actions.yaml'])
def test_shipped_frame_tables_read(name: str) -> None:
    assert read_table(find_table(name)).reads == 'classification'


def test_misnamed_tells_classes_called_otherwise_and_missing() -> None:
    names = {i: one.class_name.upper().replace(' ', '_') for i, one in SIGNS.items()}
    names[14] = 'Give way'
    del names[42]
    wrong = SIGNS.misnamed({**names, 43: 'background'})
    assert set(wrong) == {14, 42}
    assert "'Stop' in the table and 'Give way' in the model" in wrong[14]


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'expected a mapping'),
        ('input: [', 'not valid YAML'),
        ('\x00', 'not valid YAML'),
        ('input: radar\nclasses: {1: {name: a, action: none}}', 'input must be one of'),
        ('input: detections\nclasses: []', 'must map class ids'),
        ('input: detections\nclasses: {-1: {name: a, action: none}}', 'whole number'),
        ('input: detections\nclasses: {true: {name: a, action: none}}', 'whole number'),
        ('input: detections\nclasses: {1: stop}', 'expected {name'),
        ('input: detections\nclasses: {1: {action: stop}}', 'needs a name'),
        ('input: detections\nclasses: {1: {name: a, action: fly}}', 'action must be one of'),
        ('input: detections\nclasses: {1: {name: a, action: lock}}', 'action must be one of'),
        ('input: detections\nclasses: {1: {name: a, action: speed_limit}}', 'speed_limit needs'),
        (
            'input: detections\nclasses: {1: {name: a, action: speed_limit, kmh: 0}}',
            'in [0.1, 500',
        ),
        (
            'input: detections\nclasses: {1: {name: a, action: speed_limit, kmh: .nan}}',
            'must be in',
        ),
        (
            'input: detections\nclasses: {1: {name: a, action: speed_limit, kmh: .inf}}',
            'must be in',
        ),
        ('input: detections\nclasses: {1: {name: a, action: speed_limit, kmh: "9"}}', 'a number'),
        ('input: detections\nclasses: {1: {name: a, action: speed_limit, kmh: yes}}', 'a number'),
        ('input: detections\nclasses: {1: {name: a, action: stop, heading: 1}}', 'may have'),
        (
            'input: detections\nclasses: {1: {name: a, action: warn, kmh: 1, percent: 2}}',
            'not both',
        ),
        (
            'input: classification\nclasses: {1: {name: a, action: heading, heading: 2}}',
            'must be in',
        ),
        ('input: classification\nclasses: {1: {name: a, action: slow, percent: 0}}', 'must be in'),
        (
            (
                'input: detections\nclasses:\n'
                '  1: {name: a, action: stop}\n  1: {name: b, action: none}'
            ),
            "line 4: '1' appears twice",
        ),
        (
            'input: detections\nclasses: {1: {name: a, action: stop, action: none}}',
            'appears twice',
        ),
    ],
)
def test_read_table_refuses_what_is_not_as_it_must_be(
    tmp_path: Path, text: str, words: str
) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_table(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_read_table_refuses_a_huge_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='more than'):
        read_table(table(tmp_path, '#' * (MAX_BYTES + 1)))
    with pytest.raises(ConfigError, match='cannot be read'):
        read_table(tmp_path)


def test_find_table_names_the_places_it_looked(tmp_path: Path) -> None:
    assert find_table(str(table(tmp_path, 'x'))) == tmp_path / 'table.yaml'
    with pytest.raises(ConfigError, match=r'nor in .*config'):
        find_table('none_such.yaml')
    with pytest.raises(ConfigError):
        find_table('../pyproject.toml')
