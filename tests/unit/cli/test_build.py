import json
from pathlib import Path

import pytest

from alexnet_ros.cli.main import main
from alexnet_ros.engine.tensorrt.api import is_installed
from alexnet_ros.model_package import ModelPackage, find_package
from tests.models import tiny_package

pytestmark = pytest.mark.skipif(
    not is_installed('tensorrt_rtx'), reason='TensorRT for RTX is not installed'
)
RTX = ['--backend', 'tensorrt_rtx', '--compute-capability', '8.6']


@pytest.fixture(name='model')
def model_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelPackage:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tiny_package(tmp_path / 'tiny')


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_second_call_is_cached(
    model: ModelPackage, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ['build', '--model', str(model.folder), *RTX, '--json']
    assert main(command) == 0
    assert main(command) == 0
    first, second = lines(capsys)
    assert set(first) == {'engine', 'cached', 'seconds', 'bytes'}
    assert (first['cached'], second['cached']) == (False, True)
    engine = Path(str(first['engine']))
    assert engine.parent == tmp_path / 'cache/alexnet_ros'
    assert engine.stat().st_size == first['bytes'] == second['bytes']
    assert second['engine'] == first['engine']


def test_more_than_one_gpu_at_once(
    model: ModelPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ['--compute-capability', '12.0', '--all', '--json']
    assert main(['build', '--model', str(model.folder), *RTX, *more]) == 0
    assert len({line['engine'] for line in lines(capsys)}) == 2


def test_people_get_a_sentence(model: ModelPackage, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['build', '--model', str(model.folder), *RTX, '--rebuild']) == 0
    assert 'built in' in capsys.readouterr().out
    assert main(['build', '--model', str(model.folder), *RTX]) == 0
    assert 'already there' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--backend', 'tensorrt_rtx', '--compute-capability', '8.7'], 'must be one of 7.5'),
        ([*RTX, '--precision', 'int8'], "no 'int8' file"),
        ([*RTX, '--dla-core', '0'], 'set dla_core to -1'),
        ([*RTX, '--workspace-mb', '1'], 'workspace_mb must be in'),
        ([*RTX, '--cache-dir', '/dev/null'], 'cannot be made'),
    ],
)
def test_failure_is_one_line(
    model: ModelPackage, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(['build', '--model', str(model.folder), *words]) == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert message in printed.err
    assert printed.err.count('\n') == 1


@pytest.mark.parametrize('words', [['--max-batch', '0'], ['--backend', 'cpu'], ['--all', '-x']])
def test_wrong_usage_is_two(model: ModelPackage, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['build', '--model', str(model.folder), *words])
    assert caught.value.code == 2


def test_model_with_a_finder_gets_both_engines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if ModelPackage.load(find_package('signs')).finder is None:
        pytest.skip('the bundled model has no finder')
    words = ['build', '--model', 'signs', *RTX, '--cache-dir', str(tmp_path / 'engines'), '--json']
    assert main(words) == 0
    (facts,) = lines(capsys)
    engines = {Path(str(facts['engine'])).name, Path(facts['finder']['engine']).name}  # type: ignore[index]
    assert {name.split('-')[0] for name in engines} == {'signs', 'signs_finder'}
