"""
The table of actions: what each class does to the robot, read from YAML.

A table is for one kind of input. ``input: detections`` is for confirmed signs
in camera frames, ``input: classification`` for models that look at the whole
frame (blocked/free, left/straight/right). A class that is not in the table
does nothing and is reported; a class that should do nothing says ``none``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_ros.errors import ConfigError
from alexnet_ros.files import MAX_YAML_BYTES, read_file, share_folders, yaml_mapping

SCALE = 4  # a table of a thousand classes is larger than other YAML files
MAX_BYTES = MAX_YAML_BYTES * SCALE
KMH_PER_MPS = 3.6
LARGEST_CLASS_ID = 65_534  # vision_msgs/VisionClass: 65535 means unlabelled
SIGN_ACTIONS = {  # action: (fields it needs, fields it may have)
    'speed_limit': ({'kmh'}, set[str]()),
    'end_of_limit': ({'kmh'}, set[str]()),
    'end_of_limits': (set[str](), set[str]()),
    'stop': (set[str](), {'seconds'}),
    'yield': (set[str](), {'kmh', 'percent', 'seconds'}),
    'warn': (set[str](), {'kmh', 'percent', 'seconds'}),
    'none': (set[str](), set[str]()),
}
FRAME_ACTIONS = {
    'lock': (set[str](), set[str]()),
    'slow': ({'percent'}, set[str]()),
    'heading': ({'heading'}, {'percent'}),
    'none': (set[str](), set[str]()),
}
ACTIONS = {'detections': SIGN_ACTIONS, 'classification': FRAME_ACTIONS}
RANGES = {  # field: smallest and largest value, both allowed
    'kmh': (0.1, 500.0),
    'percent': (1.0, 100.0),
    'seconds': (0.1, 600.0),
    'heading': (-1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Action:
    """
    What one class does.

    :param kind: one of the names in ``SIGN_ACTIONS`` or ``FRAME_ACTIONS``.
    :param speed_mps: speed that it asks for, metres a second, before the cap.
    :param percent: the same as a share of the cap, more than 0 to 100.
    :param seconds: how long it lasts, None for the node's setting.
    :param heading: -1 (left) to 1 (right).
    """

    class_id: int
    class_name: str
    kind: str
    speed_mps: float | None = None
    percent: float | None = None
    seconds: float | None = None
    heading: float | None = None


class ActionTable(dict[int, Action]):
    """
    Class id to action, for one kind of input.

    :param reads: ``detections`` or ``classification``.
    """

    def __init__(self, reads: str, actions: Mapping[int, Action]) -> None:
        super().__init__(actions)
        self.reads = reads

    def misnamed(self, names: Mapping[int, str]) -> dict[int, str]:
        """
        Return the classes that the model calls otherwise than the table.

        Case, spaces and punctuation do not count.

        :param names: class id to name, from the model's labels.
        :returns: class id to the sentence that says it; a class of the table
            that the model lacks counts too, a class that only the model has
            does not.
        """
        wrong = {}
        for class_id, action in self.items():
            name = names.get(class_id)
            if name is None:
                wrong[class_id] = f'the model has no class {class_id} ({action.class_name})'
            elif _plain(name) != _plain(action.class_name):
                wrong[class_id] = (
                    f'class {class_id} is {action.class_name!r} in the table '
                    f'and {name!r} in the model'
                )
        return wrong


def find_table(name_or_path: str) -> Path:
    """
    Return the file of a table.

    :param name_or_path: a path, or the name of a file in ``config/`` beside
        the source package or in ``share/alexnet_ros/config`` of an install.
    :raises ConfigError: it is nowhere; the message lists the places.
    """
    given = Path(name_or_path).expanduser()
    if given.is_file():
        return given
    places = [folder / 'config' for folder in share_folders()]
    if len(given.parts) == 1:
        for place in places:
            if (place / given).is_file():
                return place / given
    looked = ', '.join(str(place) for place in places)
    raise ConfigError(f'no table of actions {name_or_path!r}: it is no file, nor in {looked}')


def read_table(path: Path) -> ActionTable:
    """
    Read and check a table.

    :param path: YAML: ``input``, and ``classes`` as class id to ``name``,
        ``action`` and what the action needs.
    :raises ConfigError: unreadable, or any entry is not as it must be; the
        message names the file and the class.
    """
    data = read_file(path, MAX_BYTES, ConfigError)
    return _table(yaml_mapping(data, str(path), ConfigError, scale=SCALE), path)


def _table(content: Any, path: Path) -> ActionTable:
    if not isinstance(content, dict) or set(content) != {'input', 'classes'}:
        raise ConfigError(f'{path}: expected exactly the keys input and classes')
    reads, classes = content['input'], content['classes']
    if not isinstance(reads, str) or reads not in ACTIONS:
        raise ConfigError(f'{path}: input must be one of {sorted(ACTIONS)}, got {reads!r}')
    if not isinstance(classes, dict) or not classes:
        raise ConfigError(f'{path}: classes must map class ids to actions')
    return ActionTable(
        reads,
        {
            class_id: _action(class_id, entry, ACTIONS[reads], f'{path}: class {class_id!r}')
            for class_id, entry in classes.items()
        },
    )


def _action(
    class_id: Any, entry: Any, kinds: Mapping[str, tuple[set[str], set[str]]], place: str
) -> Action:
    """Check one entry and return it as an action."""
    if type(class_id) is not int or not 0 <= class_id <= LARGEST_CLASS_ID:
        raise ConfigError(f'{place}: the id must be a whole number from 0 to {LARGEST_CLASS_ID}')
    if not isinstance(entry, dict):
        raise ConfigError(f'{place}: expected {{name: ..., action: ...}}, got {entry!r}')
    name, kind = entry.get('name'), entry.get('action')
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f'{place}: needs a name')
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f'{place}: action must be one of {sorted(kinds)}, got {kind!r}')
    needed, allowed = kinds[kind]
    given = {str(key) for key in entry} - {'name', 'action'}
    if needed - given or given - needed - allowed:
        raise ConfigError(
            f'{place}: {kind} needs {sorted(needed) or "nothing"} and may have '
            f'{sorted(allowed) or "nothing"} more, got {sorted(given) or "nothing"}'
        )
    if {'kmh', 'percent'} <= given:
        raise ConfigError(f'{place}: give kmh or percent, not both')
    facts = {field: _number(entry[field], field, place) for field in given}
    kmh = facts.pop('kmh', None)
    speed_mps = None if kmh is None else kmh / KMH_PER_MPS
    return Action(class_id, name.strip(), kind, speed_mps=speed_mps, **facts)


def _number(value: Any, field: str, place: str) -> float:
    low, high = RANGES[field]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f'{place}: {field} must be a number, got {value!r}')
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(f'{place}: {field} must be in [{low}, {high}], got {value!r}')
    return float(value)


def _plain(name: str) -> str:
    return ''.join(one for one in name.casefold() if one.isalnum())
