"""
Build the message packages that have no wheel into a Python environment.

The folders of ``tools/interfaces`` hold nothing but field names and types;
what comes out are the real wire types with C type support. Standard library
only, so that any Python can run it: ``python3 tools/build_messages.py PREFIX``.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INTERFACES = Path(__file__).resolve().parent / 'interfaces'
WHEEL_PYTHON = re.compile(r'/opt/python/cp\d+-cp\d+/')  # where the wheels were made


class BuildError(Exception):
    """One line that says which step failed and where its log is."""


def packages() -> list[Path]:
    """Return the folders of the interface packages; none needs another."""
    return sorted(path.parent for path in INTERFACES.glob('*/package.xml'))


def correct_exports(prefix: Path, include: str) -> int:
    """
    Point the exported CMake targets of the wheels to this machine's Python.

    :param prefix: the environment.
    :param include: the folder of ``Python.h``.
    :returns: the number of files changed.
    """
    changed = 0
    for path in prefix.glob('share/**/*.cmake'):
        text = path.read_text(encoding='utf-8')
        if not WHEEL_PYTHON.search(text):
            continue
        text = re.sub(WHEEL_PYTHON.pattern + r'include/python3\.\d+', include, text)
        text = re.sub(WHEEL_PYTHON.pattern + 'lib', str(prefix / 'lib'), text)
        path.write_text(text, encoding='utf-8')
        changed += 1
    return changed


def python_include(python: Path) -> str:
    """Return the folder of ``Python.h`` of an interpreter, which must be there."""
    code = 'import sysconfig; print(sysconfig.get_paths()["include"])'
    folder = subprocess.check_output([python, '-S', '-c', code], text=True).strip()
    if not (Path(folder) / 'Python.h').is_file():
        raise BuildError(
            f'{folder}/Python.h is missing: install the development files of Python '
            '(Debian and Ubuntu: python3-dev)'
        )
    return folder


def build_environment(prefix: Path) -> dict[str, str]:
    """Return the variables under which the generators of the wheels run."""
    return os.environ | {
        'PATH': f'{prefix / "bin"}{os.pathsep}{os.environ.get("PATH", os.defpath)}',
        'AMENT_PREFIX_PATH': str(prefix),
        'CMAKE_PREFIX_PATH': str(prefix),
        'LD_LIBRARY_PATH': str(prefix / 'lib'),
        '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1',
        'PYTHONWARNINGS': 'ignore',
    }


def first_error(log: Path) -> str:
    """Return the line of a build log that says what went wrong, as far as one does."""
    lines = log.read_text(encoding='utf-8', errors='replace').splitlines()
    marked = [n for n, line in enumerate(lines) if re.search(r'\berror\b', line, re.IGNORECASE)]
    start = marked[0] if marked else max(len(lines) - 1, 0)
    return ' '.join(' '.join(lines[start : start + 4]).split())[:300]


def build(prefix: Path, build_folder: Path) -> None:
    """
    Build and install every interface package.

    :param prefix: the environment that has the generators; it is installed to.
    :param build_folder: scratch space, emptied first; keeps the logs.
    :raises BuildError: a step failed.
    """
    python = prefix / 'bin' / 'python'
    include = python_include(python)
    correct_exports(prefix, include)
    env = build_environment(prefix)
    shutil.rmtree(build_folder, ignore_errors=True)
    build_folder.mkdir(parents=True)

    def make(package: Path) -> None:
        tree, log = build_folder / package.name, build_folder / f'{package.name}.log'
        configure = ['cmake', '-G', 'Ninja', '-S', package, '-B', tree, '-Wno-dev']
        configure += [f'-DPython3_EXECUTABLE={python}', f'-DCMAKE_INSTALL_PREFIX={prefix}']
        configure += ['-DCMAKE_BUILD_TYPE=Release', '-DBUILD_TESTING=OFF']
        for step in (configure, ['cmake', '--build', tree], ['cmake', '--install', tree]):
            words = [str(word) for word in step]
            with log.open('a', encoding='utf-8') as stream:
                stream.write(f'$ {" ".join(words)}\n')
                stream.flush()
                code = subprocess.call(words, env=env, stdout=stream, stderr=stream)
            if code:
                raise BuildError(f'{package.name}: {first_error(log)} (all of it: {log})')

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, packages()))


def main() -> int:
    """Build into the environment that the command line names."""
    parser = argparse.ArgumentParser(description='Build the message packages without wheels.')
    parser.add_argument('prefix', type=Path, help='a virtual environment with the generators')
    parser.add_argument('--build-folder', type=Path, default=Path('build/messages'))
    args = parser.parse_args()
    try:
        build(args.prefix.absolute(), args.build_folder.absolute())
    except BuildError as error:
        print(f'build_messages: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
