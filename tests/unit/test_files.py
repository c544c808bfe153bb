"""Reading within limits, writing whole or not at all, strict YAML, safe CSV cells."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from alexnet_ros import files
from alexnet_ros.errors import ConfigError, FileWriteError
from tests.limited import limited_files, within


def parsed(text: str | bytes) -> object:
    return files.yaml_mapping(text if isinstance(text, bytes) else text.encode(), 'f', ConfigError)


def test_scalars_mean_what_yaml_1_2_says() -> None:
    text = 'a: 1:30:00\nb: off\nc: 010\nd: 1e-3\ne: .inf\nf: 2001-01-01\ng: ~\nh: "1"\ni: true\n'
    assert parsed(text) == {
        'a': '1:30:00',
        'b': 'off',
        'c': 10,
        'd': 0.001,
        'e': math.inf,
        'f': '2001-01-01',
        'g': None,
        'h': '1',
        'i': True,
    }


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab1', max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text('abc', min_size=1, max_size=4), plain, max_size=4))
@example({'a': '\x85', 'b': '\u2028', 'c': 'x\n\ny'})
def test_what_is_written_is_read_back(values: dict[str, object]) -> None:
    data = files.yaml_from_mapping(values, ConfigError)
    assert repr(parsed(data)) == repr(values)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('a: &x 1\nb: *x', 'aliases'),
        ('a: !!int 1', 'tags'),
        ('a: !!python/object/apply:os.system [x]', 'tags'),
        ('a: 1\na: 2', 'appears twice'),
        ('1: 1\n1.0: 2', 'appears twice'),
        ('? [a]\n: 1', 'a key must be'),
        ('"a\\e[31m": 1', 'a key must be'),
        (f'{"k" * 300}: 1', 'a key must be'),
        ('a: 1\n---\na: 2', '2 documents'),
        ('', 'expected a mapping'),
        ('a: ' + '[' * 17 + ']' * 17, 'nested more than 16 deep'),
        (''.join(f'k{i}: 1\n' for i in range(20_000)), 'too many values'),
        ('a: ' + 'x' * 300_000, 'more than 262144 bytes'),
    ],
)
def test_yaml_that_multiplies_or_deceives_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parsed(text)
    assert str(caught.value).isprintable()


def test_both_parsers_of_yaml_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / 'config' / 'sign_actions.yaml').read_bytes()
    quick = parsed(text)
    monkeypatch.setattr(files, '_Parser', yaml.SafeLoader)
    assert parsed(text) == quick


def test_a_text_for_a_terminal_has_no_escapes_and_no_turned_direction() -> None:
    assert files.printable('/a\x1b[31m\u202eb\0') == r'/a\x1b[31m\u202eb\x00'
    assert files.one_line('a\n\tb  c') == 'a b c'


def test_a_fifo_a_device_and_a_folder_are_no_plain_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'fifo')
    for path in (tmp_path / 'fifo', tmp_path, Path('/dev/zero')):
        with pytest.raises(ConfigError, match=r'not a regular file|Is a directory'):
            files.read_file(path, 10, ConfigError)


READ = """
import sys
from pathlib import Path
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import read_file
print(len(read_file(Path(sys.argv[1]), 1 << 36, ModelPackageError)))
"""


def test_a_small_file_takes_little_memory_whatever_it_may_have(tmp_path: Path) -> None:
    (tmp_path / 'f').write_bytes(b'x' * 70_000)
    assert within(READ, tmp_path / 'f', mib=16) == '70000\n'


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / 'a').write_bytes(b'12345')
    (tmp_path / 'b').symlink_to(tmp_path / 'a')
    assert files.read_file(tmp_path / 'a', 5, ConfigError) == b'12345'
    assert files.read_file(tmp_path / 'b', 5, ConfigError) == b'12345'
    with pytest.raises(ConfigError, match='more than 4 bytes'):
        files.read_file(tmp_path / 'a', 4, ConfigError)
    with pytest.raises(ConfigError, match='is a link'):
        files.read_file(tmp_path / 'b', 5, ConfigError, links=False)
    with pytest.raises(ConfigError, match='cannot be read'):
        files.read_file(Path('a\0b'), 5, ConfigError)


@pytest.mark.parametrize('call', ['os.open', 'os.fsync', 'pathlib.Path.replace', 'os.fdopen'])
def test_a_write_that_fails_anywhere_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / 'a'
    files.write_file(path, 'old')

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
        with pytest.raises(FileWriteError, match=r'a cannot be written: No space left.*make room'):
            files.write_file(path, 'new')
    assert path.read_text() == 'old'
    files.remove_drafts(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ['a']


def test_a_file_larger_than_allowed_is_not_begun(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_text('old')
    with limited_files(1000), pytest.raises(FileWriteError, match='ulimit'):
        files.write_file(path, b'x' * 2000)
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('prepare', 'words'),
    [
        (lambda p: p.write_text(''), 'a file stands where a folder should be'),
        (lambda p: p.joinpath('a').mkdir(parents=True), 'a folder stands where'),
        (lambda _: None, 'No such file'),
    ],
)
def test_a_place_that_takes_no_file_is_said(
    tmp_path: Path, prepare: Callable[[Path], object], words: str
) -> None:
    prepare(tmp_path / 'folder')
    with pytest.raises(FileWriteError, match=words):
        files.write_file(tmp_path / 'folder' / 'a', 'new')


KILLED = """
import os, sys
from pathlib import Path
from alexnet_ros.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b'half')
    file.flush()
    os.kill(os.getpid(), 9)
"""


def test_the_draft_of_a_killed_process_goes_and_one_in_work_stays(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_text('old')
    done = subprocess.run([sys.executable, '-c', KILLED, path], check=False)
    assert done.returncode == -9
    (draft,) = (one for one in tmp_path.iterdir() if one != path)
    with files.replacing(tmp_path / 'b') as file:
        file.write(b'whole')
        assert files.remove_drafts(tmp_path) == [draft.name]
    assert path.read_text() == 'old'
    assert (tmp_path / 'b').read_text() == 'whole'


def test_lines_are_appended_whole_and_a_part_of_one_is_mended(tmp_path: Path) -> None:
    path = tmp_path / 'a.csv'
    files.append_lines(path, 'one\n')
    with path.open('a') as file:
        file.write('tw')
    files.append_lines(path, 'three\n')
    assert path.read_text() == 'one\nthree\n'
    path.write_text('half')
    files.mend_lines(path)
    assert path.read_text() == ''
    path.write_bytes(b'x' * 70_000 + b'\n' + b'y' * 140_000)
    files.mend_lines(path)
    assert path.stat().st_size == 70_001


def test_lines_that_do_not_fit_leave_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / 'a.csv'
    path.write_text('one\n')
    with limited_files(1000), pytest.raises(FileWriteError, match='ulimit'):
        files.append_lines(path, 'x' * 2000 + '\n')
    assert path.read_text() == 'one\n'
