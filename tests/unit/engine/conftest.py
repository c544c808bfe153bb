"""Networks and TensorRT for the engine tests, made once."""

import functools
from collections.abc import Callable

import numpy as np
import pytest

from alexnet_ros.engine.tensorrt.api import TensorRtApi, load_tensorrt
from alexnet_ros.errors import EngineUnavailableError

AlexNetOnnx = Callable[[str, str], bytes]


@pytest.fixture(scope='session')
def rtx() -> TensorRtApi:
    """The real TensorRT for RTX, which parses and builds without a GPU."""
    try:
        return load_tensorrt('tensorrt_rtx')
    except EngineUnavailableError as error:
        pytest.skip(f'TensorRT for RTX: {error}')


@pytest.fixture(scope='session')
def alexnet_onnx() -> AlexNetOnnx:
    """A function (variant, precision) -> ONNX file, exported with random weights."""
    pytest.importorskip('torch', reason='exporting needs torch')
    from alexnet_ros.training.export import onnx_files
    from alexnet_ros.training.network import AlexNet, Architecture

    @functools.cache
    def files(variant: str) -> dict[str, bytes]:
        architecture = Architecture(variant=variant, classes=44, fc6_rank=32, fc7_rank=32)
        network = AlexNet(architecture).eval()
        side = architecture.size_px
        images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), np.uint8)
        return onnx_files(network, images)

    return lambda variant, precision: files(variant)[precision]
