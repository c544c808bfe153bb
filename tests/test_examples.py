"""
What README and docs tell people to type is tried.

Commands of this package are read by their real parsers, make targets by make,
launch arguments by the launch file, Python examples are run.
"""

import argparse
import dataclasses
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from alexnet_ros.cli.main import COMMANDS
from alexnet_ros.config import ClassifierSettings, flat_fields
from tests.shared_data import shared

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r'^```(\w+)\n(.*?)^```', re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r'^\w+=\S*$')


class Example(NamedTuple):
    """One command line or one Python program of the documentation."""

    place: str
    text: str


def _blocks(*languages: str) -> Iterator[Example]:
    for path in (ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))):
        text = path.read_text()
        for match in FENCE.finditer(text):
            if match.group(1) in languages:
                line = text.count('\n', 0, match.start()) + 2
                yield Example(f'{path.relative_to(ROOT)}:{line}', match.group(2))


def _commands(program: str) -> list[Example]:
    """Return the lines that call a program, without what stands before and behind it."""
    found = []
    for place, block in _blocks('bash', 'sh', 'console'):
        for line in block.replace('\\\n', ' ').splitlines():
            for part in re.split(r'&&|\|\||[|;]', line.removeprefix('$ ')):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError:
                    continue
                while words and ASSIGNMENT.match(words[0]):
                    words.pop(0)
                if words and words[0].removeprefix('.venv/bin/') == program:
                    found.append(Example(place, shlex.join(words[1:])))
    return list(dict.fromkeys(found))


def _named(examples: list[Example]) -> list[object]:
    return [pytest.param(e, id=f'{e.place} {e.text[:40]}') for e in examples]


@pytest.mark.parametrize('example', _named(_commands('alexnet_ros')))
def test_command_line_of_the_documentation_parses(example: Example) -> None:
    words = shlex.split(example.text.split('>')[0].replace('…', 'more'))
    if words and words[0] in {'--help', '--version', 'COMMAND'}:
        return
    assert words[0] in COMMANDS, f'{example.place}: no command {words[0]}'
    module = importlib.import_module(f'alexnet_ros.cli.{words[0].replace("-", "_")}')
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)
    try:
        parser.parse_args(words[1:])
    except (SystemExit, argparse.ArgumentError) as error:
        if '-h' not in words and '--help' not in words:
            pytest.fail(f'{example.place}: alexnet_ros {example.text}: {error}')


@pytest.mark.parametrize('example', _named(_commands('make')))
def test_make_target_of_the_documentation_exists(example: Example) -> None:
    words = ['make', '--dry-run', *shlex.split(example.text)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{example.place}: {done.stderr}'


LAUNCHES = [e for e in _commands('ros2') if e.text.startswith('launch alexnet_ros ')]


@pytest.mark.parametrize('example', _named(LAUNCHES))
def test_launch_of_the_documentation_names_a_file_and_its_arguments(example: Example) -> None:
    _, _, name, *arguments = shlex.split(example.text)
    text = (ROOT / 'launch' / name).read_text()
    for argument in arguments:
        if ':=' in argument:
            key = argument.partition(':=')[0]
            assert f"'{key}'" in text, f'{example.place}: {name} has no argument {key}'


@pytest.mark.parametrize('example', _named(list(_blocks('python'))))
def test_python_of_the_documentation_runs(example: Example, tmp_path: Path) -> None:
    for name in ('image.jpg', 'photo.jpg'):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), (0, 0, 255), np.uint8))
    script = tmp_path / 'example.py'
    script.write_text(example.text)
    done = subprocess.run(
        [sys.executable, '-W', 'error', str(script)],
        cwd=tmp_path,
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, f'{example.place}: {done.stderr}'


def test_first_lines_of_the_readme_find_the_sign_in_a_photograph(tmp_path: Path) -> None:
    """Word for word, on a real road photograph and with the bundled model."""
    shutil.copy(shared('road') / '0000012.jpg', tmp_path / 'photo.jpg')
    env = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'}
    (command,) = [
        e for e in _commands('alexnet_ros') if 'photo.jpg' in e.text and e.place[0] == 'R'
    ]
    (program,) = [e for e in _blocks('python') if e.place.startswith('README')]
    seen = subprocess.run(
        [sys.executable, '-m', 'alexnet_ros', *shlex.split(command.text)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen.returncode == 0, seen.stderr
    assert '%' in seen.stdout
    assert (tmp_path / 'seen/photo.jpg').is_file()
    done = subprocess.run(
        [sys.executable, '-c', program.text],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'class_name=' in done.stdout


def test_public_names_are_there_and_come_late() -> None:
    code = (
        'import sys, alexnet_ros as a\n'
        'assert not {"numpy", "cv2", "yaml"} & set(sys.modules)\n'
        'print([getattr(a, name).__name__ for name in a.__all__])\n'
        'try: a.nosuch\nexcept AttributeError: pass\nelse: raise SystemExit(1)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'Recognizer' in done.stdout


def test_files_linked_from_the_documentation_exist() -> None:
    missing = []
    for path in (ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))):
        targets = re.findall(r'\]\((?!https?:|#|mailto:)([^)#]+)', path.read_text())
        missing += [
            f'{path.name} -> {t}'
            for t in targets
            if not (path.parent / t).exists() and not t.startswith('api/')
        ]  # made by make docs
    assert not missing


def test_readme_names_what_the_makefile_has() -> None:
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    assert {'demo', 'test', 'lint', 'bench', 'colcon', 'test-gpu', 'faults'} <= targets


def test_readme_parameters_and_their_defaults_are_the_nodes() -> None:
    fields = flat_fields(ClassifierSettings)
    rows = re.findall(
        r'^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|', (ROOT / 'README.md').read_text(), re.MULTILINE
    )
    told = [
        pair
        for names, defaults in rows
        if '/' not in defaults
        for pair in zip(re.findall(r'\w+', names), defaults.split(','), strict=True)
    ]
    assert len(told) > 5
    for name, default in told:
        field = fields[name]
        factory = field.default_factory
        value = field.default if factory is dataclasses.MISSING else factory()
        assert str(value) == default.strip().strip('`'), name
