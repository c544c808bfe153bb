"""What the launch files share: programs, checked arguments, the Fast DDS profile."""

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from alexnet_ros.errors import ConfigError
from alexnet_ros.files import read_file
from alexnet_ros.parent import VARIABLE
from alexnet_ros.ros.clients.dds_check import VARIABLES, profile_path

MAX_PARAMETER_FILE_BYTES = 1 << 20


def truth(name: str, text: str) -> bool:
    """Return a launch argument as a truth value, or raise ConfigError."""
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise ConfigError(f'{name} must be true or false, got {text!r}')
    return values[text.lower()]


def number(name: str, text: str) -> float:
    """Return a launch argument as a finite number, or raise ConfigError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f'{name} must be a number, got {text!r}')
    return value


def choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    """Return a launch argument that is one of some words, or raise ConfigError."""
    if text not in choices:
        words = ', '.join(word or 'empty' for word in choices)
        raise ConfigError(f'{name} must be one of {words}; got {text!r}')
    return text


def described(
    arguments: Mapping[str, tuple[str, str]], actions_of: Callable[[dict[str, str]], list[Any]]
) -> Any:
    """
    Return the ``LaunchDescription`` of a launch file.

    :param arguments: name to default and text.
    :param actions_of: called with the value of each, gives the actions.
    """
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch.substitutions import LaunchConfiguration

    from launch import LaunchDescription

    def start(context: Any) -> list[Any]:
        return actions_of({name: LaunchConfiguration(name).perform(context) for name in arguments})

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def started(executable: str, given: Mapping[str, str], **how: Any) -> Any:
    """
    Return the action that starts a node of this package.

    :param given: values of the arguments that every launch file has.
    :raises ConfigError: one of the values cannot be used.
    """
    from launch_ros.actions import Node

    choice('log_level', given['log_level'], ('debug', 'info', 'warn', 'error', 'fatal'))
    return Node(
        **program(executable, f'{executable}_node'),
        namespace=given['namespace'],
        ros_arguments=['--log-level', given['log_level']],
        respawn=truth('use_respawn', given['use_respawn']),
        output='screen',
        emulate_tty=True,
        **how,
    )


def program(executable: str, module: str) -> dict[str, Any]:
    """
    Return what a launch_ros Node starts: the installed program, or this Python's module.

    The process ends with the launch, however that one ends.
    """
    env = {VARIABLE: str(os.getpid())}
    try:
        get_package_prefix('alexnet_ros')
    except (PackageNotFoundError, OSError):  # not installed, or no environment sourced
        words = ['-m', f'alexnet_ros.ros.{module}']
        return {'executable': sys.executable, 'arguments': words, 'additional_env': env}
    return {'package': 'alexnet_ros', 'executable': executable, 'additional_env': env}


def parameters_in(name: str, path: str, node: str) -> dict[str, Any]:
    """
    Return the parameters that a file gives a node; rcl says nothing of a missing file.

    :param name: of the launch argument, for the error.
    :raises ConfigError: there is no such file, or it is no parameter file.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f'{name}: there is no file {path}')
    try:
        content = yaml.safe_load(read_file(file, MAX_PARAMETER_FILE_BYTES, ConfigError))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f'{name}: {path} is not YAML: {" ".join(str(error).split())}') from error
    found: dict[str, Any] = {}
    sections = content if isinstance(content, Mapping) else {}
    for pattern, section in sections.items():
        values = section.get('ros__parameters') if isinstance(section, Mapping) else None
        if isinstance(values, Mapping) and str(pattern).rpartition('/')[2] in {'**', '*', node}:
            found |= values
    if not found:
        raise ConfigError(f'{name}: {path} has no ros__parameters for {node}')
    return found


def profile_environment_of_launch() -> dict[str, str]:
    """Return the variables that name the Fast DDS profile, unless the user named one."""
    path = profile_path()
    if path is None or any(name in os.environ for name in VARIABLES):
        return {}
    return {name: str(path) for name in VARIABLES}
