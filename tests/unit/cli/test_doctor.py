"""The doctor finds what is broken, says the remedy, and fails for the needed alone."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alexnet_ros.cli import checks, doctor
from alexnet_ros.cli.checks import Check
from alexnet_ros.cli.main import main
from tests.models import tiny_package


def test_probe_of_a_crashing_library_is_a_finding() -> None:
    assert checks.probe('print(1)') == (True, '1')
    ok, text = checks.probe('raise ImportError("libfoo.so is missing")')
    assert (ok, text) == (False, 'ImportError: libfoo.so is missing')
    assert checks.probe('import os; os.abort()') == (False, 'crashed with signal 6')


def _json(monkeypatch: Any, capsys: Any, found: list[Check]) -> tuple[int, Any]:
    monkeypatch.setattr(doctor, 'gather', lambda _models: found)
    code = main(['doctor', '--json'])
    return code, json.loads(capsys.readouterr().out)


def test_doctor_json_has_the_fields_of_the_contract(monkeypatch: Any, capsys: Any) -> None:
    found = [Check('gpu', ok=False, detail='none', remedy='buy one'), Check('a', True, 'b')]
    code, got = _json(monkeypatch, capsys, found)
    assert code == 0
    assert got == {
        'checks': [
            {'name': 'gpu', 'ok': False, 'detail': 'none', 'remedy': 'buy one'},
            {'name': 'a', 'ok': True, 'detail': 'b', 'remedy': ''},
        ]
    }


def test_doctor_fails_only_for_what_is_needed(monkeypatch: Any, capsys: Any) -> None:
    assert _json(monkeypatch, capsys, [Check('x', ok=False, detail='', needed=True)])[0] == 1
    assert _json(monkeypatch, capsys, [Check('x', ok=False, detail='')])[0] == 0


def test_doctor_of_this_machine_finds_python_and_numpy(capsys: Any) -> None:
    names = {check.name: check.ok for check in checks.check_python()}
    for name in ('python', 'numpy', 'opencv', 'yaml', 'tqdm', 'replay'):
        assert names[name], name
    engines = {check.name: check for check in checks.check_engines()}
    assert engines['onnxruntime'].ok
    assert 'CPUExecutionProvider' in engines['onnxruntime'].detail
    assert capsys.readouterr().out == ''


def test_doctor_names_a_missing_package_and_what_brings_it(monkeypatch: Any) -> None:
    real = checks.importlib.util.find_spec
    monkeypatch.setattr(
        checks.importlib.util, 'find_spec', lambda name: None if name == 'torch' else real(name)
    )
    (training,) = [check for check in checks.check_python() if check.name == 'training']
    assert not training.ok
    assert not training.needed
    assert training.detail == 'missing: torch'
    assert 'pip install' in training.remedy
    assert 'torch==' in training.remedy


def test_check_models_tells_an_altered_file(tmp_path: Path) -> None:
    package = tiny_package(tmp_path / 'colours')
    (good,) = checks.check_models([str(package.folder)])
    assert good.ok
    assert package.sha256()[:12] in good.detail
    onnx = package.onnx_path()
    data = bytearray(onnx.read_bytes())
    data[100] ^= 1
    onnx.write_bytes(bytes(data))
    (bad,) = checks.check_models([str(package.folder)])
    assert not bad.ok
    assert bad.needed
    assert onnx.name in bad.detail
    assert bad.remedy


def test_check_engine_cache_without_one_is_fine(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    (found,) = checks.check_engine_cache()
    assert found.ok


def test_check_engine_cache_tells_a_file_that_would_be_refused(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = tmp_path / 'alexnet_ros'
    folder.mkdir(mode=0o700)
    (folder / 'x.engine').write_bytes(b'not an engine')
    (found,) = checks.check_engine_cache()
    assert not found.ok
    assert 'x.engine' in found.detail


def test_check_dds_profile_notices_its_absence_and_a_bad_one(
    tmp_path: Path, monkeypatch: Any
) -> None:
    dds_check = pytest.importorskip('alexnet_ros.ros.clients.dds_check')
    for name in dds_check.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (absent,) = checks.check_dds_profile()
    assert not absent.ok
    assert str(dds_check.profile_path()) in absent.remedy
    monkeypatch.setenv(dds_check.VARIABLES[0], str(dds_check.profile_path()))
    (shipped,) = checks.check_dds_profile()
    assert shipped.ok
    for text, reason in (
        ('<dds', 'not XML'),
        ('<dds><type>UDPv4</type></dds>', 'no shared-memory transport'),
        ('<dds><type>SHM</type><segment_size>524288</segment_size></dds>', '524288 bytes'),
    ):
        file = tmp_path / 'profile.xml'
        file.write_text(text)
        monkeypatch.setenv(dds_check.VARIABLES[0], str(file))
        (found,) = checks.check_dds_profile()
        assert not found.ok
        assert reason in found.detail


def test_check_shared_memory_too_small_names_the_remedy(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(checks, 'SHARED_MEMORY', tmp_path)
    monkeypatch.setattr(checks, 'MIN_SHARED_BYTES', 1 << 62)
    (found,) = checks.check_shared_memory()
    assert not found.ok
    assert '--shm-size' in found.remedy
    monkeypatch.setattr(checks, 'SHARED_MEMORY', tmp_path / 'none')
    (found,) = checks.check_shared_memory()
    assert not found.ok


def test_check_python_environment_is_not_changed() -> None:
    before = dict(os.environ)
    checks.check_ros()
    assert dict(os.environ) == before
