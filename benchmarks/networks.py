"""
The networks that are compared, made once and kept in ``build/bench``.

Weights are random but for the shipped model: time does not depend on them, and
accuracy is measured elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import alexnet_ros

if TYPE_CHECKING:  # torch is loaded by those who need it: it weighs on the memory figures
    from alexnet_ros.training.network import AlexNet

EXPORTER = Path(alexnet_ros.__file__).parent / 'training/graph.py'
SVD = {'fc6_rank': 192, 'fc7_rank': 128}
FORMS = {  # name: variant, ranks, precision, side of the input in pixels
    'torchvision-fp32': ('torchvision', {}, 'fp32', 224),
    'torchvision-int8': ('torchvision', {}, 'int8', 224),
    'torchvision-svd-fp32': ('torchvision', SVD, 'fp32', 224),
    'torchvision-svd-int8': ('torchvision', SVD, 'int8', 224),
    '2012-fp32': ('2012', {}, 'fp32', 227),
    '2012-int8': ('2012', {}, 'int8', 227),
}

GROWTH = {  # the shipped shape with more and more classes
    f'{count} classes': ('torchvision', {**SVD, 'classes': count}, 'int8', 224)
    for count in (10, 100, 1000, 10_000)
}
SHAPES = {**FORMS, **GROWTH}


@dataclass(frozen=True)
class Form:
    """
    One network in one precision.

    :param path: ONNX file, uint8 NHWC in.
    :param float_path: the same from the normalised float NCHW tensor on, for
        runtimes that take no uint8; only for FP32.
    """

    name: str
    path: Path
    size_px: int
    float_path: Path | None = None

    @property
    def weight_mb(self) -> float:
        """Size of the file, 10^6 bytes: nearly all weights."""
        return self.path.stat().st_size / 1e6


def network(name: str) -> 'AlexNet':
    """Return the PyTorch network of a form, its weights seeded."""
    import torch

    from alexnet_ros.training.network import AlexNet, Architecture

    torch.manual_seed(0)
    return AlexNet(Architecture(SHAPES[name][0], **SHAPES[name][1])).eval()


def form(name: str, folder: Path) -> Form:
    """Return a form, exported into ``folder`` unless it is there from this exporter."""
    precision, size_px = SHAPES[name][2:]
    path = folder / f'{name.replace(" ", "-")}.onnx'
    float_path = folder / f'{name}-float.onnx' if precision == 'fp32' else None
    if not path.exists() or path.stat().st_mtime < EXPORTER.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        _export(name, path, float_path)
    return Form(name, path, size_px, float_path)


def multiply_adds(path: Path) -> int:
    """Return the multiplications of convolutions and fully connected layers for one image."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    sizes = {item.name: item.dims for item in model.graph.initializer}
    for value in (*model.graph.value_info, *model.graph.output):
        sizes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    total = 0
    for node in model.graph.node:
        if node.op_type in {'Conv', 'Gemm'}:
            places = np.prod(sizes[node.output[0]][2:]) if node.op_type == 'Conv' else 1
            total += int(places * np.prod(sizes[node.input[1]]))
    return total


def _export(name: str, path: Path, float_path: Path | None) -> None:
    import onnx
    import onnx.utils

    from alexnet_ros.training.graph import input_scales, onnx_from_layers
    from alexnet_ros.training.network import layers_of

    net = network(name)
    layers = layers_of(net)
    scales = None
    if SHAPES[name][2] == 'int8':
        shape = (8, SHAPES[name][3], SHAPES[name][3], 3)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        scales = input_scales(net, layers, images)
    onnx.save(onnx_from_layers(layers, net.architecture, scales=scales), path)
    if float_path is not None:
        onnx.utils.extract_model(str(path), str(float_path), ['normalised'], ['logits'])
