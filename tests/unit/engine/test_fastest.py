import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('openvino', reason='OpenVINO is not installed: pip install openvino')

from alexnet_ros.engine import fastest
from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.fastest import open_fastest
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.engine.openvino import OpenVinoEngine
from alexnet_ros.engine.select import TEXTS, open_engine
from alexnet_ros.errors import EngineBuildError, EngineUnavailableError
from alexnet_ros.model_package import ModelPackage
from tests.engine_contract import images, package_fixture

__all__ = ['package_fixture']

Maker = Callable[[int], Engine]


class Opened:
    """Real openers of both runtimes that note what was opened."""

    def __init__(self, package: ModelPackage) -> None:
        self.names: list[tuple[str, int]] = []
        self.makers: dict[str, Maker] = {
            'openvino': lambda size: OpenVinoEngine(package, max_batch=size),
            'cpu': lambda size: OnnxRuntimeEngine(package, provider='cpu', max_batch=size),
        }

    def open(self, folder: Path) -> tuple[str, Engine, dict[str, float]]:
        openers = {name: partial(self._open, name) for name in self.makers}
        return open_fastest(openers, 'a' * 64, max_batch=2, threads=1, cache_dir=folder)

    def _open(self, name: str, size: int) -> Engine:
        self.names.append((name, size))
        return self.makers[name](size)


@pytest.fixture(autouse=True)
def any_machine_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember what is measured, however busy the machine that runs the tests is."""
    monkeypatch.setattr(fastest, 'MAX_UNREST', 1e9)


@pytest.fixture
def opened(package: ModelPackage) -> Opened:
    return Opened(package)


def test_both_are_measured_once_and_the_faster_is_opened_alone_next_time(
    opened: Opened, tmp_path: Path
) -> None:
    name, engine, times_ms = opened.open(tmp_path / 'cache')
    engine.close()
    assert set(times_ms) == {'openvino', 'cpu'}
    assert opened.names == [('openvino', 1), ('cpu', 1), (name, 2)]
    assert name == min(times_ms, key=times_ms.__getitem__)
    opened.names.clear()
    again, engine, remembered = opened.open(tmp_path / 'cache')
    engine.close()
    assert (again, remembered) == (name, times_ms)
    assert opened.names == [(name, 2)]


def test_remembered_times_decide(opened: Opened, tmp_path: Path) -> None:
    cache = tmp_path / 'cache'
    name, engine, _ = opened.open(cache)
    engine.close()
    (note,) = cache.glob('*.times')
    times = {one: 1.0 if one != name else 9.0 for one in json.loads(note.read_text())}
    note.write_text(json.dumps(times))
    other, engine, _ = opened.open(cache)
    engine.close()
    assert other != name


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'{',
        b'[1]',
        b'{"cpu": 3}',
        b'[' * 5000,
        b'{"cpu": "x", "openvino": 1}',
        b'{"cpu": NaN, "openvino": 1}',
        b'\xff',
        b' ' * 100_000,
    ],
)
def test_damaged_memory_means_measuring_again(
    opened: Opened, tmp_path: Path, content: bytes
) -> None:
    cache = tmp_path / 'cache'
    opened.open(cache)[1].close()
    (note,) = cache.glob('*.times')
    note.write_bytes(content)
    _, engine, times_ms = opened.open(cache)
    engine.close()
    assert len(times_ms) == 2
    assert json.loads(note.read_text()) == times_ms


def test_folder_that_cannot_be_used_costs_a_measurement_only(
    opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / 'file').write_text('')
    _, engine, times_ms = opened.open(tmp_path / 'file')
    engine.close()
    assert len(times_ms) == 2


def test_times_of_a_busy_machine_are_not_remembered(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastest, 'MAX_UNREST', 0.0)
    _, engine, times_ms = opened.open(tmp_path / 'cache')
    engine.close()
    assert len(times_ms) == 2
    assert not list((tmp_path / 'cache').glob('*.times'))


def test_what_cannot_run_is_passed_over(opened: Opened, tmp_path: Path) -> None:
    def absent(size: int) -> Engine:
        raise EngineUnavailableError(f'not installed, batch {size}')

    def refused(size: int) -> Engine:
        raise EngineBuildError(f'no such operator, batch {size}')

    for failing in (absent, refused):
        opened.makers['openvino'] = failing
        name, engine, times_ms = opened.open(tmp_path)
        engine.close()
        assert (name, times_ms) == ('cpu', {})
    whole = opened.makers['cpu']
    opened.makers |= {'openvino': lambda size: whole(1) if size == 1 else refused(size)}
    name, engine, times_ms = opened.open(tmp_path / 'other')
    engine.close()
    assert name == 'cpu'  # the other was judged and then refused larger batches
    assert len(times_ms) == 2
    opened.makers |= {'cpu': refused, 'openvino': absent}
    with pytest.raises(EngineBuildError):
        opened.open(tmp_path)


def test_auto_says_what_it_measured(package: ModelPackage, tmp_path: Path) -> None:
    with open_engine(package, 'auto', cache_dir=tmp_path / 'cache') as engine:
        assert engine.info.backend in {'openvino', 'onnxruntime'}
        assert TEXTS['openvino'] in engine.info.reason
        assert 'fastest measured at batch 1' in engine.info.reason


def test_the_shipped_model_answers_alike_in_both() -> None:
    signs = ModelPackage.load('signs')
    batch = images(6, (signs.input.height, signs.input.width))
    batch[0], batch[1] = 0, 255
    with OpenVinoEngine(signs) as one, OnnxRuntimeEngine(signs, provider='cpu') as two:
        first, second = one.infer(batch, features=True), two.infer(batch, features=True)
    assert first.logits.argmax(1).tolist() == second.logits.argmax(1).tolist()
    # INT8 activations round to the next step in one runtime and not in the other.
    scale = np.abs(second.logits).max()
    assert np.abs(first.logits - second.logits).max() < 0.05 * scale
