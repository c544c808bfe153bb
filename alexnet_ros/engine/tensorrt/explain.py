"""
Which kernels a compiled engine runs: their types, what was fused, their weights.

TensorRT tells it as JSON through the inspector of a loaded engine; TensorRT for
RTX tells it in the builder's log, which needs no GPU.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from alexnet_ros.engine.tensorrt.api import TensorRtApi
from alexnet_ros.errors import EngineBuildError

BYTES = {'Int8': 1, 'UInt8': 1, 'Half': 2, 'Float': 4, 'Int32': 4, 'Int64': 8, 'Bool': 1}
_LINE = re.compile(
    r'Name: (?P<name>\S+), LayerType: (?P<kind>\w+), Inputs: (?P<inputs>.*?), '
    r'Constants: (?P<constants>\[.*?\]), Outputs: (?P<outputs>.*?), TacticName: .*?'
    r'Metadata: ?(?P<nodes>.*)'
)
_TENSOR = re.compile(r'Dimensions: \[([-\d,]*)\].*?Datatype: (\w+)')
_NODE = re.compile(r'\[ONNX Layer: ([^\]]+)\]')


@dataclass(frozen=True, slots=True)
class Tensor:
    """
    One input, constant or output of a kernel.

    :param shape: -1 for the batch.
    :param dtype: TensorRT's name of it, such as ``Int8``.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Size of one image's share, bytes."""
        return math.prod(map(abs, self.shape)) * BYTES.get(self.dtype, 4)

    def __str__(self) -> str:
        """Return such as ``Int8[-1,64,27,27]``."""
        return f'{self.dtype}[{",".join(map(str, self.shape))}]'


@dataclass(frozen=True, slots=True)
class Kernel:
    """
    One thing that is launched.

    :param kind: TensorRT's name: ``correlation``, ``gemm``, ``kgen`` and so on.
    :param nodes: names of the ONNX nodes that it does.
    :param weights: constants it reads.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            'name': self.name,
            'kind': self.kind,
            'nodes': list(self.nodes),
            'inputs': [str(tensor) for tensor in self.inputs],
            'outputs': [str(tensor) for tensor in self.outputs],
            'weight_bytes': weight_bytes(self),
        }


def weight_bytes(*kernels: Kernel) -> dict[str, int]:
    """Return how many bytes of constants of each type kernels read."""
    found: Counter[str] = Counter()
    for tensor in (tensor for kernel in kernels for tensor in kernel.weights):
        found[tensor.dtype] += tensor.nbytes
    return dict(found)


def kernels_from_log(text: str) -> list[Kernel]:
    """Read the builder's list of layers, launches that compute shapes left out."""
    kernels = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or match['kind'] == 'shape_call':
            continue
        parts = [_tensors(match[part]) for part in ('inputs', 'constants', 'outputs')]
        nodes = tuple(dict.fromkeys(_NODE.findall(match['nodes'])))
        kernels.append(Kernel(match['name'], match['kind'], nodes, *parts))
    return kernels


def _tensors(text: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(tuple(int(n) for n in dims.split(',') if n), dtype)
        for dims, dtype in _TENSOR.findall(text)
    )


def kernels_from_inspector(text: str) -> list[Kernel]:
    """Read what the inspector of a loaded engine gives."""
    kernels = []
    for layer in json.loads(text)['Layers']:
        if not isinstance(layer, dict):  # only names, from an engine built without the details
            kernels.append(Kernel(str(layer), '', (), (), (), ()))
            continue
        weights = [layer.get(part, {}) for part in ('Weights', 'Bias')]
        kernels.append(
            Kernel(
                str(layer.get('Name', '')),
                str(layer.get('LayerType', '')),
                tuple(dict.fromkeys(_NODE.findall(str(layer.get('Metadata', ''))))),
                _inspected(layer.get('Inputs', [])),
                tuple(Tensor((int(w['Count']),), str(w['Type'])) for w in weights if 'Count' in w),
                _inspected(layer.get('Outputs', [])),
            )
        )
    return kernels


def _inspected(entries: list[dict[str, Any]]) -> tuple[Tensor, ...]:
    found = []
    for entry in entries:
        form = str(entry.get('Datatype') or entry.get('Format/Datatype') or '?')
        found.append(Tensor(tuple(entry.get('Dimensions', ())), form.split(maxsplit=1)[0]))
    return tuple(found)


def kernels_of(api: TensorRtApi, plan: bytes, layers: str) -> list[Kernel]:
    """
    Return what an engine launches, in order.

    :param plan: the compiled engine; asked on this machine's GPU where the
        builder told nothing.
    :param layers: what the builder told.
    :raises EngineBuildError: neither of them tells.
    """
    if layers:
        return kernels_from_log(layers)
    engine = api.module.Runtime(api.logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineBuildError(f'the engine cannot be explained: {api.take_errors()}')
    form = api.module.LayerInformationFormat.JSON
    return kernels_from_inspector(engine.create_engine_inspector().get_engine_information(form))


def listing(kernels: list[Kernel]) -> str:
    """Return the kernels as lines for people, with sums."""
    lines = []
    for number, kernel in enumerate(kernels, 1):
        inputs, outputs = (' '.join(map(str, one)) for one in (kernel.inputs, kernel.outputs))
        sizes = ', '.join(f'{n / 1e3:.1f} kB {kind}' for kind, n in weight_bytes(kernel).items())
        lines.append(f'{number:3} {kernel.kind:14} {", ".join(kernel.nodes) or kernel.name}')
        lines.append(f'    {inputs} -> {outputs}' + (f'; reads {sizes}' if sizes else ''))
    total = sorted(weight_bytes(*kernels).items())
    sums = ', '.join(f'{size / 1e6:.2f} MB {kind}' for kind, size in total)
    return '\n'.join([*lines, f'{len(kernels)} kernels; constants: {sums or "not told"}'])
