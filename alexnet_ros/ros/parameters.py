"""ROS parameters made from the settings declared in :mod:`alexnet_ros.config`."""

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from alexnet_ros.config import flat_fields, settings_from_mapping
from alexnet_ros.errors import ConfigError

T = TypeVar('T')
OF_ROS = ('use_sim_time', 'qos_overrides.', 'start_type_description_service', 'bond_')
SIMILAR = 0.8  # likeness of two names, 0 to 1, that makes one a slip of the other


def default_of(field: 'dataclasses.Field[Any]') -> Any:
    """Return the default value of one declared setting."""
    if field.default_factory is dataclasses.MISSING:
        return field.default
    return field.default_factory()


def descriptor_from_field(field: 'dataclasses.Field[Any]') -> ParameterDescriptor:
    """Describe one setting to ROS: its text, range, choices and liveness."""
    facts = field.metadata
    notes = []
    if facts['choices']:
        notes.append(f'one of: {", ".join(facts["choices"])}')
    if not facts['live']:
        notes.append('takes effect with the next configure; refused while active')
    descriptor = ParameterDescriptor(
        name=field.name, description=facts['text'], additional_constraints='; '.join(notes)
    )
    low, high = facts['low'], facts['high']
    if default_of(field) is None:
        descriptor.dynamic_typing = True  # the only way to declare a value that is not set
    if low is not None and high is not None:
        if facts['kind'] is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
            ]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=1)
            ]
    return descriptor


class Parameters(Generic[T]):
    """
    The settings of one node as ROS parameters.

    :param active: whether the node is active, so that only live settings may
        change.
    :param configured: whether a change that is not live must wait for the
        next configure.
    :param remedy: what to do before a setting that is not live can change.
    :raises ConfigError: an override is of the wrong type or out of its range.
    """

    def __init__(
        self,
        node: Node,
        kind: type[T],
        *,
        active: Callable[[], bool],
        configured: Callable[[], bool],
        remedy: str = 'deactivate and clean up first',
    ) -> None:
        self._kind = kind
        self._remedy = remedy
        self._fields = flat_fields(kind)
        self._active = active
        self._configured = configured
        self._values = {name: self._declare(node, field) for name, field in self._fields.items()}
        self.current: T = settings_from_mapping(kind, self._values)
        self.reload_needed: set[str] = set()
        self.on_change: Callable[[T], None] = lambda _settings: None
        self._warn_of_slips(node)
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, node: Node, field: 'dataclasses.Field[Any]') -> Any:
        default = default_of(field)
        try:
            value = node.declare_parameter(field.name, default, descriptor_from_field(field)).value
        except (ParameterException, TypeError, ValueError) as error:
            facts = field.metadata
            span = '' if facts['low'] is None else f' in [{facts["low"]}, {facts["high"]}]'
            remedy = ' (a whole number too is written with a point: 2.0)'
            raise ConfigError(
                f'parameter {field.name} must be {facts["kind"].__name__}{span}'
                f'{remedy if facts["kind"] is float else ""}: {error}'
            ) from error
        if not isinstance(default, list):
            return value
        if value is None:  # what an empty list in a parameter file becomes
            raise ConfigError(f'parameter {field.name} is an empty list; omit it instead')
        return list(value)

    def _warn_of_slips(self, node: Node) -> None:
        """Name overrides that nothing takes: misspelt ones, or those of another node."""
        unknown = []
        for name in getattr(node, '_parameter_overrides', {}):
            if name in self._fields or node.has_parameter(name) or name.startswith(OF_ROS):
                continue
            meant = difflib.get_close_matches(name, self._fields, 1, SIMILAR)
            unknown.append(f'{name} (did you mean {meant[0]}?)' if meant else name)
        if unknown:
            node.get_logger().warning(f'unknown parameter, ignored: {", ".join(unknown)}')

    def _on_set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Accept or refuse a change; the accepted one is in force at once."""
        ours = {p.name: p for p in parameters if p.name in self._fields}
        values = dict(self._values)
        changed = set()
        for name, parameter in ours.items():
            value = parameter.value
            value = list(value) if isinstance(values[name], list) else value
            if value != values[name]:
                changed.add(name)
            values[name] = value
        reload = {name for name in changed if not self._fields[name].metadata['live']}
        if reload and self._active():
            return SetParametersResult(
                successful=False,
                reason=f'{", ".join(sorted(reload))} cannot change while the node is active: '
                f'{self._remedy}',
            )
        try:
            settings = settings_from_mapping(self._kind, values)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._values, self.current = values, settings
        if self._configured():
            self.reload_needed |= reload
        if changed:
            self.on_change(settings)
        return SetParametersResult(successful=True)
