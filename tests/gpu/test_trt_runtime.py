"""Graphs, batch sizes, threads, memory and caches on a real GPU."""

import gc
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ros.engine.select import open_engine
from alexnet_ros.engine.tensorrt.cuda import load_cuda
from alexnet_ros.engine.tensorrt.engine import open_tensorrt
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import package_fixture
from tests.gpu.conftest import MakePackage, OpenTensorRt, pictures

__all__ = ['package_fixture']


def test_every_batch_size_gives_the_same_with_and_without_graphs(
    open_tensorrt_engine: OpenTensorRt, make_package: MakePackage
) -> None:
    """Graphs share scratch memory, so sizes are mixed and repeated."""
    package = make_package('torchvision', 64, 64)
    batch = pictures(8, 224)
    order = [1, 8, 3, 1, 5, 8, 2, 4, 7, 6, 1, 3]
    with open_tensorrt_engine(package, precision='fp32', max_batch=8, cuda_graph=False) as plain:
        wanted = {size: plain.infer(batch[:size], features=True) for size in set(order)}
    with open_tensorrt_engine(package, precision='fp32', max_batch=8) as engine:
        for size in order:
            found = engine.infer(batch[:size], features=True)
            scale = np.abs(wanted[size].logits).max()
            assert np.abs(found.logits - wanted[size].logits).max() <= 1e-3 * scale
            assert found.features is not None
            assert np.array_equal(found.features.shape, (size, 4096))


def test_calls_from_many_threads_stay_apart(
    open_tensorrt_engine: OpenTensorRt, package: ModelPackage
) -> None:
    batches = [pictures(3, 32, seed=seed) for seed in range(8)]
    with open_tensorrt_engine(package, max_batch=4) as engine:
        wanted = [engine.infer(batch).logits for batch in batches]
        wrong: list[int] = []

        def work(index: int) -> None:
            found = [engine.infer(batches[index]).logits for _ in range(50)]
            wrong.extend(index for logits in found if not np.array_equal(logits, wanted[index]))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
    assert not wrong


def test_two_engines_run_side_by_side_and_close_in_any_order(
    open_tensorrt_engine: OpenTensorRt, package: ModelPackage
) -> None:
    batch = pictures(2, 32)
    first, second = open_tensorrt_engine(package), open_tensorrt_engine(package)
    wanted = first.infer(batch).logits
    assert np.array_equal(second.infer(batch).logits, wanted)
    first.close()
    assert np.array_equal(second.infer(batch).logits, wanted)
    second.close()


def test_opening_and_closing_leaves_no_memory_behind(
    open_tensorrt_engine: OpenTensorRt, package: ModelPackage
) -> None:
    cuda = load_cuda()

    def free_bytes() -> int:
        gc.collect()
        free, _total = cuda.call('cudaMemGetInfo')
        return int(free)

    for _ in range(3):  # what libraries keep for good is taken in the first rounds
        open_tensorrt_engine(package).close()
    before = free_bytes()
    for _ in range(20):
        open_tensorrt_engine(package).close()
    assert before - free_bytes() < 64 << 20


def test_second_start_builds_nothing(
    flavour: str, package: ModelPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(package, flavour, cache_dir=tmp_path / 'c').close()
    with caplog.at_level(logging.INFO):
        open_tensorrt(package, flavour, cache_dir=tmp_path / 'c').close()
    assert 'building engine' not in caplog.text


def test_altered_engine_is_rebuilt_and_runs(
    flavour: str, package: ModelPackage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(package, flavour, cache_dir=tmp_path / 'c').close()
    (path,) = (tmp_path / 'c').glob('*.engine')
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with (
        caplog.at_level(logging.WARNING),
        open_tensorrt(package, flavour, cache_dir=tmp_path / 'c') as engine,
    ):
        assert engine.infer(pictures(1, 32)).logits.shape == (1, 6)
    assert 'SHA-256' in caplog.text


def test_auto_takes_tensorrt(flavour: str, package: ModelPackage, tmp_path: Path) -> None:
    with open_engine(package, cache_dir=tmp_path / 'c') as engine:
        assert engine.info.backend in {flavour, 'tensorrt'}
        assert engine.info.reason


def test_build_reports_progress(flavour: str, make_package: MakePackage, tmp_path: Path) -> None:
    reports: list[Any] = []
    open_tensorrt(
        make_package('torchvision', 64, 64),
        flavour,
        precision='fp16',
        max_batch=3,
        cache_dir=tmp_path / 'c',
        progress=reports.append,
    ).close()
    assert reports
