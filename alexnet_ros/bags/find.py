"""Which bags are meant, what their cameras are called, and what ``metadata.yaml`` says."""

import glob
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from alexnet_ros.bags.pictures import is_media
from alexnet_ros.errors import BagError, printable
from alexnet_ros.files import MAX_YAML_BYTES, read_file, yaml_mapping
from alexnet_ros.video import natural

SUFFIXES = ('.mcap', '.db3', '.bag', '.mcap.zstd', '.db3.zstd')
MAX_NAME = 255  # of a topic
SCALE = 16  # of the limits on YAML: a bag may be split into thousands of files
# As recorders number the files of a split bag.
_PART = re.compile(r'(.+)_(\d{1,5})(\.mcap|\.db3|\.bag|\.mcap\.zstd|\.db3\.zstd)')


def is_bag(path: Path) -> bool:
    """Tell whether a path is a bag: a folder of storage files, or one of them."""
    if path.is_file():
        return path.name.endswith(SUFFIXES)
    return path.is_dir() and any(part.name.endswith(SUFFIXES) for part in path.iterdir())


def parts_of(path: Path) -> list[Path]:
    """
    Return the files of the split bag that a file belongs to, in their order.

    Files ``NAME_0``, ``NAME_1`` and so on of one folder are one bag. In a
    folder with ``metadata.yaml`` a file that is named by itself stays alone.
    """
    match = _PART.fullmatch(path.name)
    if match is None or (path.parent / 'metadata.yaml').exists():
        return [path]
    others = ((other, _PART.fullmatch(other.name)) for other in path.parent.iterdir())
    same = [o for o, m in others if m and (m[1], m[3]) == (match[1], match[3]) and o.is_file()]
    return sorted(same, key=natural)


def camera_names(topics: Iterable[str]) -> dict[str, str]:
    """
    Name the camera of each image topic as the node does.

    One topic is the camera with the empty name; of several, each is called by
    what is left without ``image``, ``image_raw`` and ``compressed``. No two
    have the same name.

    >>> camera_names(['/front/image', '/left/image_raw/compressed'])
    {'/front/image': 'front', '/left/image_raw/compressed': 'left'}
    >>> camera_names(['/camera/image'])
    {'/camera/image': ''}
    >>> camera_names(['/a/b', '/a_b'])
    {'/a/b': 'a_b', '/a_b': 'a_b_2'}
    """
    topics = list(dict.fromkeys(topics))
    if len(topics) == 1:
        return {topics[0]: ''}
    names: dict[str, str] = {}
    for topic in topics:
        parts = [p for p in topic.split('/') if p not in {'', 'image', 'image_raw', 'compressed'}]
        base = name = '_'.join(parts) or topic.strip('/').replace('/', '_') or 'camera'
        number = 2
        while name in names.values():
            name, number = f'{base}_{number}', number + 1
        names[topic] = name
    return names


def bags_in(names: Iterable[str]) -> list[Path]:
    """
    Return the bags that are meant.

    :param names: bags, videos, folders that hold bags at any depth, folders
        of pictures, or glob patterns.
    :returns: each once; of a split bag without metadata its first file, or
        its folder if that holds nothing else.
    :raises BagError: a name leads to no bag.
    """
    found: dict[Path, None] = {}
    for name in names:
        # Path.glob takes no absolute patterns.
        matches = [name] if Path(name).exists() else sorted(glob.glob(name))  # noqa: PTH207
        here = [bag for match in matches for bag in _below(Path(match), set())]
        found |= dict.fromkeys(here)
        if not here:
            raise BagError(f'{name} is not a bag and contains none')
    return list(found)


def _below(place: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the bags in a folder; a bag's own files are no bags of their own."""
    real = place.resolve()
    if real in seen:  # links may lead round and round
        return
    seen.add(real)
    if place.is_file() and is_media(place):
        yield place
    elif place.is_file() and is_bag(place):
        yield parts_of(place)[0]
    elif is_bag(place):
        files = sorted((p for p in place.iterdir() if p.is_file() and is_bag(p)), key=natural)
        bags = list(dict.fromkeys(parts_of(file)[0] for file in files))
        ros1 = [bag for bag in bags if bag.suffix == '.bag']
        if (place / 'metadata.yaml').exists() or (len(bags) == 1 and not ros1):
            yield place
        else:
            yield from bags
    elif place.is_dir():
        inside = [part for part in sorted(place.iterdir()) if not part.name.startswith('.')]
        bags = [
            bag for part in inside if part.is_dir() or is_bag(part) for bag in _below(part, seen)
        ]
        yield from bags or ([place] if is_media(place) else [])


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
