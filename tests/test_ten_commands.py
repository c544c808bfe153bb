"""
The ten commands of docs/transfer_learning.md do what they say, shortened in steps alone.

The last two need ROS: tests/ros/test_ten_commands.py.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.model_package import ModelPackage

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs/transfer_learning.md'


def commands() -> list[str]:
    block = re.search(r'```bash\n(git clone.*?)```', PAGE.read_text(), re.DOTALL)
    assert block is not None
    return block.group(1).strip().splitlines()


def test_there_are_ten() -> None:
    assert len(commands()) == 10


def test_a_clone_has_what_the_others_need(tmp_path: Path) -> None:
    clone, set_up = (shlex.split(line) for line in commands()[:2])
    if not (ROOT / '.git').exists():
        pytest.skip('this copy of the project is no clone')
    assert clone[:2] == ['git', 'clone']
    words = ['git', 'clone', '--quiet', str(ROOT), clone[2].rpartition('/')[2]]
    subprocess.run(words, cwd=tmp_path, check=True)
    assert clone[3:] == ['&&', 'cd', 'alexnet_ros']
    here = tmp_path / 'alexnet_ros'
    assert set_up == ['make', 'set-up-train', '&&', '.', '.venv/bin/activate']
    dry = ['make', '--no-print-directory', '--dry-run', 'set-up-train']  # also within make
    done = subprocess.run(dry, cwd=here, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-2:] == ['tools/set_up.py', 'train']
    for line in commands()[2:]:
        for word in shlex.split(line):
            if word.startswith(('tools/', 'launch/')):
                assert (here / word).is_file(), line
    ours = {str(path.relative_to(here)) for path in (here / 'models/heading').iterdir()}
    assert 'models/heading/model.yaml' in ours


@pytest.mark.slow
def test_the_commands_lead_to_a_model_that_steers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('torch')
    monkeypatch.setattr('alexnet_ros.cli.train.tune_malloc', lambda: None)
    monkeypatch.chdir(tmp_path)
    done = []
    for line in commands():
        words = shlex.split(line)
        if words[:2] == ['python', 'tools/make_heading_set.py']:
            subprocess.run([sys.executable, str(ROOT / words[1]), *words[2:]], check=True)
        elif words[0] == 'alexnet_ros':
            if words[1] == 'train':
                words[words.index('--steps') + 1] = '60'
                words += ['--threads', '0', '--cores', '1']
            assert main(words[1:]) == 0, line
        else:
            continue
        done.append(words[0])
    assert done.count('alexnet_ros') == 5
    package = ModelPackage.load('build/models/heading')
    assert package.labels.names == ('left', 'straight', 'right')
    assert {label.role for label in package.labels} == {'heading'}
    assert package.metrics['int8']['top1'] > 0.5
    assert 'confusion' in capsys.readouterr().out
