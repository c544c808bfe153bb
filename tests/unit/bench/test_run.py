"""``make bench`` joins what its parts print; no part runs here."""

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENGINE = {'engine': 'ours', 'batch': 1, 'median_ms': 2.1, 'faster_than_baseline': 7.8}
GROWTH = {'engine': '100 classes', 'median_ms': 2.1, 'faster_than_baseline': 1.0}
INGEST = {
    'size_wh': [640, 480],
    'case': 'rgb8, this package',
    'p50_ms': 0.14,
    'p95_ms': 0.19,
    'faster_than_baseline': 5.4,
}
MACHINE = {
    'processor': 'a CPU',
    'cores': 2,
    'memory_gib': 8,
    'read_bandwidth_gb_s': 10.0,
    'system': 'Linux',
    'python': '3.11',
    'versions': {'numpy': '2'},
    'load_1min': 0.1,
}
NODE = {'group': 'node', 'name': 'raw 640x480', 'sent_hz': 30.0}


@pytest.fixture(name='tool')
def _tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location('bench_run', ROOT / 'benchmarks/run.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def played(words: list[str]) -> str:
        if 'benchmarks/engines.py' in words:
            return json.dumps({'engines': [ENGINE], 'growth': [GROWTH]})
        if 'benchmarks/ingest.py' in words:
            return json.dumps({'machine': MACHINE, 'ingest': [INGEST]})
        assert words[1:4] == ['-m', 'alexnet_ros', 'bench']
        return f'{json.dumps({"machine": MACHINE})}\n{json.dumps(NODE)}\n'

    monkeypatch.setattr(module, 'command', played)
    monkeypatch.setattr(module, 'slow_package', lambda folder: folder)
    monkeypatch.setattr(module, 'WORK', tmp_path / 'work')
    monkeypatch.setattr(module, 'DATA', tmp_path / 'benchmarks.json')
    monkeypatch.setattr(module, 'PAGE', tmp_path / 'page.md')
    return module


def test_ingest_stands_beside_the_engines(tool: ModuleType) -> None:
    result = tool.measure(Namespace(model='signs', rounds=1, seconds=1.0))
    rows = {(row['group'], row['name']): row for row in result['rows']}
    assert set(rows) == {
        ('batch 1', 'ours'),
        ('classes', '100 classes'),
        ('ingest', '640x480 rgb8, this package'),
    }
    assert rows['ingest', '640x480 rgb8, this package']['faster'] == 5.4
    assert '| 640x480 rgb8, this package | 0.14 | 0.19 | 5.4 |' in tool.page(result)
    assert '| raw 640x480 | 30 |' in tool.page(result)


def test_written_figures_are_what_the_next_run_is_held_against(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.PAGE.write_text(f'before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n')
    monkeypatch.setattr(sys, 'argv', ['run.py', '--write'])
    assert tool.main() == 0
    text = tool.PAGE.read_text()
    assert text.startswith(f'before\n{tool.BEGIN}\nMeasured on')
    assert text.endswith(f'{tool.END}\nafter\n')
    monkeypatch.setattr(sys, 'argv', ['run.py'])
    assert tool.main() == 0
    assert 'nothing moved' in capsys.readouterr().out
    monkeypatch.setitem(INGEST, 'faster_than_baseline', 2.0)
    assert tool.main() == 1
    assert 'slower: ingest: 640x480 rgb8, this package: 5.40 to 2.00' in capsys.readouterr().out
