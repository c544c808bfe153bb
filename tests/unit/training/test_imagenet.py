import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.errors import LabelFileError, TrainingError
from alexnet_ros.training import imagenet
from alexnet_ros.training.imagenet import (
    export_torchvision,
    imagenet_names,
    names_from_meta,
    state_from_pth,
)
from alexnet_ros.training.network import AlexNet


def names_csv(folder: Path) -> Path:
    rows = [f'{index},thing {index or 517}' for index in range(1000)]
    (folder / 'names.csv').write_text('class_id,name\n' + '\n'.join(rows) + '\n')
    return folder / 'names.csv'


@pytest.mark.slow
def test_torchvisions_file_becomes_a_package(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = AlexNet().eval()
    torch.save(network.state_dict(), tmp_path / 'alexnet.pth')
    package = export_torchvision(
        tmp_path / 'alexnet.pth',
        tmp_path / 'imagenet',
        labels=names_csv(tmp_path),
        precision='fp32',
    )
    assert (package.input.resize, package.input.resize_px) == ('centre_crop', 256)
    assert package.labels.names[517] == 'thing 517 (2)'  # ImageNet has names twice
    batch = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    planes = torch.from_numpy(((batch / 255 - mean) / std).transpose(0, 3, 1, 2)).float()
    with torch.no_grad():
        wanted = network.classify(planes)[0].numpy()
    with OnnxRuntimeEngine(package, threads=1) as engine:
        np.testing.assert_allclose(engine.infer(batch).logits, wanted, atol=1e-4)


def test_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / 'owned'),)

    (tmp_path / 'evil.pth').write_bytes(pickle.dumps({'features.0.weight': Evil()}))
    with pytest.raises(TrainingError, match='weights alone'):
        state_from_pth(tmp_path / 'evil.pth')
    assert not (tmp_path / 'owned').exists()


def test_names_are_read_from_torchvisions_source_as_text(tmp_path: Path) -> None:
    (tmp_path / '_meta.py').write_text(
        'raise SystemExit("never run")\n_IMAGENET_CATEGORIES = ["tench", "crane", "crane"]\n'
    )
    assert names_from_meta(tmp_path / '_meta.py') == ['tench', 'crane', 'crane']


def test_missing_names_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet.importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(LabelFileError, match='--labels'):
        imagenet_names(None)
