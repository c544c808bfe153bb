"""
What the GPU tests share: which TensorRT is here, models, a place for figures.

Without a GPU every test here is skipped, and pytest's summary says why.
"""

import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet_ros.config import TensorRtSettings
from alexnet_ros.engine.tensorrt.api import MODULES
from alexnet_ros.engine.tensorrt.engine import open_tensorrt, probe
from alexnet_ros.engine.tensorrt.runtime import TensorRtEngine
from alexnet_ros.errors import EngineUnavailableError
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from tests.models import labels_of

RESULTS_VARIABLE = 'ALEXNET_ROS_GPU_RESULTS'  # file that tools/test_gpu.py reads
OpenTensorRt = Callable[..., TensorRtEngine]
MakePackage = Callable[[str, int, int], ModelPackage]


@functools.cache
def why_not(flavour: str) -> str:
    """Return why a TensorRT cannot run here, empty if it can."""
    try:
        probe(flavour)
    except EngineUnavailableError as error:
        return f'{flavour} did not run: {str(error).split(";", 1)[0]}'
    return ''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; where nothing can run, skip them with the reasons."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    reasons = [why_not(flavour) for flavour in MODULES] if mine else []
    for item in mine:
        item.add_marker(pytest.mark.gpu)
        if all(reasons):
            item.add_marker(pytest.mark.skip(reason='; '.join(reasons)))


@pytest.fixture(scope='session', params=list(MODULES))
def flavour(request: pytest.FixtureRequest) -> str:
    """Each TensorRT in turn; the one that cannot run here is skipped with the reason."""
    name = str(request.param)
    if reason := why_not(name):
        pytest.skip(reason)
    return name


@pytest.fixture(scope='session')
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that each engine is built once."""
    return tmp_path_factory.mktemp('engines')


@pytest.fixture(scope='session')
def open_tensorrt_engine(flavour: str, engine_folder: Path) -> OpenTensorRt:
    """A function from a package and options to an engine on the GPU."""

    def opened(
        package: ModelPackage,
        *,
        precision: str | None = None,
        max_batch: int = 16,
        **settings: Any,
    ) -> TensorRtEngine:
        return open_tensorrt(
            package,
            flavour,
            precision=precision,
            max_batch=max_batch,
            cache_dir=engine_folder,
            settings=TensorRtSettings(**settings),
        )

    return opened


@pytest.fixture(scope='session')
def make_package(tmp_path_factory: pytest.TempPathFactory) -> MakePackage:
    """A function (variant, fc6 rank, fc7 rank) -> package with random weights."""
    pytest.importorskip('torch', reason='exporting needs torch')
    import torch

    from alexnet_ros.training.export import onnx_files
    from alexnet_ros.training.network import AlexNet, Architecture

    folder = tmp_path_factory.mktemp('packages')
    made: dict[str, ModelPackage] = {}

    def make(variant: str, fc6_rank: int, fc7_rank: int) -> ModelPackage:
        name = f'{variant}-{fc6_rank}-{fc7_rank}'
        if name in made:
            return made[name]
        torch.manual_seed(11)
        classes = 44 if fc6_rank else 1000
        network = AlexNet(
            Architecture(variant=variant, classes=classes, fc6_rank=fc6_rank, fc7_rank=fc7_rank)
        ).eval()
        for layer in network.modules():
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
                torch.nn.init.kaiming_normal_(layer.weight)  # else all images look alike
                if layer.bias is not None:
                    torch.nn.init.zeros_(layer.bias)
        side = network.architecture.size_px
        made[name] = write_package(
            folder / name,
            name=name,
            version='1',
            input=InputSpec(side, side),
            files=onnx_files(network, pictures(8, side)),
            labels=labels_of(classes),
            scores=ScoreSpec(),
            architecture={'variant': variant, 'classes': classes},
            metrics={},
            origin={'data': 'none: random weights', 'licence': 'Apache-2.0'},
        )
        return made[name]

    return make


def pictures(count: int, side: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return (N, side, side, 3) uint8 images with structure at several scales."""
    rng = np.random.default_rng(seed)
    total = np.zeros((count, side, side, 3), np.float32)
    for cells in (3, 9, 27):
        coarse = rng.normal(0, 40, (count, cells, cells, 3)).astype(np.float32)
        index = np.arange(side) * cells // side
        total += coarse[:, index][:, :, index]
    return np.clip(total + 127, 0, 255).astype(np.uint8)


@pytest.fixture(scope='session')
def figures() -> Iterator[list[dict[str, Any]]]:
    """Rows measured in this run, written at its end where the tool asks for them."""
    rows: list[dict[str, Any]] = []
    yield rows
    target = os.environ.get(RESULTS_VARIABLE)
    if target and rows:
        Path(target).write_text(json.dumps(rows, indent=1), encoding='utf-8')
