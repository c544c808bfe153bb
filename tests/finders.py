"""Tiny finders and frames for tests: discs of strong colours on a dull ground."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.model_package import FinderPackage
from alexnet_ros.model_package.write import write_finder
from alexnet_ros.training.finder_export import finder_scales, onnx_from_finder
from alexnet_ros.training.finder_network import FinderNetwork

Image = NDArray[np.uint8]
SMALL = {'widths': (8, 12, 16, 16), 'merged': 16}
HEIGHT, WIDTH = 96, 160


def small_finder(folder: Path, *, seed: int = 0, min_score: float = 0.3) -> FinderPackage:
    """Write an INT8 finder with random weights for canvases of 160x96."""
    network = random_network(seed)
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(4)]
    model = onnx_from_finder(network, HEIGHT, WIDTH, scales=finder_scales(network, images))
    return write_finder(
        folder, model.SerializeToString(), height=HEIGHT, width=WIDTH, min_score=min_score
    )


def random_network(seed: int = 0) -> FinderNetwork:
    """Return a small network with random weights, in evaluation mode."""
    torch.manual_seed(seed)
    network = FinderNetwork(**SMALL)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    return network.eval()


def disc_frame(
    rng: np.random.Generator, size_wh: tuple[int, int] = (160, 128)
) -> tuple[Image, list[tuple[int, int, int, int]]]:
    """Return a dull noisy frame with one or two red discs, and their boxes xywh."""
    width, height = size_wh
    image = np.asarray(rng.normal(110, 12, (height, width, 3)).clip(0, 255), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    for side in range(int(rng.integers(1, 3))):
        radius = int(rng.integers(8, 20))
        x = int(rng.integers(radius, width // 2 - radius)) + side * width // 2
        y = int(rng.integers(radius, height - radius))
        cv2.circle(image, (x, y), radius, (210, 20, 20), -1)
        boxes.append((x - radius, y - radius, 2 * radius, 2 * radius))
    return image, boxes


def disc_data(folder: Path, count: int = 40) -> Path:
    """Write annotated frames of discs; return the ``annotations.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    entries = {}
    for number in range(count):
        image, boxes = disc_frame(rng)
        name = f'{number:03}.png'
        cv2.imwrite(str(folder / name), image[..., ::-1])
        entries[name] = [{'bbox': list(box), 'ignore': False} for box in boxes]
    path = folder / 'annotations.json'
    path.write_text(json.dumps(entries))
    return path
