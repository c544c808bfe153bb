"""The import rule of docs/architecture.md, checked from the source."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1] / 'alexnet_ros'
ARCHITECTURE = ROOT.parent / 'docs/architecture.md'
ROW = re.compile(r'^\| \d+ \| (.+?) \|', re.MULTILINE)
FENCED: dict[str, str | tuple[str, ...]] = {  # third-party package: where alone it may be imported
    'rclpy': 'ros/',
    'tensorrt': 'engine/tensorrt/api.py',
    'tensorrt_rtx': 'engine/tensorrt/api.py',
    'tensorrt_rtx_bindings': 'engine/tensorrt/api.py',
    'onnxruntime': ('engine/onnxrt.py', 'training/foreign.py'),
    'openvino': 'engine/openvino.py',
    'torch': 'training/',
    'rosbags': 'bags/',
    'ray': 'replay/',
    'cuda': 'engine/tensorrt/cuda.py',
    'onnx': ('training/', 'engine/tensorrt/half.py'),
}
RANK = {  # a module imports from rows above its own, or from its own folder
    name: rank
    for rank, row in enumerate(ROW.findall(ARCHITECTURE.read_text(encoding='utf-8')))
    for name in re.findall(r'`(\w+)/?`', row)
} | {'__main__': 1000}


def imported(path: Path) -> set[str]:
    """Return the absolute module names that one file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path} has a relative import'
            module = node.module or ''
            bare = module == 'alexnet_ros'
            names |= {f'{module}.{a.name}' for a in node.names} if bare else {module}
    return names


def test_imports_follow_the_layers() -> None:
    strays = []
    for path in ROOT.rglob('*.py'):
        place = path.relative_to(ROOT).as_posix()
        if place == '__init__.py':
            continue
        own = place.split('/')[0].removesuffix('.py')
        for name in imported(path):
            head, *rest = name.split('.')
            fenced = head in FENCED and not place.startswith(FENCED[head])
            ours = head == 'alexnet_ros' and rest and rest[0] in RANK
            if fenced or (ours and rest[0] != own and RANK[rest[0]] >= RANK[own]):
                strays.append(f'{place} imports {name}')
    assert not strays


def test_every_module_has_a_row_and_every_row_a_module() -> None:
    modules = {
        path.name.removesuffix('.py')
        for path in ROOT.iterdir()
        if path.name[0] != '_' and path.suffix in {'', '.py'}
    }
    assert modules | {'__main__'} == set(RANK)


def test_each_trip_of_the_documentation_names_at_most_eight_real_files() -> None:
    text = ARCHITECTURE.read_text(encoding='utf-8')
    trips = text.partition('## Three trips')[2].partition('\n## ')[0].split('\n**')[1:]
    assert len(trips) == 3
    for trip in trips:
        files = [
            name
            for row in re.findall(r'^\| (`.+?) \|', trip, re.MULTILINE)
            for name in re.findall(r'`([\w/]+\.py)`', row)
        ]
        assert 3 <= len(files) <= 8
        for name in files:
            assert (ROOT / name).is_file(), name
