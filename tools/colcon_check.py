"""
Build the package with colcon as a robot's workspace does, and start it.

In ``build/colcon_ws``: a workspace with this package alone, built and
installed. Its ``classifier`` is then started from the installed folder, with
nothing of the source tree on its path, and led to ``inactive`` with a model.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = ROOT / 'build' / 'colcon_ws'
NAME = 'alexnet_ros'
CONFIGURE_S = 120.0
SOURCES = (  # what a release of the package consists of
    'alexnet_ros',
    'config',
    'launch',
    'models',
    'resource',
    'LICENSE',
    'package.xml',
    'setup.cfg',
    'setup.py',
)


class CheckError(Exception):
    """One line that says what does not hold."""


def colcon_command() -> tuple[list[str], dict[str, str]]:
    """Return how to call colcon, and its variables: the robot's own, or the wheels'."""
    own = Path(sys.prefix) / 'colcon'
    if not own.is_dir():
        if shutil.which('colcon'):
            return ['colcon'], dict(os.environ)
        raise CheckError('colcon is not installed: run make colcon')
    path = [str(own), *filter(None, [os.environ.get('PYTHONPATH')])]
    env = os.environ | {'PYTHONPATH': os.pathsep.join(path)}
    code = 'import sys; from colcon_core.command import main; sys.exit(main())'
    return [sys.executable, '-W', 'ignore', '-c', code], env


def build() -> Path:
    """
    Build and install in a fresh workspace.

    :returns: the package's install prefix.
    """
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    source = WORKSPACE / 'src' / NAME
    source.mkdir(parents=True)
    for name in SOURCES:
        part = ROOT / name
        if part.is_dir():
            shutil.copytree(part, source / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy2(part, source / name)
    command, env = colcon_command()
    log = WORKSPACE / 'colcon.log'
    with log.open('w', encoding='utf-8') as stream:
        code = subprocess.call(
            [*command, 'build', '--event-handlers', 'console_direct+'],
            cwd=WORKSPACE,
            env=env,
            stdout=stream,
            stderr=stream,
        )
    if code:
        lines = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()
        raise CheckError(f'colcon build failed with {code}: {lines[-1]} (all of it: {log})')
    return WORKSPACE / 'install' / NAME


def check_files(prefix: Path) -> None:
    """Make sure that everything ROS users expect is installed."""
    share = prefix / 'share'
    wanted = [
        share / 'ament_index' / 'resource_index' / 'packages' / NAME,
        share / NAME / 'package.xml',
        *(prefix / 'lib' / NAME / name for name in (NAME, 'classifier', 'sign_navigator')),
    ]
    for folder in ('config', 'launch', 'models'):
        wanted += [
            share / NAME / path.relative_to(ROOT)
            for path in (ROOT / folder).rglob('*')
            if path.is_file() and '__pycache__' not in path.parts
        ]
    missing = [str(path.relative_to(prefix)) for path in wanted if not path.exists()]
    if missing:
        raise CheckError(f'not installed: {", ".join(missing)}')
    print(f'colcon: built, {len(wanted)} files where ROS looks for them')


def check_node(prefix: Path, model: str) -> None:
    """Start the installed classifier and lead it to ``inactive``."""
    site = next((prefix / 'lib').glob('python3*/site-packages'))
    with tempfile.TemporaryDirectory(prefix='colcon-') as elsewhere:
        os.chdir(elsewhere)  # nothing of the source tree may help
        os.environ['AMENT_PREFIX_PATH'] = os.pathsep.join(
            [str(prefix), *filter(None, [os.environ.get('AMENT_PREFIX_PATH')])]
        )
        os.environ['PYTHONPATH'] = os.pathsep.join(
            [str(site), *filter(None, [os.environ.get('PYTHONPATH')])]
        )
        sys.path.insert(0, str(site))
        from alexnet_ros.ros.clients import control, dds_check
        from alexnet_ros.ros.clients.session import Session

        if not Path(control.__file__).is_relative_to(prefix):
            raise CheckError(f'alexnet_ros was imported from {control.__file__}')
        profile = dds_check.profile_path()
        if profile is None or not profile.is_relative_to(prefix):
            raise CheckError(f'the Fast DDS profile was found at {profile}')
        os.environ.update(dds_check.profile_environment(dds_check.own_domain()))
        program = prefix / 'lib' / NAME / 'classifier'
        log = WORKSPACE / 'classifier.log'
        parameters = {'model': model} if model else {}
        with (
            control.NodeProcess(str(program), 'alexnet', parameters=parameters, log=log) as node,
            Session('colcon_check') as session,
        ):
            leader = control.LifecycleClient(session.node, node)
            leader.change('configure', CONFIGURE_S)
            state = leader.state()
            if state != 'inactive':
                raise CheckError(f'the node is {state} after configure')
            print(f'colcon: {program.relative_to(prefix)} is configured')
            if code := node.stop():
                raise CheckError(f'the node ended with {code}, see {log}')


def main() -> int:
    """Build, look, start."""
    parser = argparse.ArgumentParser(description='Build with colcon, start the installed node.')
    parser.add_argument('--model', default='', help="model name or folder (default: the node's)")
    args = parser.parse_args()
    try:
        prefix = build()
        check_files(prefix)
        check_node(prefix, str(Path(args.model).resolve()) if '/' in args.model else args.model)
    except Exception as error:  # noqa: BLE001 - one line, whatever it was
        print(f'colcon: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
