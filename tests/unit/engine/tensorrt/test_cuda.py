import sys
from types import SimpleNamespace
from typing import Any

import pytest

from alexnet_ros.engine.tensorrt import cuda as cuda_module
from alexnet_ros.engine.tensorrt.cuda import Cuda, DeviceBuffer, DeviceOutOfMemoryError, load_cuda
from alexnet_ros.errors import EngineFatalError, EngineRunError, EngineUnavailableError

runtime = pytest.importorskip('cuda.bindings.runtime', reason='cuda-python is not installed')

from tests.fake_cuda import FakeCuda  # noqa: E402


def has_gpu() -> bool:
    status, count = runtime.cudaGetDeviceCount()
    return status.value == 0 and count > 0


def test_machine_without_driver_says_so() -> None:
    """The real binding, asked on a machine without a GPU."""
    if has_gpu():
        pytest.skip('this machine has a GPU')
    with pytest.raises(EngineUnavailableError, match=r'NVIDIA driver|GPU .*\(cudaError'):
        load_cuda()


def test_missing_binding_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('cuda', 'cuda.bindings', 'cuda.bindings.runtime', 'cuda.cudart'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineUnavailableError, match='install the cuda-python wheel'):
        load_cuda()


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        ('cudaErrorInsufficientDriver', 'no NVIDIA driver'),
        ('cudaErrorNoDevice', 'no GPU is visible'),
        ('cudaErrorSystemDriverMismatch', 'differ in version'),
        ('cudaErrorInitializationError', 'CUDA cannot start'),
    ],
)
def test_reason_for_no_gpu_is_told(
    monkeypatch: pytest.MonkeyPatch, error: str, message: str
) -> None:
    fake = FakeCuda()
    fake.fail('cudaGetDeviceCount', error)
    monkeypatch.setattr(cuda_module, '_runtime_module', lambda: fake)
    with pytest.raises(EngineUnavailableError, match=rf'{message}.*{error}'):
        load_cuda()


def test_no_visible_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    success = runtime.cudaError_t.cudaSuccess
    empty = SimpleNamespace(cudaGetDeviceCount=lambda: (success, 0))
    monkeypatch.setattr(cuda_module, '_runtime_module', lambda: empty)
    with pytest.raises(EngineUnavailableError, match='no GPU is visible'):
        load_cuda()


@pytest.mark.parametrize(
    ('error', 'kind'),
    [
        ('cudaErrorMemoryAllocation', DeviceOutOfMemoryError),
        ('cudaErrorIllegalAddress', EngineFatalError),
        ('cudaErrorLaunchFailure', EngineFatalError),
        ('cudaErrorECCUncorrectable', EngineFatalError),
        ('cudaErrorInvalidValue', EngineRunError),
    ],
)
def test_errors_are_told_apart(error: str, kind: type[Exception]) -> None:
    fake = FakeCuda()
    fake.fail('cudaStreamCreateWithFlags', error)
    with pytest.raises(EngineRunError) as caught:
        Cuda(fake).stream()
    assert type(caught.value) is kind
    assert 'cudaStreamCreateWithFlags' in str(caught.value)


def test_last_error_is_taken_once() -> None:
    fake = FakeCuda()
    fake.pending = 'cudaErrorLaunchFailure'
    assert isinstance(Cuda(fake).last_error('x'), EngineFatalError)
    assert Cuda(fake).last_error('x') is None


def test_device_is_described() -> None:
    device = Cuda(FakeCuda(integrated=True)).device()
    assert str(device) == 'Pretend GPU (sm_86)'
    assert device.integrated
    assert device.driver.endswith('CUDA 13.0')


@pytest.mark.parametrize(
    ('text', 'release'),
    [
        ('# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic', 'L4T 36.4.3'),
        ('nonsense', 'unknown'),
    ],
)
def test_driver_release_is_read_from_l4t(
    monkeypatch: pytest.MonkeyPatch, text: str, release: str
) -> None:
    def read(path: Any, **_: Any) -> str:
        if 'tegra' not in str(path):
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(cuda_module.Path, 'read_text', read)
    assert cuda_module.driver_release() == release


def test_driver_release_is_read_from_the_kernel_module(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.20  Sun Mar 30 2025\n'

    def read(path: Any, **_: Any) -> str:
        if 'tegra' in str(path):
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(cuda_module.Path, 'read_text', read)
    assert cuda_module.driver_release() == '570.133.20'


@pytest.mark.parametrize('mapped', [False, True])
def test_buffer_moves_rows_both_ways(mapped: bool) -> None:
    fake = FakeCuda(integrated=mapped)
    cuda = Cuda(fake)
    stream = cuda.stream()
    first, second = (DeviceBuffer(cuda, (4, 5), 'float32', mapped=mapped) for _ in range(2))
    first.array[:] = 7
    first.upload(2, stream)
    cuda.call('cudaStreamSynchronize', stream)
    if not mapped:  # on the device, from one to the other
        copy = fake.memory[first.address], first.address, second.address
        fake.push(lambda: __import__('ctypes').memmove(copy[2], copy[1], 40))
        second.download(2, stream)
        cuda.call('cudaStreamSynchronize', stream)
        assert (second.array[:2] == 7).all()
        assert (second.array[2:] == 0).all()
    first.free()
    second.free()
    first.free()
    cuda.call('cudaStreamDestroy', stream)
    assert not fake.live
