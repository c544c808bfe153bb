"""ROS's own linters, where they are installed; ament_copyright wants a notice in every file."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ['alexnet_ros', 'launch', 'setup.py']


@pytest.mark.parametrize(
    'words',
    [
        ['ament_xmllint', 'package.xml'],
        ['ament_pep257', *SOURCES],
        ['ament_flake8', '--config', 'setup.cfg', *SOURCES],
    ],
    ids=lambda words: words[0],
)
def test_linter_of_ros_has_nothing_to_say(words: list[str]) -> None:
    if shutil.which(words[0]) is None:
        package = words[0].replace('_', '-')
        pytest.skip(
            f'{words[0]} is not installed: sudo apt install python3-{package}, '
            f'or ros-$ROS_DISTRO-{package}'
        )
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    env['PATH'] = os.pathsep.join(['/usr/bin', env['PATH']])  # its Python, not the environment's
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
