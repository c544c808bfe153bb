"""``auto`` on machines without a driver, with NVIDIA's real wheels of every kind."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from alexnet_ros.engine.tensorrt import cuda
from alexnet_ros.errors import EngineUnavailableError
from tests.models import tiny_package

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import sys
from cuda.bindings import runtime
try:
    runtime.cudaGetDeviceCount()
except RuntimeError as error:
    print('raises:', error)
from alexnet_ros.engine.select import open_engine
from alexnet_ros.model_package import ModelPackage
with open_engine(ModelPackage.load(sys.argv[1]), 'auto') as engine:
    print('runs on:', engine.info.backend, engine.info.reason)
"""


def test_cuda_python_that_raises_without_a_driver_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Raising:
        @staticmethod
        def cudaGetDeviceCount() -> None:  # noqa: N802 - the binding's name
            raise RuntimeError('Failed to dlopen libcuda.so.1')

    monkeypatch.setattr(cuda, '_runtime_module', Raising)
    with pytest.raises(EngineUnavailableError, match=r'no NVIDIA driver \(Failed to dlopen'):
        cuda.load_cuda()


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 13), reason='cuda-python 12.6 has no wheel for it')
@pytest.mark.skipif(Path('/proc/driver/nvidia').exists(), reason='there is a driver here')
def test_auto_falls_back_with_the_real_cuda_python_of_jetpack_6(tmp_path: Path) -> None:
    pytest.importorskip('tensorrt_rtx_bindings', reason='without it no driver is looked for')
    place = tmp_path / 'venv'
    venv.create(place, with_pip=False)
    (site,) = place.glob('lib/python*/site-packages')
    words = ['install', '-q', '--no-deps', '--target', str(site), 'cuda-python==12.6.2.post1']
    fetched = subprocess.run(
        [sys.executable, '-m', 'pip', *words], check=False, capture_output=True, text=True
    )
    if fetched.returncode:
        pytest.skip(f'cuda-python 12.6 cannot be fetched: {fetched.stderr.splitlines()[-1]}')
    # Its own site-packages come first, so this cuda-python hides the one of the tests.
    (site / 'rest.pth').write_text(f'{sysconfig.get_path("purelib")}\n{ROOT}\n')
    model = tiny_package(tmp_path / 'model')
    done = subprocess.run(
        [str(place / 'bin' / 'python'), '-c', PROGRAM, str(model.folder)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache')},
    )
    assert done.returncode == 0, done.stderr
    assert 'raises: Failed to dlopen libcuda.so.1' in done.stdout
    # Its second call fails with other words, so only ours are asked for.
    assert 'TensorRT for RTX (no NVIDIA driver (' in done.stdout
    assert 'runs on: tensorrt' not in done.stdout
