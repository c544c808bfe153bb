from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('openvino', reason='OpenVINO is optional and not installed')

from alexnet_ros.engine.openvino import OpenVinoEngine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import EngineBuildError
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from tests.engine_contract import EngineContract, images, package_fixture
from tests.models import colour_model, labels_of

__all__ = ['package_fixture']


class TestOpenVino(EngineContract):
    backend = 'openvino'

    @pytest.fixture
    def open_engine(self) -> Callable[..., OpenVinoEngine]:
        return OpenVinoEngine


def test_every_batch_is_made_of_compiled_sizes(package: ModelPackage) -> None:
    batch = images(13)
    with OpenVinoEngine(package, max_batch=6) as engine:
        together = engine.infer(batch, features=True)
        alone = [engine.infer(image[None], features=True) for image in batch]
    np.testing.assert_allclose(together.logits, np.concatenate([o.logits for o in alone]), 1e-4)
    assert together.features is not None
    assert together.features.shape[0] == 13


def test_selection_takes_it_when_asked(package: ModelPackage) -> None:
    with open_engine(package, 'openvino') as engine:
        assert engine.info.backend == 'openvino'
        assert 'asked for' in engine.info.reason


def test_a_graph_it_cannot_run_is_refused_with_the_file_named(tmp_path: Path) -> None:
    model = colour_model(4)
    model.graph.node[0].op_type = 'Gemm'  # of one input and with foreign attributes
    package = write_package(
        tmp_path / 'bad',
        name='bad',
        version='1',
        input=InputSpec(32, 32),
        labels=labels_of(4),
        files={'fp32': model.SerializeToString()},
        scores=ScoreSpec(),
        architecture={},
        metrics={},
        origin={},
    )
    with pytest.raises(EngineBuildError, match=r'bad_fp32\.onnx: OpenVINO'):
        OpenVinoEngine(package)
