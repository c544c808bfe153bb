import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.model_package import (
    InputSpec,
    ModelPackage,
    ScoreSpec,
    find_package,
    write_package,
)
from alexnet_ros.model_package.fields import mapping_from_yaml
from alexnet_ros.model_package.onnx_scan import scan_onnx
from tests.models import colour_model, labels_of, tiny_package


@pytest.fixture(name='folder')
def _folder(tmp_path: Path) -> Path:
    return tiny_package(tmp_path / 'tiny').folder


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change model.yaml as a user would."""
    path = folder / 'model.yaml'
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def replace_onnx(folder: Path, data: bytes) -> None:
    """Put another ONNX file there, listed with its right hash and size."""
    (folder / 'tiny_fp32.onnx').write_bytes(data)
    entry = {'sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}
    edit(folder, lambda d: d['files']['fp32'].update(entry))


def refused(folder: Path, words: str) -> str:
    with pytest.raises(ModelPackageError, match=words) as caught:
        ModelPackage.load(folder)
    text = str(caught.value)
    assert '\n' not in text
    assert len(text) < 900
    return text


def test_package_written_and_loaded_says_the_same(tmp_path: Path) -> None:
    scores = ScoreSpec(temperature=1.5, unknown_class_id=3, energy=-2.5, score=0.4)
    made = tiny_package(tmp_path / 'tiny', scores=scores, resize='centre_crop', margin=0.2)
    package = ModelPackage.load(tmp_path / 'tiny')
    assert package == made
    assert package.scores == scores
    assert package.input == InputSpec(32, 32, resize='centre_crop', margin=0.2)
    assert package.labels == labels_of(4)
    assert package.default_precision == 'fp32'
    data = package.onnx_path().read_bytes()
    assert package.sha256('fp32') == hashlib.sha256(data).hexdigest()
    assert package.read_onnx() == data


def test_usual_logits_are_kept_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centres = np.arange(16, dtype=np.float32).reshape(4, 4)
    made = tiny_package(tmp_path / 'tiny', scores=ScoreSpec(similarity=0.6, centres=centres))
    assert made.scores.similarity == 0.6
    assert made.scores.centres is not None
    assert np.array_equal(made.scores.centres, centres)
    file = made.folder / 'tiny_centres.f32'
    data = file.read_bytes()
    file.write_bytes(data[:-1] + b'x')
    refused(made.folder, 'tiny_centres.f32: SHA-256')
    for wrong in (data[:-4], data[:-4] + np.float32(np.nan).tobytes()):
        file.write_bytes(wrong)
        entry = {'sha256': hashlib.sha256(wrong).hexdigest()}
        edit(made.folder, lambda d, e=entry: d['scores']['unknown']['centres'].update(e))
        refused(made.folder, 'expected 4x4 finite float32 numbers')
    file.write_bytes(data * 2)
    refused(made.folder, 'tiny_centres.f32')
    monkeypatch.setattr('alexnet_ros.model_package.package.MAX_CENTRES_BYTES', 63)
    refused(made.folder, 'centres must be nothing for a model of 4 classes')
    edit(made.folder, lambda d: d['scores']['unknown'].pop('centres'))
    refused(made.folder, 'centres must be|centres is missing')


def test_smallest_precision_is_the_default(tmp_path: Path) -> None:
    data = colour_model().SerializeToString()
    package = write_package(
        tmp_path / 'm',
        name='m',
        version='1',
        input=InputSpec(32, 32),
        labels=labels_of(4),
        files={'fp32': data, 'int8': data, 'fp16': data},
        scores=ScoreSpec(),
        architecture={},
        metrics={},
        origin={},
    )
    assert package.default_precision == 'int8'
    assert list(package.files) == ['int8', 'fp16', 'fp32']
    with pytest.raises(ModelPackageError, match="has no 'int4' file; it has int8, fp16, fp32"):
        package.onnx_path('int4')


def test_old_package_is_replaced_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    tiny_package(tmp_path / 'm', classes=3)
    assert len(tiny_package(tmp_path / 'm', classes=5).labels) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ['m']
    (tmp_path / 'home').mkdir()
    with pytest.raises(ModelPackageError, match='is not a model package'):
        tiny_package(tmp_path / 'home')


def test_failed_write_leaves_the_old_package(tmp_path: Path) -> None:
    tiny_package(tmp_path / 'm', classes=3)
    with pytest.raises(ModelPackageError, match='class_id 9 is not one'):
        tiny_package(tmp_path / 'm', scores=ScoreSpec(unknown_class_id=9))
    assert len(ModelPackage.load(tmp_path / 'm').labels) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ['m']


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda d: d.pop('name'), 'name is missing'),
        (lambda d: d.update(name='../x'), 'name must be a bare name'),
        (lambda d: d.update(version=1.0), r'version must be text .* got 1\.0'),
        (lambda d: d.update(version='1\n2'), 'version must be text'),
        (lambda d: d.update(extra=1), "unknown field 'extra'; known are"),
        (lambda d: d.update(input=[1]), 'input must be a mapping'),
        (lambda d: d.pop('input'), 'input is missing'),
        (lambda d: d['input'].update(height=0), 'input: height must be a whole number from 8'),
        (lambda d: d['input'].update(height=True), 'height must be a whole number'),
        (lambda d: d['input'].update(width='32'), "width must be a whole number .* got '32'"),
        (lambda d: d['input'].update(colour='bgr'), 'colour must be one of rgb'),
        (lambda d: d['input'].update(resize='zoom'), 'resize must be one of stretch, centre'),
        (lambda d: d['input'].update(margin=float('nan')), 'margin must be a number from 0 to 1'),
        (lambda d: d['input'].update(resize='centre_crop', resize_px=16), 'at least the input'),
        (lambda d: d['input'].update(heigth=32), "unknown field 'heigth'"),
        (lambda d: d['input'].update(height=48), r'expected one input "image", uint8 \[N, 48, 32'),
        (lambda d: d.update(files={}), 'lists no file'),
        (lambda d: d['files'].update(int4={}), "unknown field 'int4'"),
        (lambda d: d['files'].update(int8=None), 'int8 must be a mapping'),
        (lambda d: d['files']['fp32'].update(file='../tiny_fp32.onnx'), 'must be a bare name'),
        (lambda d: d['files']['fp32'].update(file='/etc/passwd'), 'must be a bare name'),
        (lambda d: d['files']['fp32'].update(file='gone.onnx'), 'gone.onnx: cannot be read'),
        (lambda d: d['files']['fp32'].update(sha256='0' * 64), 'was altered or damaged'),
        (lambda d: d['files']['fp32'].update(sha256='abc'), 'must be a SHA-256'),
        (lambda d: d['files']['fp32'].update(bytes=7), 'more than 7 bytes'),
        (lambda d: d['files']['fp32'].update(bytes=10**9), 'says 1000000000 bytes, it has'),
        (lambda d: d['files']['fp32'].update(bytes=-1), 'bytes must be a whole number'),
        (lambda d: d.update(labels='../labels.csv'), 'labels must be a bare name'),
        (lambda d: d.update(labels_sha256='0' * 64), r'labels\.csv: SHA-256 is'),
        (lambda d: d['scores'].update(temperature=0), 'temperature must be a number from 0.01'),
        (lambda d: d['scores']['unknown'].update(class_id=4), 'class_id 4 is not one of the 4'),
        (lambda d: d['scores']['unknown'].update(energy=float('inf')), 'energy must be a number'),
    ],
)
def test_each_wrong_field_is_named(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit(folder, change)
    assert str(folder) in refused(folder, words)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'expected a mapping of fields, got None'),
        ('- 1', 'expected a mapping'),
        ('name: [', 'not valid YAML'),
        ('\x00', 'not valid YAML'),
        ('a: &x [1]\nb: *x', 'aliases'),
        ('name: a\nname: b', "'name' appears twice"),
        ('a: !!python/object/apply:os.system ["true"]', 'not valid YAML'),
        ('a: ' + '[' * 30_000, 'nested more than 16 deep'),
        ('version: 2001-99-99', 'name is missing'),
        ('name: ' + 'x' * 300_000, 'more than 262144 bytes'),
        ('? [a]\n: 1', 'not valid YAML'),
        ('name: tiny\nversion: 0x' + 'f' * 9000, 'version must be text'),
    ],
)
def test_yaml_that_is_none_or_dangerous_is_refused(folder: Path, text: str, words: str) -> None:
    (folder / 'model.yaml').write_text(text)
    refused(folder, words)


def test_other_labels_than_the_graph_has_are_refused(folder: Path) -> None:
    data = labels_of(5).csv_bytes()
    (folder / 'labels.csv').write_bytes(data)
    edit(folder, lambda d: d.update(labels_sha256=hashlib.sha256(data).hexdigest()))
    refused(folder, r"gives 'logits' float32 \[N, 4\], but .* lists 5 labels")


def test_swapped_names_are_noticed(folder: Path) -> None:
    path = folder / 'labels.csv'
    path.write_text(path.read_text().replace('0,red', '0,blue').replace('2,blue', '2,red'))
    refused(folder, r'labels\.csv: SHA-256 is')


def test_malformed_labels_are_refused_in_the_package_too(folder: Path) -> None:
    (folder / 'labels.csv').write_text('nonsense')
    edit(folder, lambda d: d.pop('labels_sha256'))
    refused(folder, r'labels\.csv: expected the header')


def test_one_changed_byte_of_the_weights_is_refused(folder: Path) -> None:
    path = folder / 'tiny_fp32.onnx'
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    refused(folder, 'was altered or damaged, copy the model again')


def test_package_that_changes_after_loading_is_not_read(folder: Path) -> None:
    package = ModelPackage.load(folder)
    (folder / 'tiny_fp32.onnx').write_bytes(b'evil' + package.read_onnx()[4:])
    with pytest.raises(ModelPackageError, match='altered'):
        package.read_onnx()


@pytest.mark.parametrize('name', ['tiny_fp32.onnx', 'labels.csv'])
def test_links_inside_the_package_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    real = (folder / name).rename(tmp_path / 'outside')
    (folder / name).symlink_to(real)
    refused(folder, 'is a link')


def test_folder_whose_files_are_all_links_is_followed_once(folder: Path, tmp_path: Path) -> None:
    installed = tmp_path / 'install'
    installed.mkdir()
    for path in folder.iterdir():
        (installed / path.name).symlink_to(path)
    assert ModelPackage.load(installed).folder == folder


def test_weights_in_another_file_are_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / 'external.onnx'
    onnx.save(colour_model(), path, save_as_external_data=True, location='w', size_threshold=0)
    replace_onnx(folder, path.read_bytes())
    refused(folder, 'external data')


@pytest.mark.parametrize('data', [b'', b'\x00', b'no model', b'\xff' * 50, b'\x3a\xff\xff\x03'])
def test_files_that_are_no_model_are_refused(folder: Path, data: bytes) -> None:
    if data:
        replace_onnx(folder, data)
        refused(folder, 'is not an ONNX file|holds no graph')
    with pytest.raises(ModelPackageError):
        scan_onnx(data, 'm')


def test_model_cut_short_is_refused(folder: Path) -> None:
    replace_onnx(folder, (folder / 'tiny_fp32.onnx').read_bytes()[:-100])
    refused(folder, 'truncated')


def test_model_with_other_outputs_is_refused(folder: Path) -> None:
    model = colour_model()
    model.graph.output.pop()
    replace_onnx(folder, model.SerializeToString())
    refused(folder, 'expected the outputs "logits"')


def test_model_of_a_fixed_batch_size_is_refused(folder: Path) -> None:
    model = colour_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    replace_onnx(folder, model.SerializeToString())
    refused(folder, 'expected one input "image"')


def test_name_is_looked_up_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_package(tmp_path / 'models' / 'mine')
    monkeypatch.setenv('ALEXNET_ROS_MODELS', f'/nowhere:{tmp_path / "models"}')
    assert find_package('mine') == tmp_path / 'models' / 'mine'
    words = r"'other' not found; available: .*mine.*looked in"
    with pytest.raises(ModelPackageError, match=words):
        find_package('other')


def test_path_is_taken_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_package(folder / 'model.yaml') == folder
    monkeypatch.chdir(folder.parent)
    assert find_package('./tiny') == folder
    assert find_package('tiny') == folder
    with pytest.raises(ModelPackageError, match=r'gone/model\.yaml does not exist'):
        find_package('./gone')
    with pytest.raises(ModelPackageError, match='name or a folder'):
        find_package('')
    with pytest.raises(ModelPackageError, match='home directory'):
        find_package('~nobody-of-this-name/x')
    for long in ('x' * 5000, '/x' * 5000):
        with pytest.raises(ModelPackageError, match=r'not found|does not exist'):
            find_package(long)


def test_installed_prefix_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny_package(tmp_path / 'share/alexnet_ros/models/fitted')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert find_package('fitted') == made.folder


def test_names_of_a_hostile_graph_cannot_forge_log_lines(folder: Path) -> None:
    model = colour_model()
    model.graph.input[0].name = 'image\n[INFO] all is well'
    replace_onnx(folder, model.SerializeToString())
    assert 'image\\n' in refused(folder, 'expected one input')


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
PLACES = (
    'name',
    'version',
    'architecture',
    'input',
    'files',
    'labels',
    'labels_sha256',
    'scores',
    'metrics',
    'origin',
    'input height',
    'input width',
    'input resize',
    'input resize_px',
    'input margin',
    'files fp32',
    'files int8',
    'files fp32 file',
    'files fp32 sha256',
    'files fp32 bytes',
    'scores temperature',
    'scores unknown',
    'scores unknown class_id',
    'scores unknown energy',
    'scores unknown score',
    'more',
)


@given(place=st.sampled_from(PLACES), value=values)
def test_any_value_in_any_field_is_taken_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, place: str, value: Any
) -> None:
    base = tmp_path_factory.getbasetemp() / 'fuzzed'
    if not base.exists():
        tiny_package(base)
    document = yaml.safe_load((base / 'model.yaml').read_text())
    *folders, last = place.split()
    inner = document
    for name in folders:
        inner = inner[name]
    inner[last] = value
    other = base.with_name('fuzzed-other')
    other.mkdir(exist_ok=True)
    for path in base.iterdir():
        if not (other / path.name).exists():
            shutil.copy(path, other / path.name)
    (other / 'model.yaml').write_bytes(yaml.safe_dump(document, allow_unicode=True).encode())
    try:
        package = ModelPackage.load(other)
    except ModelPackageError as error:
        assert str(other) in str(error)  # noqa: PT017 - both outcomes are right
        assert '\n' not in str(error)  # noqa: PT017
    else:
        assert len(package.labels) == 4
        assert package.input.height == 32


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_read_as_yaml_or_refused(data: bytes) -> None:
    try:
        fields = mapping_from_yaml(data, 'm')
    except ModelPackageError as error:
        assert str(error).startswith('m: ')  # noqa: PT017
    else:
        assert fields.source == 'm'
