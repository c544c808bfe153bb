"""
Write down what NVIDIA's real Python bindings take: ``tests/signatures/*.json``.

``python tools/record_signatures.py [FOLDER]`` fetches the bindings of every
version that this package promises (about 250 MB, kept in the folder; wheels of all
of them exist for Python 3.11 and older), imports
each in a process of its own and notes the arguments of every call and the
members of every enumeration that the package uses. No GPU and no TensorRT is
needed: the libraries that the TensorRT bindings link to are replaced by empty
ones, which is enough to import them, and names and arguments are all that is
read.
"""

import argparse
import hashlib
import importlib.machinery
import importlib.util
import inspect
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TABLES = ROOT / 'tests' / 'signatures'
TENSORRT = {  # version in the table: distribution and version on the package index
    '8.6': ('tensorrt-bindings', '8.6.1'),
    '10.0': ('tensorrt-cu12-bindings', '10.0.1'),
    '10.1': ('tensorrt-cu12-bindings', '10.1.0'),
    '10.2': ('tensorrt-cu12-bindings', '10.2.0.post1'),
    '10.3': ('tensorrt-cu12-bindings', '10.3.0'),
    '10.4': ('tensorrt-cu12-bindings', '10.4.0'),
    '10.5': ('tensorrt-cu12-bindings', '10.5.0'),
    '10.6': ('tensorrt-cu12-bindings', '10.6.0.post2'),
    '10.7': ('tensorrt-cu12-bindings', '10.7.0.post1'),
    '10.8': ('tensorrt-cu12-bindings', '10.8.0.43'),
    '10.9': ('tensorrt-cu12-bindings', '10.9.0.34'),
    '10.10': ('tensorrt-cu12-bindings', '10.10.0.31'),
    '10.11': ('tensorrt-cu12-bindings', '10.11.0.33'),
    '10.12': ('tensorrt-cu12-bindings', '10.12.0.36'),
    '10.13': ('tensorrt-cu13-bindings', '10.13.3.9.post1'),
    '10.14': ('tensorrt-cu13-bindings', '10.14.1.48.post1'),
    '10.15': ('tensorrt-cu13-bindings', '10.15.1.29'),
    '10.16': ('tensorrt-cu13-bindings', '10.16.1.11'),
    '11.0': ('tensorrt-cu13-bindings', '11.0.0.114'),
    '11.1': ('tensorrt-cu13-bindings', '11.1.0.106'),
    '11.2': ('tensorrt-cu13-bindings', '11.2.1.2'),
    '11.3': ('tensorrt-cu13-bindings', '11.3.0.99'),
    '11.4': ('tensorrt-cu13-bindings', '11.4.0.106'),
    'RTX 1.7': ('tensorrt-rtx-cu13-bindings', '1.7.1.116'),
}
CUDA = {
    '11.8': ('cuda-bindings', '11.8.7'),
    '12.1': ('cuda-python', '12.1.0'),
    '12.2': ('cuda-python', '12.2.1'),
    '12.3': ('cuda-python', '12.3.0'),
    '12.4': ('cuda-python', '12.4.0'),
    '12.5': ('cuda-python', '12.5.0'),
    '12.6': ('cuda-python', '12.6.2.post1'),
    '12.8': ('cuda-bindings', '12.8.0'),
    '12.9': ('cuda-bindings', '12.9.10'),
    '13.0': ('cuda-bindings', '13.0.3'),
    '13.1': ('cuda-bindings', '13.1.1'),
    '13.2': ('cuda-bindings', '13.2.0'),
    '13.3': ('cuda-bindings', '13.3.1'),
    '13.4': ('cuda-bindings', '13.4.4'),
}


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


# What the package calls, reads or sets. The stand-ins of the tests refuse everything else.
TENSORRT_CALLS = words(
    """
Builder(logger) Builder.num_DLA_cores Builder.create_network Builder.create_builder_config
Builder.create_optimization_profile Builder.build_serialized_network
INetworkDefinition.num_inputs INetworkDefinition.get_input ITensor.name ITensor.shape
OnnxParser(network,logger) OnnxParser.parse OnnxParser.num_errors OnnxParser.get_error
ParserError.node ParserError.node_name ParserError.node_operator ParserError.desc
IBuilderConfig.set_memory_pool_limit IBuilderConfig.builder_optimization_level
IBuilderConfig.set_flag IBuilderConfig.default_device_type IBuilderConfig.DLA_core
IBuilderConfig.add_optimization_profile IBuilderConfig.create_timing_cache
IBuilderConfig.set_timing_cache IBuilderConfig.progress_monitor
IBuilderConfig.profiling_verbosity IBuilderConfig.num_compute_capabilities
IBuilderConfig.set_compute_capability IOptimizationProfile.set_shape ITimingCache.serialize
IProgressMonitor() IProgressMonitor.phase_start IProgressMonitor.step_complete
IProgressMonitor.phase_finish ILogger() ILogger.log Runtime(logger)
Runtime.deserialize_cuda_engine Runtime.engine_host_code_allowed Runtime.DLA_core
ICudaEngine.num_io_tensors ICudaEngine.get_tensor_name ICudaEngine.get_tensor_mode
ICudaEngine.get_tensor_shape ICudaEngine.get_tensor_dtype ICudaEngine.get_tensor_profile_shape
ICudaEngine.device_memory_size ICudaEngine.device_memory_size_v2
ICudaEngine.create_execution_context ICudaEngine.create_runtime_config
ICudaEngine.create_engine_inspector EngineInspector.get_engine_information
IExecutionContext.set_input_shape IExecutionContext.set_tensor_address
IExecutionContext.execute_async_v3 IExecutionContext.set_device_memory
IExecutionContext.device_memory IRuntimeConfig.cuda_graph_strategy
IRuntimeConfig.create_runtime_cache IRuntimeConfig.set_runtime_cache
IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy IRuntimeCache.deserialize
IRuntimeCache.serialize
"""
)
TENSORRT_MEMBERS = {
    'BuilderFlag': 'FP16 GPU_FALLBACK INT8 VERSION_COMPATIBLE',
    'ComputeCapability': 'SM75 SM80 SM86 SM89 SM120 SM121',
    'CudaGraphStrategy': 'DISABLED WHOLE_GRAPH_CAPTURE',
    'DataType': 'FLOAT HALF UINT8',
    'DeviceType': 'DLA',
    'DynamicShapesKernelSpecializationStrategy': 'EAGER',
    'ExecutionContextAllocationStrategy': 'USER_MANAGED',
    'ILogger.Severity': 'ERROR INFO INTERNAL_ERROR VERBOSE WARNING',
    'LayerInformationFormat': 'JSON',
    'MemoryPoolType': 'WORKSPACE',
    'NetworkDefinitionCreationFlag': 'STRONGLY_TYPED',
    'ProfilingVerbosity': 'DETAILED',
    'TensorIOMode': 'INPUT OUTPUT',
}
CUDA_CALLS = words(
    """
cudaDeviceGetAttribute cudaDeviceSynchronize cudaDriverGetVersion cudaFree
cudaFreeHost cudaGetDeviceCount
cudaGetDeviceProperties cudaGetLastError cudaGraphDestroy cudaGraphExecDestroy
cudaGraphInstantiateWithFlags cudaGraphLaunch cudaHostAlloc cudaHostGetDevicePointer cudaMalloc
cudaMemcpyAsync cudaSetDevice cudaStreamBeginCapture cudaStreamCreateWithFlags
cudaStreamDestroy cudaStreamEndCapture cudaStreamSynchronize
"""
)
CUDA_VALUES = ['cudaHostAllocDefault', 'cudaHostAllocMapped', 'cudaStreamNonBlocking']
CUDA_MEMBERS = {
    'cudaDeviceAttr': 'cudaDevAttrComputeCapabilityMajor cudaDevAttrComputeCapabilityMinor '
    'cudaDevAttrIntegrated',
    'cudaMemcpyKind': 'cudaMemcpyDeviceToHost cudaMemcpyHostToDevice',
    'cudaStreamCaptureMode': 'cudaStreamCaptureModeThreadLocal',
}
Table = dict[str, Any]


def arguments_of(text: str) -> list[str]:
    """
    Return the argument names in ``name(self: T, flags: int = 0) -> R``; ``=`` marks defaults.

    >>> arguments_of('f(self: trt.B, s: trt.K = <K.STATIC: 0>, *, many: dict[str, int]) -> None')
    ['s=', '*', 'many']
    """
    start = text.index('(') + 1
    depth, part, parts = 0, '', []
    for letter in text[start:]:
        depth += letter in '([{<'
        depth -= letter in ')]}>'
        if depth < 0:
            break
        if letter == ',' and not depth:
            parts.append(part)
            part = ''
        else:
            part += letter
    found = [one.strip() for one in [*parts, part] if one.strip()]
    names = [re.split(r'[:=]', one)[0].strip() + ('=' if '=' in one else '') for one in found]
    return names[1:] if names and names[0] in {'self', 'arg0: self'} else names


def overloads(function: Any, name: str) -> list[list[str]]:
    """Return the arguments of each form of a pybind11 function, from its docstring."""
    lines = (function.__doc__ or '').splitlines()
    forms = [line for line in lines if re.match(rf'\s*(\d+\. )?{name}\(.*->', line)]
    found = [arguments_of(line) for line in forms if '*args' not in line]
    if not found:
        raise SystemExit(f'{name} has no signature in its docstring: {lines[:3]}')
    return found


def tensorrt_table(module: Any) -> Table:
    """Describe a TensorRT module: calls to forms of arguments or ``value``; members."""
    table: Table = {}
    for call in TENSORRT_CALLS:
        kind, _, name = call.partition('(')[0].partition('.')
        owner = getattr(module, kind, None)
        if owner is None or (name and not hasattr(owner, name)):
            continue
        if name:
            found = getattr(owner, name)
            table[call] = 'value' if isinstance(found, property) else overloads(found, name)
        else:
            table[f'{kind}()'] = overloads(owner.__init__, '__init__')
    for kind, names in TENSORRT_MEMBERS.items():
        owner = module
        for part in kind.split('.'):
            owner = getattr(owner, part, None)
        members = getattr(owner, '__members__', {})
        table |= {f'{kind}.{name}': 'member' for name in names.split() if name in members}
    return table


def cuda_table(module: Any) -> Table:
    """Describe a module of CUDA runtime functions."""
    table: Table = {}
    for name in CUDA_CALLS:
        if hasattr(module, name):
            found = inspect.signature(getattr(module, name)).parameters.values()
            marks = [f'{p.name}{"" if p.default is p.empty else "="}' for p in found]
            table[name] = [marks]
    table |= {name: 'value' for name in CUDA_VALUES if hasattr(module, name)}
    for kind, names in CUDA_MEMBERS.items():
        members = getattr(getattr(module, kind, None), '__members__', {})
        table |= {f'{kind}.{name}': 'member' for name in names.split() if name in members}
    from alexnet_ros.engine.tensorrt.cuda import NO_DRIVER, STICKY

    errors = {*NO_DRIVER, *STICKY, 'cudaSuccess', 'cudaErrorMemoryAllocation'}
    known = module.cudaError_t.__members__
    table |= {f'cudaError_t.{name}': 'member' for name in sorted(errors) if name in known}
    return table


def cuda_module() -> Any:
    """Import the CUDA runtime's bindings, wherever the version has them."""
    try:
        return importlib.import_module('cuda.bindings.runtime')
    except ImportError:
        return importlib.import_module('cuda.cudart')


def digest(table: Table) -> str:
    """Return what shows that a table was recorded and not edited."""
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def stubs(library: Path, folder: Path) -> None:
    """Compile empty libraries in place of those of NVIDIA's that a binding links to."""
    listed = subprocess.check_output(['readelf', '-d', str(library)], text=True)
    needed = re.findall(r'NEEDED.*\[(lib(?:nv|tensorrt).*)\]', listed)
    symbols = subprocess.check_output(['nm', '-D', '--undefined-only', str(library)], text=True)
    wanted = re.findall(
        r'^\s+U (create\w+|get\w*(?:Registry|Version)|init\w+|\w*nv(?:uff|caffe)\w+)$',
        symbols,
        re.MULTILINE,
    )
    source = folder / 'empty.c'
    source.write_text('\n'.join(f'void *{name}(void) {{ return 0; }}' for name in wanted))
    for name in needed:
        out = str(folder / name)
        soname = f'-Wl,-soname,{name}'
        subprocess.check_call(['cc', '-shared', '-fPIC', soname, '-o', out, str(source)])


def child(kind: str, folder: Path) -> Table:
    """Import what lies in a folder and describe it; runs in a process of its own."""
    sys.path.insert(0, str(folder))
    if kind == 'cuda':
        return cuda_table(cuda_module())
    (library,) = folder.glob('tensorrt*/tensorrt*.so')
    name = library.name.split('.')[0]
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    loader.exec_module(module)
    return tensorrt_table(module)


def fetched(name: str, version: str, folder: Path) -> Path:
    """Return a folder with the unpacked wheel of one version."""
    place = folder / f'{name}-{version}'
    if not place.exists():
        with tempfile.TemporaryDirectory() as scratch:
            words = ['--no-deps', '--only-binary', ':all:', '-q', '-d', scratch]
            words += [f'{name}=={version}']
            subprocess.check_call([sys.executable, '-m', 'pip', 'download', *words])
            (wheel,) = Path(scratch).glob('*.whl')
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)
    return place


def recorded(kind: str, name: str, version: str, folder: Path) -> Table:
    """Fetch one version, make it importable and describe it."""
    place = fetched(name, version, folder)
    environment = {'PATH': '/usr/bin:/bin'}
    if kind == 'tensorrt':
        empty = place / 'empty-libraries'
        if not empty.exists():
            empty.mkdir()
            (library,) = place.glob('tensorrt*/tensorrt*.so')
            stubs(library, empty)
        environment['LD_LIBRARY_PATH'] = str(empty)
    command = [sys.executable, __file__, '--child', kind, str(place)]
    return dict(json.loads(subprocess.check_output(command, env=environment, text=True)))


def write(kind: str, versions: dict[str, tuple[str, str]], folder: Path) -> None:
    """Write one file of tables."""
    tables = {}
    for label, (name, version) in versions.items():
        table = recorded(kind, name, version, folder)
        print(f'{kind} {label}: {len(table)} names from {name} {version}')
        tables[label] = {'from': f'{name} {version}', 'digest': digest(table), 'names': table}
    lines = ['{']
    for number, (label, entry) in enumerate(tables.items()):
        names = entry.pop('names')
        lines.append(f' {json.dumps(label)}: {{')
        lines += [f'  {json.dumps(key)}: {json.dumps(value)},' for key, value in entry.items()]
        rows = [f'   {json.dumps(k)}: {json.dumps(v)}' for k, v in sorted(names.items())]
        lines.append('  "names": {\n' + ',\n'.join(rows) + '\n  }')
        lines.append(' }' + (',' if number < len(tables) - 1 else ''))
    text = '\n'.join([*lines, '}', ''])
    json.loads(text)
    (TABLES / f'{kind}.json').write_text(text, encoding='utf-8')


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('folder', nargs='?', type=Path, default=ROOT / 'build' / 'bindings')
    parser.add_argument('--child', choices=('tensorrt', 'cuda'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        json.dump(child(args.child, args.folder), sys.stdout)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    write('tensorrt', TENSORRT, args.folder)
    write('cuda', CUDA, args.folder)


if __name__ == '__main__':
    main()
