import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros import __version__
from alexnet_ros.cli.main import COMMANDS, main, make_parser
from tests.models import tiny_package

ROOT = Path(__file__).resolve().parents[3]


def test_version_and_help_name_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ('--version', '--help'):
        with pytest.raises(SystemExit) as caught:
            main([word])
        assert caught.value.code == 0
    text = capsys.readouterr().out
    assert __version__ in text
    assert all(name in text for name in COMMANDS)


def test_every_text_of_help_belongs_to_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    names = {path.stem for path in (ROOT / 'alexnet_ros/cli/help').iterdir()} - {'data'}
    assert names <= set(COMMANDS)
    with pytest.raises(SystemExit):
        main(['evaluate', '--help'])
    text = capsys.readouterr().out
    assert 'Data may be\n  a folder with one sub-folder per class' in text
    assert text.rstrip().endswith('--report out/')


@pytest.mark.parametrize('words', [[], ['fly'], ['classify', '--fast']])
def test_wrong_usage_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_word_next_to_a_command_is_asked_after(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['recognise', 'image.jpg'])
    assert 'did you mean recognize?' in capsys.readouterr().err


def test_model_and_backend_are_the_same_in_every_command() -> None:
    parsers = {
        name: make_parser(name)._subparsers._group_actions[0].choices[name]  # type: ignore[union-attr]
        for name in COMMANDS
    }
    options = {
        name: {action.dest: action for action in parser._actions}
        for name, parser in parsers.items()
    }
    models = [found['model'].default for found in options.values() if 'model' in found]
    assert len(models) >= 8
    assert set(map(str, models)) <= {'signs', '[]'}  # doctor: none named, all checked
    backends = [
        tuple(found['backend'].choices)
        for name, found in options.items()
        if 'backend' in found and name != 'build'  # which TensorRT
    ]
    assert len(backends) >= 5
    assert len(set(backends)) == 1


def test_shell_completion_offers_commands_and_options(tmp_path: Path) -> None:
    told = tmp_path / 'told'
    for line, wanted in (('alexnet_ros rec', 'recognize'), ('alexnet_ros replay --min', '--min-')):
        done = subprocess.run(
            [sys.executable, '-m', 'alexnet_ros'],
            env={
                '_ARGCOMPLETE': '1',
                '_ARGCOMPLETE_STDOUT_FILENAME': str(told),
                'COMP_LINE': line,
                'COMP_POINT': str(len(line)),
                'PYTHONPATH': str(ROOT),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert wanted in told.read_text(), done.stderr


def test_models_list_and_info_tell_what_a_model_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['models', 'list']) == 0
    assert 'signs' in capsys.readouterr().out
    assert main(['models', 'info', '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['name'] == 'signs'
    assert len(found['labels']) >= found['classes'] > 40
    assert main(['models', 'info']) == 0
    assert f'knows {found["classes"]} German signs' in capsys.readouterr().out
    assert main(['models', 'info', 'nosuch']) == 1


def test_reader_that_has_enough_is_no_traceback(tmp_path: Path) -> None:
    """As in ``alexnet_ros classify ... | head -1``."""
    picture = tmp_path / 'p.ppm'
    picture.write_bytes(b'P6 8 8 255\n' + bytes(192))
    model = tiny_package(tmp_path / 'tiny').folder
    words = ['classify', '--json', '--backend', 'cpu', '--model', str(model), *[str(picture)] * 50]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, '-m', 'alexnet_ros', *words],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=1200,
        cwd=ROOT,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ''
