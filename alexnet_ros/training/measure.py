"""Pictures to a network's input, and its logits in PyTorch while it trains."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.model_package import InputSpec
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.records import Region
from alexnet_ros.training.batches import Images
from alexnet_ros.training.network import AlexNet


@dataclass
class Validation:
    """
    Held-out images that are measured now and then.

    :param class_ids: their labels.
    """

    images: Images
    class_ids: NDArray[np.int64]
    indices: list[int] = field(default_factory=list)


def whole_images(images: Images, indices: Sequence[int], spec: InputSpec) -> NDArray[np.uint8]:
    """Return whole images as the node would make them, (N, H, W, 3)."""
    items = []
    for index in indices:
        height, width = images[index].shape[:2]
        items.append((images[index], Region((0.0, 0.0, float(width), float(height)))))
    return batch_from_regions(items, spec)


@torch.no_grad()
def logits_of(
    network: AlexNet,
    images: Images,
    indices: Sequence[int],
    spec: InputSpec,
    *,
    bf16: bool = False,
    batch: int = 64,
) -> NDArray[np.float32]:
    """
    Return the logits of whole images, (N, classes).

    :param bf16: run in bfloat16 where the device has it.
    """
    device = next(network.parameters()).device
    network.eval()
    found = []
    for start in range(0, len(indices), batch):
        pixels = torch.from_numpy(whole_images(images, indices[start : start + batch], spec))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, _ = network(pixels.to(device))
        found.append(logits.float().cpu().numpy())
    return np.concatenate(found)


def recall_by_class(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall of each class that occurs, in order of class id."""
    return np.array([(guess[truth == c] == c).mean() for c in np.unique(truth)])
