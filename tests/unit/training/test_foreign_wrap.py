from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.cli.main import main
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import LabelFileError, ModelPackageError
from alexnet_ros.labels import Label
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training.export import write_measured
from alexnet_ros.training.foreign import draft_from_onnx
from alexnet_ros.training.foreign_wrap import Preprocessing

LIGHT = Path(onnx.__file__).parent / 'backend/test/data/light'


def wrap_package(path: Path, folder: Path, **options: Any) -> ModelPackage:
    draft, _ = draft_from_onnx(path, **options)
    return write_measured(folder, draft, None, ['fp32'])


def small_classifier(path: Path, *, batch: int | str = 1, softmax: bool = True) -> None:
    """Write NCHW float (3, 8, 8) -> mean of each colour -> three classes."""
    nodes = [
        helper.make_node('GlobalAveragePool', ['x'], ['pooled']),
        helper.make_node('Reshape', ['pooled', 'shape'], ['flat']),
        helper.make_node('Gemm', ['flat', 'w', 'b'], ['scores']),
    ]
    if softmax:
        nodes.append(helper.make_node('Softmax', ['scores'], ['y'], axis=1))
    graph = helper.make_graph(
        nodes,
        'small',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [batch, 3, 8, 8])],
        [
            helper.make_tensor_value_info(
                'y' if softmax else 'scores', TensorProto.FLOAT, [batch, 3]
            )
        ],
        [
            numpy_helper.from_array(np.array([1 if batch == 1 else -1, 3], np.int64), 'shape'),
            numpy_helper.from_array(np.eye(3, dtype=np.float32), 'w'),
            numpy_helper.from_array(np.zeros(3, np.float32), 'b'),
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), path
    )


def test_onnxs_own_alexnet_gives_its_published_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            'export',
            '--onnx',
            str(LIGHT / 'light_bvlc_alexnet.onnx'),
            '--colour',
            'bgr',
            '--mean',
            '104,117,123',
            '--output',
            str(tmp_path / 'bvlc'),
        ]
    )
    assert code == 0
    assert 'fp32' in capsys.readouterr().out
    package = ModelPackage.load(tmp_path / 'bvlc')
    assert len(package.labels) == 1000
    wanted = numpy_helper.to_array(
        onnx.load_tensor(LIGHT / 'light_bvlc_alexnet_output_0.pb')
    )  # softmax, (1, 1000)
    image = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    with OnnxRuntimeEngine(package, threads=1) as engine:
        found = engine.infer(np.repeat(image, 3, 0), features=True)
    assert found.features is not None
    assert found.features.shape == (3, 4096)
    parts = np.exp(found.logits - found.logits.max(1, keepdims=True))
    shares = parts / parts.sum(1, keepdims=True)
    np.testing.assert_allclose(shares, np.repeat(wanted, 3, 0), atol=1e-6)


@pytest.mark.parametrize('colour', ['rgb', 'bgr'])
@pytest.mark.parametrize('batch', [1, 'N'])
def test_preprocessing_stands_in_the_graph(colour: str, batch: int | str, tmp_path: Path) -> None:
    small_classifier(tmp_path / 'm.onnx', batch=batch)
    how = Preprocessing((10.0, 20.0, 30.0), (0.5, 1.0, 2.0), colour)
    package = wrap_package(
        tmp_path / 'm.onnx',
        tmp_path / 'model',
        name='m',
        version='1',
        labels=[],
        preprocessing=how,
    )
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    order = [0, 1, 2] if colour == 'rgb' else [2, 1, 0]
    mean = images.astype(np.float64).mean((1, 2))[:, order]
    with OnnxRuntimeEngine(package, threads=1) as engine:
        found = engine.infer(images, features=True)
    np.testing.assert_allclose(
        found.logits, (mean - [10, 20, 30]) * [0.5, 1.0, 2.0], rtol=1e-4, atol=1e-3
    )
    assert found.features is not None
    np.testing.assert_allclose(found.features, found.logits, rtol=1e-5)
    assert found.features.shape == (4, 3)


def test_labels_must_match_the_outputs(tmp_path: Path) -> None:
    small_classifier(tmp_path / 'm.onnx', softmax=False)
    with pytest.raises(LabelFileError, match='has 3 classes'):
        wrap_package(
            tmp_path / 'm.onnx',
            tmp_path / 'model',
            name='m',
            version='1',
            labels=[Label(0, 'a', ''), Label(1, 'b', '')],
            preprocessing=Preprocessing(),
        )


@pytest.mark.parametrize('content', [b'', b'garbage'])
def test_file_that_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'm.onnx').write_bytes(content)
    with pytest.raises(ModelPackageError, match=r'm\.onnx'):
        wrap_package(
            tmp_path / 'm.onnx',
            tmp_path / 'model',
            name='m',
            version='1',
            labels=[],
            preprocessing=Preprocessing(),
        )
