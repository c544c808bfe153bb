"""
The package's core on 64-bit ARM: by emulation on any Linux PC, or on a machine that is one.

``python tools/test_arm64.py`` fetches Python and the wheels for aarch64 into
``build/arm64``, runs the unit tests of the core under qemu's user-mode emulation, and
holds what the bundled model answers on ARM kernels (ONNX Runtime 1.23.2, JetPack 6's,
and OpenVINO) to what it answers here. It needs ``qemu-user-static`` and ``apt-get`` of
Debian or Ubuntu. ``answers FILE`` writes what this machine answers, ``compare A B`` holds
two such files to each other; a workflow with ARM machines uses these and ``tests``. How fast it
is means nothing under emulation.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / 'build' / 'arm64'
SCORE_TOLERANCE = 0.02
DEBS = (
    *('libc6', 'libstdc++6', 'libgcc-s1', 'zlib1g', 'libssl3', 'libffi8', 'libbz2-1.0'),
    *('liblzma5', 'libsqlite3-0', 'libuuid1', 'libexpat1', 'libgomp1', 'libtinfo6'),
    *('libncursesw6', 'libreadline8', 'libcrypt1', 'libdb5.3', 'libnsl2', 'libtirpc3'),
)
PYTHON = ('python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib', 'python3.11')
WHEELS = (
    *('numpy==2.4.6', 'opencv-python-headless==5.0.0.93', 'PyYAML==6.0.3'),
    *('onnxruntime==1.23.2', 'flatbuffers', 'protobuf', 'sympy', 'mpmath', 'packaging'),
    *('coloredlogs', 'humanfriendly', 'onnx==1.23.2', 'ml_dtypes', 'typing_extensions'),
    *('openvino==2026.4.1', 'openvino-telemetry', 'rosbags==0.11.9', 'lz4', 'zstandard'),
    *(
        'ruamel.yaml',
        'backports.zstd',
        'pytest==9.2.0',
        'pluggy',
        'iniconfig',
        'pygments',
        'hypothesis',
    ),
    *('sortedcontainers', 'jinja2', 'markupsafe', 'tqdm', 'typing_inspection'),
)
TESTS = (
    'tests/unit/test_geometry.py',
    'tests/unit/test_labels.py',
    'tests/unit/test_preprocess.py',
    'tests/unit/test_postprocess.py',
    'tests/unit/test_tracking.py',
    'tests/unit/codec',
    'tests/unit/engine/test_onnxrt.py',
    'tests/unit/engine/test_openvino.py',
    'tests/unit/engine/test_cache.py',
    'tests/unit/model_package',
    'tests/unit/navigation/test_actions.py',
    'tests/unit/navigation/test_signs.py',
)


def answers(backend: str, frames: int = 12) -> dict[str, Any]:
    """Return what the bundled model says of crops and frames of the rendered drive."""
    import numpy as np

    from alexnet_ros.config import RecognizerSettings
    from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
    from alexnet_ros.engine.openvino import OpenVinoEngine
    from alexnet_ros.errors import EngineBuildError
    from alexnet_ros.model_package import ModelPackage
    from alexnet_ros.preprocess import resize_region
    from alexnet_ros.recognizer import Recognizer
    from alexnet_ros.records import Frame
    from alexnet_ros.signs.finder import SignFinder
    from alexnet_ros.synthetic.drive import drive_frames

    found: dict[str, Any] = {'machine': platform.machine(), 'crops': [], 'frames': []}
    package = ModelPackage.load('signs')
    engine = {'cpu': OnnxRuntimeEngine, 'openvino': OpenVinoEngine}[backend]
    try:
        finder = SignFinder(package.finder, engine(package.finder, threads=1))  # type: ignore[arg-type]
    except EngineBuildError as error:  # OpenVINO 2026.4 on ARM; `auto` takes the other one, too
        found['finder'] = f'{backend} refuses the finder, so ONNX Runtime runs it: {error}'[:400]
        finder = SignFinder(package.finder, OnnxRuntimeEngine(package.finder, threads=1))  # type: ignore[arg-type]
    settings = RecognizerSettings(regions='signs')
    with Recognizer(package, engine(package, threads=1), settings, finder) as recognizer:
        for index, frame in enumerate(drive_frames(rate_hz=2.0)):
            if index >= frames * 2:
                break
            for truth in frame.boxes[:2]:
                spec = package.input
                batch = np.empty((1, spec.height, spec.width, 3), np.uint8)
                resize_region(frame.image_rgb, truth.bbox_xywh, spec, batch[0])
                logits = recognizer.engine.infer(batch).logits[0]
                scores = np.exp(logits - logits.max())
                scores /= scores.sum()
                found['crops'].append([int(scores.argmax()), round(float(scores.max()), 5)])
            if index % 2 == 0:
                seen = recognizer.recognize([Frame(frame.image_rgb, frame.stamp_ns)])[0]
                found['frames'].append(
                    [
                        [*map(round, one.bbox_xywh), round(one.region_score, 4)]
                        for one in seen.detections
                    ]
                )
    return found


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Say in what two machines' answers differ by more than rounding."""
    found = [
        f'{len(ours[part])} {part} against {len(theirs[part])}'
        for part in ('crops', 'frames')
        if len(ours[part]) != len(theirs[part]) or not ours[part]
    ]
    for index, (mine, other) in enumerate(zip(ours['crops'], theirs['crops'], strict=False)):
        if mine[0] != other[0] or abs(mine[1] - other[1]) > SCORE_TOLERANCE:
            found.append(f'crop {index}: class and score {mine}, there {other}')
    for index, (boxes, others) in enumerate(zip(ours['frames'], theirs['frames'], strict=False)):
        if len(boxes) != len(others):
            found.append(f'frame {index}: {len(boxes)} boxes, there {len(others)}')
        for box, other in zip(sorted(boxes), sorted(others), strict=False):
            apart = max(abs(a - b) for a, b in zip(box[:4], other[:4], strict=True))
            if apart > 2 or abs(box[4] - other[4]) > SCORE_TOLERANCE:
                found.append(f'frame {index}: box and score {box}, there {other}')
    return found


def fetch() -> None:
    """Fill ``build/arm64`` with Python, its libraries and the wheels, unless it is there."""
    done = PLACE / 'complete'
    if done.exists():
        return
    lists, debs, root = PLACE / 'lists', PLACE / 'debs', PLACE / 'root'
    for folder in (lists / 'partial', debs, root):
        folder.mkdir(parents=True, exist_ok=True)
    apt = ['apt-get', '-qq', '-oAPT::Architecture=arm64', '-oAPT::Architectures=arm64']
    apt += [f'-oDir::State::Lists={lists}', '-oAPT::Sandbox::User=root']
    subprocess.check_call([*apt, 'update'])
    subprocess.check_call([*apt, 'download', *DEBS, *PYTHON], cwd=debs)
    for deb in sorted(debs.glob('*.deb')):
        subprocess.check_call(['dpkg', '-x', str(deb), str(root)])
    words = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--upgrade']
    words += ['--target', str(PLACE / 'wheels'), '--only-binary', ':all:']
    words += ['--implementation', 'cp', '--python-version', '3.11']
    for glibc in ('2014', '_2_17', '_2_28', '_2_31', '_2_34', '_2_35', '_2_36'):  # Debian 12's
        words += ['--platform', f'manylinux{glibc}_aarch64']
    subprocess.check_call([*words, *WHEELS])
    done.write_text('')


def emulated() -> Path:
    """Write and return a command that is ARM's Python under qemu."""
    qemu = shutil.which('qemu-aarch64-static') or shutil.which('qemu-aarch64')
    if qemu is None:
        raise SystemExit('qemu-aarch64-static is missing: sudo apt install qemu-user-static')
    root, site = PLACE / 'root', PLACE / 'site'
    site.mkdir(parents=True, exist_ok=True)
    libraries = f'{root}/usr/lib/aarch64-linux-gnu:{root}/lib/aarch64-linux-gnu'
    command = PLACE / 'python'
    command.write_text(
        f'#!/bin/sh\nexec {qemu} -L {root} -E LD_LIBRARY_PATH={libraries} '
        f'{root}/usr/bin/python3.11 "$@"\n'
    )
    command.chmod(0o755)
    # Nothing tells the kernel of qemu, so children of ARM's Python go by the command, too.
    (site / 'sitecustomize.py').write_text(f'import sys\nsys.executable = {str(command)!r}\n')
    (site / 'patience.py').write_text(
        'from hypothesis import HealthCheck, settings\n'
        'settings.register_profile("patience", deadline=None, max_examples=10,\n'
        '                          suppress_health_check=list(HealthCheck))\n'
        'settings.load_profile("patience")\n'
    )
    return command


def run_emulated(*words: str) -> int:
    """Run ARM's Python with the package and the wheels."""
    environment = {
        **os.environ,
        'QEMU_CPU': 'cortex-a72',
        'PYTHONPATH': f'{PLACE / "site"}:{ROOT}:{PLACE / "wheels"}',
        'PYTHONHOME': str(PLACE / 'root' / 'usr'),
        'PYTHONDONTWRITEBYTECODE': '1',
    }
    for name in ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE'):
        environment.pop(name, None)
    return subprocess.call([str(emulated()), '-P', *words], cwd=ROOT, env=environment)


def compare(ours: Path, theirs: Path) -> int:
    """Compare two files of answers; returns the exit status."""
    one, other = (json.loads(path.read_text(encoding='utf-8')) for path in (ours, theirs))
    found = differences(one, other)
    for line in [*found, *(each['finder'] for each in (one, other) if 'finder' in each)]:
        print(line)
    count = sum(len(boxes) for boxes in one['frames'])
    print(
        f'{one["machine"]} and {other["machine"]}: {len(one["crops"])} crops, {count} boxes in '
        f'{len(one["frames"])} frames, {len(found)} differ'
    )
    return 1 if found else 0


def existing_tests() -> list[str]:
    """Return those of the tests that this checkout has."""
    return [name for name in TESTS if (ROOT / name).exists()]


def everything(skip_tests: bool) -> int:
    """Run the tests and compare the answers under emulation."""
    emulated()
    fetch()
    status = 0
    if not skip_tests:
        words = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-p', 'patience']
        status = run_emulated(*words, *existing_tests())
    for backend in ('cpu', 'openvino'):
        here, there = PLACE / f'here_{backend}.json', PLACE / f'there_{backend}.json'
        words = ['tools/test_arm64.py', 'answers', '--backend', backend]
        subprocess.check_call([sys.executable, *words, str(here)], cwd=ROOT)
        if run_emulated(*words, str(there)):
            print(f'{backend}: ARM gave no answers')
            status = 1
        else:
            print(f'{backend}: ', end='', flush=True)
            status = compare(there, here) or status
    return status


def main() -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--no-tests', action='store_true', help='only compare the answers')
    commands = parser.add_subparsers(dest='command')
    writes = commands.add_parser('answers', help='write what this machine answers')
    writes.add_argument('--backend', default='cpu', help='default: cpu')
    writes.add_argument(
        '--frames', type=int, default=12, help='of the rendered drive (default: 12)'
    )
    writes.add_argument('file', type=Path)
    holds = commands.add_parser('compare', help="hold two machines' answers to each other")
    holds.add_argument('files', nargs=2, type=Path)
    commands.add_parser('tests', help='print the tests that run on ARM')
    args = parser.parse_args()
    if args.command == 'tests':
        print(*existing_tests())
        return 0
    if args.command == 'answers':
        sys.path.insert(0, str(ROOT))
        args.file.write_text(json.dumps(answers(args.backend, args.frames)), encoding='utf-8')
        return 0
    if args.command == 'compare':
        return compare(*args.files)
    return everything(args.no_tests)


if __name__ == '__main__':
    sys.exit(main())
