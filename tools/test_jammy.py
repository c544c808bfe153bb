"""
Run the core's tests with what Ubuntu 22.04 brings: ``make test-jammy``.

A robot with ROS 2 Humble has Python 3.10, pytest 6.2, NumPy 1.21 and OpenCV 4.5 from apt.
An environment with those versions, ``build/jammy``, stands in for it; ROS itself is not in
it, so the nodes' tests run where ROS is. The documentation's commands are tried there too.
Standard library only.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / 'build' / 'jammy'
FIRST = ('setuptools==59.6.0', 'wheel==0.37.1')  # what builds PyYAML of that time
PINS = (  # apt's versions there; below them what pip brings beside
    'numpy==1.21.5',
    'opencv-python-headless==4.5.4.60',
    'pytest==6.2.5',
    'hypothesis==6.36.0',
    'Jinja2==3.0.3',
    'MarkupSafe==2.0.1',
    'tqdm==4.57.0',
    'onnx==1.12.0',
    'protobuf==3.20.1',
    'rosbags==0.11.9',
)
ALONE = ('onnxruntime==1.23.2', 'argcomplete==1.8.1')  # without what they ask for
TESTS = (
    'tests/test_layers.py',
    'tests/test_plugins.py',
    'tests/unit/codec',
    'tests/unit/navigation/test_actions.py',
    'tests/unit/report',
    'tests/unit/cli/test_classify.py',
    'tests/unit/cli/test_progress.py',
    'tests/unit/engine/test_onnxrt.py',
)


def python310() -> str:
    """Return a Python 3.10 that runs, empty if there is none."""
    pyenv = Path(os.environ.get('PYENV_ROOT', Path.home() / '.pyenv')) / 'versions'
    found = [*sorted(pyenv.glob('3.10*/bin/python3.10')), shutil.which('python3.10') or '']
    for path in map(str, found):
        if path and not subprocess.call([path, '-c', ''], stderr=subprocess.DEVNULL):
            return path
    return ''


def make(python: str) -> str:
    """Make the environment once; return its Python."""
    inside, stamp = PLACE / 'bin' / 'python', PLACE / 'made'
    wanted = repr((FIRST, PINS, ALONE))
    if not stamp.is_file() or stamp.read_text() != wanted:
        pip = [inside, '-m', 'pip', 'install', '-q', '--disable-pip-version-check']
        for words in (
            [python, '-m', 'venv', '--clear', PLACE],
            [*pip, *FIRST],
            [*pip, '--no-build-isolation', 'PyYAML==5.4.1'],
            [*pip, *PINS],
            [*pip, '--no-deps', *ALONE],
            [*pip, 'coloredlogs==15.0.1', 'flatbuffers==25.12.19', 'sympy==1.14.0'],
        ):
            subprocess.run(list(map(str, words)), check=True, stderr=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return str(inside)


def main() -> int:
    """Run the tests; 0 with a line where there is no Python 3.10."""
    python = python310()
    if not python:
        print('test-jammy: not run, there is no Python 3.10 here (pyenv install 3.10)')
        return 0
    try:
        inside = make(python)
    except subprocess.CalledProcessError as error:
        print(f'test-jammy: {" ".join(error.cmd)} ended with {error.returncode}', file=sys.stderr)
        return 1
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    tests = [inside, '-m', 'pytest', '-q', *TESTS, *sys.argv[1:]]
    pages = [inside, '-m', 'tests.doc_commands', 'torch,onnx,PIL,safetensors,openvino,ray']
    return max(subprocess.call(words, cwd=ROOT, env=env) for words in (tests, pages))


if __name__ == '__main__':
    sys.exit(main())
