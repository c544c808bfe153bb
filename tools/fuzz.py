"""
Coverage-guided fuzzing of what strangers' bytes reach first.

Four targets: compressed images, raw images, ``model.yaml`` with its labels,
and the scan of an ONNX file. A deliberate refusal is a good answer; anything
else that is raised, a hang of 10 s or memory over 2 GiB is a finding, kept in
``build/fuzz/TARGET`` to be replayed with ``tools/fuzz.py --replay FILE`` and to
become a test. The corpus of each target stays in ``build/fuzz/TARGET/corpus``, so
the next run begins where this one ended.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
OUTPUT = Path('build/fuzz')
LATE_S = 120  # a target that runs on for so long after its time is ended
LOOK_S = 0.5
# What libFuzzer says of itself: `#70057 DONE   cov: 46 ft: 236 corp: 75/2688b lim: ...`.
STATUS = re.compile(r'#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)(?: corp: (\d+)/(\w+))?')
UNITS = re.compile(r'number_of_executed_units:\s*(\d+)')
TARGETS = ('compressed', 'raw', 'model_yaml', 'onnx')
ENCODINGS = (
    'rgb8',
    'bgr8',
    'rgba8',
    'bgra8',
    'mono8',
    'mono16',
    'bayer_rggb8',
    'bayer_bggr8',
    'bayer_gbrg8',
    'bayer_grbg8',
    'uyvy',
    'yuv422',
    'yuyv',
    'yuv422_yuy2',
    'nv12',
    '16UC1',
)


def compressed(data: bytes) -> None:
    """Decode bytes as a compressed image, its format named by the first byte."""
    from alexnet_ros.codec import rgb_from_compressed

    formats = ('jpeg', 'png', 'rgb8; jpeg compressed bgr8', 'bgr8; png compressed')
    message = SimpleNamespace(format=formats[data[0] % 4] if data else '', data=data[1:])
    small = (64, 64) if data and data[0] & 4 else None
    check(rgb_from_compressed(message, small, max_pixels=1 << 22))


def raw(data: bytes) -> None:
    """Decode bytes as a raw image whose fields come from the first 16 of them."""
    from alexnet_ros.codec import rgb_from_image

    head = np.frombuffer(data[:16].ljust(16, b'\0'), np.uint8).astype(int)
    step_add = int(head[3]) - 128
    width, height = int(head[0] | head[5] << 8 >> (head[6] & 8)), int(head[1])
    encoding = ENCODINGS[head[2] % len(ENCODINGS)]
    message = SimpleNamespace(
        width=width,
        height=height,
        encoding=encoding,
        is_bigendian=int(head[4] & 1),
        step=max(0, width * (1 + int(head[7]) % 4) + step_add),
        data=data[8:],
    )
    if head[8] & 1:  # a consistent one, so that the conversions are reached as well
        message.step = width * {'rgba8': 4, 'bgra8': 4, 'mono16': 2}.get(encoding, 3)
        message.data = bytes(message.step * height * 2)
    check(rgb_from_image(message, max_pixels=1 << 22))


def check(image: np.ndarray) -> None:
    """Fail on anything that is no RGB image."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise TypeError(f'gave {image.shape} {image.dtype}')


def model_yaml(data: bytes) -> None:
    """Load a model folder whose model.yaml and labels.csv are these bytes."""
    from alexnet_ros.model_package import ModelPackage

    text, _, labels = data.partition(b'\0')
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'model.yaml').write_bytes(text)
        Path(folder, 'labels.csv').write_bytes(labels or b'class_id,name,role\n0,a,sign\n')
        Path(folder, 'm.onnx').write_bytes(data)
        ModelPackage.load(folder)


def onnx(data: bytes) -> None:
    """Scan these bytes as an ONNX file."""
    from alexnet_ros.model_package.onnx_scan import scan_onnx

    scan_onnx(data, Path('fuzz.onnx'))


def seeds(target: str) -> list[bytes]:
    """Return small valid inputs to start from."""
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    if target == 'compressed':
        jpeg = cv2.imencode('.jpg', image)[1].tobytes()
        progressive = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
        png = cv2.imencode('.png', image)[1].tobytes()
        return [b'\0' + jpeg, b'\4' + jpeg, b'\2' + progressive, b'\1' + png, b'\3' + png]
    if target == 'raw':
        return [bytes([32, 24, kind, 128, 0, 0, 8, 2, 1]) + image.tobytes() for kind in range(16)]
    from tests.models import tiny_package

    with tempfile.TemporaryDirectory() as folder:
        package = tiny_package(Path(folder) / 'tiny')
        text = Path(package.folder, 'model.yaml').read_bytes()
        labels = Path(package.folder, 'labels.csv').read_bytes()
        model = package.onnx_path(None).read_bytes()
    return [text + b'\0' + labels] if target == 'model_yaml' else [model[:4000], model[-2000:]]


@dataclass
class Outcome:
    """
    What libFuzzer says of one target, kept up to date while it runs.

    :param inputs: how many were tried.
    :param coverage: branches reached, ``cov`` of libFuzzer.
    :param features: ways of reaching them, its ``ft``.
    :param corpus: inputs kept, each for something that no other reaches.
    :param corpus_size: of all of them, as libFuzzer writes it.
    :param tail: its last lines.
    """

    inputs: int = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    corpus_size: str = '0b'
    finding: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=30))

    def read(self, lines: Iterable[str]) -> None:
        """Take libFuzzer's lines as they come."""
        for line in lines:
            self.tail.append(line.rstrip())
            if found := STATUS.match(line):
                self.inputs, self.coverage, self.features = map(int, found.group(1, 2, 3))
                if found.group(4):
                    self.corpus, self.corpus_size = int(found.group(4)), found.group(5)
            elif found := UNITS.search(line):
                self.inputs = int(found.group(1))

    def __str__(self) -> str:
        """Return the counts in one line."""
        return (
            f'{self.inputs} inputs, coverage {self.coverage}, features {self.features}, '
            f'corpus of {self.corpus} inputs in {self.corpus_size}'
        )


def run_target(target: str, seconds: int) -> Outcome:
    """Fuzz one target in a process of its own, showing how far it is."""
    from tools.progress import Progress

    corpus, found = OUTPUT / target / 'corpus', OUTPUT / target
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds(target)):
        (corpus / f'seed{index}').write_bytes(seed)
    words = [
        sys.executable,
        __file__,
        '--child',
        target,
        str(corpus),
        f'-artifact_prefix={found}/',
        f'-max_total_time={seconds}',
        '-timeout=10',
        '-rss_limit_mb=2048',
        '-max_len=16384',
        '-print_final_stats=1',
        '-verbosity=1',
    ]
    outcome = Outcome()
    with (
        subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors='replace'
        ) as process,
        Progress(target, seconds) as progress,
    ):
        reader = threading.Thread(target=outcome.read, args=(process.stderr,))
        reader.start()
        end_s = time.monotonic() + seconds + LATE_S
        try:
            while (code := process.poll()) is None and time.monotonic() < end_s:
                progress.show(str(outcome))
                time.sleep(LOOK_S)
        finally:
            process.kill()
            reader.join()
    if code is None:
        outcome.tail.append(f'{target} did not end {LATE_S} s after its time')
    outcome.finding = code != 0
    return outcome


def child(target: str, arguments: list[str]) -> None:
    """Run libFuzzer's loop on one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=['alexnet_ros']):
        importlib.import_module('alexnet_ros.codec')
        importlib.import_module('alexnet_ros.model_package')
    one = guarded(globals()[target])
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def guarded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Let deliberate refusals pass; everything else is a finding."""
    from alexnet_ros.errors import AlexnetRosError

    def one(data: bytes) -> None:
        with contextlib.suppress(AlexnetRosError), contextlib.redirect_stdout(io.StringIO()):
            target(data)

    return one


def main() -> int:
    """Fuzz all targets, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument('--seconds', type=int, default=3600, help='for all targets together')
    parser.add_argument('--target', choices=TARGETS, action='append')
    parser.add_argument('--replay', type=Path, help='run one kept input, with --target')
    args = parser.parse_args()
    targets = args.target or list(TARGETS)
    if args.replay:
        guarded(globals()[targets[0]])(args.replay.read_bytes())
        print(f'{args.replay}: no finding')
        return 0
    if importlib.util.find_spec('atheris') is None:
        print(
            'atheris is not installed; it has wheels for Linux on x86-64 only '
            '(tools/requirements/fuzz.txt)',
            file=sys.stderr,
        )
        return 1
    findings = 0
    for target in targets:
        outcome = run_target(target, max(1, args.seconds // len(targets)))
        findings += outcome.finding
        if outcome.finding:
            print('\n'.join(outcome.tail), file=sys.stderr)
        print(
            f'{target}: {outcome}, {"a FINDING" if outcome.finding else "no finding"}', flush=True
        )
    return 1 if findings else 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['--child']:
        child(sys.argv[2], sys.argv[3:])
    sys.exit(main())
