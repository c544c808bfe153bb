"""Message classes by their names."""

import importlib
from typing import Any


def message_class(kind: str) -> Any:
    """
    Return the class of a message type.

    >>> message_class('std_msgs/msg/Bool').__name__
    'Bool'

    :param kind: package, ``msg`` and name, as bags and the graph write it.
    :raises ImportError: the package is not installed.
    :raises AttributeError: the package has no such message.
    """
    package, _, name = kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)
