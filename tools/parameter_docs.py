"""
The parameter file and the parameter table of each node, from the declarations.

``python tools/parameter_docs.py`` writes them anew; a test fails
when they differ from the declarations.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from alexnet_ros.config import ClassifierSettings, NavigatorSettings, flat_fields
from alexnet_ros.ros.parameters import default_of

BEGIN, END = '<!-- parameters -->', '<!-- end of parameters -->'
ROOT = Path(__file__).resolve().parents[1]
YAML = ROOT / 'config' / 'classifier.param.yaml'
MANUAL = ROOT / 'docs' / 'node.md'
NAVIGATOR_YAML = ROOT / 'config' / 'navigator.param.yaml'
NAVIGATOR_MANUAL = ROOT / 'docs' / 'navigation.md'
HEAD = """\
# Every parameter of the {node} node with its default value.
# Written by `python tools/parameter_docs.py`.
/**:
  ros__parameters:
"""


def yaml_text(value: Any) -> str:
    """Return a value as YAML that ROS reads back with the same type."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).split('\n...')[0].strip()


def range_text(facts: Any) -> str:
    """Return the allowed values of one setting, or an empty text."""
    if facts['choices']:
        return ', '.join(facts['choices'])
    if facts['low'] is None:
        return ''
    return f'{facts["low"]} to {facts["high"]}'


def parameter_file(kind: type, node: str = 'classifier') -> str:
    """
    Return a parameter file with all settings of a class at their defaults.

    :param node: name of its executable.
    """
    lines = [HEAD.format(node=node)]
    for name, field in flat_fields(kind).items():
        facts = field.metadata
        notes = [part for part in (range_text(facts), 'live' if facts['live'] else '') if part]
        note = f' ({"; ".join(notes)})' if notes else ''
        lines.append(f'    # {facts["text"]}{note}\n')
        value = default_of(field)
        lines.append(
            f'    # {name}: not set\n' if value is None else f'    {name}: {yaml_text(value)}\n'
        )
    return ''.join(lines)


def _default_text(field: Any) -> str:
    value = default_of(field)
    return 'not set' if value is None else f'`{yaml_text(value)}`'


def parameter_table(kind: type) -> str:
    """Return a Markdown table of all settings of a class."""
    lines = ['| parameter | default | allowed | live | meaning |', '|---|---|---|---|---|']
    for name, field in flat_fields(kind).items():
        facts = field.metadata
        lines.append(
            f'| `{name}` | {_default_text(field)} | {range_text(facts)} | '
            f'{"yes" if facts["live"] else "no"} | {facts["text"]} |'
        )
    return '\n'.join(lines) + '\n'


def manual_with_table(manual: str, kind: type) -> str:
    """Return a manual with the table between its two marks replaced."""
    before, rest = manual.split(BEGIN)
    _, after = rest.split(END)
    return f'{before}{BEGIN}\n{parameter_table(kind)}{END}{after}'


def main() -> int:
    """Write the parameter files and the tables in the manuals."""
    for kind, node, file, manual in (
        (ClassifierSettings, 'classifier', YAML, MANUAL),
        (NavigatorSettings, 'sign_navigator', NAVIGATOR_YAML, NAVIGATOR_MANUAL),
    ):
        file.write_text(parameter_file(kind, node), encoding='utf-8')
        text = manual.read_text(encoding='utf-8')
        manual.write_text(manual_with_table(text, kind), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
