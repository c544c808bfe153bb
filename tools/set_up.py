"""
Make the Python environment that the Makefile's jobs run in.

``python3 tools/set_up.py [run] [demo] [test] [train] [fuzz] [docs] [colcon]`` needs only
Python, a C++ compiler and the package index, and does each step once: a step's stamp
holds a hash of all that it was made from. What compiles or renders goes on beside the
downloads. Where a ROS 2 is sourced it is used; otherwise ROS comes as wheels and the
message packages without wheels are built. Standard library only.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import build_messages

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'tools' / 'requirements'
WHEEL_DISTROS = ('jazzy', 'kilted')  # ROS 2 distributions with wheels on the index
PYTHONS = ((3, 10), (3, 13))  # first and last that the wheels are made for
MODULES = {  # distribution: its module, where the name differs
    'cuda-bindings': 'cuda',
    'opencv-python-headless': 'cv2',
    'PyYAML': 'yaml',
    'Jinja2': 'jinja2',
    'tensorrt_rtx_cu13_bindings': 'tensorrt_rtx_bindings',
    'tensorrt_rtx_cu13_libs': 'tensorrt_rtx_libs',
}
MESSAGES = ('vision_msgs', 'nav2_msgs', 'sensor_msgs', 'diagnostic_msgs', 'lifecycle_msgs')


class SetUpError(Exception):
    """One line: what could not be done and what to do about it."""


@dataclass(frozen=True)
class Place:
    """
    What is set up and where.

    :param distro: ROS 2 distribution, lower case.
    :param sourced: its installation is used instead of wheels.
    :param prefix: the virtual environment.
    """

    distro: str
    sourced: bool
    prefix: Path

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.prefix / 'bin' / 'python'

    @property
    def log(self) -> Path:
        """Where the output of the steps goes."""
        return ROOT / 'build' / f'set_up{self.prefix.name}.log'

    def env(self) -> dict[str, str]:
        """Return the variables for a step, without those of another environment."""
        env = dict(os.environ)
        if env.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None) and not self.sourced:
            env.pop('LD_LIBRARY_PATH', None)
        for name in ('PYTHONHOME', '__PYVENV_LAUNCHER__', 'PIP_REQUIRE_VIRTUALENV'):
            env.pop(name, None)
        if not self.sourced:
            env.pop('PYTHONPATH', None)
        return env | {'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'PIP_NO_INPUT': '1'}


def environment_folder(distro: str) -> Path:
    """Return the environment's folder, the same rule as in the Makefile."""
    return ROOT / ('.venv' if distro == 'jazzy' else f'.venv-{distro}')


def find_place() -> Place:
    """
    Decide between a sourced ROS 2 and wheels.

    :raises SetUpError: neither can work here.
    """
    distro = os.environ.get('ROS_DISTRO') or 'jazzy'
    if os.environ.get('AMENT_PREFIX_PATH') and os.environ.get('ROS_DISTRO'):
        probe = subprocess.run(
            [sys.executable, '-c', 'import rclpy'], check=False, capture_output=True, text=True
        )
        if probe.returncode:
            reasons = [line for line in probe.stderr.splitlines() if 'Error' in line] or ['']
            raise SetUpError(
                f'ROS 2 {distro} is sourced, but {sys.executable} cannot import its rclpy '
                f'({reasons[-1]}); name its Python, for instance PYTHON=/usr/bin/python3'
            )
        return Place(distro, sourced=True, prefix=environment_folder(distro))
    if distro not in WHEEL_DISTROS:
        raise SetUpError(
            f'there are no wheels of ROS 2 {distro}; source its setup.bash, or choose '
            f'ROS_DISTRO={" or ".join(WHEEL_DISTROS)}'
        )
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        raise SetUpError(
            f'the ROS 2 wheels are for Linux on x86-64, not {sys.platform} on '
            f'{platform.machine()}; source an installed ROS 2 first'
        )
    first, last = PYTHONS
    if not first <= sys.version_info[:2] <= last:
        raise SetUpError(
            f'the ROS 2 wheels need Python {first[0]}.{first[1]} to {last[0]}.{last[1]}, this '
            f'is {platform.python_version()}; name another, for instance PYTHON=python3.12'
        )
    return Place(distro, sourced=False, prefix=environment_folder(distro))


def run(place: Place, words: list[str | Path], failed: str) -> None:
    """
    Run one command with its output in the log.

    :param failed: the line that says what could not be done.
    :raises SetUpError: it did not end with 0; the last line of its output is added.
    """
    done = subprocess.run(
        list(map(str, words)),
        env=place.env(),
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
    )
    with place.log.open('a', encoding='utf-8') as stream:
        stream.write(f'$ {" ".join(map(str, words))}\n{done.stdout}')
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith('ERROR')] or lines[-1:] or ['']
        raise SetUpError(f'{failed}: {errors[0][:300]} (all of it: {place.log})')


def pip(place: Place, *words: str | Path, failed: str) -> None:
    """Run pip of the environment; Python compiles what it imports when it first does."""
    command = [place.python, '-m', 'pip', 'install', '--quiet', '--no-compile']
    run(place, [*command, *words], failed)


def usable(place: Place) -> bool:
    """Tell whether the folder holds an environment of this Python, kind and path."""
    code = f'import sys; sys.exit(sys.version_info[:3] != {tuple(sys.version_info[:3])})'
    kind = f'include-system-site-packages = {str(place.sourced).lower()}'
    try:
        return (
            kind in (place.prefix / 'pyvenv.cfg').read_text(encoding='utf-8')
            and str(place.prefix) in (place.prefix / 'bin/activate').read_text(encoding='utf-8')
            and subprocess.call([str(place.python), '-c', code], env=place.env()) == 0
        )
    except OSError:
        return False


def make_environment(place: Place) -> None:
    """Create the environment, anew unless what is there is of the same kind."""
    words: list[str | Path] = [sys.executable, '-m', 'venv']
    if place.sourced:
        words.append('--system-site-packages')
    if not usable(place):
        words.append('--clear')
    run(
        place,
        [*words, place.prefix],
        'no virtual environment could be made (Debian and Ubuntu: apt install python3-venv)',
    )


def requirements_without_versions(name: str) -> dict[str, list[str]]:
    """Return for each distribution of a requirements file its lines without versions."""
    found: dict[str, list[str]] = {}
    for line in (REQUIREMENTS / name).read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            requirement, _, marker = line.partition(';')
            distribution = requirement.split('==')[0].strip()
            found.setdefault(distribution, []).append(f'{distribution};{marker}'.rstrip(';'))
    return found


def missing_names(place: Place, names: list[str]) -> list[str]:
    """Return those of the distributions whose module the environment cannot find."""
    code = (
        'import importlib.util as u, sys\n'
        'print(*[n for n, m in (w.split("=") for w in sys.argv[1:]) if not u.find_spec(m)])'
    )
    words = [f'{name}={MODULES.get(name, name)}' for name in names]
    found = subprocess.run(
        [str(place.python), '-c', code, *words],
        env=place.env(),
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.split()


def install_requirements(place: Place, name: str) -> None:
    """
    Install one requirements file in its locked form: nothing without a known hash.

    PyTorch alone has none, for its right build depends on the machine. Beside a
    sourced ROS only what it lacks is installed, and NumPy keeps the major
    version that its message packages were compiled for.
    """
    failed = f'the packages of {name} could not be installed'
    constraints = REQUIREMENTS / 'constraints.txt'
    if not place.sourced:
        words = ('--no-deps', '--require-hashes', '-r', REQUIREMENTS / 'locked' / name)
        pip(place, *words, failed=failed)
        lines = (REQUIREMENTS / name).read_text(encoding='utf-8').splitlines()
        for line in lines:
            if line.startswith('torch=='):
                pip(place, line, '-c', constraints, failed=failed)
        return
    code = 'import numpy; print(numpy.__version__.partition(".")[0])'
    numpy = subprocess.run(
        [str(place.python), '-c', code],
        env=place.env(),
        text=True,
        capture_output=True,
        check=False,
    )
    if numpy.returncode == 0:
        major = int(numpy.stdout)
        constraints = place.prefix / 'numpy.txt'
        constraints.write_text(f'numpy>={major},<{major + 1}\n', encoding='utf-8')
    lines = requirements_without_versions(name)
    wanted = [line for key in missing_names(place, list(lines)) for line in lines[key]]
    if wanted:
        pip(place, *wanted, '-c', constraints, failed=failed)


def make_messages(place: Place) -> None:
    """Build the message packages without wheels, or check those of a sourced ROS."""
    if place.sourced:
        for name in MESSAGES:
            words = [str(place.python), '-c', f'import {name}.msg']
            if subprocess.call(words, env=place.env(), stderr=subprocess.DEVNULL):
                package = f'ros-{place.distro}-{name.replace("_", "-")}'
                raise SetUpError(f'ROS 2 {place.distro} lacks {name}: apt install {package}')
        return
    compiler = os.environ.get('CXX') or next(
        (name for name in ('c++', 'g++', 'clang++') if shutil.which(name)), None
    )
    if not compiler:
        raise SetUpError('no C++ compiler (Debian and Ubuntu: apt install g++)')
    try:
        build_messages.build(place.prefix, ROOT / 'build' / f'messages-{place.distro}')
    except build_messages.BuildError as error:
        raise SetUpError(str(error)) from error


def install_project(place: Place) -> None:
    """Install the project itself, editable."""
    pip(
        place,
        '--no-deps',
        '--no-build-isolation',
        '--editable',
        ROOT,
        failed='the project itself could not be installed',
    )


def render_drive(place: Place) -> None:
    """Render the drive that the demo plays; the demo itself finds it there."""
    words = [place.python, '-m', 'alexnet_ros', 'demo', '--render-only']
    run(place, [*words, '--output', ROOT / 'build' / 'demo'], 'the drive could not be rendered')


def install_colcon(place: Place) -> None:
    """Put colcon beside the environment, whose tests it would otherwise disturb."""
    target = place.prefix / 'colcon'
    shutil.rmtree(target, ignore_errors=True)
    pip(
        place,
        '--no-deps',
        '--require-hashes',
        '--target',
        target,
        '-r',
        REQUIREMENTS / 'locked' / 'colcon.txt',
        failed='colcon could not be installed',
    )


BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')  # as the tests look for them


def install_browser(place: Place) -> None:
    """
    Bring the browser that opens the report in the tests.

    Only root in CI installs system packages unasked; elsewhere the tests that need it say
    what to do, and go on.
    """
    if any(shutil.which(name) for name in BROWSERS):
        return
    if os.geteuid() or not os.environ.get('CI') or not shutil.which('apt-get'):
        return
    for words in (['update'], ['install', '-y', '--no-install-recommends', 'chromium']):
        with contextlib.suppress(SetUpError):  # offline: the tests are skipped with the reason
            run(place, ['apt-get', *words], 'the browser could not be installed')


@dataclass(frozen=True)
class Step:
    """
    One thing to do once.

    :param sources: files whose contents it depends on.
    :param needs: steps that must be done before; if one is redone so is this.
    :param beside: it installs nothing with pip, so the next step need not wait for it.
    """

    text: str
    action: Callable[[Place], None]
    sources: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    beside: bool = False


def all_steps(place: Place) -> dict[str, Step]:
    """Return the steps by name, in order."""
    shared = REQUIREMENTS / 'constraints.txt'

    def requirements(name: str, text: str, *needs: str) -> Step:
        return Step(
            text,
            lambda where: install_requirements(where, name),
            (REQUIREMENTS / name, REQUIREMENTS / 'locked' / name, shared),
            needs,
        )

    interfaces = tuple(sorted(p for p in build_messages.INTERFACES.rglob('*') if p.is_file()))
    manifests = ('setup.py', 'setup.cfg', 'package.xml', 'pyproject.toml')
    steps = {'environment': Step('Python environment', make_environment)}
    ros = 'environment'
    if not place.sourced:
        ros = 'ros'
        text = f'ROS 2 {place.distro}'
        steps[ros] = requirements(f'ros-{place.distro}.txt', text, 'environment')
    steps |= {
        'messages': Step(
            'message packages',
            make_messages,
            (*interfaces, ROOT / 'tools' / 'build_messages.py'),
            (ros,),
            beside=True,
        ),
        'run': requirements('run.txt', 'packages to run', 'environment'),
        'project': Step(
            'alexnet_ros', install_project, tuple(ROOT / name for name in manifests), ('run',)
        ),
        'demo': Step('the drive of the demo', render_drive, (), ('project',), beside=True),
        'train': requirements('train.txt', 'packages to train', 'run'),
        'ray': requirements('ray.txt', 'Ray', 'run'),
        'browser': Step('browser', install_browser, (), ('run',)),
        'test': requirements('test.txt', 'packages to test', 'run'),
        'fuzz': requirements('fuzz.txt', 'packages to fuzz', 'run'),
        'docs': requirements('docs.txt', 'packages to build the pages', 'run'),
        'colcon': Step(
            'colcon', install_colcon, (REQUIREMENTS / 'locked' / 'colcon.txt',), ('run',)
        ),
    }
    return steps


def steps_of(groups: list[str], place: Place) -> list[str]:
    """Return the names of the steps that the groups need, in order."""
    wanted = {'environment', 'run', 'project'}
    if set(groups) - {'train'}:
        wanted |= {'ros', 'messages'}
    wanted |= set(groups)
    if 'test' in groups:
        wanted |= {'train', 'ray', 'browser'}
    return [name for name in all_steps(place) if name in wanted]


def keys_of(steps: dict[str, Step], place: Place) -> dict[str, str]:
    """Return for each step a hash of all that it is made from."""
    machine = f'{place}{platform.python_version()}{platform.machine()}{sys.base_prefix}'
    if place.sourced:
        machine += os.environ['AMENT_PREFIX_PATH']
    keys: dict[str, str] = {}
    for name, step in steps.items():
        digest = hashlib.sha256(machine.encode())
        for path in step.sources:
            digest.update(path.name.encode() + path.read_bytes())
        for need in step.needs:
            digest.update(keys[need].encode())
        keys[name] = digest.hexdigest()
    return keys


@contextlib.contextmanager
def locked(place: Place) -> Iterator[None]:
    """Let one set-up of a place run at a time; a second waits for the first."""
    place.log.parent.mkdir(exist_ok=True)
    with (place.log.with_suffix('.lock')).open('w', encoding='utf-8') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('set-up: waiting for another set-up of this folder', flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def set_up(groups: list[str]) -> None:
    """
    Do what is not yet done for the groups.

    :raises SetUpError: a step failed.
    """
    place = find_place()
    steps = all_steps(place)
    keys = keys_of(steps, place)
    stamps = place.prefix / 'set_up'

    def do(name: str) -> None:
        print(f'set-up: {steps[name].text} ...', flush=True)
        began = time.monotonic()
        stamp = stamps / name
        stamp.unlink(missing_ok=True)
        steps[name].action(place)
        stamps.mkdir(exist_ok=True)
        stamp.write_text(keys[name], encoding='utf-8')
        print(f'set-up: {steps[name].text}: done in {time.monotonic() - began:.0f} s', flush=True)

    going: dict[str, Future[None]] = {}
    with locked(place), ThreadPoolExecutor() as pool:
        for name in steps_of(groups, place):
            stamp = stamps / name
            done = stamp.is_file() and stamp.read_text(encoding='utf-8') == keys[name]
            if done and place.python.exists():
                continue
            for need in steps[name].needs:
                if need in going:
                    going[need].result()
            if steps[name].beside:
                going[name] = pool.submit(do, name)
            else:
                do(name)
        for future in going.values():
            future.result()


def main() -> int:
    """Set up the groups that the command line names."""
    parser = argparse.ArgumentParser(description='Make the environment of the project.')
    parser.add_argument(
        'groups',
        nargs='+',
        choices=['run', 'demo', 'test', 'train', 'fuzz', 'docs', 'colcon'],
        help='what it is for',
    )
    try:
        set_up(parser.parse_args().groups)
    except SetUpError as error:
        print(f'\nset-up: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
