"""
What the package asks of which TensorRT, and the table of it in ``docs/tensorrt.md``.

``python tools/tensorrt_tables.py`` writes the page anew between its marker lines.
"""

import functools
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.record_signatures import (  # noqa: E402
    CUDA_CALLS,
    CUDA_MEMBERS,
    CUDA_VALUES,
    TABLES,
    TENSORRT_CALLS,
    TENSORRT_MEMBERS,
)

PAGE = ROOT / 'docs' / 'tensorrt.md'
NEW = 10**6
PREFIXES = {  # names that not every version has: the first that does and the last, RTX
    'ExecutionContextAllocationStrategy.': ('10.0', NEW, True),
    'IBuilderConfig.progress_monitor': ('10.0', NEW, True),
    'IProgressMonitor': ('10.0', NEW, True),
    'NetworkDefinitionCreationFlag.': ('10.0', NEW, True),
    'ParserError.node_': ('10.0', NEW, True),
    'ICudaEngine.device_memory_size_v2': ('10.1', NEW, True),
    'IExecutionContext.set_device_memory': ('10.1', NEW, True),
    'ICudaEngine.create_runtime_config': ('10.11', NEW, True),
    'BuilderFlag.FP16': ('8.6', 10, False),
    'BuilderFlag.INT8': ('8.6', 10, False),
    'ICudaEngine.device_memory_size': ('8.6', 10, False),
    'ComputeCapability.': ('', 0, True),
    'CudaGraphStrategy.': ('', 0, True),
    'DynamicShapesKernelSpecializationStrategy.': ('', 0, True),
    'IBuilderConfig.num_compute_capabilities': ('', 0, True),
    'IBuilderConfig.set_compute_capability': ('', 0, True),
    'IRuntimeCache.': ('', 0, True),
    'IRuntimeConfig.': ('', 0, True),
}
ELSEWHERE = {  # names that are there but that a version's run without a GPU does not come to
    'BuilderFlag.INT8': 'a DLA with an INT8 file',
    'DataType.HALF': 'an engine with FP16 outputs',
}
ONLY_10_0 = {'ICudaEngine.device_memory_size', 'IExecutionContext.device_memory'}
NOT_RTX = {
    'Builder.num_DLA_cores',
    'BuilderFlag.GPU_FALLBACK',
    'DeviceType.DLA',
    'IBuilderConfig.DLA_core',
    'IBuilderConfig.create_timing_cache',
    'IBuilderConfig.default_device_type',
    'IBuilderConfig.set_timing_cache',
    'ICudaEngine.device_memory_size_v2',
    'IExecutionContext.set_device_memory',
    'ITimingCache.serialize',
    'Runtime.DLA_core',
}


def numbers(version: str) -> tuple[int, ...]:
    """Return ``10.13`` as (10, 13)."""
    return tuple(int(part) for part in version.split('.'))


def _all_names(kind: str) -> set[str]:
    calls = TENSORRT_CALLS if kind == 'tensorrt' else [*CUDA_CALLS, *CUDA_VALUES]
    members = TENSORRT_MEMBERS if kind == 'tensorrt' else CUDA_MEMBERS
    names = {f'{call.partition("(")[0]}()' if '(' in call else call for call in calls}
    return names | {f'{owner}.{name}' for owner, text in members.items() for name in text.split()}


def expected_names(kind: str, version: str) -> set[str]:
    """Return the names that a version must have for the package to run on it as it does."""
    names = _all_names(kind)
    if kind == 'cuda':
        from alexnet_ros.engine.tensorrt.cuda import NO_DRIVER, STICKY

        errors = {*NO_DRIVER, *STICKY, 'cudaSuccess', 'cudaErrorMemoryAllocation'}
        if numbers(version) < (12, 8):
            errors -= {'cudaErrorContained', 'cudaErrorTensorMemoryLeak'}
        return names | {f'cudaError_t.{name}' for name in errors}
    return {name for name in names if _has(version, name)}


def _has(version: str, name: str) -> bool:
    rules = [rule for prefix, rule in PREFIXES.items() if name.startswith(prefix)]
    exact = [PREFIXES[name]] if name in PREFIXES else rules
    for first, last, rtx in exact:
        if version.startswith('RTX'):
            return rtx
        return bool(first) and numbers(first) <= numbers(version) and numbers(version)[0] <= last
    return True


def made_calls(version: str) -> set[str]:
    """Return the names that a run without a GPU comes to on a version."""
    names = expected_names('tensorrt', version) - set(ELSEWHERE)
    if version != '10.0':
        names -= ONLY_10_0
    else:
        names -= {'ICudaEngine.device_memory_size_v2'}
    if version.startswith('RTX'):
        return names - NOT_RTX
    return names - {'ICudaEngine.create_runtime_config'}


@functools.cache
def recorded_tables(kind: str) -> Any:
    """Return the recorded tables."""
    return json.loads((TABLES / f'{kind}.json').read_text(encoding='utf-8'))


def groups(kind: str) -> list[tuple[str, list[str]]]:
    """Join neighbours that have the same names with the same arguments."""
    tables = recorded_tables(kind)
    found: list[tuple[Any, list[str]]] = []
    for version in tables:
        if (kind, version) == ('tensorrt', '8.6'):  # is refused
            continue
        state = tables[version]['names']
        if found and found[-1][0] == state:
            found[-1][1].append(version)
        else:
            found.append((state, [version]))
    ranges = [members for _, members in found]
    return [(one[0] if len(one) == 1 else f'{one[0]} to {one[-1]}', one) for one in ranges]


def call_table() -> str:
    """Return version x call x proof as Markdown."""
    tables = recorded_tables('tensorrt')
    columns = groups('tensorrt')
    lines = [
        '| call, value or member | ' + ' | '.join(name for name, _ in columns) + ' |',
        '|---|' + '---|' * len(columns),
    ]
    for name in sorted(_all_names('tensorrt')):
        cells = []
        for _, members in columns:
            version = members[0]
            if name not in tables[version]['names']:
                cells.append('-')
            else:
                cells.append('called' if name in made_calls(version) else 'there')
        lines.append(f'| `{name}` | ' + ' | '.join(cells) + ' |')
    cuda, count = ', '.join(recorded_tables('cuda')), len(_all_names('cuda'))
    text = (
        f'Of cuda-python {cuda}, each of the {count} names that are used is there and was called.'
    )
    lines += ['', text]
    return '\n'.join(lines)


MODULES = {  # name: memory GB/s, dense INT8 TOPS and dense FP16 TFLOPS of the GPU's tensor cores
    'Orin Nano 8 GB': (68.0, 20.0, 10.0),
    'Orin Nano Super': (102.0, 33.5, 16.7),
    'Orin NX 16 GB': (102.4, 30.0, 15.0),
    'AGX Orin 64 GB': (204.8, 85.0, 42.5),
    'Thor T5000': (273.0, 517.0, 258.0),
}


def heavy_layers(path: Path) -> list[tuple[str, int, int, int]]:
    """
    Return the convolutions and matrix products of an ONNX file, for one image.

    :returns: name, weights, values read and written, multiply-accumulates times two.
    """
    import onnx
    from onnx import shape_inference

    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    tensors = [*graph.value_info, *graph.input, *graph.output]
    shapes = {t.name: [d.dim_value or 1 for d in t.type.tensor_type.shape.dim] for t in tensors}
    constants = {t.name: list(t.dims) for t in graph.initializer}
    constants |= {
        node.output[0]: constants[node.input[0]]
        for node in graph.node
        if node.op_type == 'DequantizeLinear' and node.input[0] in constants
    }
    found = []
    for node in graph.node:
        if node.op_type not in {'Conv', 'ConvTranspose', 'Gemm', 'MatMul'}:
            continue
        weights = [constants[name] for name in node.input[:2] if name in constants]
        if not weights:
            continue
        count, out = math.prod(weights[0]), shapes[node.output[0]]
        read = [shapes[name] for name in node.input[:2] if name not in constants]
        moved = sum(map(math.prod, read)) + math.prod(out)
        if node.op_type == 'MatMul':  # each output is a sum over the constant's inner side
            inner = weights[0][-1 if node.input[0] in constants else -2]
            found.append((node.name, count, moved, 2 * math.prod(out) * inner))
            continue
        positions = math.prod(out[2:]) if node.op_type == 'Conv' else 1
        found.append((node.name, count, moved, 2 * count * positions))
    return found


def bound_us(layer: tuple[str, int, int, int], module: str, value_bytes: int) -> float:
    """Return the least time of a layer on a module, microseconds: memory or arithmetic."""
    bandwidth, tops, tflops = MODULES[module]
    _, weights, moved, operations = layer
    memory = (weights + moved) * value_bytes / bandwidth / 1e3
    return max(memory, operations / (tops if value_bytes == 1 else tflops) / 1e6)


def sha256_start(path: Path) -> str:
    """Return the first digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def layer_table(path: Path) -> str:
    """Return bytes, operations and bounds of each layer of an INT8 file as Markdown."""
    layers = heavy_layers(path)
    lines = [
        f'`{path.name}` (SHA-256 {sha256_start(path)}), one image:',
        '',
        '| layer | weights kB | in and out kB | MOP | ' + ' | '.join(f'{m} µs' for m in MODULES),
        '|---|---|---|---|' + '---|' * len(MODULES),
    ]
    for layer in layers:
        name, weights, moved, operations = layer
        bounds = ' | '.join(f'{bound_us(layer, module, 1):.1f}' for module in MODULES)
        cells = f'{weights / 1e3:.1f} | {moved / 1e3:.1f} | {operations / 1e6:.1f}'
        lines.append(f'| {name} | {cells} | {bounds} |')
    for label, size in (('all, INT8', 1), ('all, FP16', 2)):
        sums = [sum(layer[part] for layer in layers) for part in (1, 2, 3)]
        bounds = ' | '.join(
            f'{sum(bound_us(layer, module, size) for layer in layers):.0f}' for module in MODULES
        )
        cells = f'{sums[0] * size / 1e3:.0f} | {sums[1] * size / 1e3:.0f} | {sums[2] / 1e6:.0f}'
        lines.append(f'| **{label}** | {cells} | {bounds} |')
    lines[2] += ' |'
    return '\n'.join(lines)


def layer_tables() -> str:
    """Return the tables of every INT8 file that comes with the package."""
    files = sorted((ROOT / 'models').glob('*/*int8*.onnx'))
    return '\n\n'.join(layer_table(path) for path in files)


def written(page: str, name: str, text: str) -> str:
    """Return a page with the part between two marker lines replaced."""
    begin, end = f'<!-- {name}: written by tools/tensorrt_tables.py -->', f'<!-- {name}: end -->'
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f'{PAGE} lacks the lines {begin!r} and {end!r}; put them back')
    return f'{before}{begin}\n{text}\n{end}{after}'


def page_with_tables(page: str) -> str:
    """Return ``docs/tensorrt.md`` with its tables as they should be."""
    return written(written(page, 'calls', call_table()), 'layers', layer_tables())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding='utf-8')), encoding='utf-8')


if __name__ == '__main__':
    main()
