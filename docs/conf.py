"""Sphinx configuration: ``make docs`` here, rosdoc2 on the ROS build farm."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = 'alexnet_ros'
project_copyright = 'alexnet_ros maintainers, Apache-2.0'
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.viewcode']
source_suffix = {'.md': 'markdown', '.rst': 'restructuredtext'}
exclude_patterns = ['_build']
HEAVY = (
    'bondpy cuda foxglove launch launch_ros onnx onnxruntime openvino ray rclpy safetensors '
    'tensorrt tensorrt_rtx tensorrt_rtx_bindings torch'
)
autodoc_mock_imports = [name for name in HEAVY.split() if importlib.util.find_spec(name) is None]
autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
myst_heading_anchors = 3
suppress_warnings = ['myst.xref_missing', 'ref.python', 'image.not_readable']
html_theme = 'alabaster'
html_theme_options = {'page_width': '1100px', 'sidebar_width': '240px'}
html_static_path: list[str] = []
