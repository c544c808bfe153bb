"""Real builds with TensorRT for RTX, which needs no GPU for them."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.engine.tensorrt import build as trt_build
from alexnet_ros.engine.tensorrt import watch as trt_watch
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.build import build_engine, known_capabilities, shapes_for
from alexnet_ros.engine.tensorrt.engine import prepare
from alexnet_ros.errors import EngineBuildError, ModelPackageError
from alexnet_ros.model_package import ModelPackage, find_package, model_places
from tests.models import colour_model
from tests.unit.engine.conftest import AlexNetOnnx

SETTINGS = TensorRtSettings()
SIDES = {'2012': 227, 'torchvision': 224}
SHAPES = shapes_for(32, 32, 16, SETTINGS)


def bundled() -> list[str]:
    """Return the names of the models that come with the project."""
    return sorted({f.parent.name for p in model_places() for f in p.glob('*/model.yaml')})


@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8'])
@pytest.mark.parametrize('variant', ['2012', 'torchvision'])
def test_both_variants_build_in_every_precision_for_every_gpu(
    rtx: TensorRtApi, alexnet_onnx: AlexNetOnnx, variant: str, precision: str
) -> None:
    capabilities = known_capabilities(rtx)
    assert capabilities[0] == '7.5'
    assert '12.0' in capabilities
    side = SIDES[variant]
    if precision != 'fp16':  # Turing has no FP32 product there; forms_for() takes FP16 first
        capabilities = capabilities[1:]
    for capability in capabilities:
        built = build_engine(
            rtx,
            alexnet_onnx(variant, precision),
            shapes_for(side, side, 16, SETTINGS),
            SETTINGS,
            compute_capability=capability,
        )
        assert len(built.data) > 1_000_000


@pytest.mark.parametrize('name', bundled() or [pytest.param('', id='none')])
def test_bundled_models_build_for_every_gpu_and_in_every_precision(
    rtx: TensorRtApi, name: str, tmp_path: Path
) -> None:
    if not name:
        pytest.skip('no model is bundled in this checkout')
    try:
        package = ModelPackage.load(find_package(name))
    except ModelPackageError as error:
        pytest.fail(str(error))
    networks = [one for one in (package, getattr(package, 'finder', None)) if one is not None]
    for network, capability in itertools.product(networks, known_capabilities(rtx)):
        plan = prepare(
            network, 'tensorrt_rtx', compute_capability=capability, cache_dir=tmp_path / 'engines'
        )
        assert plan.key.precision == 'fp16'
    for network, precision in ((one, name) for one in networks for name in one.files):
        plan = prepare(
            network,
            'tensorrt_rtx',
            precision=precision,
            compute_capability='8.6',
            cache_dir=tmp_path / 'engines',
        )
        assert plan.key.precision == precision


@pytest.mark.slow
def test_full_size_network_builds(rtx: TensorRtApi) -> None:
    pytest.importorskip('torch', reason='exporting needs torch')
    from alexnet_ros.training.export import onnx_files
    from alexnet_ros.training.network import AlexNet, Architecture

    network = AlexNet(Architecture(variant='2012')).eval()
    onnx = onnx_files(network, None, ['fp16'])['fp16']
    built = build_engine(
        rtx, onnx, shapes_for(227, 227, 16, SETTINGS), SETTINGS, compute_capability='8.6'
    )
    assert len(built.data) > 2 * 60_000_000  # 60,965,224 parameters of two bytes


def test_options_reach_the_builder(rtx: TensorRtApi) -> None:
    quick = dataclasses.replace(SETTINGS, optimization_level=0, workspace_mb=16)
    onnx = colour_model().SerializeToString()
    assert build_engine(rtx, onnx, SHAPES, quick, compute_capability='8.9').data


def test_timing_cache_is_left_alone_where_nothing_is_timed(rtx: TensorRtApi) -> None:
    onnx = colour_model().SerializeToString()
    built = build_engine(rtx, onnx, SHAPES, SETTINGS, compute_capability='8.6', timing=b'junk')
    assert built.timing == b''


@pytest.mark.parametrize(
    ('onnx', 'message'), [(b'', 'must have one input'), (b'no network', 'cannot read the network')]
)
def test_unreadable_network_is_an_error(rtx: TensorRtApi, onnx: bytes, message: str) -> None:
    with pytest.raises(EngineBuildError, match=message):
        build_engine(rtx, onnx, SHAPES, SETTINGS, compute_capability='8.6')


def test_refused_node_is_named(rtx: TensorRtApi) -> None:
    model = colour_model()
    model.graph.node[3].op_type = 'NoSuchOperator'
    with pytest.raises(EngineBuildError, match=r'node 3 .*\(NoSuchOperator\)'):
        build_engine(rtx, model.SerializeToString(), SHAPES, SETTINGS, compute_capability='8.6')


def test_network_of_another_size_is_an_error(rtx: TensorRtApi) -> None:
    onnx = colour_model(input_hw=(48, 32)).SerializeToString()
    with pytest.raises(EngineBuildError, match=r'\(-1, 48, 32, 3\)'):
        build_engine(rtx, onnx, SHAPES, SETTINGS, compute_capability='8.6')


@pytest.mark.parametrize('capability', ['8.7', '87', '', 'SM86', '11.0'])
def test_unknown_capability_names_the_known_ones(rtx: TensorRtApi, capability: str) -> None:
    onnx = colour_model().SerializeToString()
    with pytest.raises(EngineBuildError, match=r'7\.5, 8\.0, 8\.6'):
        build_engine(rtx, onnx, SHAPES, SETTINGS, compute_capability=capability)


def test_dla_that_is_not_there_is_an_error(rtx: TensorRtApi) -> None:
    onnx = colour_model().SerializeToString()
    settings = TensorRtSettings(dla_core=0)
    with pytest.raises(EngineBuildError, match='set dla_core to -1'):
        build_engine(
            rtx, onnx, shapes_for(32, 32, 4, settings), settings, compute_capability='8.6'
        )


def test_dla_gets_one_batch_size() -> None:
    assert shapes_for(32, 32, 8, TensorRtSettings(dla_core=0)).batches == (8, 8, 8)
    assert shapes_for(32, 32, 8, SETTINGS).batches == (1, 4, 8)
    assert shapes_for(32, 32, 2, SETTINGS).batches == (1, 2, 2)


def test_builder_reports_phases_and_steps(
    rtx: TensorRtApi, alexnet_onnx: AlexNetOnnx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trt_watch, 'TICK_S', 0.002)
    reports = list[BuildProgress]()
    build_engine(
        rtx,
        alexnet_onnx('2012', 'fp32'),
        shapes_for(227, 227, 4, SETTINGS),
        SETTINGS,
        compute_capability='8.6',
        report=reports.append,
    )
    fractions = [r.fraction for r in reports if r.fraction is not None]
    assert fractions, 'the progress monitor was not called'
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert len({r.phase for r in reports}) > 1


def test_cancelled_build_ends_without_an_engine(
    rtx: TensorRtApi, alexnet_onnx: AlexNetOnnx, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_type = trt_build.BuildWatch

    def cancelled(module: Any) -> trt_watch.BuildWatch:
        watch = watch_type(module)
        watch.cancelled = True
        return watch

    monkeypatch.setattr(trt_build, 'BuildWatch', cancelled)
    with pytest.raises(EngineBuildError, match='could not build'):
        build_engine(
            rtx,
            alexnet_onnx('2012', 'fp32'),
            shapes_for(227, 227, 4, SETTINGS),
            SETTINGS,
            compute_capability='8.6',
        )
