"""The same picture through training's evaluation and the node's path: one tensor."""

from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from alexnet_ros.codec import rgb_from_compressed, rgb_from_file, rgb_from_image
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame, Outputs
from tests.models import tiny_package
from tests.unit.codec.messages import Compressed, message

evaluate = pytest.importorskip('alexnet_ros.training.evaluate', reason='training is not installed')
Image = NDArray[np.uint8]


class KeepingEngine(OnnxRuntimeEngine):
    """A real engine that keeps what it was given."""

    def __init__(self, package: ModelPackage) -> None:
        super().__init__(package, threads=1, provider='cpu')
        self.seen: list[Image] = []

    def infer(self, batch_nhwc: Image, *, features: bool = False) -> Outputs:
        self.seen.append(batch_nhwc.copy())
        return super().infer(batch_nhwc, features=features)


def photograph(width: int, height: int) -> Image:
    """Noise at several scales, where any other filter gives other pixels."""
    rng = np.random.default_rng(width)
    layers = [
        cv2.resize(rng.integers(0, 256, (side, side, 3), np.uint8), (width, height))
        for side in (4, 16, 64, 256)
    ]
    return np.asarray(np.mean(layers, axis=0), np.uint8)


@pytest.mark.parametrize('resize', ['stretch', 'centre_crop'])
@pytest.mark.parametrize('size_wh', [(640, 480), (53, 61), (224, 224), (1281, 719)])
def test_training_and_node_give_the_network_the_same_tensor(
    tmp_path: Path, size_wh: tuple[int, int], resize: str
) -> None:
    package = tiny_package(tmp_path / 'm', input_hw=(96, 112), resize=resize, resize_px=120)
    picture = photograph(*size_wh)
    path = tmp_path / 'picture.png'
    cv2.imwrite(str(path), picture[..., ::-1])
    engine = KeepingEngine(package)
    evaluate.logits_from_engine(engine, package.input, [rgb_from_file(path)], 1)
    sent = {
        'bgr8': rgb_from_image(message(picture[..., ::-1], 'bgr8', padding=5)),
        'rgb8': rgb_from_image(message(picture, 'rgb8', padding=64)),
        'png': rgb_from_compressed(Compressed('png', array('B', path.read_bytes()))),
    }
    recognizer = Recognizer(package, engine)
    for stamp, frame in enumerate(sent.values()):
        recognizer.recognize([Frame(frame, stamp)])
    trained, *shown = engine.seen
    assert trained.shape == (1, 96, 112, 3)
    for name, batch in zip(sent, shown, strict=True):
        assert np.array_equal(batch, trained), name


def test_jpeg_is_decoded_alike_from_a_file_and_from_a_message(tmp_path: Path) -> None:
    path = tmp_path / 'picture.jpg'
    cv2.imwrite(str(path), photograph(640, 480))
    sent = Compressed('bgr8; jpeg compressed bgr8', path.read_bytes())
    assert np.array_equal(rgb_from_file(path), rgb_from_compressed(sent))
