"""
Write the hashes of all packages, ``tools/requirements/locked``, anew.

Each file there is a requirements file with everything that it brings along,
for x86-64 and arm64, Python 3.10 and newer, every file of the index with its
SHA-256; ``pip --require-hashes`` takes nothing else. Run it after a version in
``tools/requirements`` was changed. It asks the package index by uv, which is
installed into an environment of its own.

PyTorch is left out, though not what it needs: which of its builds is right
depends on the machine, and those for CUDA bring gigabytes of their own.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'tools' / 'requirements'
LOCKED = REQUIREMENTS / 'locked'
TOOLS = ROOT / 'build' / 'lock-tools'
UV = 'uv==0.13.9'
UNLOCKED = 'torch'
NEEDS = {  # of what is left out
    'torch': (
        'filelock',
        'fsspec',
        'Jinja2',
        'networkx',
        'setuptools',
        'sympy',
        'typing_extensions',
    )
}
ALONE = ('colcon.txt',)  # installed without what it names for its own tests
HEADER = '# Made by tools/lock.py from ../{name}; do not edit.\n'


def uv() -> str:
    """Return the path of uv, installed if it is not there."""
    path = TOOLS / 'bin' / 'uv'
    if not path.exists():
        venv.create(TOOLS, with_pip=True, clear=True)
        words = [TOOLS / 'bin' / 'python', '-m', 'pip', 'install', '-q', UV]
        subprocess.run(words, check=True)
    return str(path)


def source(name: str) -> str:
    """Return a requirements file, what is left out replaced by what it needs."""
    lines = []
    for line in (REQUIREMENTS / name).read_text(encoding='utf-8').splitlines():
        if line.split('==')[0].strip() == UNLOCKED:
            lines += NEEDS[UNLOCKED]
        else:
            lines.append(line)
    return '\n'.join(lines) + '\n'


def lock(name: str) -> int:
    """Write the locked form of one file; return how many packages it has."""
    words = [uv(), 'pip', 'compile', '-', '-q', '--universal', '--python-version', '3.10']
    words += ['--generate-hashes', '--no-header', '--no-annotate', '--native-tls']
    if name in ALONE:
        words.append('--no-deps')
    for other in ('constraints.txt', 'run.txt'):
        words += ['-c', str(REQUIREMENTS / other)]
    done = subprocess.run(
        words, input=source(name), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f'lock: {name}: {done.stderr.strip()}')
    LOCKED.mkdir(exist_ok=True)
    (LOCKED / name).write_text(HEADER.format(name=name) + done.stdout, encoding='utf-8')
    return sum(not line.startswith((' ', '#')) for line in done.stdout.splitlines())


def main() -> int:
    """Lock all files, or those that are named."""
    names = sys.argv[1:] or sorted(
        path.name for path in REQUIREMENTS.glob('*.txt') if path.name != 'constraints.txt'
    )
    for name in names:
        print(f'{name}: {lock(name)} packages', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
