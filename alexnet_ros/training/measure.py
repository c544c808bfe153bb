"""Accuracy of a network in PyTorch, while it trains."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.training.batches import Images
from alexnet_ros.training.network import AlexNet


def stretched(images: Images, indices: Sequence[int], size_px: int) -> NDArray[np.uint8]:
    """Return whole images resized to the input, (N, size, size, 3)."""
    batch = np.empty((len(indices), size_px, size_px, 3), np.uint8)
    for row, index in enumerate(indices):
        image = images[index]
        shrinking = min(image.shape[:2]) > size_px
        kind = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        cv2.resize(image, (size_px, size_px), batch[row], interpolation=kind)
    return batch


@torch.no_grad()
def logits_of(
    network: AlexNet,
    images: Images,
    indices: Sequence[int],
    size_px: int,
    *,
    half: bool = False,
    batch: int = 64,
) -> NDArray[np.float32]:
    """
    Return the logits of whole images, (N, classes).

    :param half: run in bfloat16 where the device has it.
    """
    device = next(network.parameters()).device
    network.eval()
    found = []
    for start in range(0, len(indices), batch):
        pixels = torch.from_numpy(stretched(images, indices[start : start + batch], size_px))
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits, _ = network(pixels.to(device))
        found.append(logits.float().cpu().numpy())
    return np.concatenate(found)


def recall_by_class(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the recall of each class that occurs, in order of class id."""
    return np.array([(guess[truth == c] == c).mean() for c in np.unique(truth)])
