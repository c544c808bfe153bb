from pathlib import Path

import pytest

from alexnet_ros.training.layouts import read_data
from alexnet_ros.training.run import train
from alexnet_ros.training.settings import TrainSettings

SHORT = {
    'fc6_rank': 32,
    'fc7_rank': 32,
    'input_px': 96,
    'augmentation': 'none',
    'batch': 16,
    'lr': 0.02,
    'ema_decay': 0.9,
    'threads': 0,
    'hold_out_every': 5,
}


@pytest.mark.slow
@pytest.mark.parametrize('variant', ['torchvision', '2012'])
def test_both_variants_learn_four_shapes(variant: str, shapes: Path, tmp_path: Path) -> None:
    data = read_data(shapes, group='(.*)_[0-9]')
    settings = TrainSettings(
        variant=variant,
        steps=180,
        val_interval=180,
        save_interval=1000,
        **SHORT,  # type: ignore[arg-type]
    )
    figures = train(settings, data, tmp_path, report=lambda _: None)
    assert figures['top1'] >= 0.95
    assert (tmp_path / 'checkpoint.safetensors').exists()
    assert (tmp_path / 'metrics.png').exists()
