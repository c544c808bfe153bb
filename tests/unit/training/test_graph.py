from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine, run_file
from alexnet_ros.engine.unsigned import unsigned
from alexnet_ros.errors import TrainingError
from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ScoreSpec, write_package
from alexnet_ros.training.export import onnx_files
from alexnet_ros.training.graph import adaptive_matrix, best_step
from alexnet_ros.training.initial import initialise
from alexnet_ros.training.network import AlexNet, Architecture

ARCHITECTURES = {
    'torchvision, batch norm, factored, contrast': Architecture(
        classes=5, fc6_rank=16, fc7_rank=16, batch_norm=True, normalisation='contrast', input_px=96
    ),
    '2012, towers, LRN, mean only': Architecture(
        '2012', classes=5, fc6_rank=16, fc7_rank=16, normalisation='mean', input_px=111
    ),
    'published size, imagenet, not factored': Architecture(classes=3, fc7_rank=4, fc6_rank=4),
    '2/2 pooling': Architecture(
        classes=3, fc6_rank=8, fc7_rank=8, overlapping=False, input_px=96, response_norm=True
    ),
}


def inputs(side: int, count: int = 6) -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (count, 12, 12, 3), dtype=np.uint8)
    return np.kron(small, np.ones((1, side // 12 + 1, side // 12 + 1, 1), np.uint8))[
        :, :side, :side
    ].copy()


def trained(architecture: Architecture) -> AlexNet:
    """Return a network whose normalisation layers have seen data."""
    torch.manual_seed(0)
    network = AlexNet(architecture)
    initialise(network)
    network.train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.from_numpy(inputs(architecture.size_px)))
    return network.eval()


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_onnx_gives_what_pytorch_gives(name: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES[name]
    network, batch = trained(architecture), inputs(architecture.size_px)
    with torch.no_grad():
        wanted = [part.numpy() for part in network(torch.from_numpy(batch))]
    files = onnx_files(network, batch)
    package = write_package(
        tmp_path / 'model',
        name='model',
        version='1',
        files=files,
        input=InputSpec(architecture.size_px, architecture.size_px),
        labels=Labels(Label(i, f'c{i}', 'sign') for i in range(architecture.classes)),
        scores=ScoreSpec(),
        architecture={},
        metrics={},
        origin={},
    )
    for precision, limit in (('fp32', 1e-4), ('fp16', 5e-3), ('int8', 0.15)):
        with OnnxRuntimeEngine(package, precision=precision, threads=1) as engine:
            got = engine.infer(batch, features=True)
        assert got.features is not None
        for ours, theirs in ((got.logits, wanted[0]), (got.features, wanted[1])):
            assert np.abs(ours - theirs).max() <= limit * np.abs(theirs).max(), precision
    assert len(files['int8']) < 0.3 * len(files['fp32'])
    assert len(files['fp16']) < 0.55 * len(files['fp32'])


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_tensorrt_for_rtx_builds_every_precision(name: str) -> None:
    trt = pytest.importorskip('tensorrt_rtx_bindings')
    architecture = ARCHITECTURES[name]
    network = trained(architecture)
    for precision, data in onnx_files(network, inputs(architecture.size_px)).items():
        logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(logger)
        definition = builder.create_network(0)
        parser = trt.OnnxParser(definition, logger)
        errors = (
            []
            if parser.parse(data)
            else [str(parser.get_error(i)) for i in range(parser.num_errors)]
        )
        assert not errors, (precision, errors)
        config = builder.create_builder_config()
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM86, 0)
        profile = builder.create_optimization_profile()
        shape = (architecture.size_px, architecture.size_px, 3)
        profile.set_shape('image', (1, *shape), (2, *shape), (4, *shape))
        config.add_optimization_profile(profile)
        assert builder.build_serialized_network(definition, config) is not None, precision


def test_lrn_is_onnxs_own_with_the_papers_values() -> None:
    data = onnx_files(trained(ARCHITECTURES['2012, towers, LRN, mean only']), None, ['fp32'])
    nodes = [n for n in onnx.load_from_string(data['fp32']).graph.node if n.op_type == 'LRN']
    assert len(nodes) == 2
    values = {a.name: a.i or round(a.f, 8) for a in nodes[0].attribute}
    assert values == {'alpha': 5e-4, 'beta': 0.75, 'bias': 2.0, 'size': 5}


def test_batch_norm_is_gone_and_eight_layers_remain() -> None:
    network = trained(ARCHITECTURES['torchvision, batch norm, factored, contrast'])
    graph = onnx.load_from_string(onnx_files(network, None, ['fp32'])['fp32']).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count('Conv') == 5
    assert kinds.count('Gemm') == 5  # fc6 and fc7 in two halves each, and fc8
    assert 'BatchNormalization' not in kinds


def test_int8_is_symmetric_with_float_biases() -> None:
    network = trained(ARCHITECTURES['2/2 pooling'])
    graph = onnx.load_from_string(onnx_files(network, inputs(96), ['int8'])['int8']).graph
    for item in graph.initializer:
        values = onnx.numpy_helper.to_array(item)
        if item.name.endswith('zero'):
            assert not values.any()
        if item.name.endswith('bias'):
            assert values.dtype == np.float32
        if item.name.endswith('weight'):
            assert values.dtype == np.int8


def test_on_a_cpu_rounding_to_unsigned_values_is_the_relu(tmp_path: Path) -> None:
    images = inputs(96)
    architecture = ARCHITECTURES['torchvision, batch norm, factored, contrast']
    files = onnx_files(trained(architecture), images, ['int8'])
    made = unsigned(files['int8'])
    assert len(made) == len(files['int8'])
    assert unsigned(made) == made != files['int8']
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / 'optimised.onnx')
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(made, options, providers=['CPUExecutionProvider'])
    kinds = [node.op_type for node in onnx.load(tmp_path / 'optimised.onnx').graph.node]
    assert kinds.count('Relu') == 1  # of `features`, which are given in float32
    signed = run_file(files['int8'], {'image': images}, ['logits'])[0]
    got = session.run(['logits'], {'image': images})[0]
    assert np.abs(got - signed).max() < 0.15 * np.abs(signed).max()


def test_int8_without_images_is_refused() -> None:
    with pytest.raises(TrainingError, match='real images'):
        onnx_files(trained(ARCHITECTURES['2/2 pooling']), None, ['int8'])


def test_adaptive_matrix_is_pytorchs_adaptive_average() -> None:
    torch.manual_seed(0)
    for side in (1, 2, 3, 5, 6, 7, 12, 13):
        x = torch.rand(1, 1, side, side)
        matrix = torch.from_numpy(adaptive_matrix(side))
        wanted = torch.nn.functional.adaptive_avg_pool2d(x, 6)
        assert torch.allclose(matrix @ x @ matrix.T, wanted, atol=1e-6)


def test_best_step_clips_rare_outliers() -> None:
    values = np.random.default_rng(0).normal(0, 1, 20_000).astype(np.float32)
    values[0] = 40
    assert best_step(values, 40.0) < 40 / 127


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_every_pooling_of_an_int8_graph_stands_between_int8_values(name: str) -> None:
    """TensorRT pools in FP32 where anything but Q follows the pooling."""
    network = trained(ARCHITECTURES[name])
    files = onnx_files(network, inputs(ARCHITECTURES[name].size_px), ['int8'])
    nodes = onnx.load_from_string(files['int8']).graph.node
    maker = {output: node.op_type for node in nodes for output in node.output}
    pools = [node for node in nodes if node.op_type == 'MaxPool']
    assert len(pools) == 3
    for pool in pools:
        readers = [node.op_type for node in nodes if pool.output[0] in node.input]
        assert (maker[pool.input[0]], readers) == ('DequantizeLinear', ['QuantizeLinear'])
