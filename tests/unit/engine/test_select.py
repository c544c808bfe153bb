import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.engine import onnxrt, openvino, select
from alexnet_ros.engine.select import CANDIDATES, open_engine
from alexnet_ros.engine.tensorrt import engine as trt
from alexnet_ros.errors import (
    ConfigError,
    EngineBuildError,
    EngineUnavailableError,
    ModelPackageError,
)
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import images, package_fixture

__all__ = ['package_fixture']


@pytest.fixture(autouse=True)
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one CPU runtime, so that no measurement decides what these tests see."""

    def missing(*_: Any, **__: Any) -> None:
        raise EngineUnavailableError('openvino cannot be imported; install it')

    monkeypatch.setattr(openvino, 'OpenVinoEngine', missing)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this machine one with TensorRT installed but no driver."""

    def none() -> None:
        raise EngineUnavailableError('no NVIDIA driver; install one')

    monkeypatch.setattr(trt, 'is_installed', lambda _: True)
    monkeypatch.setattr(trt, 'load_cuda', none)


def logged(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Return the one line about the choice."""
    (record,) = [r for r in caplog.records if r.name == 'alexnet_ros.engine.select']
    return record


def with_gpu(patch: pytest.MonkeyPatch, *installed: str) -> None:
    """Make this machine one with a GPU, and some flavours of TensorRT installed."""
    patch.setattr(select, 'has_nvidia_gpu', lambda: True)
    patch.setattr(select, 'is_installed', lambda flavour: flavour in installed)


def without_tensorrt(*_: Any, **__: Any) -> Any:
    raise EngineUnavailableError('libnvinfer.so.10 cannot be opened; install it')


@pytest.mark.usefixtures('no_gpu')
def test_auto_falls_back_to_the_cpu_and_says_why(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(select, 'has_nvidia_gpu', lambda: False)
    with caplog.at_level(logging.INFO), open_engine(package) as engine:
        assert engine.info.backend == 'onnxruntime'
        assert engine.info.device.startswith('cpu')
        assert engine.info.reason.startswith('ONNX Runtime on the CPU, because')
        assert 'TensorRT (no NVIDIA driver)' in engine.info.reason
        assert engine.infer(images(2)).logits.shape == (2, 6)
    assert logged(caplog).levelno == logging.INFO  # no GPU: as it has to be
    assert engine.info.reason in logged(caplog).getMessage()


@pytest.mark.parametrize('installed', [('tensorrt',), ('tensorrt_rtx',), ()])
def test_gpu_left_idle_is_one_warning(
    package: ModelPackage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    installed: tuple[str, ...],
) -> None:
    with_gpu(monkeypatch, *installed)
    monkeypatch.setattr(trt, 'open_tensorrt', without_tensorrt)
    with caplog.at_level(logging.INFO), open_engine(package) as engine:
        assert engine.info.backend == 'onnxruntime'
    record = logged(caplog)
    assert record.levelno == logging.WARNING
    assert 'although an NVIDIA GPU is there' in record.getMessage()
    assert 'libnvinfer.so.10 cannot be opened' in record.getMessage()
    assert '\n' not in record.getMessage()


@pytest.mark.parametrize(
    ('installed', 'level'),
    [(('tensorrt_rtx',), logging.INFO), (('tensorrt', 'tensorrt_rtx'), logging.WARNING)],
)
def test_rtx_in_place_of_a_broken_tensorrt_is_a_warning(
    package: ModelPackage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    installed: tuple[str, ...],
    level: int,
) -> None:
    def opened(model: ModelPackage, flavour: str, **_: Any) -> Any:
        if flavour == 'tensorrt':
            without_tensorrt()
        return onnxrt.OnnxRuntimeEngine(model, provider='cpu')  # stands in for a GPU's

    with_gpu(monkeypatch, *installed)
    monkeypatch.setattr(trt, 'open_tensorrt', opened)
    with caplog.at_level(logging.INFO), open_engine(package) as engine:
        assert engine.info.reason.startswith('TensorRT for RTX, because')
    assert logged(caplog).levelno == level


@pytest.mark.parametrize('backend', ['cpu', 'onnxruntime'])
def test_backend_chosen_by_hand_is_no_trouble(
    package: ModelPackage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    backend: str,
) -> None:
    with_gpu(monkeypatch, 'tensorrt')
    with caplog.at_level(logging.INFO), open_engine(package, backend):
        assert logged(caplog).levelno == logging.INFO


@pytest.mark.usefixtures('no_gpu')
def test_half_precision_that_the_model_lacks_falls_back_in_one_line(
    package: ModelPackage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), open_engine(package, precision='fp16') as engine:
        assert engine.info.precision == 'fp32'
        assert engine.infer(images(2)).logits.shape == (2, 6)
    assert 'in fp32, for the model has no fp16 file' in logged(caplog).getMessage()
    for backend in ('cpu', 'onnxruntime'):  # asked for by hand, it is not replaced
        with pytest.raises(ModelPackageError, match="has no 'fp16' file; it has fp32"):
            open_engine(package, backend, precision='fp16')


@pytest.mark.usefixtures('no_gpu')
@pytest.mark.parametrize('backend', ['tensorrt', 'tensorrt_rtx'])
def test_backend_asked_for_has_no_fallback(package: ModelPackage, backend: str) -> None:
    with pytest.raises(EngineUnavailableError, match='no NVIDIA driver; install one'):
        open_engine(package, backend)


def test_missing_library_is_the_reason(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('alexnet_ros.engine.tensorrt.api._found', lambda _: False)
    trt.load_tensorrt.cache_clear()
    with open_engine(package) as engine:
        assert 'module tensorrt is not installed' in engine.info.reason
    with pytest.raises(EngineUnavailableError, match='--system-site-packages'):
        open_engine(package, 'tensorrt')


def test_cpu_asked_for_is_not_a_fallback(package: ModelPackage) -> None:
    with open_engine(package, 'cpu', threads=1) as engine:
        assert engine.info.reason == 'ONNX Runtime on the CPU was asked for'
        assert engine.info.device == 'cpu (1 thread)'


def test_onnxruntime_takes_what_works(package: ModelPackage) -> None:
    with open_engine(package, 'onnxruntime', max_batch=3) as engine:
        assert engine.info.backend == 'onnxruntime'
        assert engine.info.max_batch == 3


def test_first_choice_is_taken_when_it_works(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def opened(model: ModelPackage, flavour: str, **_: Any) -> Any:
        asked.append(flavour)
        engine = onnxrt.OnnxRuntimeEngine(model, provider='cpu')  # stands in for a GPU's
        engine.info = dataclasses.replace(engine.info, backend=flavour)
        return engine

    monkeypatch.setattr(trt, 'open_tensorrt', opened)
    with open_engine(package) as engine:
        assert engine.info.backend == 'tensorrt'
        assert engine.info.reason == 'TensorRT is the first choice and is there'
    assert asked == ['tensorrt']


@pytest.mark.parametrize('error', [EngineBuildError('refused'), ConfigError('wrong')])
def test_only_unavailable_engines_are_passed_over(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(trt, 'open_tensorrt', failing)
    with pytest.raises(type(error), match=str(error)):
        open_engine(package)


def test_nothing_that_runs_lists_every_reason(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise EngineUnavailableError('not here')

    monkeypatch.setattr(trt, 'open_tensorrt', missing)
    monkeypatch.setattr(onnxrt, 'OnnxRuntimeEngine', missing)
    with pytest.raises(EngineUnavailableError) as caught:
        open_engine(package)
    assert str(caught.value).count('not here') == len(CANDIDATES['auto'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'backend': 'tensorflow'}, 'backend must be one of auto'),
        ({'max_batch': 0}, 'max_batch'),
        ({'max_batch': 999}, 'max_batch'),
        ({'workspace': 1}, "unknown setting 'workspace'"),
        ({'workspace_mb': 1}, 'workspace_mb must be in'),
        ({'precision': 'int4'}, 'int4'),
    ],
)
def test_wrong_arguments_are_refused(
    package: ModelPackage, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_engine(package, **arguments)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    yield
    trt.load_tensorrt.cache_clear()
