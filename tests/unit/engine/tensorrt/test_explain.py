"""What will run on a GPU, from the real TensorRT for RTX: shipped files are held to it."""

import json
from pathlib import Path

import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.engine.tensorrt.engine import prepare
from alexnet_ros.engine.tensorrt.explain import (
    Kernel,
    kernels_from_inspector,
    kernels_from_log,
    listing,
    weight_bytes,
)
from alexnet_ros.model_package import ModelPackage
from tests.fake_tensorrt import INSPECTED
from tests.models import tiny_package
from tests.unit.engine.conftest import AlexNetOnnx
from tests.unit.engine.tensorrt.test_build import SETTINGS, build_engine, bundled, shapes_for

HEAVY = ('correlation', 'gemm', 'runtime_fusion')  # convolutions and matrix products


def kernels(package: ModelPackage, precision: str, folder: Path) -> list[Kernel]:
    plan = prepare(
        package,
        'tensorrt_rtx',
        precision=precision,
        compute_capability='8.6',
        cache_dir=folder,
        rebuild=True,
    )
    return kernels_from_log(plan.layers)


@pytest.mark.usefixtures('rtx')
@pytest.mark.parametrize('precision', ['int8', 'fp16'])
@pytest.mark.parametrize('name', bundled() or [pytest.param('', id='none')])
def test_bundled_model_runs_as_it_should(name: str, precision: str, tmp_path: Path) -> None:
    if not name:
        pytest.skip('no model is bundled in this checkout')
    package = ModelPackage.load(name)
    found = kernels(package, precision, tmp_path)
    readers = [kernel for kernel in found if 'UInt8' in str(kernel.inputs)]
    assert len(readers) == 1, 'the uint8 image is read more than once'
    kind = {'int8': 'Int8', 'fp16': 'Half'}[precision]
    heavy = [kernel for kernel in found if kernel.kind in HEAVY]
    assert len(heavy) >= 8
    for kernel in heavy:
        matrices = [t for t in kernel.weights if sum(size > 1 for size in t.shape) > 1]
        assert {tensor.dtype for tensor in matrices} == {kind}, kernel.name
    convolutions = [kernel for kernel in found if kernel.kind == 'correlation']
    assert len(convolutions) == 5
    if precision == 'fp16':  # bias and ReLU ride on the convolution, nothing goes by FP32
        for kernel in convolutions:
            assert any('relu' in node for node in kernel.nodes), kernel.name
            assert {tensor.dtype for tensor in kernel.outputs} == {'Half'}


@pytest.mark.usefixtures('rtx')
@pytest.mark.parametrize('precision', ['int8', 'fp16'])
@pytest.mark.parametrize('name', bundled() or [pytest.param('', id='none')])
def test_bundled_finder_runs_as_it_should(name: str, precision: str, tmp_path: Path) -> None:
    finder = getattr(ModelPackage.load(name), 'finder', None) if name else None
    if finder is None:
        pytest.skip(f'the bundled model {name!r} has no finder')
    found = kernels(finder, precision, tmp_path)
    (reader,) = (kernel for kernel in found if 'UInt8' in str(kernel.inputs))
    kind = {'int8': 'Int8', 'fp16': 'Half'}[precision]
    assert {tensor.dtype for tensor in reader.outputs} == {kind}, (
        'normalised in more than one step'
    )
    heavy = [kernel for kernel in found if kernel.kind in HEAVY]
    of_kind = [k for k in heavy if kind in weight_bytes(k) and k.inputs[0].dtype == kind]
    assert len(of_kind) >= len(heavy) - 1, 'more than the last layer runs in another type'
    if precision == 'fp16':
        alone = [kernel for kernel in found if kernel.nodes and kernel.kind == 'kgen']
        assert not any(node.endswith('relu') for k in alone[1:] for node in k.nodes)


@pytest.mark.usefixtures('rtx')
def test_int8_network_pools_in_int8(rtx: TensorRtApi, alexnet_onnx: AlexNetOnnx) -> None:
    built = build_engine(
        rtx,
        alexnet_onnx('torchvision', 'int8'),
        shapes_for(224, 224, 4, SETTINGS),
        SETTINGS,
        compute_capability='8.6',
    )
    pools = [kernel for kernel in kernels_from_log(built.layers) if kernel.kind == 'maxpool']
    assert len(pools) == 3
    assert {t.dtype for kernel in pools for t in (*kernel.inputs, *kernel.outputs)} == {'Int8'}


def test_inspector_of_tensorrt_is_read() -> None:
    (kernel,) = kernels_from_inspector(json.dumps(INSPECTED))
    assert kernel.nodes == ('conv', 'relu')
    assert str(kernel.inputs[0]) == 'Int8[1,3,32,32]'
    assert weight_bytes(kernel) == {'Int8': 1728, 'Float': 256}
    (bare,) = kernels_from_inspector('{"Layers": ["conv + relu"]}')
    assert bare.name == 'conv + relu'
    assert '1 kernels' in listing([bare])


@pytest.mark.usefixtures('rtx')
def test_command_lists_the_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_package(tmp_path / 'model')
    words = ['build', '--model', str(model.folder), '--backend', 'tensorrt_rtx', '--explain']
    words += ['--compute-capability', '8.6', '--cache-dir', str(tmp_path / 'engines')]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert 'kernels; constants:' in text
    assert main([*words, '--json']) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts['cached'] is False
    assert facts['precision'] == 'fp32'
    assert sum(k['weight_bytes'].get('Float', 0) for k in facts['kernels']) > 4 * 3 * 4096
