"""The tables of docs/tensorrt.md are those of the recorded signatures and shipped files."""

from pathlib import Path

import pytest

from tests.models import colour_model
from tools.tensorrt_tables import (
    MODULES,
    PAGE,
    ROOT,
    bound_us,
    call_table,
    heavy_layers,
    layer_tables,
    made_calls,
    sha256_start,
)


def test_call_table_of_the_page_is_the_recorded_one() -> None:
    assert call_table() in PAGE.read_text(encoding='utf-8'), 'run tools/tensorrt_tables.py'


def test_layer_table_of_the_page_is_of_the_shipped_files() -> None:
    page = PAGE.read_text(encoding='utf-8')
    if any(sha256_start(p) not in page for p in (ROOT / 'models').glob('*/*int8*.onnx')):
        pytest.skip('a model was exported anew; run tools/tensorrt_tables.py')
    assert layer_tables() in page, 'run tools/tensorrt_tables.py'


def test_a_layer_is_counted_as_by_hand(tmp_path: Path) -> None:
    path = tmp_path / 'model.onnx'
    path.write_bytes(colour_model(classes=4, input_hw=(32, 32)).SerializeToString())
    convolution, features, logits = heavy_layers(path)
    assert convolution[1:] == (9, 2 * 3 * 32 * 32, 2 * 9 * 32 * 32)
    assert features[1:] == (3 * 4096, 3 + 4096, 2 * 3 * 4096)
    assert logits[1:] == (3 * 4, 3 + 4, 2 * 3 * 4)


def test_bound_is_the_longer_of_memory_and_arithmetic() -> None:
    bandwidth, tops, _ = MODULES['AGX Orin 64 GB']
    assert bound_us(('x', 10**6, 0, 1), 'AGX Orin 64 GB', 1) == 10**6 / bandwidth / 1e3
    assert bound_us(('x', 1, 0, 10**9), 'AGX Orin 64 GB', 1) == 10**9 / tops / 1e6
    assert bound_us(('x', 10**6, 0, 1), 'AGX Orin 64 GB', 2) == 2 * 10**6 / bandwidth / 1e3


def test_versions_differ_where_they_are_known_to() -> None:
    assert 'IExecutionContext.device_memory' in made_calls('10.0')
    assert 'IExecutionContext.set_device_memory' in made_calls('10.1')
    assert 'BuilderFlag.FP16' not in made_calls('11.0')
    assert 'IRuntimeCache.serialize' in made_calls('RTX 1.7')
