"""Ahead-of-time builds through the cache, with the real TensorRT for RTX."""

import json
import logging
import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.cache import EngineCache, sidecar
from alexnet_ros.engine.tensorrt import engine as trt
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.engine import Plan, prepare, probe
from alexnet_ros.errors import EngineBuildError, EngineCacheError, EngineUnavailableError
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import package_fixture
from tests.models import tiny_package

__all__ = ['package_fixture']
pytestmark = pytest.mark.usefixtures('rtx')


def build(package: ModelPackage, folder: Path, **options: Any) -> Plan:
    options = {'compute_capability': '8.6', **options}
    return prepare(package, 'tensorrt_rtx', cache_dir=folder, **options)


def test_second_build_is_cached(package: ModelPackage, tmp_path: Path) -> None:
    first = build(package, tmp_path / 'c')
    second = build(package, tmp_path / 'c')
    assert not first.cached
    assert second.cached
    assert second.path == first.path
    assert second.data == first.data
    assert first.path is not None
    assert first.path.read_bytes() == first.data


@pytest.mark.parametrize(
    'options',
    [
        {'compute_capability': '8.9'},
        {'max_batch': 4},
        {'precision': 'fp32', 'max_batch': 5},
        {'settings': TensorRtSettings(optimization_level=1)},
    ],
)
def test_whatever_changes_the_engine_changes_the_key(
    package: ModelPackage, tmp_path: Path, options: dict[str, Any]
) -> None:
    first = build(package, tmp_path / 'c')
    other = build(package, tmp_path / 'c', **options)
    assert not other.cached
    assert other.path != first.path
    assert build(package, tmp_path / 'c').cached


def test_altered_engine_is_rebuilt_with_a_warning(
    package: ModelPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = build(package, tmp_path / 'c').path
    assert path is not None
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        again = build(package, tmp_path / 'c')
    assert not again.cached
    assert 'SHA-256' in caplog.text
    assert path.with_name(f'{path.name}.refused').read_bytes() == data
    assert build(package, tmp_path / 'c').cached


def test_engine_of_another_version_is_rebuilt_with_a_warning(
    package: ModelPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = build(package, tmp_path / 'c').path
    assert path is not None
    facts = json.loads(sidecar(path).read_text())
    facts['key']['tensorrt'] = '1.0.0.1'
    sidecar(path).write_text(json.dumps(facts))
    with caplog.at_level(logging.WARNING):
        assert not build(package, tmp_path / 'c').cached
    assert "tensorrt was '1.0.0.1'" in caplog.text


def test_engine_of_another_network_is_not_taken(
    package: ModelPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Someone puts another model's engine under this one's name."""
    other = build(tiny_package(tmp_path / 'other', classes=3), tmp_path / 'c').path
    mine = build(package, tmp_path / 'c').path
    assert other is not None
    assert mine is not None
    mine.write_bytes(other.read_bytes())
    sidecar(mine).write_bytes(sidecar(other).read_bytes())
    with caplog.at_level(logging.WARNING):
        assert not build(package, tmp_path / 'c').cached
    assert 'onnx_sha256 was' in caplog.text


def test_rebuild_is_done_when_asked_for(package: ModelPackage, tmp_path: Path) -> None:
    build(package, tmp_path / 'c')
    assert not build(package, tmp_path / 'c', rebuild=True).cached


def test_full_disk_keeps_the_engine_in_memory(
    package: ModelPackage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: Any) -> None:
        raise EngineCacheError('no space left on device')

    monkeypatch.setattr(EngineCache, 'store', full)
    with caplog.at_level(logging.WARNING):
        plan = build(package, tmp_path / 'c')
    assert plan.path is None
    assert plan.data
    assert 'built again at the next start: no space left' in caplog.text


def test_altered_model_is_refused_although_its_engine_is_cached(tmp_path: Path) -> None:
    package = tiny_package(tmp_path / 'm')
    build(package, tmp_path / 'c')
    package.onnx_path().write_bytes(package.onnx_path().read_bytes()[::-1])
    with pytest.raises(ValueError, match='altered'):
        build(package, tmp_path / 'c')


def test_build_for_this_machine_without_a_gpu_offers_the_other_way(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise EngineUnavailableError('no NVIDIA driver')

    monkeypatch.setattr(trt, 'load_cuda', none)
    with pytest.raises(EngineUnavailableError, match='give its compute capability'):
        build(package, tmp_path / 'c', compute_capability=None)
    with pytest.raises(EngineUnavailableError, match='no NVIDIA driver'):
        probe('tensorrt_rtx')


def test_capability_is_for_rtx_only(
    package: ModelPackage, tmp_path: Path, rtx: TensorRtApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trt, 'load_tensorrt', lambda _: rtx)
    monkeypatch.setattr('alexnet_ros.engine.tensorrt.build.known_capabilities', lambda _: ())
    with pytest.raises(EngineBuildError, match='only for the GPU of this machine'):
        build(package, tmp_path / 'c')


def test_half_written_engine_is_waited_for(package: ModelPackage, tmp_path: Path) -> None:
    """Engine and sidecar are two files; between them nobody may look."""
    first = build(package, tmp_path / 'c')
    assert first.path is not None
    facts = sidecar(first.path).read_bytes()
    results: list[Plan] = []
    cache = EngineCache(tmp_path / 'c')
    with cache.lock(first.key, 300):
        sidecar(first.path).unlink()
        thread = threading.Thread(target=lambda: results.append(build(package, tmp_path / 'c')))
        thread.start()
        thread.join(0.5)
        assert not results
        sidecar(first.path).write_bytes(facts)
        sidecar(first.path).chmod(0o600)
    thread.join(300)
    assert results[0].cached
    assert not list((tmp_path / 'c').glob('*.refused'))


def build_in_process(model: str, folder: str, start: Any, results: Any) -> None:
    package = ModelPackage.load(model)
    start.wait(300)
    results.put(build(package, Path(folder)).cached)


def test_processes_that_want_the_same_engine_build_it_once(
    package: ModelPackage, tmp_path: Path
) -> None:
    context = multiprocessing.get_context('spawn')
    start, results = context.Barrier(2), context.Queue()
    arguments = (str(package.folder), str(tmp_path / 'c'), start, results)
    processes = [context.Process(target=build_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    cached = [results.get(timeout=1200) for _ in processes]
    for process in processes:
        process.join(300)
    assert sorted(cached) == [False, True]
    assert len(list((tmp_path / 'c').glob('*.engine'))) == 1
