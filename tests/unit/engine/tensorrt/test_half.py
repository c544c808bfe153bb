"""FP16 made from an INT8 file, run for real by ONNX Runtime."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.select import open_engine
from alexnet_ros.engine.tensorrt import plan as trt_plan
from alexnet_ros.engine.tensorrt.build import build_engine
from alexnet_ros.engine.tensorrt.engine import prepare
from alexnet_ros.engine.tensorrt.half import half_from_int8
from alexnet_ros.engine.tensorrt.plan import forms_for
from alexnet_ros.errors import EngineBuildError, EngineUnavailableError
from alexnet_ros.model_package import ModelPackage, write_package
from tests.models import colour_model, tiny_package
from tests.unit.engine.conftest import AlexNetOnnx

BIASES = {'int8': 0.0, 'fp16': 1.0}  # so that the two files differ


def logits(data: bytes, images: Any) -> Any:
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    return session.run(['logits', 'features'], {'image': images})


@pytest.mark.parametrize('variant', ['2012', 'torchvision'])
def test_converted_network_gives_what_the_int8_one_gives(
    alexnet_onnx: AlexNetOnnx, variant: str
) -> None:
    int8 = alexnet_onnx(variant, 'int8')
    side = {'2012': 227, 'torchvision': 224}[variant]
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    for ours, theirs in zip(
        logits(half_from_int8(int8), images), logits(int8, images), strict=True
    ):
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() < 0.1 * np.abs(theirs).max()


def test_converted_network_is_fp16_behind_the_normalisation(alexnet_onnx: AlexNetOnnx) -> None:
    model = onnx.load_from_string(half_from_int8(alexnet_onnx('torchvision', 'int8')))
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {'QuantizeLinear', 'DequantizeLinear'}
    weights = {t.name: t.data_type for t in model.graph.initializer if len(t.dims) > 1}
    assert weights
    assert set(weights.values()) == {onnx.TensorProto.FLOAT16}


def forms(files: str, flavour: str, precision: str | None = None, dla: int = -1) -> Any:
    class Package:
        """As much of a package as is asked for."""

        def __init__(self) -> None:
            self.files = dict.fromkeys(files.split())

    settings = TensorRtSettings(dla_core=dla)
    return forms_for(Package(), flavour, settings, precision)  # type: ignore[arg-type]


def test_form_that_suits_the_runtime_comes_first() -> None:
    both = 'int8 fp16'
    assert forms(both, 'tensorrt') == [('int8', 'int8'), ('fp16', 'fp16')]
    assert forms(both, 'tensorrt_rtx') == [('fp16', 'fp16'), ('int8', 'int8')]
    assert forms(both, 'tensorrt', dla=0) == [('fp16', 'fp16'), ('int8', 'int8')]
    assert forms('int8', 'tensorrt') == [('int8', 'int8'), ('fp16', 'int8')]
    assert forms('int8', 'tensorrt_rtx') == [('fp16', 'int8'), ('int8', 'int8')]
    assert forms('fp32', 'tensorrt_rtx') == [('fp32', 'fp32')]
    assert forms('int8', 'tensorrt', 'fp16') == [('fp16', 'int8')]
    assert forms(both, 'tensorrt', 'int8') == [('int8', 'int8')]


def test_without_the_onnx_package_only_files_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trt_plan, 'can_convert', lambda: False)
    assert forms('int8', 'tensorrt_rtx') == [('int8', 'int8')]


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    one = tiny_package(tmp_path / 'model')
    files = {name: colour_model(logit_bias=b).SerializeToString() for name, b in BIASES.items()}
    return write_package(
        tmp_path / 'both',
        name='both',
        version='1',
        files=files,
        input=one.input,
        labels=one.labels,
        scores=one.scores,
        architecture={},
        metrics={},
        origin={},
    )


@pytest.mark.usefixtures('rtx')
@pytest.mark.parametrize('refused', ['int8', 'fp16'])
def test_failed_build_falls_to_the_other_form_with_a_warning_that_names_both(
    package: ModelPackage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    refused: str,
) -> None:
    bytes_of = package.read_onnx(refused)

    def build(api: Any, onnx_bytes: bytes, *args: Any, **options: Any) -> Any:
        if onnx_bytes == bytes_of:
            raise EngineBuildError('could not find any implementation for node conv1')
        return build_engine(api, onnx_bytes, *args, **options)

    monkeypatch.setattr(trt_plan, 'build_engine', build)
    flavour = 'tensorrt_rtx'
    if refused == 'int8':  # which TensorRT for RTX would not take first
        monkeypatch.setattr(trt_plan, 'HALF_FIRST', ())
    with caplog.at_level(logging.WARNING):
        plan = prepare(package, flavour, compute_capability='8.6', cache_dir=tmp_path / 'c')
    other = {'int8': 'fp16', 'fp16': 'int8'}[refused]
    assert plan.key.precision == other
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f'in {refused} (could not find any implementation' in warning
    assert f'taking {other} instead' in warning


@pytest.mark.usefixtures('rtx')
def test_form_that_was_asked_for_is_not_replaced(
    package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: Any, **__: Any) -> Any:
        raise EngineBuildError('no')

    monkeypatch.setattr(trt_plan, 'build_engine', build)
    with pytest.raises(EngineBuildError, match=r'^no$'):
        prepare(
            package,
            'tensorrt_rtx',
            precision='int8',
            compute_capability='8.6',
            cache_dir=tmp_path / 'c',
        )


def test_fp16_of_a_package_with_int8_alone_reaches_tensorrt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_package: ModelPackage, _flavour: str, *, precision: str, **_: Any) -> Any:
        raise EngineUnavailableError(f'asked for {precision}')

    monkeypatch.setattr('alexnet_ros.engine.tensorrt.engine.open_tensorrt', opened)
    one = tiny_package(tmp_path / 'model')
    with pytest.raises(EngineUnavailableError, match='asked for fp16'):
        open_engine(one, 'tensorrt', precision='fp16', cache_dir=tmp_path / 'cache')
