"""
The packages beside Python itself: which one a module belongs to, and what installs it.

The commands, the nodes, ``doctor`` and the tests all word a missing package
from this list.
"""

import os
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple


class Dependency(NamedTuple):
    """
    One package that may be missing.

    :param pip: its name on the Python package index, with a version where any other one
        would do harm; empty where the index has none.
    :param apt: its name on Debian and Ubuntu, without ``ros-$ROS_DISTRO-``; empty if none.
    :param ros: it is a package of the ROS distribution.
    """

    pip: str
    apt: str = ''
    ros: bool = False


DEPENDENCIES = {  # module: its package
    'numpy': Dependency('numpy', 'python3-numpy'),
    'cv2': Dependency('opencv-python-headless', 'python3-opencv'),
    'yaml': Dependency('PyYAML', 'python3-yaml'),
    'jinja2': Dependency('Jinja2', 'python3-jinja2'),
    'tqdm': Dependency('tqdm', 'python3-tqdm'),
    'onnxruntime': Dependency('onnxruntime'),
    'openvino': Dependency('openvino'),
    'rosbags': Dependency('rosbags'),
    'lz4': Dependency('lz4', 'python3-lz4'),
    'ruamel': Dependency('ruamel.yaml', 'python3-ruamel.yaml'),
    'apsw': Dependency('apsw', 'python3-apsw'),
    'torch': Dependency('torch==2.13.0'),  # an open range brings gigabytes of CUDA
    'onnx': Dependency('onnx'),
    'PIL': Dependency('Pillow', 'python3-pil'),
    'safetensors': Dependency('safetensors'),
    'matplotlib': Dependency('matplotlib', 'python3-matplotlib'),
    'ray': Dependency('ray'),
    'cuda': Dependency('cuda-bindings'),
    'argcomplete': Dependency('argcomplete', 'python3-argcomplete'),
    'hypothesis': Dependency('hypothesis', 'python3-hypothesis'),
    'tensorrt': Dependency('', 'python3-libnvinfer'),
    'tensorrt_rtx': Dependency('tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs'),
    'tensorrt_rtx_bindings': Dependency('tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs'),
    **dict.fromkeys(('lark', 'empy'), Dependency('', 'rosidl-default-runtime', ros=True)),
    **{
        name: Dependency('', name.replace('_', '-'), ros=True)
        for name in (
            'rclpy',
            'ament_index_python',
            'bondpy',
            'builtin_interfaces',
            'diagnostic_msgs',
            'geometry_msgs',
            'launch',
            'launch_ros',
            'lifecycle_msgs',
            'nav_msgs',
            'nav2_msgs',
            'rcl_interfaces',
            'rosgraph_msgs',
            'sensor_msgs',
            'std_msgs',
            'std_srvs',
            'vision_msgs',
        )
    },
}


def install_command(*modules: str) -> str:
    """
    Return the command that brings modules into the environment that runs now.

    :param modules: top-level names; at least one, all known here or on the index by
        their own name.
    """
    found = {name: DEPENDENCIES.get(name, Dependency(name)) for name in modules}
    steps = []
    ros = [one.apt for one in found.values() if one.ros]
    if ros and os.environ.get('AMENT_PREFIX_PATH'):
        distro = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        names = ' '.join(dict.fromkeys(f'ros-{distro}-{name}' for name in ros))
        steps.append(f'sudo apt install {names}')
    elif ros:
        steps.append("source ROS 2's setup.bash, or run make set-up in a checkout")
    rest = [one for one in found.values() if not one.ros]
    in_environment = sys.prefix != sys.base_prefix
    by_apt = [one.apt for one in rest if one.apt and not (in_environment and one.pip)]
    if by_apt:
        steps.append(f'sudo apt install {" ".join(dict.fromkeys(by_apt))}')
    by_pip = [one.pip for one in rest if one.pip and (in_environment or not one.apt)]
    if by_pip:
        steps.append(f'{_pip(in_environment=in_environment)} {" ".join(dict.fromkeys(by_pip))}')
    return '; '.join(steps)


def _pip(*, in_environment: bool) -> str:
    """
    Return how to call pip here.

    Outside an environment NumPy keeps its major version: apt's OpenCV and the ROS message
    packages were compiled for it. Since 23.04 Ubuntu refuses pip there unless told otherwise.
    """
    words = [sys.executable or 'python3', '-m', 'pip', 'install']
    if not in_environment:
        words.append('--user')
        if (Path(sysconfig.get_path('stdlib')) / 'EXTERNALLY-MANAGED').exists():
            words.append('--break-system-packages')
        numpy = sys.modules.get('numpy')
        major = int(getattr(numpy, '__version__', '1').partition('.')[0])
        words.append(f"'numpy<{major + 1}'")
    return ' '.join(words)


def missing_package(error: ImportError) -> str:
    """Return one line on a failed import with what installs it; empty if our own module failed."""
    name = (error.name or '').partition('.')[0]
    if name == 'alexnet_ros' or (not name and not str(error)):
        return ''
    text = ' '.join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        package = DEPENDENCIES.get(name, Dependency(name))
        label = (package.pip or package.apt or name).partition('==')[0]
        return f'needs {label} (Python module {name}), which is not installed: ' + install_command(
            name
        )
    broken = f'{name} cannot be loaded: {text}' if name else f'a package is broken: {text}'
    return f'{broken}; reinstall it: {install_command(name)}' if name else broken
