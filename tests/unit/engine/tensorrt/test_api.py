import logging
import sys
from types import ModuleType

import pytest

from alexnet_ros.engine.tensorrt import api as trt_api
from alexnet_ros.engine.tensorrt.api import TensorRtApi, load_tensorrt
from alexnet_ros.errors import EngineUnavailableError


@pytest.fixture(autouse=True)
def fresh() -> None:
    load_tensorrt.cache_clear()


def test_missing_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trt_api, '_found', lambda _: False)
    with pytest.raises(EngineUnavailableError, match='--system-site-packages'):
        load_tensorrt('tensorrt')
    with pytest.raises(EngineUnavailableError, match='pip install tensorrt-rtx'):
        load_tensorrt('tensorrt_rtx')


def test_broken_module_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_flavour: str) -> None:
        raise OSError('libnvinfer.so.10: cannot open shared object file')

    monkeypatch.setattr(trt_api, '_found', lambda _: True)
    monkeypatch.setattr(trt_api, '_import', broken)
    with pytest.raises(EngineUnavailableError, match=r'OSError: libnvinfer\.so\.10'):
        load_tensorrt('tensorrt')


def test_module_without_what_is_needed_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType('tensorrt')
    old.__version__ = '8.2.1.8'  # type: ignore[attr-defined]
    monkeypatch.setattr(trt_api, '_found', lambda _: True)
    monkeypatch.setitem(sys.modules, 'tensorrt', old)
    with pytest.raises(EngineUnavailableError, match=r'8\.2\.1\.8 is too old.*execute_async_v3'):
        load_tensorrt('tensorrt')


def test_messages_go_to_logging_and_errors_are_kept(
    rtx: TensorRtApi, caplog: pytest.LogCaptureFixture
) -> None:
    rtx.errors.clear()
    severity = rtx.module.ILogger.Severity
    with caplog.at_level(logging.DEBUG):
        rtx.logger.log(severity.ERROR, 'went\n  wrong')
        rtx.logger.log(severity.INFO, 'just telling')
        rtx.logger.log(severity.VERBOSE, 'far too much')
    assert 'just telling' in caplog.text
    assert 'far too much' not in caplog.text
    assert rtx.take_errors() == 'went wrong'
    assert rtx.take_errors() == 'TensorRT gave no reason'


def test_real_runtime_refuses_what_is_no_engine(rtx: TensorRtApi) -> None:
    """What the checks before keep from happening: the real library's own answer."""
    rtx.errors.clear()
    runtime = rtx.module.Runtime(rtx.logger)
    assert runtime.deserialize_cuda_engine(b'x' * 4096) is None
    assert 'magicTag' in rtx.take_errors()
