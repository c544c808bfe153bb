"""The root files agree with each other and with what they describe."""

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import alexnet_ros

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ET.parse(ROOT / 'package.xml').getroot()  # noqa: S314 - our own file


def test_version_is_the_same_everywhere() -> None:
    version = PACKAGE.findtext('version')
    changes = (ROOT / 'CHANGELOG.rst').read_text()
    assert alexnet_ros.__version__ == version
    assert re.search(rf'^{re.escape(version)} \(', changes, re.MULTILINE)
    words = [sys.executable, '-W', 'ignore', 'setup.py', '--version']
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == version


def test_package_xml_is_of_format_3_with_ament_python() -> None:
    assert PACKAGE.get('format') == '3'
    assert PACKAGE.findtext('export/build_type') == 'ament_python'
    assert PACKAGE.findtext('license') == 'Apache-2.0'


def test_package_xml_names_every_message_package_that_is_imported() -> None:
    declared = {element.text for element in PACKAGE.iter() if element.tag.endswith('depend')}
    imported = set()
    for path in (ROOT / 'alexnet_ros' / 'ros').glob('*.py'):
        for name in re.findall(r'^\s*from (\w+)\.(?:msg|srv)', path.read_text(), re.MULTILINE):
            imported.add(name)
    assert imported - declared == set()


def test_interface_definitions_equal_those_of_the_bag_types() -> None:
    typestore = pytest.importorskip('alexnet_ros.bags.typestore')
    for name, text in typestore.definitions().items():
        package, _, message = name.split('/')
        if package == 'foxglove_msgs':  # in bags alone, no node speaks it
            continue
        path = ROOT / 'tools' / 'interfaces' / package / 'msg' / f'{message}.msg'
        mine = [_normal(line, package) for line in path.read_text().split('\n') if line.strip()]
        other = [_normal(line, package) for line in text.split('\n') if line.strip()]
        assert mine == other, name


def _normal(line: str, package: str) -> tuple[str, str]:
    """Return type and field name, the type with its package."""
    kind, field = line.split()
    return (kind if '/' in kind or kind[0].islower() else f'{package}/{kind}'), field


def test_interfaces_are_hidden_from_colcon() -> None:
    assert (ROOT / 'tools' / 'interfaces' / 'COLCON_IGNORE').exists()


def test_every_requirement_is_pinned() -> None:
    for path in (ROOT / 'tools' / 'requirements').glob('*.txt'):
        for line in path.read_text().splitlines():
            if line and not line.startswith('#'):
                assert re.match(r'^[\w.-]+==[\w.]+(; .+)?$', line), f'{path.name}: {line}'


def test_every_requirement_has_its_locked_form_with_hashes() -> None:
    folder = ROOT / 'tools' / 'requirements'
    for path in folder.glob('*.txt'):
        if path.name == 'constraints.txt':
            continue
        locked = (folder / 'locked' / path.name).read_text()
        blocks = re.split(r'\n(?=[^\s#])', '\n' + locked)[1:]
        assert all(re.search(r'--hash=sha256:[0-9a-f]{64}', block) for block in blocks)
        found = {
            re.sub(r'[-_.]+', '-', name).lower()
            for name in re.findall(r'^([\w.-]+==[\w.]+)', locked, re.MULTILINE)
        }
        for line in path.read_text().splitlines():
            if line and not line.startswith(('#', 'torch==')):
                name = re.sub(r'[-_.]+', '-', line.split(';')[0].strip()).lower()
                assert name in found, f'{path.name}: {name}; run tools/lock.py'


OPTIONAL = {  # used where they are found
    'ray',
    'tensorrt',
    'tensorrt_rtx',
    'compression',
    'bond',
    'bondpy',
    'launch',
    'launch_ros',  # apt has these, the index has not
}
BROUGHT = {'apsw': 'rosbags', 'backports': 'rosbags', 'lz4': 'rosbags'}
MODULES = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'cuda': 'cuda-bindings',
    'jinja2': 'Jinja2',
    'yaml': 'PyYAML',
    'tensorrt_rtx_bindings': 'tensorrt_rtx_cu13_bindings',
    **BROUGHT,
}


def test_every_package_that_is_imported_is_installed_by_the_set_up() -> None:
    installed = {
        re.split(r'[=;]', line)[0]
        for path in (ROOT / 'tools' / 'requirements').glob('*.txt')
        for line in path.read_text().splitlines()
    }
    ros = {name.removeprefix('ros-').replace('-', '_') for name in installed}
    ours = {path.parent.name for path in (ROOT / 'tools' / 'interfaces').glob('*/package.xml')}
    own = {path.stem for path in (*ROOT.glob('tools/*.py'), *ROOT.glob('benchmarks/*.py'))}
    missing = set()
    for folder in ('alexnet_ros', 'tests', 'benchmarks', 'tools'):
        for path in (ROOT / folder).rglob('*.py'):
            for name in _imported(path) - set(sys.stdlib_module_names) - OPTIONAL - own - ours:
                if name not in {'alexnet_ros', 'tests', 'tools'} | ros and (
                    MODULES.get(name, name) not in installed
                ):
                    missing.add(f'{name} ({path.relative_to(ROOT)})')
    assert missing == set()


def _imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split('.')[0])
    return found
