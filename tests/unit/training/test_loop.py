import errno
import itertools
import os
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alexnet_ros.errors import FileWriteError, TrainingError
from alexnet_ros.training.batches import BatchMaker, Source, balanced_weights
from alexnet_ros.training.checkpoint import load_checkpoint, network_from_checkpoint
from alexnet_ros.training.loop import Trainer, Validation
from alexnet_ros.training.network import AlexNet, Architecture
from alexnet_ros.training.run import new_network
from alexnet_ros.training.settings import TrainSettings
from alexnet_ros.training.state import averaged, cosine, input_size, paper
from tests.unit.training.generated import NAMES, picture

ARCHITECTURE = Architecture(
    classes=4, fc6_rank=4, fc7_rank=4, input_px=67, batch_norm=True, dropout=0.5
)


def resize(image: Any, out: Any, rng: np.random.Generator) -> None:
    side = out.shape[0]
    out[:] = np.pad(image, ((0, side - 48), (0, side - 48), (0, 0)))
    out[:] = np.roll(out, int(rng.integers(0, 10)), 0)


def trainer(folder: Path, **changes: Any) -> Trainer:
    rng = np.random.default_rng(0)
    ids = np.arange(24) % 4
    images = [picture(int(c), rng) for c in ids]
    settings = TrainSettings(
        **{
            'steps': 6,
            'batch': 4,
            'val_interval': 3,
            'save_interval': 100,
            'threads': 0,
            'bf16': False,
            **changes,
        }
    )
    network = new_network(ARCHITECTURE, TrainSettings())
    batches = BatchMaker([Source(images, ids, 1.0)], resize, settings.batch, settings.seed)
    facts = {
        'architecture': asdict(ARCHITECTURE),
        'names': list(NAMES),
        'input': {},
        'group': '',
        'background': False,
        'settings': {'lr': settings.lr},
        'data': 'shapes',
    }
    return Trainer(
        network,
        batches,
        settings,
        folder,
        facts=facts,
        validation=Validation(images, ids),
        report=lambda _: None,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / 'checkpoint.safetensors')[0]


def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = trainer(tmp_path / 'whole')
    whole.train()
    part = trainer(tmp_path / 'part')
    stop = itertools.count()

    def interrupted(*args: Any) -> tuple[float, int]:
        if next(stop) == 3:
            os.kill(os.getpid(), signal.SIGTERM)  # after this step, the fourth
        return learn(*args)

    learn = part._learn
    part._learn = interrupted  # type: ignore[method-assign]
    part.train()
    assert part.step == 4
    again = trainer(tmp_path / 'part')
    assert again.resume()
    assert again.step == 4
    again.train()
    one, two = weights(tmp_path / 'whole'), weights(tmp_path / 'part')
    assert one.keys() == two.keys()
    worst = max(float((one[n].float() - two[n].float()).abs().max()) for n in one)
    assert worst < 1e-5


def test_resume_refuses_another_architecture(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    first.save()
    other = trainer(tmp_path)
    other.facts = {**other.facts, 'architecture': {'variant': '2012'}}
    with pytest.raises(TrainingError, match='choose another --output'):
        other.resume()


def test_not_finite_loss_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    run = trainer(tmp_path, save_interval=1)
    learn, count = run._learn, itertools.count(1)

    def poisoned(*args: Any) -> tuple[float, int]:
        if next(count) == 3:
            with torch.no_grad():
                run.network.classifier[6].bias.fill_(float('nan'))
        return learn(*args)

    run._learn = poisoned  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r'the loss became nan at step 3 .*lower --lr'):
        run.train()
    tensors, facts = load_checkpoint(tmp_path / 'checkpoint.safetensors')
    assert facts['run']['step'] == 2
    assert all(torch.isfinite(t.float()).all() for t in tensors.values())


def test_a_long_runs_count_of_batches_is_no_absurd_weight(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    for name, buffer in one.network.named_buffers():
        if name.endswith('num_batches_tracked'):
            buffer.fill_(1_000_000)
    one.save()
    assert 'model.features.0.norm.num_batches_tracked' in weights(tmp_path)


def test_full_disk_leaves_the_previous_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trainer(tmp_path)
    run.save()
    before = (tmp_path / 'checkpoint.safetensors').read_bytes()

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(FileWriteError, match='No space left on device'):
        run.save()
    assert (tmp_path / 'checkpoint.safetensors').read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ['checkpoint.safetensors']


@pytest.mark.parametrize('content', [b'', b'\xff' * 100, b'\x08\0\0\0\0\0\0\0{}      '])
def test_broken_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r'x\.safetensors'):
        network_from_checkpoint(path)


def test_checkpoint_reads_back_as_the_averaged_network(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.train()
    network, facts = network_from_checkpoint(tmp_path / 'best.safetensors')
    assert facts['run']['step'] in (3, 6)
    assert not network.training
    rows = (tmp_path / 'metrics.csv').read_text().splitlines()
    assert rows[0].startswith('step,crops,')
    assert len(rows) == 3


def test_frozen_convolutions_do_not_change(tmp_path: Path) -> None:
    run = trainer(tmp_path, features_factor=0.0, steps=2)
    before = run.network.features[3].weight.clone()
    run.train()
    assert torch.equal(run.network.features[3].weight, before)


def test_training_works_outside_of_the_main_thread(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=1)
    thread = threading.Thread(target=run.train)
    thread.start()
    thread.join()
    assert run.step == 1


def test_batch_of_a_step_is_the_same_whoever_asks(tmp_path: Path) -> None:
    maker = trainer(tmp_path).batches
    images, ids = maker.make(5, 67)
    stream = maker.stream(3, lambda _: 67, threads=2)
    later = [next(stream) for _ in range(3)][-1]
    stream.close()
    assert later[0] == 5
    np.testing.assert_array_equal(later[1], images)
    np.testing.assert_array_equal(later[2], ids)


def test_other_ranks_draw_other_batches() -> None:
    images = [np.full((4, 4, 3), i, np.uint8) for i in range(50)]
    sources = [Source(images, np.arange(50), 1.0)]

    def copy(image: Any, out: Any, _rng: object) -> None:
        out[:] = image[0, 0]

    one, two = (BatchMaker(sources, copy, 8, 1, rank).make(0, 8)[1] for rank in (0, 1))
    assert not np.array_equal(one, two)


def test_balanced_weights_lift_rare_classes() -> None:
    ids = np.array([0] * 90 + [1] * 10)
    for power, share in ((1.0, 0.1), (0.5, 0.25), (0.0, 0.5)):
        chance = balanced_weights(ids, power)
        assert chance[ids == 1].sum() / chance.sum() == pytest.approx(share)


def test_average_follows_and_settles() -> None:
    network = torch.nn.Linear(2, 2)
    average = averaged(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(3.0)
    for _ in range(200):
        average.update_parameters(network)
    assert torch.allclose(average.module.weight, torch.full((2, 2), 3.0), atol=1e-3)


def test_schedules_rise_and_fall() -> None:
    assert cosine(0.0) < cosine(0.015) < cosine(0.03) == pytest.approx(1.0)
    assert cosine(0.5) < cosine(0.2)
    assert cosine(1.0) == pytest.approx(0.0)
    assert [round(paper(p), 6) for p in (0.1, 0.6, 0.8, 0.95)] == [1.0, 0.1, 0.01, 0.001]


def test_progressive_sizes_take_equal_shares() -> None:
    assert [input_size(p, (96, 128, 224)) for p in (0, 0.3, 0.4, 0.7, 1.0)] == [
        96,
        96,
        128,
        224,
        224,
    ]


def test_any_input_size_runs() -> None:
    network = AlexNet(ARCHITECTURE).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 131, 131, 3))[0].shape == (1, 4)
