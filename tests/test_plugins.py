"""The tests run where ROS's launch system has put its pytest plugins."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = {  # as the packages of launch and launch_ros name them
    'launch_testing': 'def pytest_pycollect_makemodule(path, parent): raise RuntimeError',
    'launch_ros': 'def pytest_launch_collect_makemodule(path, parent, entrypoint): pass',
    'launch_pytest': 'raise RuntimeError("loaded")',
}


@pytest.mark.parametrize('names', [list(PLUGINS), ['launch_ros'], ['launch_testing']])
def test_tests_run_beside_the_plugins_of_launch(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / f'{name}_plugin.py').write_text(PLUGINS[name])
        facts = tmp_path / f'{name}-1.dist-info'
        facts.mkdir()
        (facts / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1\n')
        (facts / 'entry_points.txt').write_text(f'[pytest11]\n{name} = {name}_plugin\n')
    words = [sys.executable, '-m', 'pytest', '-q', 'tests/test_layers.py']
    plain = [*words, '-c', '/dev/null', '--rootdir', str(tmp_path)]
    env = {'PYTHONPATH': str(tmp_path), 'PATH': ''}
    ours, bare = (
        subprocess.run(one, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        for one in (words, plain)
    )
    assert ours.returncode == 0, ours.stdout + ours.stderr
    assert bare.returncode != 0, 'the plugins stand in for nothing'
