"""Inputs that once broke an earlier version, where they lie beside the checkout."""

import shutil
from pathlib import Path

import pytest

from tests.limited import within
from tests.shared_data import shared
from tests.unit.bags.test_hostile import READ

LOAD = """
import sys
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package import ModelPackage
try:
    ModelPackage.load(sys.argv[1])
except ModelPackageError as error:
    assert str(error).isprintable()
    print('refused', error)
"""


@pytest.mark.parametrize('name', ['onnx_hidden_external', 'onnx_endless_loop', 'onnx_bomb4g'])
def test_a_model_that_loads_more_than_its_file_or_never_ends_is_refused(
    tmp_path: Path, name: str
) -> None:
    shutil.copytree(shared(f'cases/hostile/{name}'), tmp_path / name)
    assert 'not allowed' in within(LOAD, tmp_path / name, cpu_s=10, mib=100)


@pytest.mark.parametrize('name', ['yaml_many_keys', 'yaml_sexagesimal'])
def test_a_model_yaml_that_took_minutes_is_refused_at_once(tmp_path: Path, name: str) -> None:
    shutil.copy(shared(f'cases/hostile/{name}.yaml'), tmp_path / 'model.yaml')
    assert within(LOAD, tmp_path, cpu_s=10, mib=100).startswith('refused')


@pytest.mark.parametrize(
    'name', ['c_lz4', 'c_zstd', 's_view_endless', 's_view_topics_endless', 's_zeroblob', 'z_msg']
)
def test_a_bag_that_took_gigabytes_or_never_ended_is_read_within_limits(
    tmp_path: Path, name: str
) -> None:
    shutil.copytree(shared(f'cases/hostile/bag_{name}'), tmp_path / name)
    assert within(READ, tmp_path / name).startswith('0 [') or name == 'z_msg'


@pytest.mark.parametrize('name', ['laugh', 'deep', 'inf'])
def test_metadata_that_never_ended_is_passed_over(tmp_path: Path, name: str) -> None:
    bag = tmp_path / 'bag'
    shutil.copytree(shared('cases/hostile/bag_z_msg'), bag)
    (bag / 'metadata.yaml').unlink(missing_ok=True)
    shutil.copy(shared(f'cases/hostile/bag_{name}_metadata.yaml'), bag / 'metadata.yaml')
    assert 'metadata.yaml cannot be read' in within(READ, bag, cpu_s=10)
