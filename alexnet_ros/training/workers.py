"""One process, or one of several started by torchrun."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from alexnet_ros.training.network import AlexNet


@dataclass(frozen=True)
class Workers:
    """
    One process among those that train together.

    :param rank: its number, 0 for the one that writes files.
    :param count: how many there are.
    :param device: where it computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device('cpu')  # noqa: RUF009 - a constant

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def wrap(self, network: AlexNet) -> nn.Module:
        """Return the module to call, which exchanges gradients where there are several."""
        if self.count == 1:
            return network
        places = [self.device.index] if self.device.type == 'cuda' else None
        return DistributedDataParallel(network, device_ids=places)

    def any(self, flag: bool) -> bool:
        """Whether any worker has raised the flag; all must ask."""
        if self.count == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item())

    def close(self) -> None:
        """Leave the group."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


def join_workers(device: str = 'auto', cores: int = 0) -> Workers:
    """
    Return this process's place, from the variables that torchrun sets.

    :param device: ``auto``, ``cpu`` or ``cuda``.
    :param cores: CPU threads of the network, 0 for all.
    """
    if cores:
        torch.set_num_threads(cores)
    count = int(os.environ.get('WORLD_SIZE', '1'))
    rank = int(os.environ.get('RANK', '0'))
    local = int(os.environ.get('LOCAL_RANK', '0'))
    cuda = device == 'cuda' or (device == 'auto' and torch.cuda.is_available())
    place = torch.device('cuda', local) if cuda else torch.device('cpu')
    if cuda:
        torch.cuda.set_device(place)
    if count > 1:
        dist.init_process_group('nccl' if cuda else 'gloo')
    return Workers(rank, count, place)
