from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet_ros.errors import ConfigError, TrainingError
from alexnet_ros.training.checkpoint import load_state
from alexnet_ros.training.initial import initialise
from alexnet_ros.training.network import LRN, AlexNet, Architecture


def parameters(network: AlexNet) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameter_counts_are_the_published_ones() -> None:
    assert parameters(AlexNet(Architecture('2012'))) == 60_965_224
    assert parameters(AlexNet(Architecture('torchvision'))) == 61_100_840


def test_torchvision_has_torchvisions_key_names_and_shapes() -> None:
    shapes = {name: tuple(t.shape) for name, t in AlexNet().state_dict().items()}
    assert shapes == {
        'features.0.weight': (64, 3, 11, 11),
        'features.0.bias': (64,),
        'features.3.weight': (192, 64, 5, 5),
        'features.3.bias': (192,),
        'features.6.weight': (384, 192, 3, 3),
        'features.6.bias': (384,),
        'features.8.weight': (256, 384, 3, 3),
        'features.8.bias': (256,),
        'features.10.weight': (256, 256, 3, 3),
        'features.10.bias': (256,),
        'classifier.1.weight': (4096, 9216),
        'classifier.1.bias': (4096,),
        'classifier.4.weight': (4096, 4096),
        'classifier.4.bias': (4096,),
        'classifier.6.weight': (1000, 4096),
        'classifier.6.bias': (1000,),
    }


def test_2012_has_the_papers_towers() -> None:
    shapes = {n: tuple(t.shape) for n, t in AlexNet(Architecture('2012')).state_dict().items()}
    assert shapes['features.0.weight'] == (96, 3, 11, 11)
    assert shapes['features.3.weight'] == (256, 48, 5, 5)  # two towers of 48 inputs
    assert shapes['features.6.weight'] == (384, 256, 3, 3)
    assert shapes['features.8.weight'] == (384, 192, 3, 3)
    assert shapes['features.10.weight'] == (256, 192, 3, 3)


def test_response_normalisation_is_the_papers_formula() -> None:
    x = np.random.default_rng(0).uniform(0, 30, (1, 8, 3, 3)).astype(np.float32)
    wanted = np.empty_like(x)
    for channel in range(8):  # b = a / (k + alpha * sum of squares over n channels) ^ beta
        near = x[:, max(0, channel - 2) : channel + 3]
        wanted[:, channel] = x[:, channel] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    layer = torch.nn.LocalResponseNorm(**LRN)
    got = layer(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_contrast_normalisation_makes_dark_and_bright_alike() -> None:
    network = AlexNet(Architecture(classes=4, normalisation='contrast', fc6_rank=4, fc7_rank=4))
    rng = np.random.default_rng(0)
    base = rng.integers(0, 100, (1, 224, 224, 3)).astype(np.float32)
    images = torch.from_numpy(np.concatenate([base, 0.5 * base + 90]))
    dark, bright = network.normalise(images)
    assert torch.allclose(dark, bright, atol=1e-3)
    flat = network.normalise(torch.full((1, 224, 224, 3), 7, dtype=torch.uint8))
    assert torch.isfinite(flat).all()


def test_normalise_leaves_its_input_alone() -> None:
    images = torch.full((1, 224, 224, 3), 9.0)
    AlexNet(Architecture(classes=2, fc6_rank=4, fc7_rank=4)).normalise(images)
    assert (images == 9).all()


def test_features_are_the_4096_values_of_fc7() -> None:
    network = AlexNet(Architecture(classes=4, fc6_rank=4, fc7_rank=4, batch_norm=True)).eval()
    with torch.no_grad():
        logits, features = network(torch.zeros(2, 224, 224, 3, dtype=torch.uint8))
    assert logits.shape == (2, 4)
    assert features.shape == (2, 4096)
    assert (features >= 0).all()


def test_state_of_another_shape_is_refused_by_name() -> None:
    network = AlexNet(Architecture(classes=4, fc6_rank=4, fc7_rank=4))
    other = AlexNet(replace(network.architecture, classes=5)).state_dict()
    with pytest.raises(TrainingError, match=r'classifier.6.weight has the shape \(5, 4096\)'):
        load_state(network, other, 'x.pth')
    state = network.state_dict()
    del state['features.3.bias']
    with pytest.raises(TrainingError, match=r'lacks features\.3\.bias'):
        load_state(network, state, 'x.pth')
    with pytest.raises(TrainingError, match=r'has extra\.weight'):
        load_state(network, {**network.state_dict(), 'extra.weight': torch.zeros(1)}, 'x.pth')


def test_paper_initialisation_sets_the_papers_biases() -> None:
    network = AlexNet(Architecture('2012', classes=4, fc6_rank=4, fc7_rank=4))
    initialise(network, 'paper')
    state = network.state_dict()
    ones = {n for n, t in state.items() if n.endswith('bias') and bool((t == 1).all())}
    assert ones == {
        'features.3.bias',
        'features.8.bias',
        'features.10.bias',
        'classifier.1.second.bias',
        'classifier.4.second.bias',
    }
    assert abs(float(state['features.6.weight'].std()) - 0.01) < 5e-4


@pytest.mark.parametrize('change', [{'variant': 'x'}, {'normalisation': 'x'}, {'classes': 1}])
def test_impossible_architectures_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Architecture(**change)  # type: ignore[arg-type]
