"""INT8 steps of the activations, from real crops."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet_ros.training.fold import Layer
from alexnet_ros.training.network import AlexNet

SAMPLES = 20_000  # values kept of each layer and batch


def best_step(values: NDArray[np.float32], peak: float) -> float:
    """
    Return the int8 step with the least squared error.

    :param values: a sample of the activations.
    :param peak: their largest magnitude seen anywhere.
    """
    best, least = peak / 127, np.inf
    for share in np.linspace(0.3, 1.0, 36):
        step = max(share * peak, 1e-6) / 127
        rounded = np.clip(np.rint(values / step), -128, 127) * step
        error = float(np.square(rounded - values).mean())
        if error < least:
            best, least = step, error
    return float(best)


@torch.no_grad()
def input_scales(
    network: AlexNet, layers: Sequence[Layer], images: NDArray[np.uint8], batch: int = 32
) -> dict[str, float]:
    """
    Return the int8 step of each layer's input.

    :param network: in evaluation mode, on the CPU.
    :param images: real inputs (N, H, W, 3), uint8.
    :returns: layer name to step; with response normalisation also
        ``conv1_relu`` and ``conv2_relu``, its inputs.
    """
    modules = dict(network.named_modules())
    kept: dict[str, list[NDArray[np.float32]]] = {layer.name: [] for layer in layers}
    peaks = dict.fromkeys(kept, 0.0)
    rng = np.random.default_rng(0)

    def watcher(name: str) -> Any:
        def watch(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
            values = inputs[0].float().flatten()
            peaks[name] = max(peaks[name], float(values.abs().max()))
            picks = rng.integers(0, len(values), SAMPLES)
            kept[name].append(values[torch.from_numpy(picks)].numpy())

        return watch

    hooks = [
        modules[layer.module].register_forward_pre_hook(watcher(layer.name)) for layer in layers
    ]
    if network.architecture.uses_lrn:  # the input of the normalisation is a step of its own
        for slot, name in ((1, 'conv1_relu'), (4, 'conv2_relu')):
            kept[name], peaks[name] = [], 0.0
            hooks.append(modules[f'features.{slot}.1'].register_forward_pre_hook(watcher(name)))
    try:
        for start in range(0, len(images), batch):
            network(torch.from_numpy(images[start : start + batch]))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: best_step(np.concatenate(kept[name]), peaks[name]) for name in kept}
