"""ONNX classifiers of every form become packages that give what the original gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from alexnet_ros.cli.main import main
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.postprocess import log_probabilities

SIDE = 16
MEAN, SCALE = (123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)


class Maker:
    """Builds a small classifier of any form: convolution, ReLU, mean, matrix, head."""

    def __init__(self, classes: int = 5, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.constants = {
            'k': rng.normal(0, 0.5, (8, 3, 3, 3)).astype(np.float32),
            'w': rng.normal(0, 1.5, (8, classes)).astype(np.float32),
            'b': rng.normal(0, 1, classes).astype(np.float32),
        }
        self.classes = classes
        self.nodes: list[Any] = []

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any, kind: type = np.int64) -> str:
        self.constants[name] = np.array(values, kind)
        return name

    def logits(self, x: str = 'x', flat: str = 'Flatten') -> str:
        x = self.add('Relu', [self.add('Conv', [x, 'k'], 'c', pads=[1] * 4)], 'r')
        x = self.add('GlobalAveragePool', [x], 'p')
        if flat == 'Reshape':
            x = self.add('Reshape', [x, 'shape'], 'f')
        else:
            x = self.add('Flatten', [x], 'f')
        return self.add('Gemm', [x, 'w', 'b'], 'z')

    def save(
        self,
        path: Path,
        output: str,
        *,
        dims: list[Any] | None = None,
        out_dims: list[Any] | None = None,
        kind: int = TensorProto.FLOAT,
        out_kind: int = TensorProto.FLOAT,
        opset: int = 17,
        external: bool = False,
    ) -> Path:
        graph = helper.make_graph(
            self.nodes,
            'g',
            [helper.make_tensor_value_info('x', kind, dims or ['b', 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(output, out_kind, out_dims or ['b', self.classes])],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8
        )
        onnx.save(
            model, path, save_as_external_data=external, size_threshold=0, location='weights.bin'
        )
        return path


def head(*ops: str) -> Callable[[Path], Path]:
    """A form whose head is these operators after the matrix."""

    def make(path: Path) -> Path:
        maker = Maker()
        x = maker.logits()
        for number, op in enumerate(ops):
            name, extra = f'h{number}', {}
            inputs = [x]
            if op == 'Clip':
                inputs += [
                    maker.constant('lo', 0, np.float32),
                    maker.constant('hi', 1, np.float32),
                ]
            elif op in {'Reshape', 'Squeeze', 'Unsqueeze'}:
                values = {'Reshape': [-1, 5], 'Squeeze': [2], 'Unsqueeze': [2]}[op]
                inputs.append(maker.constant(f's{number}', values))
            elif op == 'Cast':
                extra['to'] = TensorProto.FLOAT
            elif op in {'Softmax', 'LogSoftmax'}:
                extra['axis'] = 1
            x = maker.add(op, inputs, name, **extra)
        return maker.save(path, x)

    return make


def exponentials(path: Path) -> Path:
    """A softmax as older exporters write it."""
    maker = Maker()
    top = maker.add('ReduceMax', [maker.logits()], 'top', axes=[1], keepdims=1)
    parts = maker.add('Exp', [maker.add('Sub', ['z', top], 'low')], 'e')
    total = maker.add('ReduceSum', [parts, maker.constant('axes', [1])], 'sum', keepdims=1)
    return maker.save(path, maker.add('Div', [parts, total], 'y'))


def rows_of_pixels(path: Path) -> Path:
    maker = Maker()
    x = maker.add('Transpose', ['x'], 'planes', perm=[0, 3, 1, 2])
    maker.add('Softmax', [maker.logits(x)], 'y', axis=1)
    return maker.save(path, 'y', dims=['b', SIDE, SIDE, 3])


def bias_first(path: Path) -> Path:
    maker = Maker()
    x = maker.add('Relu', [maker.add('Conv', ['x', 'k'], 'c')], 'r')
    x = maker.add('Flatten', [maker.add('GlobalAveragePool', [x], 'p')], 'f')
    return maker.save(path, maker.add('Add', ['b', maker.add('MatMul', [x, 'w'], 'm')], 'y'))


def half_input(path: Path) -> Path:
    maker = Maker()
    maker.constants = {name: v.astype(np.float16) for name, v in maker.constants.items()}
    y = maker.add('Softmax', [maker.logits()], 'y', axis=1)
    kind = TensorProto.FLOAT16
    return maker.save(path, y, kind=kind, out_kind=kind)


def half_inside(path: Path) -> Path:
    maker = Maker()
    maker.constants = {name: v.astype(np.float16) for name, v in maker.constants.items()}
    x = maker.logits(maker.add('Cast', ['x'], 'half', to=TensorProto.FLOAT16))
    x = maker.add('Softmax', [x], 'p_half', axis=1)
    return maker.save(path, maker.add('Cast', [x], 'y', to=TensorProto.FLOAT))


def convolution_head(path: Path) -> Path:
    """No matrix at the end: a map of each class, and its mean, as SqueezeNet has it."""
    maker = Maker()
    maker.constants['w'] = np.ascontiguousarray(maker.constants['w'].T[..., None, None])
    x = maker.add('Relu', [maker.add('Conv', ['x', 'k'], 'c', pads=[1] * 4)], 'r')
    x = maker.add('GlobalAveragePool', [maker.add('Conv', [x, 'w', 'b'], 'maps')], 'means')
    x = maker.add('Softmax', [maker.add('Flatten', [x], 'z')], 'y', axis=1)
    return maker.save(path, x)


def static(batch: int) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        maker = Maker()
        maker.constant('shape', [batch, 8])
        maker.constant('gain_shape', [1, 3, 1, 1])
        maker.constant('gain', [1.0, 0.5, 2.0], np.float32)
        gain = maker.add('Reshape', ['gain', 'gain_shape'], 'gain4')
        x = maker.add('Mul', ['x', gain], 'scaled')
        y = maker.add('Softmax', [maker.logits(x, 'Reshape')], 'y', axis=1)
        return maker.save(path, y, dims=[batch, 3, SIDE, SIDE], out_dims=[batch, 5])

    return make


def arg_max(path: Path) -> Path:
    maker = Maker()
    y = maker.add('ArgMax', [maker.logits()], 'y', axis=1, keepdims=0)
    return maker.save(path, y, out_dims=['b'], out_kind=TensorProto.INT64)


def outside(path: Path) -> Path:
    maker = Maker()
    return maker.save(path, maker.add('Softmax', [maker.logits()], 'y', axis=1), external=True)


def old_opset(path: Path) -> Path:
    maker = Maker()
    return maker.save(path, maker.add('Softmax', [maker.logits()], 'y', axis=1), opset=7)


def quantised(form: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        from onnxruntime import quantization as q

        plain = head('Softmax')(path.with_name('float.onnx'))
        if form == 'dynamic':
            q.quantize_dynamic(plain, path, weight_type=q.QuantType.QUInt8)
            return path
        rng = np.random.default_rng(1)
        batches = iter([{'x': rng.normal(0, 1.5, (4, 3, SIDE, SIDE)).astype(np.float32)}] * 3)

        class Reader(q.CalibrationDataReader):  # type: ignore[misc]
            def get_next(self) -> Any:
                return next(batches, None)

        style = q.QuantFormat.QOperator if form == 'operators' else q.QuantFormat.QDQ
        q.quantize_static(plain, path, Reader(), quant_format=style)
        return path

    return make


FORMS: dict[str, Callable[[Path], Path]] = {
    'plain logits': head(),
    'softmax': head('Softmax'),
    'softmax, cast': head('Softmax', 'Cast', 'Cast'),
    'softmax, clip': head('Softmax', 'Clip'),
    'softmax, reshape': head('Softmax', 'Reshape'),
    'unsqueeze, squeeze, softmax, identity': head('Unsqueeze', 'Squeeze', 'Softmax', 'Identity'),
    'log-softmax': head('LogSoftmax'),
    'softmax, log': head('Softmax', 'Log'),
    'softmax of exponentials': exponentials,
    'rows of pixels': rows_of_pixels,
    'bias first': bias_first,
    'half input': half_input,
    'half inside': half_inside,
    'convolution head': convolution_head,
    'static batch 1': static(1),
    'static batch 8': static(8),
    'argmax': arg_max,
    'external data': outside,
    'opset 7': old_opset,
    'dynamic INT8': quantised('dynamic'),
    'QOperator INT8': quantised('operators'),
    'Q/DQ INT8': quantised('qdq'),
    'sigmoids': head('Sigmoid'),
}


def images(count: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 4, 1).repeat(SIDE // 4, 2)


def original(path: Path, batch: np.ndarray) -> np.ndarray:
    """What the file itself gives for images, one at a time."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    into = session.get_inputs()[0]
    x = (batch.astype(np.float32) - np.float32(MEAN)) * np.float32(SCALE)
    if into.shape[1] == 3:
        x = x.transpose(0, 3, 1, 2)
    x = x.astype(np.float16 if 'float16' in into.type else np.float32)
    size = into.shape[0] if isinstance(into.shape[0], int) else 1
    rows = [session.run(None, {'x': np.repeat(one[None], size, 0)})[0][:1] for one in x]
    return np.concatenate(rows).reshape(len(batch), -1)


@pytest.mark.parametrize('form', FORMS)
def test_package_gives_what_the_original_gives(form: str, tmp_path: Path) -> None:
    path = FORMS[form](tmp_path / 'm.onnx')
    command = ['export', '--onnx', str(path), '--preset', 'imagenet']
    assert main([*command, '--output', str(tmp_path / 'out')]) == 0
    package = ModelPackage.load(tmp_path / 'out')
    assert package.origin['licence'] == 'unknown'
    batch = images(5)
    with OnnxRuntimeEngine(package, threads=1) as engine:
        found = engine.infer(batch, features=True)
    assert found.features is not None
    assert found.features.shape == (5, 8)  # the network's own width
    if 'INT8' not in form:  # nothing is padded to another width
        assert package.files['fp32'].bytes < path.stat().st_size + 8000
    got, wanted = found.logits.astype(np.float64), original(path, batch)
    if form == 'argmax':
        np.testing.assert_array_equal(got.argmax(1), wanted[:, 0])
        return
    probabilities = np.exp(log_probabilities(got, 1.0, package.scores.activation))
    if form in {'plain logits', 'bias first'}:
        wanted = np.exp(log_probabilities(wanted))
    elif form in {'log-softmax', 'softmax, log'}:
        wanted = np.exp(wanted)
    close = 0.03 if 'INT8' in form else 0.005 if 'half' in form else 1e-4
    np.testing.assert_allclose(probabilities, wanted, atol=close)
    assert np.ptp(wanted, 0).max() > 0.05  # the images are told apart at all


def test_one_sigmoid_becomes_two_classes(tmp_path: Path) -> None:
    maker = Maker(1)
    path = maker.save(tmp_path / 'm.onnx', maker.add('Sigmoid', [maker.logits()], 'y'))
    (tmp_path / 'one.txt').write_text('blocked\n')
    command = ['export', '--onnx', str(path), '--preset', 'imagenet', '--labels']
    assert main([*command, str(tmp_path / 'one.txt'), '--output', str(tmp_path / 'out')]) == 0
    package = ModelPackage.load(tmp_path / 'out')
    assert package.labels.names == ('not blocked', 'blocked')
    with OnnxRuntimeEngine(package, threads=1) as engine:
        got = np.exp(log_probabilities(engine.infer(images(4)).logits))
    np.testing.assert_allclose(got[:, 1:], original(path, images(4)), atol=1e-5)


def test_a_background_class_is_never_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = Maker(1001)
    path = maker.save(tmp_path / 'm.onnx', maker.add('Softmax', [maker.logits()], 'y', axis=1))
    (tmp_path / 'names.txt').write_text('\n'.join(f'thing {n}' for n in range(1000)))
    command = ['export', '--onnx', str(path), '--preset', 'tf', '--output', str(tmp_path / 'out')]
    assert main([*command, '--labels', str(tmp_path / 'names.txt')]) == 0
    package = ModelPackage.load(tmp_path / 'out')
    assert package.labels.names[:2] == ('background', 'thing 0')
    assert package.scores.unknown_class_id == 0
    capsys.readouterr()
    (tmp_path / 'few.txt').write_text('a\nb\n')
    assert main([*command, '--labels', str(tmp_path / 'few.txt')]) == 1
    assert 'has 1001 classes, the labels name 2' in capsys.readouterr().err


def test_uint8_input_normalises_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = Maker()
    x = maker.add('Cast', ['x'], 'wide', to=TensorProto.FLOAT)
    x = maker.add('Mul', [x, maker.constant('scale', 1 / 255, np.float32)], 'scaled')
    path = maker.save(tmp_path / 'm.onnx', maker.logits(x), kind=TensorProto.UINT8)
    command = ['export', '--onnx', str(path), '--output', str(tmp_path / 'out')]
    assert main([*command, '--preset', 'imagenet']) == 1
    assert 'normalises by itself' in capsys.readouterr().err
    assert main(command) == 0


@pytest.mark.parametrize(
    ('options', 'text'),
    [(['--precision', 'int4'], '--precision takes'), (['--precision', 'int8'], 'give --data')],
)
def test_wrong_options_are_one_line(
    options: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = head('Softmax')(tmp_path / 'm.onnx')
    assert main(['export', '--onnx', str(path), *options, '--output', str(tmp_path / 'o')]) == 1
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / 'o').exists()


@pytest.mark.parametrize('options', [['--scale', 'nan'], ['--mean', '1,2']])
def test_wrong_numbers_are_wrong_usage(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['export', '--onnx', 'm.onnx', *options, '--output', str(tmp_path / 'o')])
    told = capsys.readouterr().err.splitlines()[-1]
    assert f'{options[0]}: must be one or three numbers' in told


def two_inputs(path: Path) -> None:
    maker = Maker()
    model = onnx.load(maker.save(path, maker.logits()))
    model.graph.input.append(helper.make_tensor_value_info('y', TensorProto.FLOAT, [1]))
    onnx.save(model, path)


def open_size(path: Path) -> None:
    Maker.save(maker := Maker(), path, maker.logits(), dims=['b', 3, 'h', 'w'])


def five_colours(path: Path) -> None:
    maker = Maker()
    maker.constants['k'] = np.zeros((8, 5, 3, 3), np.float32)
    maker.save(path, maker.logits(), dims=['b', 5, SIDE, SIDE])


def loop_inside(path: Path) -> None:
    maker = Maker()
    maker.add('NonZero', [maker.logits()], 'places')
    maker.add('Cast', ['places'], 'y', to=TensorProto.FLOAT)
    maker.save(path, 'y', out_dims=[2, 'n'])


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (two_inputs, 'one input'),
        (open_size, 'give --size'),
        (five_colours, 'takes float'),
        (loop_inside, r''),
    ],
)
def test_what_cannot_be_taken_over_is_one_line(
    make: Callable[[Path], None], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / 'm.onnx')
    command = ['export', '--onnx', str(tmp_path / 'm.onnx'), '--preset', 'none']
    assert main([*command, '--output', str(tmp_path / 'out')]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert text in lines[0]
    assert not (tmp_path / 'out').exists()


def test_with_images_it_is_measured_and_quantised(tmp_path: Path) -> None:
    path = head('Softmax')(tmp_path / 'm.onnx')
    batch = images(60)
    answers = original(path, batch).argmax(1)
    for number, (image, answer) in enumerate(zip(batch, answers, strict=True)):
        folder = tmp_path / f'set/class {answer}'
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f'{number}.png'), image[..., ::-1])
    command = ['export', '--onnx', str(path), '--preset', 'imagenet', '--resize', 'stretch']
    command += ['--data', str(tmp_path / 'set'), '--precision', 'int8,fp32,fp16']
    assert main([*command, '--output', str(tmp_path / 'out')]) == 0
    package = ModelPackage.load(tmp_path / 'out')
    assert list(package.files) == ['int8', 'fp16', 'fp32']
    assert package.metrics['fp32']['top1'] == 1.0
    assert package.metrics['fp16']['top1'] >= 0.95
    assert package.metrics['int8']['top1'] >= 0.85
    assert package.scores.temperature >= 1.0
    kinds = {node.op_type for node in onnx.load(package.onnx_path('int8')).graph.node}
    assert 'QuantizeLinear' in kinds


def test_a_raw_file_as_model_says_how_to_make_a_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = head('Softmax')(tmp_path / 'm.onnx')
    assert main(['classify', '--model', str(path), 'x.png']) == 1
    assert f'alexnet_ros export --onnx {path}' in capsys.readouterr().err


def test_roles_and_several_answers_reach_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = head('Sigmoid')(tmp_path / 'm.onnx')
    rows = ''.join(f'{n},thing {n},{role}\n' for n, role in enumerate(['way', '', 'x', '', 'y']))
    (tmp_path / 'roles.csv').write_text('class_id,name,role\n' + rows)
    command = ['export', '--onnx', str(path), '--labels', str(tmp_path / 'roles.csv')]
    assert main([*command, '--resize', 'stretch', '--output', str(tmp_path / 'out')]) == 0
    assert 'no normalisation given' in capsys.readouterr().err
    package = ModelPackage.load(tmp_path / 'out')
    assert [label.role for label in package.labels] == ['way', 'object', 'x', 'object', 'y']
    (image,) = images(1)
    cv2.imwrite(str(tmp_path / 'x.png'), image[..., ::-1])
    command = ['classify', '--model', str(tmp_path / 'out'), '--backend', 'cpu', '--json']
    assert main([*command, str(tmp_path / 'x.png')]) == 0
    told = json.loads(capsys.readouterr().out)['results']
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    planes = image.transpose(2, 0, 1)[None].astype(np.float32)
    (wanted,) = session.run(None, {'x': planes})[0]
    assert {one['class_id']: one['score'] for one in told} == pytest.approx(
        dict(enumerate(wanted.tolist())), abs=1e-4
    )
