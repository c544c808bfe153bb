"""How a setting is declared, and how settings are made from a mapping and checked."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from alexnet_ros.errors import ConfigError

T = TypeVar('T')


def setting(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    *,
    choices: tuple[str, ...] = (),
    live: bool = False,
    kind: type | None = None,
) -> Any:
    """
    Declare one setting.

    :param default: its value unless set; its type is the setting's type.
    :param text: one sentence with the unit.
    :param low: smallest allowed value, for numbers.
    :param high: largest allowed value, for numbers.
    :param choices: the allowed strings, if not all.
    :param live: may be changed while the node is active.
    :param kind: type of the value where the default is None, which means not set.
    """
    kind = kind or type(default)
    if kind is float:
        low, high = (None if one is None else float(one) for one in (low, high))
    facts = {
        'text': text,
        'low': low,
        'high': high,
        'choices': choices,
        'live': live,
        'kind': kind,
    }
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=facts)
    return dataclasses.field(default=default, metadata=facts)


def live(default: Any, text: str, *bounds: float, **more: Any) -> Any:
    """Declare one that may be changed while the node is active; see :func:`setting`."""
    return setting(default, text, *bounds, **more, live=True)


def in_order(name: str, value: float, other: str, most: float) -> None:
    """Raise ConfigError where one setting is above another that bounds it."""
    if value > most:
        raise ConfigError(f'{name} <= {other} must hold, got {value} and {most}')


def flat_fields(kind: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the settings of a class and of the classes nested in it, by name."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for field in dataclasses.fields(kind):
        nested = field.default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            found |= flat_fields(nested)
        else:
            found[field.name] = field
    return found


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    facts = field.metadata
    if value is None and field.default is None:
        return None
    if facts['kind'] is float and type(value) is int:
        value = float(value)
    if type(value) is not facts['kind']:
        wanted = facts['kind'].__name__
        raise ConfigError(f'{field.name} must be {wanted}, got {value!r} ({type(value).__name__})')
    if facts['choices'] and value not in facts['choices']:
        raise ConfigError(f'{field.name} must be one of {facts["choices"]}, got {value!r}')
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = facts['low'], facts['high']
        low = -math.inf if low is None else low
        high = math.inf if high is None else high
        if not (math.isfinite(value) and low <= value <= high):
            raise ConfigError(f'{field.name} must be in [{low}, {high}], got {value!r}')
    return value


def settings_from_mapping(kind: type[T], values: Mapping[str, Any]) -> T:
    """
    Build checked settings from flat names.

    :param values: flat name to value; what is missing takes its default.
    :raises ConfigError: unknown name, wrong type or out of range.
    """
    known = flat_fields(kind)
    for name in values:
        if name not in known:
            raise ConfigError(
                f'unknown setting {name!r}; valid settings: {", ".join(sorted(known))}'
            )
    return _build(kind, values)


def _build(kind: type[T], values: Mapping[str, Any]) -> T:
    parts: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        nested = field.default_factory
        if isinstance(nested, type) and dataclasses.is_dataclass(nested):
            parts[field.name] = _build(nested, values)
        elif field.name in values:
            parts[field.name] = _checked(field, values[field.name])
    return kind(**parts)
