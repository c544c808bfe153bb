"""The audit of a release says when it could not be done."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tools import release as tool

SKIPPED = {'name': 'ros-rclpy', 'skip_reason': 'not found'}
GOOD = {'name': 'numpy', 'version': '2.4', 'vulns': []}
WEAK = {'name': 'old', 'version': '1.0', 'vulns': [{'id': 'CVE-1', 'fix_versions': ['1.1']}]}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(tool, 'OUTPUT', tmp_path)
    monkeypatch.setattr(tool, 'tool', lambda _name: str(tmp_path / 'pip-audit'))
    return tool


def play(folder: Path, script: str) -> None:
    """Put a script in the place of pip-audit; the report goes to its sixth word."""
    path = folder / 'pip-audit'
    path.write_text('#!/bin/sh\n' + script)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ('report', 'code', 'words'),
    [
        ([GOOD, SKIPPED], 0, '1 packages asked for, 1 unknown'),
        ([GOOD, WEAK], 1, 'old 1.0: CVE-1 (fixed in 1.1)'),
        ([SKIPPED], 2, '0 packages asked for'),
    ],
)
def test_audit_tells_what_the_service_said(
    release: ModuleType, tmp_path: Path, report: list[dict[str, object]], code: int, words: str
) -> None:
    (tmp_path / 'report').write_text(json.dumps({'dependencies': report}))
    play(tmp_path, f'cp {tmp_path / "report"} "$6"\n')
    got, text = release.audit()
    assert got == code
    assert words in text


def test_audit_without_an_answer_is_not_done(release: ModuleType, tmp_path: Path) -> None:
    play(tmp_path, 'echo "cannot reach the service" >&2\nexit 1\n')
    assert release.audit() == (2, 'cannot reach the service')


def test_source_archive_holds_what_is_committed(release: ModuleType) -> None:
    if not (release.ROOT / '.git').exists():
        pytest.skip('needs the git repository')
    path = release.source_archive()
    assert path.stat().st_size > 10_000
    assert path.with_suffix('.gz.sha256').read_text().endswith(f'  {path.name}\n')
