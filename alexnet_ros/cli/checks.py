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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.cli.models import installed_models
from alexnet_ros.dependencies import install_command
from alexnet_ros.engine.cache import EngineCache
from alexnet_ros.engine.cache_folder import default_folder
from alexnet_ros.engine.host import has_nvidia_gpu
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.model_package import ModelPackage

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


@dataclass(frozen=True)
class Check:
    """
    One finding.

    :param ok: nothing to do about it.
    :param remedy: what to do if it is not ok; empty where it is.
    :param needed: the nodes cannot work while this is not ok.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ''
    needed: bool = False

    def __post_init__(self) -> None:
        """Drop the remedy of what needs none."""
        if self.ok:
            object.__setattr__(self, 'remedy', '')


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
    detail = f'{platform.python_version()} at {sys.executable}'
    found = [Check('python', sys.version_info >= (3, 10), detail, needed=True)]
    for name, module in {
        'numpy': 'numpy',
        'opencv': 'cv2',
        'yaml': 'yaml',
        'tqdm': 'tqdm',
    }.items():
        ok, detail = probe(f'import {module}; print({module}.__version__)')
        found.append(Check(name, ok, detail, '' if ok else install_command(module), needed=True))
    for name, wanted in EXTRAS.items():
        missing = [module for module in wanted if importlib.util.find_spec(module) is None]
        found.append(_packages(name, wanted, missing))
    return found


def _packages(
    name: str, wanted: Iterable[str], missing: Sequence[str], *, needed: bool = False
) -> Check:
    """Return the finding about packages of which some may be missing."""
    if not missing:
        return Check(name, ok=True, detail=', '.join(wanted), needed=needed)
    told = f'missing: {", ".join(missing)}'
    return Check(name, ok=False, detail=told, remedy=install_command(*missing), needed=needed)


def check_ros() -> list[Check]:
    """Look at the ROS installation: client library, middleware, message packages."""
    distro = os.environ.get('ROS_DISTRO', 'not named by the environment')
    sourced = 'sourced' if os.environ.get('AMENT_PREFIX_PATH') else 'wheels or none'
    ok, detail = probe('import rclpy; print(rclpy.get_rmw_implementation_identifier())')
    detail = f'{detail}; ROS_DISTRO {distro} ({sourced})'
    remedy = '' if ok else install_command('rclpy')
    missing = []
    for package, types in TYPES.items():
        names = ', '.join(types.split())
        if not probe(f'from {package}.msg import {names}' if names else f'import {package}')[0]:
            missing.append(package)
    messages = _packages('messages', TYPES, missing, needed=True)
    return [Check('ros', ok, detail, remedy, needed=True), messages]


def check_shared_memory() -> list[Check]:
    """Look for room for images in the shared memory."""
    name, place = 'shared memory', SHARED_MEMORY
    if not place.is_dir():
        return [Check(name, False, f'{place} is missing', f'mount a tmpfs on {place}')]
    usage = shutil.disk_usage(place)
    stale = len(list(place.glob('fast*_*')))
    detail = f'{usage.free >> 20} MiB of {usage.total >> 20} MiB free in {place}, '
    remedy = (
        f'give {place} at least {MIN_SHARED_BYTES >> 20} MiB (docker run --shm-size=1g), or '
        'remove segments of nodes that are gone: fastdds shm clean'
    )
    detail += f'{stale} segments of Fast DDS'
    return [Check(name, usage.free >= MIN_SHARED_BYTES, detail, remedy)]


def check_dds_profile() -> list[Check]:
    """Look at the Fast DDS profile: named, readable, with room for images."""
    name = 'dds profile'
    if not probe('import rclpy')[0]:
        return [Check(name, False, 'not looked at: ROS is missing', 'see ros')]
    from alexnet_ros.ros.clients import dds_check

    shipped = dds_check.profile_path()
    remedy = f'export {dds_check.VARIABLES[0]}={shipped} {dds_check.VARIABLES[1]}={shipped}'
    named = dds_check.active_profile(os.environ)
    fault = 'none is named; images of 640x480 will hardly get through'
    if named is not None:
        fault = dds_check.profile_fault(named)
    return [Check(name, not fault, fault or str(named), remedy)]


def check_environment() -> list[Check]:
    """Look for variables that keep nodes apart: a discovery server, security, another DDS."""
    if not probe('import rclpy')[0]:
        return []
    from alexnet_ros.ros.clients.dds_check import environment_faults

    faults = environment_faults(os.environ)
    detail = '; '.join(faults.values()) or 'no variable keeps nodes apart'
    remedy = f'unset {" ".join(faults)}, or see that all nodes have the same'
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
        told, remedy = (
            f'a node cannot be made: {error}',
            'look at RMW_IMPLEMENTATION and ROS_DOMAIN_ID',
        )
        return [Check('ros graph', False, told, remedy, needed=True)]
    segment = 'a shared-memory segment for images is made'
    if not large:
        segment = 'the shared-memory segment made is too small for images, or there is none'
    topics = '; '.join(faults or lines or [f'none among {others} other nodes, domain {domain}'])
    remedy = (
        'start the cameras with the DDS profile; match their type (image_transport) and '
        'reliability (image_reliability)'
    )
    return [
        Check('dds segment', large, segment, 'see dds profile'),
        Check('image topics', not faults, topics, remedy),
    ]


def check_engines() -> list[Check]:
    """Look for a GPU, TensorRT of any flavour and ONNX Runtime; one way to run is needed."""
    device = has_nvidia_gpu()
    gpu, told = probe(
        'from alexnet_ros.engine.tensorrt.cuda import load_cuda; print(load_cuda().device())'
    )
    detail = told if gpu else f'none in use: {told.partition("Error: ")[2] or told}'
    remedy = 'install the NVIDIA driver and cuda-python (docs/jetson.md)'
    found = [Check('gpu', gpu or not device, detail, remedy)]
    versions = []
    for flavour in ('tensorrt', 'tensorrt_rtx'):
        ok, told = probe(
            'from alexnet_ros.engine.tensorrt.api import load_tensorrt; '
            f'print(load_tensorrt({flavour!r}).version)'
        )
        versions += [f'{flavour} {told}'] * ok
    remedy = (
        'install python3-libnvinfer (JetPack), environment with --system-site-packages '
        '(docs/jetson.md)'
    )
    detail = ', '.join(versions) or 'none; ONNX Runtime is used'
    found.append(Check('tensorrt', bool(versions) or not device, detail, remedy))
    ok, told = probe('import onnxruntime as o; print(o.__version__, *o.get_available_providers())')
    remedy = '' if ok else install_command('onnxruntime')
    found.append(Check('onnxruntime', ok, told, remedy, needed=not (gpu and versions)))
    return found


def check_models(names: Sequence[str] = ()) -> list[Check]:
    """Verify the model packages, all that are found if none is named: hashes, labels, graph."""
    found = []
    for name in names or installed_models():
        try:
            package = ModelPackage.load(name)
            for precision in package.files:
                package.read_onnx(precision)
        except AlexnetRosError as error:
            ok, detail = False, str(error)
        else:
            files = ', '.join(sorted(package.files))
            ok, short = True, package.sha256()[:12]
            detail = f'{package.name} {package.version}: {files}, sha256 {short}'
        remedy = 'restore the model folder from where it came'
        found.append(Check(f'model {Path(name).name}', ok, detail, remedy, needed=True))
    none = 'there is not a model package'
    remedy = 'make one with alexnet_ros export (docs/training.md)'
    return found or [Check('models', False, none, remedy)]


def check_engine_cache() -> list[Check]:
    """Verify every compiled engine of the user's cache."""
    name = 'engine cache'
    try:
        folder = default_folder()
        if not folder.exists():
            return [Check(name, ok=True, detail=f'{folder} does not exist yet')]
        entries = EngineCache().entries()
    except AlexnetRosError as error:
        detail, _, remedy = str(error).partition('; ')
        return [Check(name, False, detail, remedy or 'see there')]
    bad = [f'{entry.path.name}: {entry.state}' for entry in entries if entry.state != 'ok']
    size = sum(entry.bytes for entry in entries) >> 20
    detail = '; '.join(bad) or f'{len(entries)} files, {size} MiB in {folder}'
    remedy = 'they are rebuilt by themselves; remove what is no longer wanted'
    return [Check(name, not bad, detail, remedy)]
