from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from alexnet_ros.errors import TrainingError
from alexnet_ros.training import checkpoint
from alexnet_ros.training.checkpoint import (
    compress_checkpoint,
    compressed,
    factors,
    network_from_checkpoint,
    save_checkpoint,
)
from alexnet_ros.training.network import AlexNet, Architecture

SMALL = Architecture(classes=3, fc6_rank=24, fc7_rank=24, input_px=67)


def test_full_rank_loses_nothing_and_low_rank_is_the_best_there_is() -> None:
    torch.manual_seed(0)
    weight = torch.randn(20, 30)
    first, second, energy = factors(weight, 20)
    assert energy == pytest.approx(1.0)
    assert torch.allclose(second @ first, weight, atol=1e-5)
    first, second, energy = factors(weight, 5)
    values = torch.linalg.svdvals(weight)
    lost = torch.linalg.matrix_norm(weight - second @ first)
    assert float(lost) == pytest.approx(float(values[5:].square().sum().sqrt()), rel=1e-4)
    assert energy == pytest.approx(float(values[:5].square().sum() / values.square().sum()))


def test_full_matrices_become_thin_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    # decomposing a 4096 x 4096 matrix takes half a minute
    def quick(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        return weight[:rank].clone(), torch.ones(weight.shape[0], rank), 0.9

    monkeypatch.setattr(checkpoint, 'factors', quick)
    network = AlexNet(Architecture(classes=3, fc6_rank=8))
    smaller, done = compressed(network, 0, 16)
    assert smaller.architecture.fc7_rank == 16
    assert [(part.layer, part.before, part.after) for part in done] == [
        ('fc7', 4096 * 4096 + 4096, 16 * 8192 + 4096)
    ]


def test_checkpoint_is_cut_to_a_lower_rank(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = AlexNet(SMALL)
    facts = {
        'architecture': asdict(SMALL),
        'names': ['a', 'b', 'c'],
        'settings': {'fc6_rank': 24, 'fc7_rank': 24},
        'background': False,
        'data': 'x',
    }
    save_checkpoint(
        tmp_path / 'a.safetensors', {f'ema.{n}': t for n, t in network.state_dict().items()}, facts
    )
    compress_checkpoint(tmp_path / 'a.safetensors', tmp_path / 'b.safetensors', 8, 0)
    smaller, changed = network_from_checkpoint(tmp_path / 'b.safetensors')
    assert (smaller.architecture.fc6_rank, smaller.architecture.fc7_rank) == (8, 24)
    assert changed['settings']['fc6_rank'] == 8
    batch = torch.randint(0, 256, (2, 67, 67, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert smaller(batch)[0].shape == network.eval()(batch)[0].shape
    with pytest.raises(TrainingError, match='fc6 has rank 8'):
        compress_checkpoint(tmp_path / 'b.safetensors', tmp_path / 'c.safetensors', 8, 0)
