"""The script for a machine with a GPU works, with the stand-ins in the GPU's place."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('cuda.bindings.runtime', reason='cuda-python is not installed')

from tools import gpu_check
from tools.gpu_check import LIMITS_S, STEPS, in_this_process, run_all

QUICK = ('device', 'session', 'memory', 'lost', 'sanitizer', 'refusal')


def test_all_steps_together_take_eight_minutes_at_most() -> None:
    assert sum(LIMITS_S.values()) <= 480
    assert set(LIMITS_S) == set(STEPS)


def test_steps_run_on_the_stand_ins_and_a_second_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, 'STEPS', {name: STEPS[name] for name in QUICK})
    output = tmp_path / 'gpu_check.json'
    assert run_all(output, in_this_process, double=True), output.read_text()
    results = json.loads(output.read_text())
    rows = results['session']['rows']
    assert [(row['mapped'], row['graphs']) for row in rows] == [
        (False, True),
        (False, False),
        (True, True),
        (True, False),
    ]
    assert {row['max_error'] for row in rows} == {0.0}
    assert 'out of memory' in results['memory']['said']
    assert 'cudaErrorIllegalAddress' in results['lost']['said']
    assert results['refusal']['auto']['backend'] in {'onnxruntime', 'openvino'}

    del results['memory']
    output.write_text(json.dumps(results))
    done: list[str] = []

    def run(name: str, **_: Any) -> dict[str, Any]:
        done.append(name)
        return {'ok': False, 'error': 'too late'}

    assert not run_all(output, run, double=True)
    assert done == ['memory']
    assert json.loads(output.read_text())['memory']['error'] == 'too late'


def test_kernel_is_the_source_beside_it() -> None:
    code = Path(gpu_check.__file__).with_name('gpu_check.ptx').read_text()
    source = Path(gpu_check.__file__).with_name('gpu_check.cu').read_text()
    head = code[code.index('.entry stand_in(') : code.index('{')]
    arguments = source[source.index('stand_in(') : source.index('{')].count(',') + 1
    assert head.count('.param') == arguments
