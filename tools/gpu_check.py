"""
What a machine with an NVIDIA GPU can prove, in at most eight minutes.

``python tools/gpu_check.py [--output FILE]`` runs one step after the other, each in
a process of its own with a limit, and writes a JSON file after each. What is in the
file already and went well is not done again, so a run that was cut off goes on.

``session`` drives this package's buffers, streams, CUDA graphs and errors on the real
runtime; where no engine can be loaded (TensorRT for RTX knows no H100) one kernel,
``gpu_check.ptx``, stands in for the network. ``--double`` puts the stand-ins of the
tests in the GPU's place, which shows that the script itself works.
"""

import argparse
import contextlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from alexnet_ros.engine.select import open_engine  # noqa: E402
from alexnet_ros.engine.tensorrt import engine as trt_engine  # noqa: E402
from alexnet_ros.engine.tensorrt.api import is_installed, load_tensorrt  # noqa: E402
from alexnet_ros.engine.tensorrt.cuda import DeviceOutOfMemoryError  # noqa: E402
from alexnet_ros.engine.tensorrt.engine import prepare  # noqa: E402
from alexnet_ros.engine.tensorrt.runtime import TensorRtEngine  # noqa: E402
from alexnet_ros.errors import AlexnetRosError, EngineFatalError  # noqa: E402
from alexnet_ros.model_package import ModelPackage  # noqa: E402
from tools.gpu_stand_in import CLASSES, WIDTH, Gpu, expected, images  # noqa: E402

LIMITS_S = {  # together at most eight minutes
    'device': 30,
    'session': 120,
    'memory': 30,
    'lost': 40,
    'sanitizer': 120,
    'refusal': 60,
    'tolerance': 80,
}


def step_device(gpu: Gpu) -> dict[str, Any]:
    """Say what is here."""
    return {
        'gpu': str(gpu.cuda.device()),
        'driver': gpu.cuda.device().driver,
        'machine': platform.machine(),
        'python': platform.python_version(),
    }


def step_session(gpu: Gpu) -> dict[str, Any]:
    """Run buffers, streams and graphs in each form; results must be exact, nothing leaks."""
    rows = []
    for integrated in (False, True):
        for graphs in (True, False):
            free = None if gpu.fake else _free_bytes(gpu)
            gpu.runs = 0
            with gpu.engine(integrated=integrated, graphs=graphs) as engine:
                warm = gpu.runs
                wrong = 0.0
                for count in (1, 16, 3, 1, 5, 8, 16, 2):
                    got = engine.infer(images(count, gpu.side), features=True)
                    wrong = max(wrong, _error(got, images(count, gpu.side)))
                times = {str(n): _times_ms(engine, gpu, n) for n in (1, 4, 16)}
                runs = gpu.runs
            row = {'mapped': integrated, 'graphs': graphs, 'max_error': wrong, 'ms': times}
            row |= {'warm_up_calls': warm, 'calls_while_running': runs - warm}
            row['leaked_bytes'] = len(gpu.fake.live) if gpu.fake else free - _free_bytes(gpu)
            rows.append(row)
            good = not wrong and row['leaked_bytes'] < 4 << 20
            if not good or (graphs and row['calls_while_running']):
                raise SystemExit(f'not as it should be: {row}')
    return {'rows': rows}


def _error(got: Any, batch: Any) -> float:
    """Return the largest difference from what the kernel should have written."""
    flat = batch.reshape(len(batch), -1)
    features = flat[:, np.arange(WIDTH) % flat.shape[1]]
    pairs = ((got.logits, expected(batch)), (got.features, features))
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)


def _free_bytes(gpu: Gpu) -> int:
    gpu.cuda.use(0)
    return int(gpu.cuda.call('cudaMemGetInfo')[0])


def _times_ms(engine: TensorRtEngine, gpu: Gpu, count: int) -> dict[str, float]:
    batch, spent = images(count, gpu.side), []
    for _ in range(3 if gpu.fake else 200):
        began = time.perf_counter()
        engine.infer(batch)
        spent.append((time.perf_counter() - began) * 1e3)
    median, late = np.percentile(spent, (50, 99))
    return {'p50': round(float(median), 4), 'p99': round(float(late), 4)}


def step_memory(gpu: Gpu) -> dict[str, Any]:
    """Ask for more memory than there is: it must be told from every other error."""
    gpu.cuda.use(0)
    try:
        gpu.cuda.call('cudaMalloc', 1 << 50 if gpu.fake is None else 1 << 31)
    except DeviceOutOfMemoryError as error:
        return {'said': str(error)}
    raise SystemExit('a pebibyte was allocated')


def step_lost(gpu: Gpu) -> dict[str, Any]:
    """Ruin the context: each later call must say so, and closing must not hang."""
    engine = gpu.engine(integrated=False, graphs=False)
    gpu.ruin = True
    said = []
    for _ in range(3):
        try:
            engine.infer(images(1, gpu.side))
        except EngineFatalError as error:
            said.append(str(error))
    began = time.monotonic()
    engine.close()
    if len(said) != 3:
        raise SystemExit(f'a lost context was told {len(said)} times of 3')
    return {'said': said[0], 'closed_in_s': round(time.monotonic() - began, 2)}


def step_sanitizer(gpu: Gpu) -> dict[str, Any]:
    """Run ``session`` again under compute-sanitizer's memcheck."""
    tool = shutil.which('compute-sanitizer') or shutil.which(
        'compute-sanitizer', path='/usr/local/cuda/bin'
    )
    if tool is None or gpu.fake is not None:
        return {'skipped': 'compute-sanitizer is not installed' if tool is None else 'a double'}
    # CUDA's Python bindings ask the driver for functions that it may lack: no fault of memory
    words = [tool, '--tool', 'memcheck', '--leak-check', 'full', '--report-api-errors', 'no']
    words += ['--error-exitcode', '9', sys.executable, __file__, '--step', 'session']
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith('=====')]
    if done.returncode:
        raise SystemExit(' | '.join(found[-6:]) or done.stderr[-500:])
    return {'said': found[-1:]}


def step_refusal(gpu: Gpu) -> dict[str, Any]:
    """Open the bundled model: TensorRT says why it cannot, or runs; ``auto`` always runs."""
    package = ModelPackage.load('signs')
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache, _in_place(gpu):
        for flavour in ('tensorrt', 'tensorrt_rtx'):
            if not is_installed(flavour):
                found[flavour] = 'not installed'
                continue
            try:
                with open_engine(package, flavour, cache_dir=cache) as engine:
                    found[flavour] = f'runs {engine.info.precision}'
            except AlexnetRosError as error:
                found[flavour] = str(error)[:600]
        if is_installed('tensorrt_rtx'):
            found['validity'] = _validity(package, cache)
        with open_engine(package, 'auto', cache_dir=cache) as engine:
            found['auto'] = {'backend': engine.info.backend, 'reason': engine.info.reason[:900]}
    return found


def _validity(package: ModelPackage, cache: str) -> dict[str, str]:
    """Ask TensorRT for RTX what it thinks of plans for other GPUs than this one."""
    api = load_tensorrt('tensorrt_rtx')
    found = {}
    for capability in ('8.0', '8.6'):
        plan = prepare(package, 'tensorrt_rtx', compute_capability=capability, cache_dir=cache)
        runtime = api.module.Runtime(api.logger)
        found[capability] = ' '.join(map(str, runtime.get_engine_validity(plan.data)))
    return found


@contextlib.contextmanager
def _in_place(gpu: Gpu) -> Iterator[None]:
    """Let the package find the stand-in, if it is one; like an H100 it can load no engine."""
    kept = trt_engine.load_cuda
    if gpu.fake is not None:
        trt_engine.load_cuda = lambda: gpu.cuda
    try:
        yield
    finally:
        trt_engine.load_cuda = kept


def step_tolerance(gpu: Gpu) -> dict[str, Any]:
    """Compare AlexNet on the GPU in TF32 and FP16 with ONNX Runtime's FP32 on the CPU."""
    try:
        import torch

        from alexnet_ros.training.export import onnx_files
        from alexnet_ros.training.network import AlexNet, Architecture
    except ImportError as error:
        return {'skipped': str(error)}
    import onnxruntime

    there = torch.cuda.is_available() and gpu.fake is None
    torch.manual_seed(0)
    network = AlexNet(Architecture(classes=CLASSES, fc6_rank=32, fc7_rank=32)).eval()
    batch = images(4, 224)
    onnx = onnx_files(network, None, ['fp32'])['fp32']
    session = onnxruntime.InferenceSession(onnx, providers=['CPUExecutionProvider'])
    wanted = session.run(['logits'], {'image': batch})[0]
    spread = float(np.abs(wanted).max())
    found: dict[str, Any] = {'on': 'cuda' if there else 'cpu'}
    pixels = torch.from_numpy(batch).to(found['on'])
    network = network.to(found['on'])
    for name in ('fp32', 'tf32', 'fp16') if there else ('fp32',):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == 'tf32'
        half = torch.autocast(found['on'], torch.float16, enabled=name == 'fp16')
        with torch.no_grad(), half:
            got = network(pixels)[0].float().cpu().numpy()
        found[name] = float(np.abs(got - wanted).max()) / spread
    return found


STEPS: dict[str, Callable[[Gpu], dict[str, Any]]] = {
    name: globals()[f'step_{name}'] for name in LIMITS_S
}


def in_child(name: str, *, double: bool) -> dict[str, Any]:
    """Run one step in a process of its own."""
    words = [sys.executable, __file__, '--step', name, *(['--double'] if double else [])]
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=LIMITS_S[name]
        )
    except subprocess.TimeoutExpired:
        return {'ok': False, 'error': f'took longer than {LIMITS_S[name]} s'}
    if done.returncode:
        return {'ok': False, 'error': (done.stderr or done.stdout)[-1500:]}
    return {'ok': True, **json.loads(done.stdout.splitlines()[-1])}


def in_this_process(name: str, *, double: bool) -> dict[str, Any]:
    """Run one step here."""
    try:
        return {'ok': True, **STEPS[name](Gpu(double=double))}
    except (AlexnetRosError, SystemExit) as error:
        return {'ok': False, 'error': str(error)}


def run_all(output: Path, run: Callable[..., dict[str, Any]], *, double: bool) -> bool:
    """
    Run what is not done yet, writing the file after each step.

    :param run: of one step: :func:`in_child` or :func:`in_this_process`.
    :returns: whether all steps went well.
    """
    results: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        results = json.loads(output.read_text(encoding='utf-8'))
    for name in STEPS:
        if results.get(name, {}).get('ok'):
            print(f'{name}: done before', file=sys.stderr)
            continue
        began = time.monotonic()
        results[name] = run(name, double=double)
        results[name]['seconds'] = round(time.monotonic() - began, 1)
        print(f'{name}: {json.dumps(results[name])[:300]}', file=sys.stderr)
        draft = output.with_name(f'.{output.name}.tmp')
        draft.write_text(json.dumps(results, indent=1), encoding='utf-8')
        draft.replace(output)
    return all(one['ok'] for one in results.values())


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    out = Path(os.environ.get('OUT', ROOT / 'build')) / 'gpu_check.json'
    parser.add_argument('--output', type=Path, default=out, help=f'default: {out}')
    parser.add_argument('--double', action='store_true', help='without a GPU')
    parser.add_argument('--step', choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    if args.step:
        try:
            print(json.dumps(STEPS[args.step](Gpu(double=args.double))))
        except AlexnetRosError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    args.output.parent.mkdir(parents=True, exist_ok=True)
    return 0 if run_all(args.output, in_child, double=args.double) else 1


if __name__ == '__main__':
    sys.exit(main())
