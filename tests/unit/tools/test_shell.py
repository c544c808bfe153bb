"""
The shell of the GPU pages and of the images: linted, and run where that proves something.

Commands that need root, the network or a Jetson are replaced by ones that note their
words, so a block's quoting, variables and redirections are those that bash makes of it.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = ('docs/jetson.md', 'docs/tensorrt.md')
PLAYED = (
    *('sudo', 'apt-get', 'curl', 'rosdep', 'pip3', 'colcon', 'docker', 'ros2', 'alexnet_ros'),
    *('python3', 'getent', 'groupadd', 'useradd', 'install', 'pip', 'sha256sum'),
)
IGNORED = 'SC1090,SC1091,SC2016,SC2164'  # files that are not here; $ in quotes; cd as typed


def blocks() -> list[object]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding='utf-8')
        for match in re.finditer(r'^```bash\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
            line = text.count('\n', 0, match.start()) + 1
            found.append(pytest.param(match.group(1), id=f'{page}:{line}'))
    return found


def run_lines(dockerfile: Path) -> str:
    """Return what a Dockerfile's RUN lines give to bash."""
    text = re.sub(r'\\\n', '\x00', dockerfile.read_text(encoding='utf-8'))
    runs = re.findall(r'^RUN (.*)$', text, re.MULTILINE)
    return '\n'.join(line.replace('\x00', '\\\n') for line in runs)


IMAGES = sorted((ROOT / 'docker').glob('Dockerfile.*'))


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A folder of commands that note their words and what they read."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in PLAYED:
        command = folder / name
        command.write_text(
            '#!/bin/bash\n'
            f'printf "%s" {name} >> "$NOTES"; printf " <%s>" "$@" >> "$NOTES"; echo >> "$NOTES"\n'
            '[ "$1" = tee ] && cat >> "$NOTES"\n'
            'exit 0\n'
        )
        command.chmod(0o755)
    return folder


def bash(script: str, played: Path, home: Path) -> str:
    """Run a script with the played commands; returns what they noted."""
    notes = home / 'notes'
    (home / 'ws' / 'install').mkdir(parents=True, exist_ok=True)
    (home / 'ws' / 'install' / 'setup.bash').write_text('')
    (home / 'alexnet_env' / 'bin').mkdir(parents=True, exist_ok=True)
    shutil.copy(played / 'pip', home / 'alexnet_env' / 'bin' / 'pip')
    for distro in ('humble', 'jazzy'):
        (home / distro).mkdir(exist_ok=True)
        (home / distro / 'setup.bash').write_text('')
    script = script.replace('/opt/ros/', f'{home}/').replace('/etc/apt/', f'{home}/')
    script = script.replace('/var/lib/apt', f'{home}')
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', script],
        cwd=home,
        check=False,
        capture_output=True,
        text=True,
        env={
            'PATH': f'{played}:{os.environ["PATH"]}',
            'HOME': str(home),
            'USER': 'robot',
            'PYTHONPATH': '',
            'NOTES': str(notes),
        },
    )
    assert done.returncode == 0, f'{script}\n{done.stderr}'
    return notes.read_text() if notes.exists() else ''


@pytest.mark.parametrize('block', blocks())
def test_block_of_a_page_is_sound(block: str, played: Path, tmp_path: Path) -> None:
    lint(block)
    assert bash(block, played, tmp_path)


@pytest.mark.parametrize('image', IMAGES, ids=lambda path: path.name)
def test_run_lines_of_an_image_are_sound(image: Path, played: Path, tmp_path: Path) -> None:
    arguments = 'export ROS_DISTRO=jazzy L4T=r39.2 CUDA_PYTHON="13.2.*" ROS_KEY_SHA256=4a91\n'
    lint(arguments + run_lines(image))
    for folder in ('sources.list.d', 'preferences.d'):
        (tmp_path / folder).mkdir()
    notes = bash(arguments + run_lines(image), played, tmp_path)
    assert 'colcon <build>' in notes
    assert ('sha256sum <-c>' in notes) == (image.suffix == '.jetson')
    source = tmp_path / 'sources.list.d' / 'jetson.list'
    if image.suffix == '.jetson':
        key = '/usr/share/keyrings/jetson-ota-public.asc'
        where = 'https://repo.download.nvidia.com/jetson/common r39.2 main'
        assert source.read_text() == f'deb [signed-by={key}] {where}\n'
        assert '<cuda-python==13.2.*>' in notes


def test_apt_sources_of_the_page_are_well_formed(played: Path, tmp_path: Path) -> None:
    for block in blocks()[:4]:  # each adds to the same notes
        notes = bash(block.values[0], played, tmp_path)  # type: ignore[attr-defined]
    sources = re.findall(r'^deb \[signed-by=(\S+)\] (\S+) (\S+) main$', notes, re.MULTILINE)
    assert [where for _, where, _ in sources] == [
        'https://repo.download.nvidia.com/jetson/common',
        'http://packages.ros.org/ros2/ubuntu',
    ]
    for key, _, suite in sources:
        assert f'<-o> <{key}>' in notes, 'the key is not fetched to where the source names it'
        assert suite


def test_entry_point_is_sound() -> None:
    lint((ROOT / 'docker' / 'entrypoint.sh').read_text(encoding='utf-8'))


@pytest.mark.parametrize('image', IMAGES, ids=lambda path: path.name)
def test_image_stops_as_with_ctrl_c_and_runs_as_a_user(image: Path) -> None:
    lines = image.read_text(encoding='utf-8').splitlines()
    assert 'STOPSIGNAL SIGINT' in lines
    assert 'USER robot' in lines


def lint(script: str) -> None:
    """Read a script with bash and, where it is installed, with shellcheck."""
    subprocess.run(['bash', '-n'], input=script, text=True, check=True, capture_output=True)
    if shutil.which('shellcheck'):
        words = ['shellcheck', '-s', 'bash', '-e', IGNORED, '-']
        done = subprocess.run(words, input=script, text=True, check=False, capture_output=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    'page', ['README.md', *sorted(p.name for p in (ROOT / 'docs').glob('*.md'))]
)
def test_shell_of_every_page_is_read_by_bash(page: str) -> None:
    path = ROOT / page if page == 'README.md' else ROOT / 'docs' / page
    text = path.read_text(encoding='utf-8')
    for block in re.findall(r'^```bash\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
        done = subprocess.run(
            ['bash', '-n'], input=block, text=True, check=False, capture_output=True
        )
        assert done.returncode == 0, f'{block}\n{done.stderr}'
