import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros import __version__
from alexnet_ros.cli.main import COMMANDS, main
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


@pytest.mark.parametrize('words', [[], ['fly'], ['classify', '--fast']])
def test_wrong_usage_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


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
        timeout=60,
        cwd=ROOT,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ''
