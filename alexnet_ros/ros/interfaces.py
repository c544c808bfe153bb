"""Message classes by their names."""

import importlib
from functools import cache
from typing import Any


@cache
def message_class(kind: str) -> Any:
    """
    Return the class of a type such as ``std_msgs/msg/Bool``.

    :raises ImportError: the package is not installed.
    :raises AttributeError: the package has no such message.
    """
    package, _, name = kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)
