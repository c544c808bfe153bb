"""Engines built with ``version_compatible`` outlive an upgrade of TensorRT; others do not."""

import dataclasses
import logging
from pathlib import Path

import pytest

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.cache import EngineCache
from alexnet_ros.engine.tensorrt.build import flags_text
from tests.unit.engine.test_cache import DATA, KEY

COMPATIBLE = dataclasses.replace(
    KEY, flags=flags_text(TensorRtSettings(version_compatible=True)), tensorrt='10.3.0.30'
)
PLAIN = dataclasses.replace(COMPATIBLE, flags=flags_text(TensorRtSettings()))


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / 'cache')


@pytest.mark.parametrize('version', ['10.3.0.30', '10.3.0.31', '10.16.2.10', '11.4.1'])
def test_engine_of_an_earlier_version_and_driver_is_kept(
    cache: EngineCache, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.store(COMPATIBLE, DATA, 1.0)
    now = dataclasses.replace(COMPATIBLE, tensorrt=version, driver='L4T 39.2, CUDA 13.2')
    with caplog.at_level(logging.WARNING):
        assert cache.load(now) == DATA
    assert not caplog.records


@pytest.mark.parametrize('version', ['10.3.0.29', '10.2', '8.6.1', 'unknown'])
def test_engine_of_a_later_version_is_set_aside(cache: EngineCache, version: str) -> None:
    cache.store(COMPATIBLE, DATA, 1.0)
    assert cache.load(dataclasses.replace(COMPATIBLE, tensorrt=version)) is None
    assert list(cache.folder.glob('*.refused'))


@pytest.mark.parametrize(
    ('part', 'value'),
    [
        ('onnx_sha256', 'cd' * 32),
        ('gpu', 'Thor'),
        ('platform', 'linux x86_64'),
        ('precision', 'x'),
    ],
)
def test_nothing_but_versions_may_differ(cache: EngineCache, part: str, value: str) -> None:
    path = cache.store(COMPATIBLE, DATA, 1.0)
    other = dataclasses.replace(COMPATIBLE, **{part: value})
    for file in (path, path.with_name(f'{path.name}.json')):
        file.rename(file.with_name(file.name.replace(COMPATIBLE.name, other.name)))
    assert cache.load(other) is None


def test_plain_engine_is_rebuilt_for_another_version(
    cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.store(PLAIN, DATA, 1.0)
    with caplog.at_level(logging.WARNING):
        assert cache.load(dataclasses.replace(PLAIN, tensorrt='10.7.0')) is None
    assert "tensorrt was '10.3.0.30', is '10.7.0'" in caplog.text
