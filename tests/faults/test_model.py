"""Model packages that are damaged, hostile or missing: what configure says of them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from onnx import external_data_helper, helper, numpy_helper

from tests.faults.faults import fault
from tests.faults.shared import Shared
from tests.faults.wire import Wire
from tests.models import colour_model
from tests.ros.robot import Bench, NodeProcess

REFUSED = 'configure fails in one line that names it; no network is loaded'
LOADED = 'a network is loaded'


@contextmanager
def opened() -> Iterator[Wire]:
    """Run an unconfigured classifier process."""
    robot = Bench()
    node = NodeProcess(
        ['-p', 'lazy:=false', '-p', 'diagnostics_period_s:=0.1', '-p', 'backend:=cpu'],
        {},
        'tests.faults.faulty_classifier',
    )
    try:
        wire = Wire(robot, node)
        assert wire.state() == 'unconfigured'
        yield wire
        wire.check()
        assert node.stop() == 0, node.log
    finally:
        node.close()
        robot.close()


@pytest.fixture(scope='module')
def idles() -> Iterator[Shared[Wire]]:
    shared = Shared(opened)
    yield shared
    shared.close()


@pytest.fixture
def idle(request: pytest.FixtureRequest, idles: Shared[Wire]) -> Iterator[Wire]:
    yield from idles.lent(request)


def onnx_of(folder: Path) -> Path:
    (found,) = folder.glob('*.onnx')
    return found


def rewrite(folder: Path, change: Callable[[dict], None]) -> None:
    """Change model.yaml, and nothing else."""
    path = folder / 'model.yaml'
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def missing(folder: Path) -> str:
    shutil.rmtree(folder)
    return str(folder)


def empty(folder: Path) -> str:
    onnx_of(folder).write_bytes(b'')
    return 'bytes'


def truncated(folder: Path) -> str:
    path = onnx_of(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    return 'bytes'


def altered(folder: Path) -> str:
    """Change one byte of the weights: only the hash can tell."""
    path = onnx_of(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return 'SHA-256'


def other_labels(folder: Path) -> str:
    labels = folder / 'labels.csv'
    labels.write_text(labels.read_text() + '4,more,sign\n')
    rewrite(folder, lambda content: content.pop('labels_sha256', None))
    return '5 labels'


def renamed_labels(folder: Path) -> str:
    labels = folder / 'labels.csv'
    labels.write_text(labels.read_text().replace('red', 'blue2'))
    return 'SHA-256'


def with_model(folder: Path, data: bytes) -> None:
    """Put another network into the package, with the hash that fits it."""
    import hashlib

    onnx_of(folder).write_bytes(data)

    def change(content: dict) -> None:
        (entry,) = content['files'].values()
        entry.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    rewrite(folder, change)


def external(folder: Path) -> str:
    network = colour_model()
    secret = folder.parent / 'secret.bin'
    secret.write_bytes(bytes(100_000))
    tensor = network.graph.initializer[-1]
    external_data_helper.set_external_data(tensor, location='../secret.bin')
    tensor.ClearField('raw_data')
    with_model(folder, network.SerializeToString())
    return 'external'


def no_network(folder: Path) -> str:
    with_model(folder, b'\x08\x08garbage' * 20)
    return 'onnx'


def other_outputs(folder: Path) -> str:
    network = colour_model()
    network.graph.output[0].name = 'scores'
    for node in network.graph.node:
        node.output[:] = ['scores' if one == 'logits' else one for one in node.output]
    onnx.checker.check_model(network)
    with_model(folder, network.SerializeToString())
    return 'logits'


def endless(folder: Path) -> str:
    """Put a loop into the network that has no end."""
    network = colour_model()
    body = helper.make_graph([], 'body', [], [])
    network.graph.node.append(helper.make_node('Loop', ['', ''], ['x'], body=body))
    with_model(folder, network.SerializeToString())
    return 'Loop'


def gigabytes(folder: Path) -> str:
    """Put a constant into the network that is joined to itself 22 times."""
    network = colour_model()
    ones = numpy_helper.from_array(np.ones(1 << 10, np.float32), 'big0')
    network.graph.initializer.append(ones)
    for index in range(22):
        inputs, outputs = [f'big{index}'] * 2, [f'big{index + 1}']
        network.graph.node.append(helper.make_node('Concat', inputs, outputs, axis=0))
    network.graph.node.append(helper.make_node('ReduceMax', ['big22'], ['most'], keepdims=0))
    (last,) = (node for node in network.graph.node if 'logits' in node.output)
    last.output[0] = 'own'
    network.graph.node.append(helper.make_node('Add', ['own', 'most'], ['logits']))
    with_model(folder, network.SerializeToString())
    return 'is not loaded'


def linked(folder: Path) -> str:
    path = onnx_of(folder)
    outside = folder.parent / f'{folder.name}.outside'
    path.rename(outside)
    path.symlink_to(outside)
    return 'link'


def dots(folder: Path) -> str:
    outside = folder.parent / f'{folder.name}-outside.onnx'
    shutil.copy(onnx_of(folder), outside)

    def change(content: dict) -> None:
        (entry,) = content['files'].values()
        entry['file'] = f'../{outside.name}'

    rewrite(folder, change)
    return '..'


def pipe(folder: Path) -> str:
    """Put a named pipe where the network should be: reading it would never end."""
    path = onnx_of(folder)
    path.unlink()
    os.mkfifo(path)
    return 'regular file'


def no_yaml(folder: Path) -> str:
    (folder / 'model.yaml').write_text('{' * 5000)
    return 'model.yaml'


def code_in_yaml(folder: Path) -> str:
    command = f'touch {folder.parent / "owned"}'
    (folder / 'model.yaml').write_text(f'!!python/object/apply:os.system ["{command}"]')
    return 'model.yaml'


BAD: list[tuple[str, str, str, Callable[[Path], str]]] = [
    ('model', 'missing', 'the folder is gone', missing),
    ('model', 'empty network', '0 bytes of ONNX', empty),
    ('model', 'truncated network', '1000 bytes fewer', truncated),
    ('model', 'hash mismatch', 'one bit of the weights flipped', altered),
    ('model', 'labels changed', 'one name in labels.csv', renamed_labels),
    ('model', 'label-count mismatch', 'one label more than the network has classes', other_labels),
    ('model', 'external data', 'weights in ../secret.bin, with a fitting hash', external),
    ('model', 'no network at all', 'garbage with a fitting hash', no_network),
    ('model', 'other outputs', 'no output called logits, with a fitting hash', other_outputs),
    ('model', 'endless loop', 'a Loop without an end, with a fitting hash', endless),
    ('model', 'gigabytes', 'a constant doubled 22 times, with a fitting hash', gigabytes),
    ('model', 'symlink', 'the ONNX file is a link to the outside', linked),
    ('model', 'named pipe', 'the ONNX file is a pipe that nobody writes', pipe),
    ('model', 'not YAML', '5000 opening braces', no_yaml),
    ('security', 'code in model.yaml', '!!python/object/apply:os.system', code_in_yaml),
    ('security', 'path with ..', 'file: ../outside.onnx', dots),
]


@pytest.mark.parametrize(
    'damage',
    [
        pytest.param(damage, id=name, marks=fault(group, name, stimulus, REFUSED))
        for group, name, stimulus, damage in BAD
    ],
)
def test_bad_model_fails_configure_and_a_good_one_works_after(
    idle: Wire, model: Path, tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    folder = tmp_path / 'colours'
    shutil.copytree(model, folder)
    says = damage(folder)
    lines = len(idle.node.lines)
    assert idle.set('model', str(folder)).successful
    assert not idle.change(Transition.TRANSITION_CONFIGURE)
    assert idle.state() == 'unconfigured'
    idle.bench.until(
        'the log says why',
        lambda: any('cannot configure' in one for one in idle.node.lines[lines:]),
    )
    (line,) = [one for one in idle.node.lines[lines:] if 'cannot configure' in one]
    assert says in line
    assert LOADED not in '\n'.join(idle.node.lines[lines:])
    idle.bench.until(
        'the diagnostics say it',
        lambda: (
            (status := idle.status('backend')) is not None
            and status.level == DiagnosticStatus.ERROR
            and says in status.message
        ),
    )
    assert not (tmp_path / 'owned').exists()

    assert idle.set('model', str(model)).successful
    assert idle.change(Transition.TRANSITION_CONFIGURE)
    assert idle.change(Transition.TRANSITION_ACTIVATE)
    idle.recovers()
    assert idle.change(Transition.TRANSITION_DEACTIVATE)
    assert idle.change(Transition.TRANSITION_CLEANUP)


@fault(
    'model',
    'no GPU',
    'backend auto on a machine without TensorRT or a GPU',
    'declared fallback: reason in log and diagnostics',
)
def test_without_a_gpu_the_fallback_is_declared(idle: Wire, model: Path) -> None:
    lines = len(idle.node.lines)
    assert idle.set('model', str(model)).successful
    assert idle.set('backend', 'auto').successful
    assert idle.change(Transition.TRANSITION_CONFIGURE)
    assert idle.change(Transition.TRANSITION_ACTIVATE)
    idle.recovers()
    idle.bench.until('the reason', lambda: idle.values('backend').get('reason'))
    reason = idle.values('backend')
    if reason['backend'] in {'onnxruntime', 'openvino'}:
        assert 'tensorrt' in reason['reason'].lower()
        assert any(reason['backend'] in one for one in idle.node.lines[lines:])
    assert idle.change(Transition.TRANSITION_DEACTIVATE)
    assert idle.change(Transition.TRANSITION_CLEANUP)
    assert idle.set('backend', 'cpu').successful


@fault('model', 'no GPU, TensorRT asked for', 'backend: tensorrt', 'configure fails: no fallback')
def test_tensorrt_asked_for_has_no_fallback(idle: Wire, model: Path) -> None:
    pytest.importorskip('alexnet_ros.engine.select')
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip('TensorRT is installed here: see tests/gpu')
    assert idle.set('model', str(model)).successful
    assert idle.set('backend', 'tensorrt').successful
    assert not idle.change(Transition.TRANSITION_CONFIGURE)
    assert idle.state() == 'unconfigured'
    assert idle.set('backend', 'cpu').successful
    assert idle.change(Transition.TRANSITION_CONFIGURE)
    assert idle.change(Transition.TRANSITION_CLEANUP)
