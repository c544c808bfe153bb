"""``make bench`` joins what its parts print; no part runs here."""

import importlib.util
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENGINE = {
    'group': 'batch 1',
    'name': 'alexnet_ros shipped, OpenVINO',
    'median_ms': 2.1,
    'baseline': 'PyTorch eager',
    'faster': 7.8,
}
INGEST = {
    'group': 'ingest',
    'name': '640x480 rgb8, this package',
    'p50_ms': 0.14,
    'p95_ms': 0.19,
    'baseline': 'the usual way',
    'faster': 5.4,
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
NODE = {'group': 'node', 'name': '640x480 raw', 'sent_hz': 30.0, 'over_engine_p95_ms': 3.9}


@pytest.fixture(name='tool')
def _tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location('bench_run', ROOT / 'benchmarks/run.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def played(*words: object) -> list[dict[str, object]]:
        if words[0] == 'benchmarks/engines.py':
            return [{'default': 'OpenVINO'}, ENGINE]
        if words[0] == 'benchmarks/ingest.py':
            return [INGEST]
        if words[0] == 'benchmarks/street.py':
            return []  # no street frames here
        if words[0] == 'benchmarks/regions.py':
            return []
        assert words[:3] == ('-m', 'alexnet_ros', 'bench')
        return [{'machine': MACHINE}, NODE]

    monkeypatch.setattr(module, 'command', played)
    monkeypatch.setattr(module, 'slow_package', lambda folder: folder)
    monkeypatch.setattr(module, 'WORK', tmp_path / 'work')
    monkeypatch.setattr(module, 'DATA', tmp_path / 'benchmarks.json')
    monkeypatch.setattr(module, 'PAGE', tmp_path / 'page.md')
    return module


def test_what_was_measured_stands_beside_what_was_asked(tool: ModuleType) -> None:
    result = tool.measure(Namespace(model='signs', rounds=1, seconds=1.0))
    assert [row['name'] for row in result['rows']] == [ENGINE['name'], INGEST['name']]
    page = tool.page(result)
    assert '(OpenVINO, the default here), times PyTorch FP32 | 14 | 20 | 7.8 |' in page
    assert 'stamp to result, 640x480 raw, ms | 4 | 3 | 3.9 |' in page
    assert 'YOLOv8n' not in page.split('### Engines')[0]  # nothing is said of what did not run
    assert '| 640x480 rgb8, this package | 0.14 | 0.19 | 5.4 |' in page
    assert '| 640x480 raw | 30 |' in page


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
    monkeypatch.setitem(INGEST, 'faster', 2.0)
    assert tool.main() == 1
    assert 'slower: ingest: 640x480 rgb8, this package: 5.40 to 2.00' in capsys.readouterr().out


def row(name: str, faster: float) -> dict[str, object]:
    return {'group': 'engine', 'name': name, 'faster': faster, 'baseline': 'torch'}


def test_moved_names_what_is_beyond_the_noise(tool: ModuleType) -> None:
    old = [row('int8', 8.0), row('fp32', 1.0), row('gone', 2.0)]
    new = [row('int8', 5.0), row('fp32', 1.2), row('new', 2.0)]
    assert tool.moved(old, new) == [
        'slower: engine: int8: 8.00 to 5.00 times torch',
        'new: engine: new',
        'gone: engine: gone',
    ]


def test_moved_says_nothing_within_the_noise(tool: ModuleType) -> None:
    assert tool.moved([row('int8', 8.0)], [row('int8', 7.0)]) == []
