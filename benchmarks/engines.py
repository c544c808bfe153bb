"""
Engines side by side: what users would take instead, and what this package runs.

Every runtime gets the same two things: as many threads as there are cores, and
its input in the form that it likes best, so that the foreign ones do not pay
for a normalisation that this package's files carry inside.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from networks import FORMS, GROWTH, form, multiply_adds, network
from tqdm import tqdm

from alexnet_ros.bench.machine import read_bandwidth_gb_s
from alexnet_ros.bench.timing import alternate, ratio
from alexnet_ros.engine.onnxrt import OnnxRuntimeEngine
from alexnet_ros.engine.openvino import OpenVinoEngine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.engine.unsigned import unsigned
from alexnet_ros.model_package import ModelPackage

Case = Callable[[], object]
Maker = Callable[[], Case]
BASELINE = 'PyTorch eager, torchvision FP32'
SHIPPED = {'ONNX Runtime': OnnxRuntimeEngine, 'OpenVINO': OpenVinoEngine}
MOBILENET = 'ONNX Runtime, MobileNetV3-small FP32'
CORES = len(os.sched_getaffinity(0))


def _pixels(batch: int, size_px: int) -> np.ndarray:
    shape = (batch, size_px, size_px, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def _floats(batch: int, size_px: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch, 3, size_px, size_px), np.float32)


def torch_case(batch: int) -> Case:
    """PyTorch eager on the float tensor, without gradients."""
    import torch

    torch.set_num_threads(CORES)
    net = network('torchvision-fp32')
    x = torch.from_numpy(_floats(batch, 224))

    def run() -> object:
        with torch.inference_mode():
            return net.classify(x)

    return run


def ort_case(path: Path, feed: np.ndarray) -> Case:
    """ONNX Runtime with its defaults but for the thread count."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    options.log_severity_level = 3
    stored = path.read_bytes()
    source = str(path) if (made := unsigned(stored)) is stored else made
    del stored, made  # only the session's own copy counts as its memory
    session = onnxruntime.InferenceSession(
        source, sess_options=options, providers=['CPUExecutionProvider']
    )
    name = session.get_inputs()[0].name
    return lambda: session.run(['logits'], {name: feed})


def opencv_case(path: Path, feed: np.ndarray) -> Case:
    """OpenCV's dnn module on the float tensor."""
    cv2.setNumThreads(CORES)
    net = cv2.dnn.readNetFromONNX(str(path))

    def run() -> object:
        net.setInput(feed)
        return net.forward()

    return run


def openvino_case(path: Path, feed: np.ndarray) -> Case:
    """OpenVINO, tuned for latency."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(list(feed.shape))
    compiled = core.compile_model(
        model,
        'CPU',
        {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': CORES,
            'INFERENCE_PRECISION_HINT': 'f32',  # else bfloat16 where the processor has it
        },
    )
    request = compiled.create_infer_request()
    return lambda: request.infer([feed], share_inputs=True)


def mobilenet(folder: Path) -> Path:
    """Return MobileNetV3-small; torch is loaded to make it, not where memory is measured."""
    path = folder / 'mobilenet_v3_small.onnx'
    if not path.exists():
        from detectors import exported

        exported('mobilenet_v3_small', folder)
    return path


def cases(batch: int, folder: Path, shipped: ModelPackage) -> dict[str, Maker]:
    """Return what makes each case at one batch size."""
    plain = form('torchvision-fp32', folder).float_path
    assert plain is not None
    floats = _floats(batch, 224)
    made: dict[str, Maker] = {
        BASELINE: lambda: torch_case(batch),
        'ONNX Runtime, torchvision FP32': lambda: ort_case(plain, floats),
        'OpenCV dnn, torchvision FP32': lambda: opencv_case(plain, floats),
        'OpenVINO, torchvision FP32': lambda: openvino_case(plain, floats),
    }
    for name in FORMS:
        this = form(name, folder)
        pixels = _pixels(batch, this.size_px)
        made[f'alexnet_ros {name}'] = partial(ort_case, this.path, pixels)
    if batch == 1:  # what it is exported for
        made[MOBILENET] = lambda: ort_case(mobilenet(folder), floats)
    pixels = _pixels(batch, shipped.input.height)
    for runtime, kind in SHIPPED.items():
        made[f'alexnet_ros shipped, {runtime}'] = lambda kind=kind: partial(
            kind(shipped, max_batch=batch).infer, pixels
        )
    if importlib.util.find_spec('openvino') is None:
        print('OpenVINO is not installed: its rows are left out', file=sys.stderr)
        made = {name: maker for name, maker in made.items() if 'OpenVINO' not in name}
    return made


def int8_peak_gmac_s() -> float:
    """Return the most INT8 multiply-adds a second here: oneDNN's matrix product."""
    import torch

    torch.set_num_threads(CORES)
    product = torch._int_mm  # noqa: SLF001 - PyTorch has no other
    best = 0.0
    for side in (512, 1024, 2048):
        left, right = torch.randint(-127, 128, (2, side, side), dtype=torch.int8)
        timing = alternate({'': partial(product, left, right)}, rounds=3)['']
        best = max(best, side**3 / min(timing.calls_ms) / 1e6)
    return best


def peak_mb(name: str, folder: Path, model: str) -> float:
    """Return the peak resident memory of a process that runs one case, 10^6 bytes."""
    words = [sys.executable, __file__, '--one', name, '--folder', str(folder), '--model', model]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _high_water_mb() -> float:
    """Return this process's peak resident memory (proc(5), VmHWM), 10^6 bytes."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) * 1024 / 1e6


def measure(folder: Path, model: str, batches: tuple[int, ...], rounds: int) -> list[dict]:
    """Time all cases at all batch sizes."""
    shipped = ModelPackage.load(model)
    bandwidth, peak = read_bandwidth_gb_s(), int8_peak_gmac_s()
    work = multiply_adds(shipped.onnx_path(None)) / 1e6  # in a millisecond at 1 GMAC/s
    rows = []
    for batch in batches:
        made = {name: make() for name, make in cases(batch, folder, shipped).items()}
        with tqdm(total=rounds * len(made), desc=f'batch {batch}', file=sys.stderr) as bar:
            timings = alternate(made, rounds=rounds, tick=bar.update)
        for name, timing in timings.items():
            low_mid_high = ratio(timings[BASELINE], timing)
            rows.append(
                {
                    'group': f'batch {batch}',
                    'name': name,
                    **timing.row(),
                    'baseline': 'PyTorch eager',
                    'faster': round(low_mid_high[0], 2),
                    'faster_low': round(low_mid_high[1], 2),
                    'faster_high': round(low_mid_high[2], 2),
                }
            )
            if 'shipped' in name:
                rows[-1]['int8_peak'] = round(work * batch / timing.median_ms / peak, 3)
    for row in rows:
        path = _path_of(row['name'], folder, shipped)
        if row['group'] == 'batch 1':
            size_mb = path.stat().st_size / 1e6
            row |= {'weights_mb': round(size_mb, 2), 'bound_ms': round(size_mb / bandwidth, 3)}
            row['peak_mb'] = round(peak_mb(row['name'], folder, model), 1)
    return rows


def growth(folder: Path, rounds: int) -> list[dict]:
    """Time the shipped shape with 10 to 10,000 classes, batch 1."""
    made = {name: ort_case(form(name, folder).path, _pixels(1, 224)) for name in GROWTH}
    timings = alternate(made, rounds=rounds)
    first = timings[next(iter(GROWTH))]
    return [
        {
            'group': 'classes',
            'name': name,
            'baseline': '10 classes',
            **timing.row(),
            'weights_mb': round(form(name, folder).weight_mb, 2),
            'faster': round(ratio(first, timing)[0], 3),
        }
        for name, timing in timings.items()
    ]


def _path_of(name: str, folder: Path, shipped: ModelPackage) -> Path:
    if 'shipped' in name:
        return shipped.onnx_path(None)
    if name == MOBILENET:
        return mobilenet(folder)
    found = [key for key in FORMS if name == f'alexnet_ros {key}']
    return form(found[0] if found else 'torchvision-fp32', folder).path


def main() -> None:
    """Print one JSON object a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=Path, default=Path('build/bench'))
    parser.add_argument('--model', default='signs')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 8])
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--one', help='run one case and print its peak memory')
    args = parser.parse_args()
    if args.one:
        run = cases(1, args.folder, ModelPackage.load(args.model))[args.one]()
        for _ in range(5):
            run()
        print(_high_water_mb())
        return
    rows = measure(args.folder, args.model, tuple(args.batches), args.rounds)
    grown = growth(args.folder, args.rounds)
    with open_engine(ModelPackage.load(args.model)) as engine:
        default = {'openvino': 'OpenVINO'}.get(engine.info.backend, 'ONNX Runtime')
    for row in ({'default': default}, *rows, *grown):
        print(json.dumps(row))


if __name__ == '__main__':
    main()
