"""A model that is too much is found out in a child process, not in this one."""

import resource
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.engine import onnxrt, select, trial
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import EngineBuildError
from alexnet_ros.model_package import InputSpec, ModelPackage, ScoreSpec, write_package
from tests.models import colour_model, labels_of, tiny_package


def bomb(folder: Path, kind: str) -> ModelPackage:
    """Write a package of allowed operators alone that takes gigabytes once it is folded or run."""
    model = colour_model()
    graph = model.graph
    if kind == 'doubling':  # constants that a runtime folds while it loads
        graph.initializer.append(numpy_helper.from_array(np.ones(1 << 10, np.float32), 'big0'))
        for index in range(22):
            name = f'big{index}'
            graph.node.append(helper.make_node('Concat', [name] * 2, [f'big{index + 1}'], axis=0))
        last = 'big22'
    elif kind == 'outer product':
        graph.initializer.append(
            numpy_helper.from_array(np.ones((1 << 16, 1), np.float32), 'column')
        )
        graph.initializer.append(numpy_helper.from_array(np.ones((1, 1 << 16), np.float32), 'row'))
        graph.node.append(helper.make_node('Mul', ['column', 'row'], ['whole']))
        last = 'whole'
    elif kind == 'batch of three':  # alone: 2^27 / (1 + (batch - 3)^4) values
        for name, value in (
            ('three', 3),
            ('power', 4),
            ('zero', 0),
            ('one', 1),
            ('large', 1 << 27),
        ):
            graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
        for node in (
            helper.make_node('Shape', ['nchw'], ['sizes'], end=1),
            helper.make_node('Sub', ['sizes', 'three'], ['away']),
            helper.make_node('Pow', ['away', 'power'], ['far']),
            helper.make_node('Add', ['far', 'one'], ['below']),
            helper.make_node('Div', ['large', 'below'], ['more']),
            helper.make_node('Concat', ['zero', 'more'], ['pads'], axis=0),
            helper.make_node('Cast', ['one'], ['single'], to=TensorProto.FLOAT),
            helper.make_node('Pad', ['single', 'pads'], ['row']),
            helper.make_node('Unsqueeze', ['row', 'zero'], ['flat']),
            helper.make_node('Mul', ['flat', 'flat'], ['once']),
            helper.make_node('Concat', ['once'] * 8, ['whole'], axis=0),
        ):
            graph.node.append(node)
        last = 'whole'
    else:  # of the image: nothing is there before a picture comes
        graph.initializer.append(
            numpy_helper.from_array(np.array([1, 1, 400, 400], np.float32), 'scales')
        )
        graph.node.append(helper.make_node('Resize', ['nchw', '', 'scales'], ['whole']))
        last = 'whole'
    graph.node.append(helper.make_node('ReduceMax', [last], ['most'], keepdims=0))
    logits = next(node for node in graph.node if 'logits' in node.output)
    logits.output[0] = 'own'
    graph.node.append(helper.make_node('Add', ['own', 'most'], ['logits']))
    assert graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    return write_package(
        folder,
        name='bomb',
        version='1',
        input=InputSpec(32, 32),
        files={'fp32': model.SerializeToString()},
        labels=labels_of(4),
        scores=ScoreSpec(),
        architecture={},
        metrics={},
        origin={},
    )


@pytest.mark.parametrize('kind', ['doubling', 'outer product', 'enlarged image', 'batch of three'])
def test_a_model_that_takes_gigabytes_is_refused_and_takes_none_here(
    tmp_path: Path, kind: str
) -> None:
    package = bomb(tmp_path / 'bomb', kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineBuildError, match=r'MiB to load and run|ends the process|ended for'):
        open_engine(package, 'cpu', cache_dir=tmp_path / 'cache')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
    assert not list((tmp_path / 'cache').glob('*.tried'))


def test_a_model_that_passed_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tiny_package(tmp_path / 'tiny')
    open_engine(package, 'cpu', cache_dir=tmp_path / 'cache').close()
    assert len(list((tmp_path / 'cache').glob('*.tried'))) == 1
    monkeypatch.setattr(trial.subprocess, 'Popen', lambda *_, **__: pytest.fail('tried again'))
    open_engine(package, 'cpu', cache_dir=tmp_path / 'cache').close()


def test_a_trial_ends_when_loading_is_stopped_and_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tiny_package(tmp_path / 'tiny')
    with pytest.raises(EngineBuildError, match='was stopped'):
        trial.try_model(
            package, 'onnxruntime', cache_dir=tmp_path / 'cache', cancelled=lambda: True
        )
    monkeypatch.setattr(trial, 'LIMIT_S', 0.0)
    with pytest.raises(EngineBuildError, match='takes more than 0 s'):
        trial.try_model(package, 'onnxruntime', cache_dir=tmp_path / 'cache')
    monkeypatch.setattr(trial, 'LIMIT_S', 300.0)
    monkeypatch.setattr(
        trial, 'CHILD', 'import resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 9))\nwhile True: pass'
    )
    with pytest.raises(EngineBuildError, match='of processor time'):
        trial.try_model(package, 'onnxruntime', cache_dir=tmp_path / 'cache')


def test_a_model_that_ends_its_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tiny_package(tmp_path / 'tiny')
    monkeypatch.setattr(trial, 'CHILD', 'import os; os.kill(os.getpid(), 11)')
    with pytest.raises(EngineBuildError, match='signal 11'):
        open_engine(package, 'cpu', cache_dir=tmp_path / 'cache')


def test_what_the_child_refuses_is_not_loaded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even once: its limits may be why, in words that are not known."""
    package = tiny_package(tmp_path / 'tiny')
    monkeypatch.setattr(trial, 'CHILD', 'import sys; print("some why"); sys.exit(4)')
    monkeypatch.setattr(onnxrt, '_session', lambda *_, **__: pytest.fail('loaded'))
    with pytest.raises(EngineBuildError, match='some why'):
        open_engine(package, 'cpu', cache_dir=tmp_path / 'cache')


def test_every_runtime_that_may_run_a_model_tries_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('openvino')
    tried = []
    monkeypatch.setattr(select, 'try_model', lambda _, runtime, **__: tried.append(runtime))
    open_engine(tiny_package(tmp_path / 'tiny'), cache_dir=tmp_path / 'cache').close()
    assert sorted(tried) == ['onnxruntime', 'openvino']  # both at once


def test_the_bundled_models_are_known_and_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.subprocess, 'Popen', lambda *_, **__: pytest.fail('a trial'))
    folder = Path(__file__).parents[3] / 'models'
    packages = [ModelPackage.load(one.parent) for one in sorted(folder.glob('*/model.yaml'))]
    networks = [one for whole in packages for one in (whole, whole.finder) if one is not None]
    assert {one.sha256(kind) for one in networks for kind in one.files} == trial.BUNDLED_SHA256
    for one in networks:
        assert trial.try_model(one, 'onnxruntime', cache_dir=tmp_path) == ''


def test_without_a_cache_folder_the_model_is_tried_and_runs(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    open_engine(tiny_package(tmp_path / 'tiny'), 'cpu', cache_dir=tmp_path / 'file').close()
