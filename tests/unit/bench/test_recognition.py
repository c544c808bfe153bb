from pathlib import Path

import numpy as np
import pytest

from alexnet_ros.bench.recognition import CAMERAS, camera_rows, engine_rows, stage_rows
from alexnet_ros.model_package import ModelPackage
from tests.models import tiny_package

pytestmark = pytest.mark.filterwarnings('ignore')
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.fixture(name='package', scope='module')
def package_fixture(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return tiny_package(Path(tmp_path_factory.mktemp('bench')) / 'tiny')


def test_engine_rows_compare_with_onnx_runtime_at_each_batch(package: ModelPackage) -> None:
    rows = engine_rows(package, rounds=1)
    cpu = {row['name']: row['faster'] for row in rows if row['name'].startswith('cpu')}
    assert cpu == {'cpu, batch 1': 1.0, 'cpu, batch 4': 1.0, 'cpu, batch 8': 1.0}


def test_camera_rows_count_the_same_frames_on_both_sides(package: ModelPackage) -> None:
    rows = camera_rows(package, IMAGE, rounds=1)
    assert [row['name'] for row in rows[:2]] == ['1 in one batch', '1 one by one']
    assert len(rows) == 2 * len(CAMERAS)
    assert all(row['faster'] == 1.0 for row in rows if 'one by one' in row['name'])


def test_stage_rows_have_the_time_of_every_stage(package: ModelPackage) -> None:
    rows = stage_rows(package, {'160x120': [IMAGE, IMAGE]}, rounds=1)
    assert [row['name'] for row in rows] == ['frame, 160x120', 'signs, 160x120']
    assert rows[0]['engine_ms'] > 0
    assert rows[1]['regions_ms'] > 0
