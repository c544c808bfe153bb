import argparse
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from alexnet_ros.cli.main import main
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import LabelFileError, TrainingError
from alexnet_ros.labels import Label
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.training import drafts
from alexnet_ros.training.drafts import distinct, imagenet_names, names_from_meta
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.weights import load_weights, network_of, read_weights


@pytest.fixture(scope='module')
def thin() -> AlexNet:
    """An AlexNet of two classes whose hidden layers are small files."""
    torch.manual_seed(0)
    return AlexNet(Architecture(classes=2, fc6_rank=4, fc7_rank=4)).eval()


class Metric:
    """Something that only its own program knows."""


def forms(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The same weights as different programs save them."""
    return {
        'plain.pth': state,
        'parallel.pth': {f'module.{name}': t for name, t in state.items()},
        'jetson.pth.tar': {
            'epoch': 7,
            'arch': 'alexnet',
            'accuracy': np.float64(0.97),
            'best_acc1': torch.tensor(97.0),
            'classes': ['blocked', 'free'],
            'state_dict': {f'module.{name}': t for name, t in state.items()},
            'optimizer': {'state': {}, 'param_groups': [{'lr': 0.1}]},
        },
        'half_parallel.pth': {
            name.replace('features.', 'features.module.'): t for name, t in state.items()
        },
        'lightning.ckpt': {
            'hyper_parameters': argparse.Namespace(lr=0.1),
            'state_dict': {f'model.net.{name}': t for name, t in state.items()},
        },
    }


@pytest.mark.parametrize(
    'name', ['plain.pth', 'parallel.pth', 'half_parallel.pth', 'jetson.pth.tar', 'lightning.ckpt']
)
def test_weights_are_found_in_any_wrapper(name: str, thin: AlexNet, tmp_path: Path) -> None:
    state = dict(thin.state_dict())
    torch.save(forms(state)[name], tmp_path / name)
    weights = read_weights(tmp_path / name)
    assert weights.variant == 'torchvision'
    assert weights.classes == 2
    assert weights.names == (('blocked', 'free') if name == 'jetson.pth.tar' else ())
    assert torch.equal(weights.tensors['classifier.6.weight'], state['classifier.6.weight'])


def test_fully_connected_layers_are_loaded_where_they_fit(tmp_path: Path) -> None:
    torch.manual_seed(1)
    full = AlexNet(Architecture(classes=2, fc6_rank=4)).state_dict()  # fc7 is whole
    torch.save({'model': {name: t.half() for name, t in full.items()}}, tmp_path / 'half.pt')
    weights = read_weights(tmp_path / 'half.pt')
    same = AlexNet(Architecture(classes=5, fc6_rank=4))
    assert load_weights(same, weights) == [*(f'conv{n}' for n in range(1, 6)), 'fc6', 'fc7']
    assert torch.allclose(same.classifier[4].weight, full['classifier.4.weight'], atol=1e-4)
    approximate = AlexNet(Architecture(classes=5, fc6_rank=8, fc7_rank=64))
    assert load_weights(approximate, weights)[5:] == ['fc7']
    part = approximate.classifier[4]
    product = (part.second.weight @ part.first.weight).detach()
    exact = full['classifier.4.weight']
    away = float(torch.linalg.norm(product - exact) / torch.linalg.norm(exact))
    assert away < 0.99  # of a random matrix 64 of 4096 directions keep little


def test_jetsons_two_classes_become_a_package(
    thin: AlexNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(forms(dict(thin.state_dict()))['jetson.pth.tar'], tmp_path / 'best.pth.tar')
    (tmp_path / 'three.txt').write_text('a\nb\nc\n')
    command = ['export', str(tmp_path / 'best.pth.tar'), '--precision', 'fp32', '--output']
    assert main([*command, str(tmp_path / 'm'), '--labels', str(tmp_path / 'three.txt')]) == 1
    assert 'has 2 classes, the labels name 3' in capsys.readouterr().err
    assert main([*command, str(tmp_path / 'm'), '--resize', 'stretch']) == 0
    package = ModelPackage.load(tmp_path / 'm')
    assert package.labels.names == ('blocked', 'free')
    assert package.input.resize == 'stretch'
    assert package.origin['licence'] == 'unknown'
    batch = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    planes = torch.from_numpy(((batch / 255 - mean) / std).transpose(0, 3, 1, 2)).float()
    with torch.no_grad():
        wanted = thin.classify(planes)[0].numpy()
    with OnnxRuntimeEngine(package, threads=1) as engine:
        np.testing.assert_allclose(engine.infer(batch).logits, wanted, atol=1e-4)


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
def test_features_makes_the_start_file(
    suffix: str, thin: AlexNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(dict(thin.state_dict()), tmp_path / 'all.safetensors')
    target = tmp_path / f'features{suffix}'
    assert main(['features', str(tmp_path / 'all.safetensors'), str(target)]) == 0
    assert '10 arrays' in capsys.readouterr().out
    weights = read_weights(target)
    assert not weights.classes
    network = AlexNet(Architecture(classes=3, fc6_rank=4, fc7_rank=4))
    assert load_weights(network, weights) == [f'conv{number}' for number in range(1, 6)]
    assert torch.equal(network.features[6].weight, thin.features[6].weight)
    with pytest.raises(TrainingError, match='no last layer'):
        network_of(weights)


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ({'features.0.weight': torch.zeros(64, 3, 3, 3)}, 'another network'),
        ({'conv1.weight': torch.zeros(4)}, 'has no features.0.weight'),
        ({'features.0.weight': torch.full((64, 3, 11, 11), float('nan'))}, 'not finite'),
        ([1, 2], 'must hold a state dict'),
        (AlexNet(Architecture(classes=2, fc6_rank=2, fc7_rank=2)), 'state_dict'),
        ({'state_dict': {}, 'metric': Metric()}, 'weights alone'),
    ],
)
def test_other_files_are_one_clear_line(content: object, text: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(TrainingError, match=text) as caught:
        read_weights(tmp_path / 'x.pth')
    assert '\n' not in str(caught.value)


def test_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / 'owned'),)

    (tmp_path / 'evil.pth').write_bytes(pickle.dumps({'features.0.weight': Evil()}))
    with pytest.raises(TrainingError, match='weights alone'):
        read_weights(tmp_path / 'evil.pth')
    assert not (tmp_path / 'owned').exists()


def test_names_are_read_from_torchvisions_source_as_text(tmp_path: Path) -> None:
    (tmp_path / '_meta.py').write_text(
        'raise SystemExit("never run")\n_IMAGENET_CATEGORIES = ["tench", "crane", "crane"]\n'
    )
    assert names_from_meta(tmp_path / '_meta.py') == ['tench', 'crane', 'crane']
    labels = [Label(index, name, '') for index, name in enumerate(('tench', 'crane', 'crane'))]
    assert [label.name for label in distinct(labels)] == ['tench', 'crane', 'crane (2)']


def test_missing_names_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts.importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(LabelFileError, match='--labels'):
        imagenet_names()


@pytest.mark.parametrize('name', ['bvlc_alexnet.caffemodel', 'deploy.prototxt'])
def test_caffes_files_are_told_their_way_in(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(b'\x0a\x07AlexNet')
    output = ['--output', str(tmp_path / 'm')]
    for command in (
        ['export', str(tmp_path / name), *output],
        ['export', '--onnx', str(tmp_path / name), *output],
        ['features', str(tmp_path / name), str(tmp_path / 'f.npz')],
    ):
        assert main(command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert 'export --onnx FILE --preset caffe' in line
