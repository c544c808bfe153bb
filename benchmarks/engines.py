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
from networks import FORMS, GROWTH, form, network
from tqdm import tqdm

from alexnet_ros.bench.machine import machine, read_bandwidth_gb_s
from alexnet_ros.bench.timing import alternate, ratio
from alexnet_ros.model_package import ModelPackage

Case = Callable[[], object]
Maker = Callable[[], Case]
BASELINE = 'PyTorch eager, torchvision FP32'
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
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=['CPUExecutionProvider']
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
    file, pixels = shipped.onnx_path(None), _pixels(batch, shipped.input.height)
    label = f'shipped {shipped.name} ({shipped.default_precision})'
    made[f'alexnet_ros {label}'] = lambda: ort_case(file, pixels)
    made[f'OpenVINO, {label}'] = lambda: openvino_case(file, pixels)
    if importlib.util.find_spec('openvino') is None:
        print('OpenVINO is not installed: its rows are left out', file=sys.stderr)
        made = {name: maker for name, maker in made.items() if 'OpenVINO' not in name}
    return made


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
    bandwidth = read_bandwidth_gb_s()
    rows = []
    for batch in batches:
        made = {name: make() for name, make in cases(batch, folder, shipped).items()}
        with tqdm(total=rounds * len(made), desc=f'batch {batch}', file=sys.stderr) as bar:
            timings = alternate(made, rounds=rounds, tick=bar.update)
        for name, timing in timings.items():
            low_mid_high = ratio(timings[BASELINE], timing)
            rows.append(
                {
                    'engine': name,
                    'batch': batch,
                    **timing.row(),
                    'faster_than_baseline': round(low_mid_high[0], 2),
                    'faster_low': round(low_mid_high[1], 2),
                    'faster_high': round(low_mid_high[2], 2),
                }
            )
    for row in rows:
        path = _path_of(row['engine'], folder, shipped)
        if path is not None and row['batch'] == 1:
            size_mb = path.stat().st_size / 1e6
            row |= {'weights_mb': round(size_mb, 2), 'bound_ms': round(size_mb / bandwidth, 3)}
            row['peak_mb'] = round(peak_mb(row['engine'], folder, model), 1)
    return rows


def growth(folder: Path, rounds: int) -> list[dict]:
    """Time the shipped shape with 10 to 10,000 classes, batch 1."""
    made = {name: ort_case(form(name, folder).path, _pixels(1, 224)) for name in GROWTH}
    timings = alternate(made, rounds=rounds)
    first = timings[next(iter(GROWTH))]
    return [
        {
            'engine': name,
            **timing.row(),
            'weights_mb': round(form(name, folder).weight_mb, 2),
            'faster_than_baseline': round(ratio(first, timing)[0], 3),
        }
        for name, timing in timings.items()
    ]


def _path_of(name: str, folder: Path, shipped: ModelPackage) -> Path | None:
    if 'shipped' in name:
        return shipped.onnx_path(None)
    found = [key for key in FORMS if name == f'alexnet_ros {key}']
    return form(found[0] if found else 'torchvision-fp32', folder).path


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--folder', type=Path, default=Path('build/bench'))
    parser.add_argument('--model', default='signs')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 4, 8])
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
    print(json.dumps({'machine': machine(), 'engines': rows, 'growth': grown}, indent=1))


if __name__ == '__main__':
    main()
