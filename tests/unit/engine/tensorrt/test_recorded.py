"""
Every TensorRT and CUDA call, on every version's recorded names and arguments.

The stand-ins have exactly what NVIDIA's bindings of a version have, so a call that a
version lacks or takes with other arguments fails here, and so does a table in which
something is missing, renamed or added.
"""

import copy
import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('cuda.bindings.runtime', reason='cuda-python is not installed')

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt import api as trt_api
from alexnet_ros.engine.tensorrt import cuda as trt_cuda
from alexnet_ros.engine.tensorrt.api import load_tensorrt
from alexnet_ros.engine.tensorrt.build import build_engine, shapes_for
from alexnet_ros.engine.tensorrt.engine import open_tensorrt
from alexnet_ros.engine.tensorrt.explain import kernels_of
from alexnet_ros.errors import EngineBuildError, EngineRunError, EngineUnavailableError
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import images
from tests.fake_cuda import FakeCuda, RecordedCuda
from tests.fake_tensorrt import RecordedTensorRt
from tests.guard import recorded
from tests.models import reference_logits, tiny_package
from tools.record_signatures import CUDA, TENSORRT, cuda_module, cuda_table, digest
from tools.record_signatures import recorded as recorded_anew
from tools.tensorrt_tables import expected_names, groups, made_calls

TABLES = {kind: recorded(kind) for kind in ('tensorrt', 'cuda')}
ALL = [(kind, version) for kind, tables in TABLES.items() for version in tables]


@pytest.fixture(scope='module')
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return tiny_package(tmp_path_factory.mktemp('recorded') / 'tiny')


@contextmanager
def version_in_use(
    module: RecordedTensorRt, cuda: RecordedCuda, patch: pytest.MonkeyPatch
) -> Iterator[None]:
    with patch.context() as here:
        here.setattr(trt_api, '_found', lambda _: True)
        here.setattr(trt_api, '_import', lambda _: module)
        here.setattr(trt_cuda, '_runtime_module', lambda: cuda)
        load_tensorrt.cache_clear()
        try:
            yield
        finally:
            load_tensorrt.cache_clear()


def run_everything(
    version: str,
    names: dict[str, Any],
    cuda_version: str,
    cuda_names: dict[str, Any],
    *,
    package: ModelPackage,
    folder: Path,
    patch: pytest.MonkeyPatch,
) -> tuple[set[str], set[str]]:
    """Build, load, run, explain, refuse; returns the names that were used."""
    flavour = 'tensorrt_rtx' if version.startswith('RTX') else 'tensorrt'
    used: tuple[set[str], set[str]] = set(), set()
    for integrated in (False, True):
        fake = FakeCuda(integrated=integrated)
        cuda = RecordedCuda(cuda_version, cuda_names, fake)
        module = RecordedTensorRt(version, names, fake, package.read_onnx())
        module.state.batches = (1, 2, 2)
        settings = TensorRtSettings(version_compatible=integrated, cuda_graph=not integrated)
        with version_in_use(module, cuda, patch):
            options: dict[str, Any] = {
                'max_batch': 2,
                'cache_dir': folder / f'engines{integrated}',
                'settings': settings,
            }
            with open_tensorrt(package, flavour, **options) as engine:
                found = engine.infer(images(2), features=True)
                for trouble in ('pending', 'ruined') if integrated else ():  # runs without graphs
                    setattr(fake, trouble, 'cudaErrorInvalidValue')
                    with pytest.raises(EngineRunError, match='did not run'):
                        engine.infer(images(1))
                    setattr(fake, trouble, 'cudaSuccess')
            assert np.abs(found.logits - reference_logits(images(2), 4)).max() < 1e-3
            assert not fake.live, 'something on the GPU was not released'
            assert len(module.state.network_flags) == 1
            api = load_tensorrt(flavour)
            with pytest.raises(EngineBuildError, match=r'node 7 odd \(NoSuchOperator\)'):
                build_engine(api, b'junk', shapes_for(32, 32, 2, settings), settings)
            (kernel,) = kernels_of(api, b'ftrt', '')
            assert kernel.nodes == ('conv', 'relu')
            if flavour == 'tensorrt':
                module.state.batches = (2, 2, 2)  # as a DLA has it
                options['settings'] = TensorRtSettings(dla_core=int(integrated))
                open_tensorrt(package, flavour, **options).close()
                weak = hasattr(module.BuilderFlag, 'FP16')
                assert module.state.network_flags[-1] == (0 if weak else 1)
            else:
                open_tensorrt(package, flavour, **options).close()  # takes the kept kernels
        used[0].update(module.guard.used)
        used[1].update(cuda.guard.used)
    return used


def alike(kind: str) -> list[Any]:
    """Return the versions whose tables differ, each for those that are like it."""
    return [pytest.param(members, id=name) for name, members in groups(kind)]


@pytest.mark.parametrize('versions', alike('tensorrt'))
def test_everything_runs_on_the_names_of_tensorrt(
    versions: list[str], package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, _ = run_everything(
        versions[0],
        TABLES['tensorrt'][versions[0]]['names'],
        '13.4',
        TABLES['cuda']['13.4']['names'],
        package=package,
        folder=tmp_path,
        patch=monkeypatch,
    )
    for version in versions:
        assert used == made_calls(version)


@pytest.mark.parametrize('versions', alike('cuda'))
def test_everything_runs_on_the_names_of_cuda_python(
    versions: list[str], package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = TABLES['cuda'][versions[0]]['names']
    _, used = run_everything(
        '10.3',
        TABLES['tensorrt']['10.3']['names'],
        versions[0],
        names,
        package=package,
        folder=tmp_path,
        patch=monkeypatch,
    )
    assert used == {name for name in names if not name.startswith('cudaError_t.')}


def test_tensorrt_8_is_refused_with_one_line(
    package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCuda()
    module = RecordedTensorRt('8.6', TABLES['tensorrt']['8.6']['names'], fake, package.read_onnx())
    cuda = RecordedCuda('11.8', TABLES['cuda']['11.8']['names'], fake)
    with (
        version_in_use(module, cuda, monkeypatch),
        pytest.raises(EngineUnavailableError, match=r'8\.6 is too old.*TensorRT 10') as caught,
    ):
        load_tensorrt('tensorrt')
    assert '\n' not in str(caught.value)


def problems(kind: str, version: str, table: dict[str, Any]) -> list[str]:
    """Say what a version's table has that the package does not expect, and the reverse."""
    names = table['names']
    wanted = expected_names(kind, version)
    found = [f'{name} is missing' for name in sorted(wanted - set(names))]
    found += [f'{name} is not used' for name in sorted(set(names) - wanted)]
    if digest(names) != table['digest']:
        found.append('it is not what tools/record_signatures.py wrote')
    return found


@pytest.mark.parametrize(('kind', 'version'), ALL)
def test_table_has_what_the_package_expects(kind: str, version: str) -> None:
    assert not problems(kind, version, TABLES[kind][version])


@pytest.mark.parametrize(('kind', 'version'), ALL)
def test_any_change_of_a_table_is_noticed(kind: str, version: str) -> None:
    table = TABLES[kind][version]
    for name, forms in table['names'].items():
        for change in ('remove', 'rename', 'argument'):
            changed = copy.deepcopy(table)
            if change == 'argument':
                if not isinstance(forms, list):
                    continue
                changed['names'][name] = [[*form, 'more'] for form in forms]
            else:
                del changed['names'][name]
            if change == 'rename':
                changed['names'][f'{name}_V2'] = forms
            assert problems(kind, version, changed), f'{change} {name}'


ADDED = (
    'Builder.create_network',
    'IOptimizationProfile.set_shape',
    'Runtime.deserialize_cuda_engine',
    'IExecutionContext.execute_async_v3',
)


@pytest.mark.parametrize('name', ADDED)
def test_added_argument_breaks_the_run(
    name: str, package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = copy.deepcopy(TABLES['tensorrt']['10.16']['names'])
    names[name] = [[*form, 'more'] for form in names[name]]
    with pytest.raises(TypeError, match=f'{name} takes'):
        run_everything(
            '10.16',
            names,
            '13.4',
            TABLES['cuda']['13.4']['names'],
            package=package,
            folder=tmp_path,
            patch=monkeypatch,
        )


def test_installed_cuda_python_is_as_recorded() -> None:
    version = importlib.metadata.version('cuda-bindings').rsplit('.', 1)[0]
    if version not in TABLES['cuda']:
        pytest.skip(f'cuda-bindings {version} is not recorded')
    assert cuda_table(cuda_module()) == TABLES['cuda'][version]['names']


@pytest.mark.skipif('ALEXNET_ROS_BINDINGS' not in os.environ, reason='names no folder of wheels')
def test_wheels_are_as_recorded() -> None:
    """With NVIDIA's wheels unpacked by the recorder, import them for real."""
    folder = Path(os.environ['ALEXNET_ROS_BINDINGS'])
    for kind, version in ALL:
        name, release = {'tensorrt': TENSORRT, 'cuda': CUDA}[kind][version]
        if (folder / f'{name}-{release}').exists():
            table = recorded_anew(kind, name, release, folder)
            assert table == TABLES[kind][version]['names'], version
