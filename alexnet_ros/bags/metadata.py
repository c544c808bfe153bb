"""What ``metadata.yaml`` says of a bag: its files, and how much they should hold."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_ros.errors import BagError, printable
from alexnet_ros.files import MAX_YAML_BYTES, read_file, yaml_mapping

MAX_NAME = 255  # of a topic
SCALE = 16  # of the limits on YAML: a bag may be split into thousands of files


def read_metadata(path: Path, say: Callable[[str], None]) -> tuple[list[str], Counter[str]]:
    """Read the files' names and the promised messages by topic; neither where it is damaged."""
    order = 'the files are read in the order of names'
    if not path.exists():
        say(f'metadata.yaml is missing; {order}')
        return [], Counter()
    try:
        data = read_file(path, MAX_YAML_BYTES * SCALE, BagError)
        info = yaml_mapping(data, path.name, BagError, scale=SCALE)['rosbag2_bagfile_information']
        names = [str(name) for name in info['relative_file_paths']]
        promised = Counter[str]()
        for entry in info['topics_with_message_count']:
            name = printable(str(entry['topic_metadata']['name']))[:MAX_NAME]
            promised[name] += _count(entry['message_count'])
    except (BagError, KeyError, TypeError, ValueError) as error:
        why = f' ({error})' if isinstance(error, BagError) else ''
        say(f'metadata.yaml cannot be read{why}; {order}')
        return [], Counter()
    for name, times in Counter(names).items():
        if times > 1:
            say(f'{name} is named {times} times in metadata.yaml; it is read once')
    return list(dict.fromkeys(names)), promised


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError('no count of messages')
    return value
