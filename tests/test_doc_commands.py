"""Every command of README and docs ends in a result or in one line, whatever is installed."""

import json
import subprocess
import sys

import pytest

from tests.doc_commands import HERE, ROOT, commands

TRAINING = 'torch,onnx,PIL,matplotlib,safetensors,ray'


@pytest.mark.parametrize(
    'missing', ['', pytest.param(TRAINING, marks=pytest.mark.slow)], ids=['test', 'run only']
)
def test_command_of_the_documentation_ends_in_a_result_or_in_one_line(missing: str) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'tests.doc_commands', *filter(None, [missing])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    ended = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ended) > 30, done.stderr
    assert not [one for one in ended if one['fault']]
    assert done.returncode == 0, done.stderr
    assert any(missing[:5] in one['errors'] for one in ended if one['status'])


def test_block_that_calls_other_programs_says_why_it_is_not_run() -> None:
    assert {c.words[0] for c in commands() if not c.why_not} <= set(HERE)
