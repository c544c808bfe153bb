"""
A small real classifier for tests: its class is the dominant colour.

Built with the onnx package, so that no test needs torch or trained weights.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.labels import Label, Labels
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package

COLOURS = {  # class name: its colour, RGB 0 to 1
    'red': (1.0, 0.0, 0.0),
    'green': (0.0, 1.0, 0.0),
    'blue': (0.0, 0.0, 1.0),
    'grey': (0.5, 0.5, 0.5),
    'yellow': (1.0, 1.0, 0.0),
    'cyan': (0.0, 1.0, 1.0),
    'magenta': (1.0, 0.0, 1.0),
    'white': (1.0, 1.0, 1.0),
    'black': (0.0, 0.0, 0.0),
}
SHARPNESS = 20.0  # logit lost for a squared colour distance of one


def colour_of(class_id: int) -> tuple[int, int, int]:
    """Return the colour (R, G, B, 0 to 255) that the model calls ``class_id``."""
    red, green, blue = list(COLOURS.values())[class_id]
    return round(red * 255), round(green * 255), round(blue * 255)


def labels_of(classes: int, *, background: bool = False) -> Labels:
    """Return the labels of the colour model, the last one for no sign if asked."""
    names = [*COLOURS, *(f'none {i}' for i in range(len(COLOURS), classes))][:classes]
    roles = ['sign'] * classes
    if background:
        roles[-1] = 'background'
    return Labels(Label(i, names[i], roles[i]) for i in range(classes))


def _weights(classes: int, logit_bias: float = 0.0) -> dict[str, NDArray[np.float32]]:
    """Return the weights: logits are minus the squared distances to the colours."""
    rng = np.random.default_rng(7)
    colours = np.full((classes, 3), -9.0, np.float32)  # what no picture comes near to
    known = list(COLOURS.values())[:classes]
    colours[: len(known)] = known
    # -s |m - c|^2 = -s m.m + 2 s m.c - s c.c; the first part is the same for all.
    return {
        'scale': np.asarray(1 / 255, np.float32),
        'conv.weight': np.eye(3, dtype=np.float32)[:, :, None, None],
        'fc.weight': np.asarray(2 * SHARPNESS * colours, np.float32),
        'fc.bias': np.asarray(logit_bias - SHARPNESS * (colours**2).sum(1), np.float32),
        'fc7.weight': rng.normal(size=(4096, 3)).astype(np.float32),
    }


def reference_logits(batch_nhwc: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """Return what the model gives for (N, H, W, 3), by NumPy, shape (N, classes)."""
    weights = _weights(classes)
    mean = batch_nhwc.mean((1, 2)) / 255
    return np.asarray(mean @ weights['fc.weight'].T + weights['fc.bias'], np.float32)


def reference_features(batch_nhwc: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the features the model gives for (N, H, W, 3), shape (N, 4096)."""
    mean = batch_nhwc.mean((1, 2)) / 255
    return np.asarray((mean @ _weights(1)['fc7.weight'].T).clip(0), np.float32)


def colour_model(
    classes: int = 4, input_hw: tuple[int, int] = (32, 32), *, logit_bias: float = 0.0
) -> onnx.ModelProto:
    """
    Build image -> mean colour -> logits (minus squared distances) and features.

    :param logit_bias: added to every logit; NaN and infinity are of use.
    """
    weights = _weights(classes, logit_bias)
    nodes = [
        helper.make_node('Cast', ['image'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['nchw'], perm=[0, 3, 1, 2]),
        helper.make_node('Mul', ['nchw', 'scale'], ['scaled']),
        helper.make_node('Conv', ['scaled', 'conv.weight'], ['conv'], kernel_shape=[1, 1]),
        helper.make_node('GlobalAveragePool', ['conv'], ['pooled']),
        helper.make_node('Flatten', ['pooled'], ['mean']),
        helper.make_node('Gemm', ['mean', 'fc7.weight'], ['fc7'], transB=1),
        helper.make_node('Relu', ['fc7'], ['features']),
        helper.make_node('Gemm', ['mean', 'fc.weight', 'fc.bias'], ['logits'], transB=1),
    ]
    height, width = input_hw
    graph = helper.make_graph(
        nodes,
        'colours',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', height, width, 3])],
        [
            helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['N', classes]),
            helper.make_tensor_value_info('features', TensorProto.FLOAT, ['N', 4096]),
        ],
        [numpy_helper.from_array(w, name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def tiny_package(
    folder: Path,
    classes: int = 4,
    input_hw: tuple[int, int] = (32, 32),
    *,
    background: bool = False,
    scores: ScoreSpec | None = None,
    logit_bias: float = 0.0,
    name: str = 'tiny',
    **spec: Any,
) -> ModelPackage:
    """
    Write a model package whose class is the dominant colour.

    :param folder: becomes the package.
    :param classes: the first ones of ``COLOURS``.
    :param background: the last class means "no sign".
    :param spec: further fields of :class:`InputSpec`.
    """
    unknown = classes - 1 if background else None
    return write_package(
        folder,
        name=name,
        version='1.0.0',
        input=InputSpec(*input_hw, **spec),
        files={'fp32': colour_model(classes, input_hw, logit_bias=logit_bias).SerializeToString()},
        labels=labels_of(classes, background=background),
        scores=scores or ScoreSpec(unknown_class_id=unknown),
        architecture={'variant': 'test', 'classes': classes},
        metrics={},
        origin={'data': 'none', 'licence': 'Apache-2.0'},
    )
