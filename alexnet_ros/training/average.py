"""An exponential average of the weights, which is what gets evaluated and kept."""

import torch
from torch import Tensor, nn


class Average:
    """
    Follows a network's weights and running statistics.

    :param decay: of one update; the first updates follow faster.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {name: t.detach().clone() for name, t in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours: list[Tensor] = []
        theirs: list[Tensor] = []
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                ours.append(self.state[name])
                theirs.append(tensor)
            else:
                self.state[name].copy_(tensor)
        torch._foreach_lerp_(ours, theirs, 1 - decay)
