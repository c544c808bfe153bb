"""Reading ``model.yaml``: strict YAML, and fields that say what is wrong with them."""

import reprlib
from collections.abc import Mapping
from typing import Any

from alexnet_ros.errors import ModelPackageError, is_one_line
from alexnet_ros.files import yaml_mapping


def mapping_from_yaml(data: bytes, source: str) -> 'Fields':
    """
    Parse a small YAML file whose top level is a mapping.

    :raises ModelPackageError: see :func:`alexnet_ros.files.yaml_mapping`.
    """
    return Fields(yaml_mapping(data, source, ModelPackageError), source)


def shown(value: Any) -> str:
    """Return a short form of any value for a message."""
    try:
        return reprlib.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f'a {type(value).__name__}'


class Fields:
    """
    A mapping of a file whose values are taken out checked, one by one.

    :param values: what the file says.
    :param source: file, and the path of this mapping in it, for messages.
    """

    def __init__(self, values: Mapping[Any, Any], source: str) -> None:
        self._values = values
        self.source = source

    def refuse(self, name: str, expected: str) -> ModelPackageError:
        """Return the error for one field: expected, got."""
        if name not in self._values:
            return ModelPackageError(f'{self.source}: {name} is missing; expected {expected}')
        got = shown(self._values[name])
        return ModelPackageError(f'{self.source}: {name} must be {expected}, got {got}')

    def only(self, *known: str) -> None:
        """Refuse every name but these."""
        for name in self._values:
            if name not in known:
                raise ModelPackageError(
                    f'{self.source}: unknown field {shown(name)}; known are {", ".join(known)}'
                )

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._values.get(name) is not None

    def names(self) -> tuple[Any, ...]:
        """All names, as written."""
        return tuple(self._values)

    def text(self, name: str, default: str | None = None, *, limit: int = 200) -> str:
        """Return a text of one line that is not empty."""
        if name not in self and default is not None:
            return default
        value = self._values.get(name)
        if (
            not isinstance(value, str)
            or not value.strip()
            or len(value) > limit
            or not is_one_line(value)
        ):
            raise self.refuse(name, f'text of 1 to {limit} characters (quote numbers)')
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of the given words."""
        value = self._values.get(name, default)
        if value not in choices:
            raise self.refuse(name, f'one of {", ".join(choices)}')
        return str(value)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return an integer in a closed range."""
        value = self._values.get(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self.refuse(name, f'a whole number from {low} to {high}')
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a finite number in a closed range."""
        value = self._values.get(name, default)
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not plain or not low <= value <= high:  # NaN is in no range
            raise self.refuse(name, f'a number from {low:g} to {high:g}')
        return float(value)

    def mapping(self, name: str, *, needed: bool = False) -> 'Fields':
        """Return a nested mapping, an empty one if the name is not there."""
        value = self._values.get(name)
        if value is None and not needed:
            value = {}
        if not isinstance(value, dict):
            raise self.refuse(name, 'a mapping of fields')
        return Fields(value, f'{self.source}: {name}')

    def plain(self) -> dict[str, Any]:
        """Return the values as they are."""
        return {str(name): value for name, value in self._values.items()}
