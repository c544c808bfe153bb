"""Where data lies that tests may read but the project does not hold."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1] / '../shared'


def shared(name: str) -> Path:
    """
    Return a file or folder of the shared data, or skip the test.

    :param name: its path in the folder ``shared`` beside the checkout.
    """
    path = (SHARED / name).resolve()
    if not path.exists():
        pytest.skip(f'needs {name} in the folder "shared" beside the checkout')
    return path
