"""
Stand-ins that have exactly the names and arguments of a recorded version.

``tests/signatures/*.json`` holds what NVIDIA's bindings of each version take
(``tools/record_signatures.py`` writes it). A :class:`Guard` puts one version's
table around a stand-in: whatever the table lacks raises AttributeError, calls
that fit none of its forms raise TypeError, and every name used is noted.
"""

import enum
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name('signatures')


def recorded(kind: str) -> dict[str, dict[str, Any]]:
    """Return the tables of ``tensorrt`` or ``cuda`` by version."""
    loaded: dict[str, dict[str, Any]] = json.loads((TABLES / f'{kind}.json').read_text())
    return loaded


def fits(form: list[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Say whether a call suits one form of a function's arguments."""
    names = [name.rstrip('=') for name in form if name != '*']
    free = form.index('*') if '*' in form else len(names)
    given = {*names[: len(args)], *kwargs}
    needed = {name for name in form if name != '*' and not name.endswith('=')}
    return (
        len(args) <= free
        and set(kwargs) <= set(names)
        and not set(names[: len(args)]) & set(kwargs)
        and needed <= given
    )


class Guard:
    """
    One version's table around stand-ins.

    :param names: name to forms of arguments, ``value`` or ``member``.
    :param kinds: stand-in class to the class it plays.
    """

    def __init__(self, version: str, names: Mapping[str, Any], kinds: Mapping[type, str]) -> None:
        self.version = version
        self.names = names
        self.kinds = kinds
        self.used: set[str] = set()

    def ask(self, name: str) -> Any:
        """Note a name and return what the table says of it."""
        if name not in self.names:
            raise AttributeError(f'version {self.version} has no {name}')
        self.used.add(name)
        return self.names[name]

    def wrap(self, value: Any) -> Any:
        """Put the guard around a stand-in; other values pass."""
        kind = self.kinds.get(type(value))
        return value if kind is None else Guarded(self, kind, value)

    def function(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with the arguments of the table."""
        forms = self.ask(name)

        def checked(*args: Any, **kwargs: Any) -> Any:
            if not any(fits(form, args, kwargs) for form in forms):
                raise TypeError(
                    f'version {self.version}: {name} takes {forms}, got {len(args)} arguments '
                    f'and {sorted(kwargs)}'
                )
            plain = [unwrapped(value) for value in args]
            return self.wrap(call(*plain, **{k: unwrapped(v) for k, v in kwargs.items()}))

        return checked

    def members(self, kind: str) -> 'Members | None':
        """Return an enumeration, None if this version has no member of it."""
        found = [n for n in self.names if n.rpartition('.')[0] == kind]
        wanted = [n.rpartition('.')[2] for n in found if self.names[n] == 'member']
        return Members(self, kind, wanted) if wanted else None


class Members:
    """An enumeration with the recorded members; each one asked for is noted."""

    def __init__(self, guard: Guard, kind: str, names: list[str]) -> None:
        self._guard = guard
        self._kind = kind
        self._enum = enum.IntEnum(kind.replace('.', ''), names, start=0)

    @property
    def __members__(self) -> Mapping[str, Any]:
        for name in self._enum.__members__:
            self._guard.ask(f'{self._kind}.{name}')
        return self._enum.__members__

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        self._guard.ask(f'{self._kind}.{name}')
        return self._enum[name]


class Guarded:
    """A stand-in behind its guard."""

    def __init__(self, guard: Guard, kind: str, value: Any) -> None:
        vars(self).update(_guard=guard, _kind=kind, _value=value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        guard, full = self._guard, f'{self._kind}.{name}' if self._kind else name
        if not isinstance(guard.names.get(full), list):
            guard.ask(full)
            return guard.wrap(getattr(self._value, name))
        return guard.function(full, getattr(self._value, name))

    def __setattr__(self, name: str, value: Any) -> None:
        self._guard.ask(f'{self._kind}.{name}')
        setattr(self._value, name, unwrapped(value))


def unwrapped(value: Any) -> Any:
    """Return the stand-in behind a guard."""
    return value._value if isinstance(value, Guarded) else value
