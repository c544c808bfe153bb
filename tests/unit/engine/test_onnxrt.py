import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import (
    ConfigError,
    EngineBuildError,
    EngineFatalError,
    EngineRunError,
    EngineUnavailableError,
)
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from tests.engine_contract import EngineContract, images, package_fixture
from tests.models import colour_model, labels_of

__all__ = ['package_fixture']
Session = onnxruntime.InferenceSession


class TestOnnxRuntime(EngineContract):
    backend = 'onnxruntime'

    @pytest.fixture
    def open_engine(self) -> Callable[..., OnnxRuntimeEngine]:
        return OnnxRuntimeEngine


def written(folder: Path, model: onnx.ModelProto) -> ModelPackage:
    return write_package(
        folder,
        name='m',
        version='1',
        input=InputSpec(32, 32),
        labels=labels_of(4),
        files={'fp32': model.SerializeToString()},
        scores=ScoreSpec(),
        architecture={},
        metrics={},
        origin={},
    )


def test_threads_are_told_and_obeyed(package: ModelPackage) -> None:
    with OnnxRuntimeEngine(package, provider='cpu', threads=1, spinning=False) as engine:
        assert engine.info.device == 'cpu (1 thread)'
        options = engine._session.get_session_options()
        assert options.intra_op_num_threads == 1
        entry = options.get_session_config_entry('session.intra_op.allow_spinning')
        bounded = options.get_session_config_entry('session.intra_op.spin_duration_us')
        assert (entry, bounded) in {('0', '100'), ('1', '100')}  # since 1.26
        assert options.get_session_config_entry('session.force_spinning_stop') == '1'


@pytest.mark.parametrize('options', [{'provider': 'dml'}, {'max_batch': 0}])
def test_wrong_options_are_refused(package: ModelPackage, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        OnnxRuntimeEngine(package, **options)


def test_model_that_the_runtime_refuses_is_named(tmp_path: Path) -> None:
    model = colour_model()
    model.graph.node.append(helper.make_node('Gemm', ['mean'], ['none']))
    package = written(tmp_path / 'm', model)
    with pytest.raises(EngineBuildError, match=r'm_fp32\.onnx: ONNX Runtime .* refuses it') as got:
        OnnxRuntimeEngine(package)
    assert '\n' not in str(got.value)


def test_provider_that_is_not_built_in_is_unavailable(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(EngineUnavailableError, match='built without CUDAExecutionProvider'):
        OnnxRuntimeEngine(package, provider='cuda')
    assert OnnxRuntimeEngine(package).info.device.startswith('cpu')


def test_provider_that_silently_does_not_start_is_unavailable(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of providers says CUDA, the session then runs on the CPU alone."""
    there = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)

    def on_cpu(*args: Any, **kwargs: Any) -> Any:
        assert kwargs['providers'] == there
        return Session(*args, **{**kwargs, 'providers': there[1:]})

    monkeypatch.setattr(onnxruntime, 'InferenceSession', on_cpu)
    with pytest.raises(EngineUnavailableError, match='no working CUDAExecutionProvider'):
        OnnxRuntimeEngine(package, provider='cuda')


def test_missing_runtime_is_unavailable(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(EngineUnavailableError, match='pip install onnxruntime'):
        OnnxRuntimeEngine(package)


class FailingSession:
    """Raises what a real session raises when a run fails."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, *_: Any) -> None:
        raise RuntimeError(self.text)


@pytest.mark.parametrize(
    ('cuda', 'text', 'kind'),
    [
        (False, 'bad things\nhappened', EngineRunError),
        (True, 'CUDA failure 2: out of memory', EngineRunError),
        (True, 'CUDA failure 700: an illegal memory access', EngineFatalError),
    ],
)
def test_failed_run_is_told_from_a_lost_device(
    package: ModelPackage, cuda: bool, text: str, kind: type[Exception]
) -> None:
    engine = OnnxRuntimeEngine(package, provider='cpu')
    engine._cuda = cuda
    engine._session = FailingSession(text)
    with pytest.raises(EngineRunError) as caught:
        engine.infer(images(1))
    assert type(caught.value) is kind
    assert '\n' not in str(caught.value)


def test_half_precision_outputs_become_float32(tmp_path: Path) -> None:
    model = colour_model()
    for name in ('logits', 'features'):
        model.graph.node.append(
            helper.make_node('Cast', [name], [f'{name}16'], to=onnx.TensorProto.FLOAT16)
        )
    for place, output in enumerate(('logits', 'features')):
        model.graph.output[place].name = output
        model.graph.output[place].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for node in model.graph.node:  # swap the names, so that the halves are the outputs
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                swap = {'logits': 'wide', 'features': 'wide7'}
                swap |= {'logits16': 'logits', 'features16': 'features'}
                names[at] = swap.get(name, name)
    with OnnxRuntimeEngine(written(tmp_path / 'm', model)) as engine:
        found = engine.infer(images(2), features=True)
    assert found.logits.dtype == np.float32
    assert found.features is not None
    assert found.features.dtype == np.float32


def test_cuda_libraries_of_pip_are_loaded_before_a_session_and_print_nothing(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def preload() -> None:
        order.append('libraries')
        print('Failed to load libcudnn.so.9')

    def session(*_: Any, **__: Any) -> Any:
        order.append('session')
        return Session(package.read_onnx(), providers=['CPUExecutionProvider'])

    monkeypatch.setattr(onnxruntime, 'preload_dlls', preload)
    monkeypatch.setattr(onnxruntime, 'InferenceSession', session)
    names = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: names)
    with pytest.raises(EngineUnavailableError, match='no working CUDAExecutionProvider'):
        OnnxRuntimeEngine(package, provider='cuda')
    assert order == ['libraries', 'session']
    assert capsys.readouterr().out == ''
    OnnxRuntimeEngine(package, provider='cpu').close()
    assert order == ['libraries', 'session', 'session']
