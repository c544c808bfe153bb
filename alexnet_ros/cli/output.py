"""What the commands print alike: JSON lines, errors, names of files."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_ros.errors import printable
from alexnet_ros.model_package import ModelPackage

REGIONS = {'GTSRB': 'German'}  # data set: whose signs it shows


def print_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object as one line, at once; NaN is refused, JSON has none."""
    print(json.dumps(values, allow_nan=False), flush=True)


def print_error(command: str, text: str) -> None:
    """Print one line about something that failed, to standard error."""
    line = printable(' '.join(text.split()))
    print(f'alexnet_ros {command}: {line}', file=sys.stderr, flush=True)


def knows(package: ModelPackage) -> str:
    """Return what a model can name, such as ``knows 43 German signs``."""
    labels = package.known_labels
    told = f'{package.origin.get("region", "")} {package.origin.get("data", "")}'
    region = next((f'{words} ' for key, words in REGIONS.items() if key in told), '')
    things = 'signs' if all(label.role == 'sign' for label in labels) else 'classes'
    return f'knows {len(labels)} {region}{things}'


def shown_path(path: Path | str) -> str:
    """Return a path as text that any terminal and any JSON reader takes."""
    return os.fsencode(path).decode('utf-8', 'replace')
