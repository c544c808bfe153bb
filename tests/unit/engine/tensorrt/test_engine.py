"""
The TensorRT engine from package to results, without a GPU.

Building, key, cache and refusal are real; loading and running go to the
stand-in of :mod:`tests.fake_tensorrt`, whose numbers come from ONNX Runtime.
"""

import dataclasses
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytest.importorskip('cuda.bindings.runtime', reason='cuda-python is not installed')
pytest.importorskip('tensorrt_rtx_bindings', reason='TensorRT for RTX is not installed')

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt import engine as trt
from alexnet_ros.engine.tensorrt import runtime as trt_runtime
from alexnet_ros.engine.tensorrt.api import load_tensorrt
from alexnet_ros.engine.tensorrt.cuda import Cuda
from alexnet_ros.errors import (
    EngineFatalError,
    EngineMismatchError,
    EngineRunError,
    EngineUnavailableError,
)
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import EngineContract, images, package_fixture
from tests.fake_cuda import FakeCuda
from tests.fake_tensorrt import FakeTensorRt
from tests.models import reference_logits, tiny_package

__all__ = ['package_fixture']
CLASSIC = ('CudaGraphStrategy',)  # without it the module looks like full TensorRT


class Bench:
    """Opens engines on the stand-in and lets a test look behind them."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch = patch
        self._folder = folder
        self.cuda = FakeCuda()
        self.trt: FakeTensorRt | None = None
        self.hidden: tuple[str, ...] = ()
        self.prepare: Callable[[FakeTensorRt], None] = lambda _: None

    def open(
        self, package: ModelPackage, *, max_batch: int = 4, **settings: Any
    ) -> trt_runtime.TensorRtEngine:
        real = load_tensorrt('tensorrt_rtx')
        self.trt = FakeTensorRt(real.module, self.cuda, package.read_onnx(), self.hidden)
        self.trt.batches = (1, min(4, max_batch), max_batch)
        self.prepare(self.trt)
        api = dataclasses.replace(real, module=self.trt)
        self._patch.setattr(trt, 'load_tensorrt', lambda _: api)
        self._patch.setattr(trt, 'load_cuda', lambda: Cuda(self.cuda))
        return trt.open_tensorrt(
            package,
            'tensorrt_rtx',
            max_batch=max_batch,
            cache_dir=self._folder / 'engines',
            settings=TensorRtSettings(**settings),
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(monkeypatch, tmp_path)
    yield made
    gc.collect()
    assert not made.cuda.live, 'something on the GPU was not released'
    assert len(made.cuda.threads) <= 1, 'more than one thread touched CUDA'


class TestTensorRtForRtx(EngineContract):
    backend = 'tensorrt_rtx'

    @pytest.fixture
    def open_engine(self, bench: Bench) -> Iterator[Callable[..., trt_runtime.TensorRtEngine]]:
        yield bench.open
        bench.cuda.threads.clear()  # these tests open more than one engine


class TestTensorRtClassic(TestTensorRtForRtx):
    @pytest.fixture
    def open_engine(self, bench: Bench) -> Iterator[Callable[..., trt_runtime.TensorRtEngine]]:
        bench.hidden = CLASSIC
        yield bench.open
        bench.cuda.threads.clear()


def test_info_names_the_gpu(bench: Bench, package: ModelPackage) -> None:
    with bench.open(package) as engine:
        assert engine.info.device == 'Pretend GPU (sm_86)'


def test_each_batch_size_gets_one_graph_in_the_warm_up(
    bench: Bench, package: ModelPackage
) -> None:
    bench.hidden = CLASSIC
    with bench.open(package, max_batch=3) as engine:
        assert bench.cuda.calls.count('cudaGraphInstantiateWithFlags') == 3
        bench.cuda.calls.clear()
        for count in (1, 2, 3, 2):
            found = engine.infer(images(count, seed=count)).logits
            wanted = reference_logits(images(count, seed=count), 6)
            assert np.abs(found - wanted).max() < 1e-3
        assert bench.cuda.calls.count('cudaGraphLaunch') == 4
        assert 'cudaGraphInstantiateWithFlags' not in bench.cuda.calls
        assert 'cudaMalloc' not in bench.cuda.calls


def test_network_with_logits_alone_runs(bench: Bench) -> None:
    """The finder of the bundled model: another input, logits that are maps, no features."""
    finder = ModelPackage.load('signs').finder
    if finder is None:
        pytest.skip('the bundled model has no finder')
    bench.hidden = CLASSIC
    height, width = finder.input.height, finder.input.width
    image = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    with bench.open(finder, max_batch=1) as engine:
        found = engine.infer(image)
    session = onnxruntime.InferenceSession(finder.read_onnx(), providers=['CPUExecutionProvider'])
    (wanted,) = session.run(['logits'], {'image': image})
    assert found.features is None
    assert found.logits.shape == wanted.shape
    assert np.array_equal(found.logits, wanted)


def test_graphs_can_be_left_out(bench: Bench, package: ModelPackage) -> None:
    bench.hidden = CLASSIC
    with bench.open(package, max_batch=2, cuda_graph=False) as engine:
        engine.infer(images(2))
    assert 'cudaStreamBeginCapture' not in bench.cuda.calls


@pytest.mark.parametrize(
    'function', ['cudaStreamBeginCapture', 'cudaStreamEndCapture', 'cudaGraphInstantiateWithFlags']
)
def test_network_that_cannot_be_captured_runs_without_a_graph(
    bench: Bench, package: ModelPackage, function: str
) -> None:
    bench.hidden = CLASSIC
    bench.cuda.fail(function, *['cudaErrorStreamCaptureUnsupported'] * 2)
    with bench.open(package, max_batch=2) as engine:
        assert np.abs(engine.infer(images(2)).logits - reference_logits(images(2), 6)).max() < 1e-3
    assert 'cudaGraphLaunch' not in bench.cuda.calls


def test_integrated_gpu_shares_memory_and_copies_nothing(
    bench: Bench, package: ModelPackage
) -> None:
    bench.cuda.integrated = True
    with bench.open(package) as engine:
        assert np.abs(engine.infer(images(2)).logits - reference_logits(images(2), 6)).max() < 1e-3
    assert 'cudaMemcpyAsync' not in bench.cuda.calls
    assert 'cudaHostGetDevicePointer' in bench.cuda.calls


def test_features_are_copied_only_when_asked_for(bench: Bench, package: ModelPackage) -> None:
    with bench.open(package) as engine:
        bench.cuda.calls.clear()
        engine.infer(images(1))
        assert bench.cuda.calls.count('cudaMemcpyAsync') == 2
        engine.infer(images(1), features=True)
        assert bench.cuda.calls.count('cudaMemcpyAsync') == 5


def test_engine_is_built_once_and_loaded_afterwards(
    bench: Bench, package: ModelPackage, tmp_path: Path
) -> None:
    bench.open(package).close()
    (engine,) = (tmp_path / 'engines').glob('*.engine')
    first = engine.stat().st_mtime_ns
    bench.cuda.threads.clear()
    bench.open(package).close()
    assert engine.stat().st_mtime_ns == first


def test_engine_built_ahead_for_this_capability_is_taken(
    bench: Bench, package: ModelPackage, tmp_path: Path
) -> None:
    plan = trt.prepare(
        package,
        'tensorrt_rtx',
        compute_capability='8.6',
        max_batch=4,
        cache_dir=tmp_path / 'engines',
    )
    bench.open(package).close()
    assert list((tmp_path / 'engines').glob('*.engine')) == [plan.path]


def test_kernels_are_kept_for_the_next_start(bench: Bench, package: ModelPackage) -> None:
    bench.open(package).close()
    assert bench.trt is not None
    assert bench.trt.kernel_blobs == []
    bench.cuda.threads.clear()
    bench.open(package).close()
    assert bench.trt.kernel_blobs == [b'compiled kernels']


def test_altered_kernels_never_reach_tensorrt(
    bench: Bench, package: ModelPackage, tmp_path: Path
) -> None:
    bench.open(package).close()
    (kernels,) = (tmp_path / 'engines').glob('*.kernels')
    kernels.write_bytes(b'Compiled kernels')
    bench.cuda.threads.clear()
    bench.open(package).close()
    assert bench.trt is not None
    assert bench.trt.kernel_blobs == []


def test_cached_engine_that_tensorrt_refuses_is_rebuilt_once(
    bench: Bench, package: ModelPackage, tmp_path: Path
) -> None:
    bench.open(package).close()
    bench.cuda.threads.clear()
    bench.prepare = lambda trt: setattr(trt, 'refuse_plans', 1)
    bench.open(package).close()
    bench.cuda.threads.clear()  # each attempt has a thread of its own
    assert len(list((tmp_path / 'engines').glob('*.engine.refused'))) == 1
    assert len(list((tmp_path / 'engines').glob('*.engine'))) == 1


def test_fresh_engine_that_tensorrt_refuses_is_an_error(
    bench: Bench, package: ModelPackage
) -> None:
    bench.prepare = lambda trt: setattr(trt, 'refuse_plans', 9)
    with pytest.raises(EngineMismatchError, match='refuses to load'):
        bench.open(package)


def test_too_little_memory_halves_the_largest_batch_once(
    bench: Bench, package: ModelPackage
) -> None:
    bench.cuda.fail('cudaMalloc', 'cudaErrorMemoryAllocation')
    with bench.open(package, max_batch=8) as engine:
        assert engine.info.max_batch == 4
        assert engine.infer(images(8)).logits.shape == (8, 6)
    bench.cuda.threads.clear()  # each attempt has a thread of its own


def test_too_little_memory_twice_is_an_error(bench: Bench, package: ModelPackage) -> None:
    bench.cuda.device_bytes = 1000
    with pytest.raises(EngineRunError, match='out of memory'):
        bench.open(package, max_batch=8)
    bench.cuda.threads.clear()


def test_no_memory_for_one_image_is_unavailable(bench: Bench, package: ModelPackage) -> None:
    bench.cuda.device_bytes = 1000
    with pytest.raises(EngineUnavailableError, match='close other GPU programs'):
        bench.open(package, max_batch=1)


def test_memory_lost_while_running_is_retried_smaller(bench: Bench, package: ModelPackage) -> None:
    with bench.open(package) as engine:
        bench.cuda.fail('cudaStreamSynchronize', 'cudaErrorMemoryAllocation')
        found = engine.infer(images(4)).logits
        assert np.abs(found - reference_logits(images(4), 6)).max() < 1e-3
        bench.cuda.fail('cudaStreamSynchronize', *['cudaErrorMemoryAllocation'] * 2)
        with pytest.raises(EngineRunError, match='out of memory'):
            engine.infer(images(4))
        assert engine.infer(images(4)).logits.shape == (4, 6)


def test_no_context_for_a_batch_is_out_of_memory(bench: Bench, package: ModelPackage) -> None:
    bench.hidden = CLASSIC
    bench.prepare = lambda trt: setattr(trt, 'contexts_left', 2)
    with pytest.raises(EngineRunError, match='no execution context'):
        bench.open(package, max_batch=8)
    bench.cuda.threads.clear()


def test_sticky_error_is_fatal_and_stays_so(bench: Bench, package: ModelPackage) -> None:
    engine = bench.open(package)
    bench.cuda.fail('cudaStreamSynchronize', 'cudaErrorIllegalAddress')
    with pytest.raises(EngineFatalError, match='cudaErrorIllegalAddress'):
        engine.infer(images(1))
    calls = len(bench.cuda.calls)
    with pytest.raises(EngineFatalError, match='restarted'):
        engine.infer(images(1))
    engine.close()
    assert len(bench.cuda.calls) == calls, 'a lost context was used again'
    bench.cuda.live.clear()  # left to the end of the process


def test_refused_run_asks_cuda_why(bench: Bench, package: ModelPackage) -> None:
    with bench.open(package) as engine:
        bench.cuda.pending = 'cudaErrorInvalidValue'
        with pytest.raises(EngineRunError, match='did not run'):
            engine.infer(images(1))
        assert engine.infer(images(1)).logits.shape == (1, 6)
        bench.cuda.ruined = 'cudaErrorLaunchFailure'
        with pytest.raises(EngineFatalError, match='cudaErrorLaunchFailure'):
            engine.infer(images(1))
    bench.cuda.live.clear()


def test_hung_gpu_is_fatal_instead_of_waiting_for_ever(
    bench: Bench, package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trt_runtime, 'CLOSE_S', 0.1)
    engine = bench.open(package)
    engine._answer_s = 0.1
    bench.cuda.hang = threading.Event()
    with pytest.raises(EngineFatalError, match='no answer'):
        engine.infer(images(1))
    engine.close()
    bench.cuda.hang.set()
    engine._thread.join(300)


def test_engine_that_is_forgotten_is_released(bench: Bench, package: ModelPackage) -> None:
    engine = bench.open(package)
    thread = engine._thread
    del engine
    gc.collect()
    thread.join(300)
    assert not thread.is_alive()


def test_engines_close_in_any_order(bench: Bench, package: ModelPackage, tmp_path: Path) -> None:
    other = tiny_package(tmp_path / 'other', classes=3)
    first, second = bench.open(package), bench.open(other)
    first.close()
    assert second.infer(images(1)).logits.shape == (1, 3)
    second.close()
    first.close()
    bench.cuda.threads.clear()


@pytest.mark.parametrize('function', ['cudaStreamCreateWithFlags', 'cudaMalloc'])
def test_failed_start_releases_what_it_had(
    bench: Bench, package: ModelPackage, function: str
) -> None:
    bench.cuda.fail(function, 'cudaSuccess', 'cudaErrorInvalidValue')
    if function == 'cudaStreamCreateWithFlags':
        bench.cuda.failures[function] = ['cudaErrorInvalidValue']
    with pytest.raises(EngineRunError, match='cudaErrorInvalidValue'):
        bench.open(package)


def test_engine_of_another_network_is_a_mismatch(
    bench: Bench, package: ModelPackage, tmp_path: Path
) -> None:
    del tmp_path

    def without_features(trt: FakeTensorRt) -> None:
        outputs = trt.session.get_outputs()
        trt.session.get_outputs = lambda: outputs[:1]

    bench.prepare = without_features
    with pytest.raises(EngineMismatchError, match='expected image, logits and features'):
        bench.open(package)
