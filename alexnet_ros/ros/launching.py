"""What the launch files share: programs, checked arguments, the Fast DDS profile."""

import math
import os
import sys
from collections.abc import Mapping
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
    """
    Return a launch argument as a truth value.

    :raises ConfigError: it is none.
    """
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise ConfigError(f'{name} must be true or false, got {text!r}')
    return values[text.lower()]


def number(name: str, text: str) -> float:
    """
    Return a launch argument as a number.

    :raises ConfigError: it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f'{name} must be a number, got {text!r}')
    return value


def choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    """
    Return a launch argument that is one of some words.

    :raises ConfigError: it is another.
    """
    if text not in choices:
        words = ', '.join(word or 'empty' for word in choices)
        raise ConfigError(f'{name} must be one of {words}; got {text!r}')
    return text


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
    :param path: a ROS parameter file.
    :param node: the node's name.
    :raises ConfigError: there is no such file, or it is no parameter file.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f'{name}: there is no file {path}')
    try:
        content = yaml.safe_load(read_file(file, MAX_PARAMETER_FILE_BYTES, ConfigError))
    except yaml.YAMLError as error:
        raise ConfigError(f'{name}: {path} is no YAML: {" ".join(str(error).split())}') from error
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
