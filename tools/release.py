"""
Make what a release consists of, in ``build/release``.

The source archive with its SHA-256, a bill of materials of the installed
environment (CycloneDX), and an audit of these packages for known weaknesses.
The audit asks a service on the network; where that is not reachable this is
said and the exit status is 1, unless ``--without-audit`` was given.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / 'build' / 'release'
TOOLS = ROOT / 'build' / 'release-tools'
REQUIREMENTS = ROOT / 'tools' / 'requirements' / 'locked' / 'release.txt'
LIMIT_S = 900


def source_archive() -> Path:
    """Archive what is committed; return the file."""
    found = re.search(r'<version>([\w.]+)</version>', (ROOT / 'package.xml').read_text())
    name = f'alexnet_ros-{found.group(1) if found else "0"}'
    path = OUTPUT / f'{name}.tar.gz'
    subprocess.run(
        ['git', 'archive', f'--prefix={name}/', '-o', str(path), 'HEAD'], cwd=ROOT, check=True
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix('.gz.sha256').write_text(f'{digest}  {path.name}\n')
    return path


def tool(name: str) -> str:
    """Return the path of a tool, installed into an environment of its own."""
    path = TOOLS / 'bin' / name
    stamp = TOOLS / 'requirements.txt'
    if not path.exists() or not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        venv.create(TOOLS, with_pip=True, clear=True)
        subprocess.run(
            [
                *(TOOLS / 'bin' / 'python', '-m', 'pip', 'install', '-q'),
                *('--require-hashes', '-r', REQUIREMENTS),
            ],
            check=True,
            timeout=LIMIT_S,
        )
        stamp.write_bytes(REQUIREMENTS.read_bytes())
    return str(path)


def bill_of_materials() -> tuple[Path, int]:
    """Write the bill; return the file and how many packages it lists."""
    path = OUTPUT / 'sbom.cdx.json'
    subprocess.run(
        [
            tool('cyclonedx-py'),
            'environment',
            '--output-format',
            'JSON',
            '--output-reproducible',
            '-o',
            str(path),
            sys.executable,
        ],
        check=True,
        timeout=LIMIT_S,
    )
    return path, len(json.loads(path.read_text()).get('components', []))


def audit() -> tuple[int, str]:
    """
    Ask for known weaknesses of the installed packages.

    :returns: 0 none, 1 some, 2 the audit could not be done; and the text.
    """
    path = OUTPUT / 'audit.json'
    path.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [
                tool('pip-audit'),
                '--path',
                sysconfig.get_path('purelib'),
                '-f',
                'json',
                '-o',
                str(path),
                '--progress-spinner',
                'off',
                '--timeout',
                '20',
            ],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 2, f'no answer within {LIMIT_S} s'
    if not path.exists():
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        return 2, lines[-1][:300] if lines else f'exit status {done.returncode}'
    report = json.loads(path.read_text())['dependencies']
    skipped = [one['name'] for one in report if 'skip_reason' in one]
    weak = [
        f'{one["name"]} {one["version"]}: {weakness["id"]}'
        f' (fixed in {", ".join(weakness["fix_versions"]) or "no version"})'
        for one in report
        for weakness in one.get('vulns', [])
    ]
    asked = len(report) - len(skipped)
    text = f'{asked} packages asked for, {len(skipped)} unknown to the service'
    if not asked:
        return 2, text
    return (1, '; '.join([text, *weak])) if weak else (0, f'{text}; no known weakness')


def main() -> int:
    """Do all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--without-audit', action='store_true')
    args = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    try:
        print(f'source: {source_archive().relative_to(ROOT)}')
        path, count = bill_of_materials()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        print(f'release: {error}', file=sys.stderr)
        return 1
    print(f'bill of materials: {path.relative_to(ROOT)}, {count} packages')
    if args.without_audit:
        print('audit: NOT DONE, as asked')
        return 0
    code, text = audit()
    said = {0: 'good', 1: 'WEAKNESSES FOUND', 2: 'NOT DONE: the service gave no answer'}[code]
    print(f'audit: {said}: {text}')
    return min(code, 1)


if __name__ == '__main__':
    sys.exit(main())
