"""
What every engine must do, whatever runs it.

A test module subclasses :class:`EngineContract` and gives it the fixture
``open_engine``: a function from a model package, and options such as
``max_batch``, to an engine. Numbers are compared with a plain NumPy run of
:func:`tests.models.colour_model` within ``tolerance``.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ros.engine.base import Engine
from alexnet_ros.errors import AlexnetRosError, EngineRunError, ImageFormatError
from alexnet_ros.model_package import ModelPackage
from tests.models import colour_of, reference_features, reference_logits, tiny_package

Open = Callable[..., Engine]


@pytest.fixture(name='package', scope='session')
def package_fixture(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return tiny_package(tmp_path_factory.mktemp('models') / 'tiny', classes=6)


def images(count: int, hw: tuple[int, int] = (32, 32), seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *hw, 3), np.uint8)


class EngineContract:
    """Collected under the name of each subclass, once for each engine."""

    tolerance = 1e-3  # largest difference of a logit; the colour model's reach 60
    backend = ''

    def test_info_says_what_runs(self, open_engine: Open, package: ModelPackage) -> None:
        with open_engine(package, max_batch=3) as engine:
            info = engine.info
        assert info.backend == self.backend
        assert info.device
        assert info.precision == 'fp32'
        assert info.model_name == 'tiny'
        assert info.model_sha256 == package.sha256()
        assert info.input_hw == (32, 32)
        assert info.classes == 6
        assert info.max_batch == 3

    def test_each_colour_is_its_class(self, open_engine: Open, package: ModelPackage) -> None:
        batch = np.stack([np.full((32, 32, 3), colour_of(i), np.uint8) for i in range(6)])
        with open_engine(package) as engine:
            assert engine.infer(batch).logits.argmax(1).tolist() == list(range(6))

    @pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 11])
    def test_any_batch_equals_the_reference(
        self, open_engine: Open, package: ModelPackage, count: int
    ) -> None:
        batch = images(count, seed=count)
        with open_engine(package, max_batch=4) as engine:
            found = engine.infer(batch, features=True)
        assert found.logits.shape == (count, 6)
        assert found.logits.dtype == np.float32
        assert np.abs(found.logits - reference_logits(batch, 6)).max() <= self.tolerance
        assert found.features is not None
        assert found.features.shape == (count, 4096)
        assert found.features.dtype == np.float32
        assert np.abs(found.features - reference_features(batch)).max() <= self.tolerance

    def test_features_come_only_when_asked_for(
        self, open_engine: Open, package: ModelPackage
    ) -> None:
        with open_engine(package) as engine:
            assert engine.infer(images(2)).features is None
            assert engine.infer(images(2), features=True).features is not None
            assert engine.infer(images(2)).features is None

    def test_results_are_the_callers_to_keep(
        self, open_engine: Open, package: ModelPackage
    ) -> None:
        with open_engine(package) as engine:
            first = engine.infer(images(2, seed=1), features=True)
            logits, features = first.logits.copy(), first.features
            assert features is not None
            kept = features.copy()
            engine.infer(images(2, seed=2), features=True)
        assert np.array_equal(first.logits, logits)
        assert np.array_equal(features, kept)
        first.logits[:] = 0  # a new array, so it may be written to

    def test_batch_is_not_modified(self, open_engine: Open, package: ModelPackage) -> None:
        batch = images(3)
        before = batch.copy()
        batch.setflags(write=False)
        with open_engine(package) as engine:
            engine.infer(batch)
        assert np.array_equal(batch, before)

    def test_batch_that_is_not_contiguous_gives_the_same(
        self, open_engine: Open, package: ModelPackage
    ) -> None:
        batch = images(2)
        mirrored = batch[:, :, ::-1]
        with open_engine(package) as engine:
            plain = engine.infer(np.ascontiguousarray(mirrored)).logits
            assert np.array_equal(engine.infer(mirrored).logits, plain)

    def test_runs_repeat_exactly(self, open_engine: Open, package: ModelPackage) -> None:
        with open_engine(package) as engine:
            assert np.array_equal(engine.infer(images(3)).logits, engine.infer(images(3)).logits)

    @pytest.mark.parametrize(
        'batch',
        [
            np.zeros((0, 32, 32, 3), np.uint8),
            np.zeros((32, 32, 3), np.uint8),
            np.zeros((1, 31, 32, 3), np.uint8),
            np.zeros((1, 32, 32, 4), np.uint8),
            np.zeros((1, 3, 32, 32), np.uint8),
            np.zeros((1, 32, 32, 3), np.float32),
            [[[[0, 0, 0]]]],
            None,
        ],
    )
    def test_wrong_batch_is_refused_and_the_next_works(
        self, open_engine: Open, package: ModelPackage, batch: Any
    ) -> None:
        with open_engine(package) as engine:
            with pytest.raises(ImageFormatError, match=r'32, 32, 3\) uint8'):
                engine.infer(batch)
            assert engine.infer(images(1)).logits.shape == (1, 6)

    @pytest.mark.parametrize('bias', [float('nan'), float('inf')])
    def test_non_finite_logits_are_an_error(
        self, open_engine: Open, tmp_path: Path, bias: float
    ) -> None:
        broken = tiny_package(tmp_path / 'broken', logit_bias=bias)
        with open_engine(broken) as engine, pytest.raises(EngineRunError, match=r'NaN|finite'):
            engine.infer(images(1))

    def test_altered_model_is_never_loaded(self, open_engine: Open, tmp_path: Path) -> None:
        package = tiny_package(tmp_path / 'altered')
        data = bytearray(package.onnx_path().read_bytes())
        data[len(data) // 2] ^= 1
        package.onnx_path().write_bytes(data)
        with pytest.raises(AlexnetRosError, match='altered'):
            open_engine(package)

    def test_closed_engine_says_so_and_closes_again(
        self, open_engine: Open, package: ModelPackage
    ) -> None:
        engine = open_engine(package)
        engine.close()
        engine.close()
        with pytest.raises(EngineRunError, match='closed'):
            engine.infer(images(1))

    def test_engine_is_handed_from_thread_to_thread(
        self, open_engine: Open, package: ModelPackage
    ) -> None:
        batch = images(2)
        found: list[NDArray[np.float32]] = []
        with open_engine(package) as engine:
            for _ in range(3):
                thread = threading.Thread(target=lambda: found.append(engine.infer(batch).logits))
                thread.start()
                thread.join(300)
            found.append(engine.infer(batch).logits)
        assert len(found) == 4
        assert all(np.array_equal(found[0], other) for other in found)
