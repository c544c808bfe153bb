"""Installs the package, with colcon or with pip; its version is package.xml's."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'alexnet_ros'
HERE = Path(__file__).resolve().parent
VERSION = re.findall(r'<version>(.+)</version>', (HERE / 'package.xml').read_text())[0]


def files_below(folder: str) -> list[tuple[str, list[str]]]:
    """
    Return data_files entries for a folder, one a folder.

    :param folder: relative to the project; what Git ignores by habit is left out.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((HERE / folder).rglob('*')):
        if path.is_file() and '__pycache__' not in path.parts and path.suffix != '.engine':
            place = path.relative_to(HERE)
            found.setdefault(f'share/{NAME}/{place.parent}', []).append(str(place))
    return list(found.items())


setup(
    name=NAME,
    version=VERSION,
    description='Image recognition with AlexNet for ROS 2',
    license='Apache-2.0',
    author='The alexnet_ros authors',
    url='https://index.ros.org/p/alexnet_ros/',
    maintainer='alexnet_ros maintainers',
    maintainer_email='alexnet_ros@users.noreply.github.com',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        NAME: [
            'py.typed',
            'bags/messages.msg',
            'report/templates/*',
            'synthetic/signs.png',
            'dataset/label.html',
            'cli/help/*',
        ]
    },
    python_requires='>=3.10',
    install_requires=['setuptools', 'numpy', 'PyYAML', 'tqdm'],
    extras_require={
        'onnxruntime': ['onnxruntime', 'opencv-python-headless'],
        'replay': ['av', 'rosbags', 'opencv-python-headless', 'Jinja2', 'tqdm'],
        'train': [
            'torch',
            'onnx',
            'onnxruntime',
            'safetensors',
            'Pillow',
            'opencv-python-headless',
            'matplotlib',
            'tqdm',
        ],
        'cuda': ['cuda-bindings'],
        'test': ['pytest', 'hypothesis'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/benchmarks', ['benchmarks/node.py']),
        *files_below('launch'),
        *files_below('config'),
        *files_below('models'),
    ],
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'alexnet_ros = alexnet_ros.cli.main:main',
            'classifier = alexnet_ros.cli.guard:classifier',
            'sign_navigator = alexnet_ros.cli.guard:sign_navigator',
            'velocity_gate = alexnet_ros.cli.guard:velocity_gate',
        ]
    },
)
