"""What the fuzzer reports, and that its corpus outlives a run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tools import fuzz

ROOT = Path(__file__).resolve().parents[3]
LINES = """INFO: Running with entropic power schedule (0xFF, 100).
#2	INITED cov: 11 ft: 12 corp: 1/1b exec/s: 0 rss: 70Mb
#67942	REDUCE cov: 46 ft: 236 corp: 75/2690b lim: 365 exec/s: 13588 rss: 76Mb L: 17/307 MS: 1
#70057	DONE   cov: 47 ft: 237 corp: 76/12Kb lim: 381 exec/s: 11676 rss: 76Mb
stat::number_of_executed_units: 70058
""".splitlines()


def test_counts_are_the_last_that_libfuzzer_told() -> None:
    outcome = fuzz.Outcome()
    assert str(outcome).startswith('0 inputs')
    outcome.read(LINES[:2])
    assert str(outcome) == '2 inputs, coverage 11, features 12, corpus of 1 inputs in 1b'
    outcome.read(LINES[2:])
    assert str(outcome) == '70058 inputs, coverage 47, features 237, corpus of 76 inputs in 12Kb'
    assert list(outcome.tail) == LINES


def test_machine_without_the_fuzzer_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', ['fuzz.py'])
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _: None)
    assert fuzz.main() == 1
    assert 'atheris is not installed' in capsys.readouterr().err


def test_next_run_begins_with_the_corpus_of_the_last(tmp_path: Path) -> None:
    if importlib.util.find_spec('atheris') is None:
        pytest.skip('atheris has no wheel for this Python')
    words = [sys.executable, str(ROOT / 'tools/fuzz.py'), '--target', 'onnx', '--seconds', '1']
    kept: set[str] = set()
    for _ in range(2):
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1200
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith('onnx: ')
        assert ', coverage ' in done.stdout
        assert done.stdout.endswith('no finding\n')
        files = {path.name for path in (tmp_path / 'build/fuzz/onnx/corpus').iterdir()}
        assert files >= kept | {'seed0', 'seed1'}
        assert len(files) > 2
        kept = files
