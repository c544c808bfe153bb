"""
Measure, assert nothing about time; ``make test-gpu`` writes the rows down.

The bound is what AlexNet cannot go below at small batches: every weight is
read once, so weight bytes over the memory bandwidth measured on this GPU.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alexnet_ros.engine.tensorrt.cuda import Cuda, load_cuda
from alexnet_ros.model_package import ModelPackage, find_package, model_places
from tests.gpu.conftest import MakePackage, OpenTensorRt, pictures

BATCHES = (1, 4, 16)
CALLS = 300
WARM_CALLS = 30
COPY_BYTES = 512 << 20
BUNDLED = sorted({f.parent.name for p in model_places() for f in p.glob('*/model.yaml')})
NETWORKS = (('torchvision', 0, 0), ('torchvision', 512, 256), ('2012', 512, 256))


def percentiles(call: Callable[[], object]) -> dict[str, float]:
    """Return wall times of a call in milliseconds."""
    for _ in range(WARM_CALLS):
        call()
    times = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - began) / 1e6)
    return {'p50_ms': float(np.percentile(times, 50)), 'p99_ms': float(np.percentile(times, 99))}


def bandwidth_gb_s(cuda: Cuda) -> float:
    """Measure a copy within the GPU's memory: every byte is read and written once."""
    cuda.use(0)
    size = COPY_BYTES
    free, _total = cuda.call('cudaMemGetInfo')
    while size > int(free) // 4:
        size //= 2
    source, target = (cuda.call('cudaMalloc', size) for _ in range(2))
    stream, start, end = cuda.stream(), cuda.event(), cuda.event()
    kind = cuda.runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
    best = float('inf')
    for _ in range(10):
        cuda.call('cudaEventRecord', start, stream)
        cuda.call('cudaMemcpyAsync', target, source, size, kind, stream)
        cuda.call('cudaEventRecord', end, stream)
        cuda.call('cudaStreamSynchronize', stream)
        best = min(best, cuda.elapsed_ms(start, end))
    for event in (start, end):
        cuda.call('cudaEventDestroy', event)
    cuda.call('cudaStreamDestroy', stream)
    for address in (source, target):
        cuda.call('cudaFree', address)
    return 2 * size / best / 1e6


@pytest.fixture(scope='session')
def bandwidth(flavour: str) -> float:
    del flavour  # only where there is a GPU
    return bandwidth_gb_s(load_cuda())


def measure(
    opened: OpenTensorRt, package: ModelPackage, precision: str, bandwidth: float
) -> list[dict[str, Any]]:
    """Time one file at each batch size, with its bound beside."""
    rows = []
    weight_bytes = package.model_file(precision).bytes  # its ONNX file is little else
    with opened(package, precision=precision, max_batch=max(BATCHES)) as engine:
        for batch in BATCHES:
            images = pictures(batch, package.input.height)
            rows.append(
                {
                    'network': package.name,
                    'runner': engine.info.backend,
                    'device': engine.info.device,
                    'precision': precision,
                    'batch': batch,
                    **percentiles(lambda images=images: engine.infer(images)),
                    'weight_mb': weight_bytes / 1e6,
                    'bandwidth_gb_s': bandwidth,
                    'bound_ms': weight_bytes / bandwidth / 1e6,
                }
            )
    return rows


@pytest.mark.parametrize('network', NETWORKS, ids=lambda n: f'{n[0]}-{n[1]}-{n[2]}')
def test_measure_networks(
    open_tensorrt_engine: OpenTensorRt,
    make_package: MakePackage,
    bandwidth: float,
    figures: list[dict[str, Any]],
    network: tuple[str, int, int],
) -> None:
    package = make_package(*network)
    precisions = ['fp16', 'int8'] if network[1] == 0 else ['fp32', 'fp16', 'int8']
    for precision in precisions:
        rows = measure(open_tensorrt_engine, package, precision, bandwidth)
        figures.extend(rows)
        assert len(rows) == len(BATCHES)


@pytest.mark.parametrize('name', BUNDLED or [pytest.param('', id='none')])
def test_measure_bundled_models(
    open_tensorrt_engine: OpenTensorRt, bandwidth: float, figures: list[dict[str, Any]], name: str
) -> None:
    if not name:
        pytest.skip('no model is bundled in this checkout')
    package = ModelPackage.load(find_package(name))
    for precision in package.files:
        figures.extend(measure(open_tensorrt_engine, package, precision, bandwidth))


@pytest.mark.parametrize('compiled', [False, True], ids=['eager', 'compiled'])
def test_measure_pytorch_beside(
    flavour: str, figures: list[dict[str, Any]], compiled: bool
) -> None:
    """PyTorch on the same GPU: FP16, channels last, input already on the GPU."""
    del flavour
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    if not torch.cuda.is_available():
        pytest.skip('this PyTorch is a CPU build; install a CUDA build to compare with it')
    from alexnet_ros.training.network import AlexNet, Architecture

    network = AlexNet(Architecture(variant='torchvision')).eval().cuda()
    classify = torch.compile(network, mode='max-autotune') if compiled else network
    for batch in BATCHES:
        images = torch.from_numpy(pictures(batch, 224)).cuda()

        def call(images: Any = images) -> None:
            with torch.inference_mode(), torch.autocast('cuda', torch.float16):
                classify(images)
            torch.cuda.synchronize()

        figures.append(
            {
                'network': 'torchvision-0-0',
                'runner': 'PyTorch torch.compile' if compiled else 'PyTorch eager',
                'device': torch.cuda.get_device_name(),
                'precision': 'fp16 (autocast)',
                'batch': batch,
                **percentiles(call),
            }
        )
