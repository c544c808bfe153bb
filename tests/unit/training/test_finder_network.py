from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')

import torch

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.model_package.write import add_finder, write_finder
from alexnet_ros.signs.finder import decode
from alexnet_ros.training.finder_export import onnx_from_finder
from alexnet_ros.training.finder_network import boxes_of, finder_loss, giou
from alexnet_ros.training.finder_scenes import targets
from tests.finders import HEIGHT, WIDTH, random_network, small_finder
from tests.models import tiny_package


def canvases(count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def places(batch: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(random_network().places(torch.from_numpy(batch)).numpy())


def test_the_graph_in_fp32_is_the_network(tmp_path: Path) -> None:
    model = onnx_from_finder(random_network(), HEIGHT, WIDTH).SerializeToString()
    package = write_finder(tmp_path, model, height=HEIGHT, width=WIDTH, min_score=0.3)
    batch = canvases(2)
    with OnnxRuntimeEngine(package, threads=1, provider='cpu') as engine:
        np.testing.assert_allclose(engine.infer(batch).logits, places(batch), atol=1e-4)


@pytest.mark.parametrize('backend', ['cpu', 'openvino'])
def test_every_cpu_runtime_gives_the_same_in_int8(backend: str, tmp_path: Path) -> None:
    pytest.importorskip('onnxruntime' if backend == 'cpu' else 'openvino')
    package = small_finder(tmp_path)
    batch = canvases(3)
    with open_engine(package, backend, threads=1, max_batch=2) as engine:
        logits = engine.infer(batch).logits
        assert engine.info.input_hw == (HEIGHT, WIDTH)
    wanted = places(batch)
    assert logits.shape == wanted.shape == (3, 20, HEIGHT // 8, WIDTH // 8)
    assert np.sqrt(np.square(logits - wanted).mean()) < 0.1 * wanted.std()


def test_tensorrt_for_rtx_builds_it(tmp_path: Path) -> None:
    trt = pytest.importorskip('tensorrt_rtx_bindings')
    package = small_finder(tmp_path)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(package.read_onnx())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    profile = builder.create_optimization_profile()
    profile.set_shape('image', *((n, HEIGHT, WIDTH, 3) for n in (1, 2, 4)))
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None


def test_run_time_and_training_decode_alike() -> None:
    (logits,) = places(canvases(1))
    with torch.no_grad():
        cells = random_network()(torch.from_numpy(canvases(1)))
        corners = boxes_of(cells)[0].reshape(-1, 4).numpy() * 4
    boxes, scores = decode(logits, -7.0)
    assert len(boxes)
    heat = cells[0, ..., 0].flatten().numpy()
    for box, score in zip(boxes, scores, strict=True):
        found = np.array([*box[:2], *(box[:2] + box[2:])])
        index = int(np.abs(corners - found).max(1).argmin())
        np.testing.assert_allclose(found, corners[index], atol=0.01)
        assert heat[index] == pytest.approx(score, abs=1e-3)


def test_targets_say_where_an_object_is_and_what_is_not_judged() -> None:
    boxes = np.array([[20.0, 40, 60, 72], [-100, 0, 10, 60]])  # the second is mostly outside
    heat, counts, wanted, weights = targets(boxes, np.array([[96.0, 96, 120, 120]]), 128)
    assert heat.shape == (32, 32)
    assert np.argwhere(heat >= 1).tolist() == [[14, 10]]
    assert (wanted[weights > 0] == boxes[0] / 4).all()
    assert counts[25, 25] == 0
    assert counts[3, 1] == 0
    assert counts[14, 10] == counts[20, 20] == 1


def test_the_loss_falls_to_nothing_for_the_wanted_answer() -> None:
    boxes = np.array([[20.0, 40, 60, 72]])
    heat, counts, wanted, weights = (
        torch.from_numpy(part)[None] for part in targets(boxes, np.zeros((0, 4)), 128)
    )
    cells = torch.zeros(1, 32, 32, 5)
    cells[..., 0] = torch.where(heat >= 1, 9.0, -9.0)
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing='ij')
    cells[..., 1], cells[..., 2] = (10 - x) / 10, (14 - y) / 8
    cells[..., 3], cells[..., 4] = np.log(10.0), np.log(8.0)
    heat_loss, box_loss = finder_loss(cells, heat, counts, wanted, weights)
    assert float(heat_loss) < 1e-3
    assert float(box_loss) < 1e-5
    worse = finder_loss(torch.zeros_like(cells), heat, counts, wanted, weights)
    assert float(worse[0]) > 1
    assert float(worse[1]) > 0.5


def test_generalised_iou_is_that_of_known_pairs() -> None:
    one = torch.tensor([[0.0, 0, 10, 10]])
    pairs = {(0, 0, 10, 10): 1.0, (0, 0, 10, 5): 0.5, (20, 0, 30, 10): -1 / 3}
    for other, value in pairs.items():
        assert float(giou(one, torch.tensor([other]).float())[0]) == pytest.approx(value)


def test_a_package_takes_a_finder_and_gives_it_back_verified(tmp_path: Path) -> None:
    package = tiny_package(tmp_path / 'mine')
    alone = small_finder(tmp_path)
    kept = {'height': HEIGHT, 'width': WIDTH, 'min_score': 0.25}
    for note in ('first', 'second'):
        made = add_finder(
            package.folder, alone.read_onnx(), **kept, metrics={'note': note}, origin={}
        )
    assert made.finder is not None
    assert made.finder.read_onnx() == alone.read_onnx()
    assert made.finder.scores.score == 0.25
    assert made.metrics['finder'] == {'note': 'second'}
    assert len(made.labels) == len(package.labels)
    assert made.finder.model_file('fp32').precision == 'int8'  # the only one there is

    path = made.finder.onnx_path()
    path.write_bytes(path.read_bytes()[:-1] + b'\0')
    with pytest.raises(ModelPackageError, match='SHA-256'):
        ModelPackage.load(package.folder)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'height': HEIGHT + 32}, 'expected one input'),
        ({'width': 100}, 'multiple of 32'),
        ({'min_score': 0.0}, 'min_score'),
        ({'slope': 0.0}, 'slope'),
    ],
)
def test_a_finder_that_does_not_fit_leaves_the_package_alone(
    change: dict[str, float], message: str, tmp_path: Path
) -> None:
    package = tiny_package(tmp_path / 'mine')
    before = (package.folder / 'model.yaml').read_bytes()
    entry = {'height': HEIGHT, 'width': WIDTH, 'min_score': 0.3, **change}
    onnx = small_finder(tmp_path).read_onnx()
    with pytest.raises(ModelPackageError, match=message):
        add_finder(package.folder, onnx, **entry, metrics={}, origin={})
    assert (package.folder / 'model.yaml').read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


def test_a_classifier_is_no_finder(tmp_path: Path) -> None:
    package = tiny_package(tmp_path / 'mine', input_hw=(HEIGHT, WIDTH))
    with pytest.raises(ModelPackageError, match='expected one output "logits"'):
        write_finder(tmp_path, package.read_onnx(), height=HEIGHT, width=WIDTH, min_score=0.3)
