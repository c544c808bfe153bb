"""The tool that writes GPU measurements into the benchmark page."""

from pathlib import Path

import pytest

from tools import test_gpu as tool

ROW = {
    'network': 'signs',
    'runner': 'tensorrt',
    'device': 'Orin (sm_87)',
    'precision': 'int8',
    'batch': 1,
    'p50_ms': 0.3,
    'p99_ms': 0.5,
    'weight_mb': 6.3,
    'bandwidth_gb_s': 190.0,
    'bound_ms': 0.1,
}
OTHER = {
    'network': 'torchvision-0-0',
    'runner': 'PyTorch eager',
    'device': 'Orin',
    'precision': 'fp16 (autocast)',
    'batch': 1,
    'p50_ms': 2.0,
    'p99_ms': 3.0,
}


def test_rows_become_a_table() -> None:
    text = tool.table([ROW, OTHER])
    assert 'Orin, Orin (sm_87)' in text
    assert '190 GB/s' in text
    assert '| signs | tensorrt | int8 | 1 | 0.300 | 0.500 | 6.3 | 0.100 | 3.0 |' in text
    assert '| PyTorch eager | fp16 (autocast) | 1 | 2.000 | 3.000 | - | - | - |' in text


def test_only_the_part_between_the_markers_changes(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n')
    for _ in range(2):
        tool.write_page('new', page)
        assert page.read_text() == f'before\n{tool.BEGIN}\nnew\n{tool.END}\nafter\n'


def test_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text('nothing to replace')
    with pytest.raises(SystemExit, match='put them back'):
        tool.write_page('new', page)
    assert page.read_text() == 'nothing to replace'


def test_the_real_page_has_the_markers() -> None:
    text = tool.PAGE.read_text(encoding='utf-8')
    assert text.index(tool.BEGIN) < text.index(tool.END)
