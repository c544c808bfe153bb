"""
What ``doctor`` looks at, one function a subject.

Native libraries are loaded in processes of their own: one that crashes is a
finding, not the end of the doctor.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.dependencies import install_command
from alexnet_ros.engine.cache import EngineCache
from alexnet_ros.engine.cache_folder import default_folder
from alexnet_ros.engine.host import has_nvidia_gpu
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.model_package import PRECISIONS, ModelPackage, model_places

PROBE_S = 60.0
SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 - where Fast DDS keeps its segments
MIN_SHARED_BYTES = 256 << 20  # two participants with the shipped profile, and room
TYPES = {  # message package: the types that the nodes use
    'sensor_msgs': 'Image CompressedImage',
    'std_msgs': 'Bool Float32 Float32MultiArray String',
    'std_srvs': '',
    'diagnostic_msgs': 'DiagnosticArray',
    'lifecycle_msgs': 'Transition',
    'vision_msgs': 'Classification Detection2DArray LabelInfo',
    'nav2_msgs': 'SpeedLimit',
}

EXTRAS = {  # what some commands need: its modules
    'replay': ('rosbags', 'jinja2'),
    'training': ('torch', 'onnx', 'safetensors', 'PIL', 'matplotlib'),
    'completion': ('argcomplete',),
}


@dataclass(frozen=True, slots=True)
class Check:
    """
    One finding.

    :param ok: nothing to do about it.
    :param remedy: what to do, empty if ok.
    :param needed: the nodes cannot work while this is not ok.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ''
    needed: bool = False


def probe(code: str) -> tuple[bool, str]:
    """Run Python code in a process; return whether it ended well and the last line printed."""
    words = [sys.executable, '-W', 'ignore', '-c', code]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return False, f'did not end in {PROBE_S:.0f} s'
    text = done.stdout if done.returncode == 0 else done.stderr
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if done.returncode < 0:
        return False, f'crashed with signal {-done.returncode}'
    return done.returncode == 0, lines[-1] if lines else ''


def check_python() -> list[Check]:
    """Look at Python and the packages that every command needs."""
    version = platform.python_version()
    found = [
        Check('python', sys.version_info >= (3, 10), f'{version} at {sys.executable}', needed=True)
    ]
    for name, module in (
        ('numpy', 'numpy'),
        ('opencv', 'cv2'),
        ('yaml', 'yaml'),
        ('tqdm', 'tqdm'),
    ):
        ok, detail = probe(f'import {module}; print({module}.__version__)')
        remedy = '' if ok else install_command(module)
        found.append(Check(name or module, ok, detail, remedy, needed=True))
    for name, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        detail = f'missing: {", ".join(missing)}' if missing else ', '.join(modules)
        remedy = install_command(*missing) if missing else ''
        found.append(Check(name, not missing, detail, remedy))
    return found


def check_ros() -> list[Check]:
    """Look at the ROS installation: client library, middleware, message packages."""
    distro = os.environ.get('ROS_DISTRO', 'not named by the environment')
    sourced = 'sourced' if os.environ.get('AMENT_PREFIX_PATH') else 'wheels or none'
    ok, detail = probe('import rclpy; print(rclpy.get_rmw_implementation_identifier())')
    found = [
        Check(
            'ros',
            ok,
            f'{detail}; ROS_DISTRO {distro} ({sourced})',
            '' if ok else install_command('rclpy'),
            needed=True,
        )
    ]
    missing = []
    for package, types in TYPES.items():
        names = ', '.join(types.split())
        code = f'from {package}.msg import {names}' if names else f'import {package}'
        if not probe(code)[0]:
            missing.append(package)
    found.append(
        Check(
            'messages',
            not missing,
            f'missing: {", ".join(missing)}' if missing else ', '.join(TYPES),
            install_command(*missing) if missing else '',
            needed=True,
        )
    )
    return found


def check_shared_memory() -> list[Check]:
    """Look for room for images in the shared memory."""
    if not SHARED_MEMORY.is_dir():
        return [
            Check(
                'shared memory',
                False,
                f'{SHARED_MEMORY} is missing',
                f'mount a tmpfs on {SHARED_MEMORY}',
            )
        ]
    usage = shutil.disk_usage(SHARED_MEMORY)
    stale = len(list(SHARED_MEMORY.glob('fast*_*')))
    ok = usage.free >= MIN_SHARED_BYTES
    detail = (
        f'{usage.free >> 20} MiB of {usage.total >> 20} MiB free in {SHARED_MEMORY}, '
        f'{stale} segments of Fast DDS'
    )
    remedy = (
        f'give {SHARED_MEMORY} at least {MIN_SHARED_BYTES >> 20} MiB (docker run '
        '--shm-size=1g), or remove segments of nodes that are gone: fastdds shm clean'
    )
    return [Check('shared memory', ok, detail, '' if ok else remedy)]


def check_dds_profile() -> list[Check]:
    """Look at the Fast DDS profile: named, readable, with room for images."""
    if not probe('import rclpy')[0]:
        return [
            Check(
                'dds profile', ok=False, detail='not looked at: ROS is missing', remedy='see ros'
            )
        ]
    from alexnet_ros.ros.clients import dds_check

    shipped = dds_check.profile_path()
    remedy = f'export {dds_check.VARIABLES[0]}={shipped} {dds_check.VARIABLES[1]}={shipped}'
    named = dds_check.active_profile(os.environ)
    if named is None:
        return [
            Check(
                'dds profile',
                ok=False,
                remedy=remedy,
                detail='none is named; images of 640x480 will hardly get through',
            )
        ]
    fault = dds_check.profile_fault(named)
    return [Check('dds profile', not fault, fault or str(named), remedy if fault else '')]


def check_environment() -> list[Check]:
    """Look for variables that keep nodes apart: a discovery server, security, another DDS."""
    if not probe('import rclpy')[0]:
        return []
    from alexnet_ros.ros.clients.dds_check import environment_faults

    faults = environment_faults(os.environ)
    remedy = f'unset {" ".join(faults)}, or see that all nodes have the same' if faults else ''
    detail = '; '.join(faults.values()) or 'no variable keeps nodes apart'
    return [Check('ros environment', not faults, detail, remedy)]


def check_graph() -> list[Check]:
    """Look at the running graph: segment in use, image topics, who cannot hear them."""
    if not probe('import rclpy')[0]:
        return []
    from alexnet_ros.ros.clients.graph_check import survey_graph

    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    try:
        lines, faults, others, large = survey_graph()
    except Exception as error:  # noqa: BLE001 - whatever the middleware raises is the finding
        return [
            Check(
                'ros graph',
                ok=False,
                detail=f'a node cannot be made: {error}',
                remedy='look at RMW_IMPLEMENTATION and ROS_DOMAIN_ID',
                needed=True,
            )
        ]
    return [
        Check(
            'dds segment',
            large,
            'a shared-memory segment for images is made'
            if large
            else 'the shared-memory segment made is too small for images, or there is none',
            '' if large else 'see dds profile',
        ),
        Check(
            'image topics',
            not faults,
            '; '.join(faults or lines or [f'none among {others} other nodes, domain {domain}']),
            'start the cameras with the DDS profile; match their type (image_transport) and '
            'reliability (image_reliability)'
            if faults
            else '',
        ),
    ]


def check_engines() -> list[Check]:
    """Look for a GPU, TensorRT of any flavour and ONNX Runtime; one way to run is needed."""
    gpu, gpu_text = probe(
        'from alexnet_ros.engine.tensorrt.cuda import load_cuda; print(load_cuda().device())'
    )
    device = has_nvidia_gpu()
    found = [
        Check(
            'gpu',
            gpu or not device,
            gpu_text if gpu else f'none in use: {gpu_text.partition("Error: ")[2] or gpu_text}',
            'install the NVIDIA driver and cuda-python (docs/jetson.md)'
            if device and not gpu
            else '',
        )
    ]
    versions = {}
    for flavour in ('tensorrt', 'tensorrt_rtx'):
        ok, text = probe(
            'from alexnet_ros.engine.tensorrt.api import load_tensorrt; '
            f'print(load_tensorrt({flavour!r}).version)'
        )
        if ok:
            versions[flavour] = text
    usable = bool(versions) or not device
    detail = ', '.join(f'{name} {text}' for name, text in versions.items())
    found.append(
        Check(
            'tensorrt',
            usable,
            detail or 'none; ONNX Runtime is used',
            ''
            if usable
            else 'install python3-libnvinfer (JetPack), environment with '
            '--system-site-packages (docs/jetson.md)',
        )
    )
    ok, text = probe('import onnxruntime as o; print(o.__version__, *o.get_available_providers())')
    found.append(
        Check(
            'onnxruntime',
            ok,
            text,
            '' if ok else install_command('onnxruntime'),
            needed=not (gpu and versions),
        )
    )
    return found


def check_models(names: Sequence[str] = ()) -> list[Check]:
    """Verify the model packages, all that are found if none is named: hashes, labels, graph."""
    folders = [
        str(file.parent) for place in model_places() for file in sorted(place.glob('*/model.yaml'))
    ]
    found = []
    for name in names or dict.fromkeys(folders):
        try:
            package = ModelPackage.load(name)
            for precision in PRECISIONS:
                if precision in package.files:
                    package.read_onnx(precision)
            short = package.sha256()[:12]
            files = ', '.join(sorted(package.files))
            detail = f'{package.name} {package.version}: {files}, sha256 {short}'
            found.append(Check(f'model {Path(name).name}', ok=True, detail=detail, needed=True))
        except AlexnetRosError as error:
            found.append(
                Check(
                    f'model {Path(name).name}',
                    ok=False,
                    detail=str(error),
                    remedy='restore the model folder from where it came',
                    needed=True,
                )
            )
    if not found:
        found.append(
            Check(
                'models',
                ok=False,
                detail='there is not a model package',
                remedy='make one with alexnet_ros export (docs/training.md)',
            )
        )
    return found


def check_engine_cache() -> list[Check]:
    """Verify every compiled engine of the user's cache."""
    try:
        folder = default_folder()
        if not folder.exists():
            return [Check('engine cache', ok=True, detail=f'{folder} does not exist yet')]
        entries = EngineCache().entries()
    except AlexnetRosError as error:
        detail, _, remedy = str(error).partition('; ')
        return [Check('engine cache', ok=False, detail=detail, remedy=remedy or 'see there')]
    bad = [f'{entry.path.name}: {entry.state}' for entry in entries if entry.state != 'ok']
    size = sum(entry.bytes for entry in entries) >> 20
    detail = '; '.join(bad) or f'{len(entries)} files, {size} MiB in {folder}'
    remedy = 'they are rebuilt by themselves; remove what is no longer wanted'
    return [Check('engine cache', not bad, detail, remedy if bad else '')]
