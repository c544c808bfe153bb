"""The import rule of docs/architecture.md, checked from the source."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / 'alexnet_ros'
LAYERS = (  # a module imports from rows above its own, or from its own folder
    {'errors', 'records'},
    {'config', 'labels'},
    {'model_package'},
    {'sign_candidates', 'sign_colours', 'sign_edges', 'sign_masks', 'sign_shapes', 'sign_weights'},
    {'sign_outlines', 'sign_policy', 'sign_rating', 'sign_symmetry'},
    {'codec', 'preprocess', 'regions', 'postprocess', 'tracking', 'navigation', 'overlay'},
    {'engine'},
    {'recognizer'},
    {'training', 'replay', 'ros', 'bench'},
    {'cli'},
    {'__main__'},
)
FENCED = {  # third-party package: where alone it may be imported
    'rclpy': 'ros/',
    'tensorrt': 'engine/trt_api.py',
    'tensorrt_rtx': 'engine/trt_api.py',
    'tensorrt_rtx_bindings': 'engine/trt_api.py',
    'onnxruntime': 'engine/onnxrt.py',
    'openvino': 'engine/openvino.py',
    'torch': 'training/',
    'rosbags': 'replay/',
    'ray': 'replay/',
    'cuda': 'engine/cuda.py',
    'onnx': 'training/',
}
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}


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
