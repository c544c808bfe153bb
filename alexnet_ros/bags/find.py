"""Which bags are meant, and what their cameras are called."""

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from alexnet_ros.errors import BagError

SUFFIXES = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')


def is_bag(path: Path) -> bool:
    """Tell whether a path is a bag: a folder of storage files, or one of them."""
    if path.is_file():
        return path.name.endswith(SUFFIXES)
    return path.is_dir() and any(part.name.endswith(SUFFIXES) for part in path.iterdir())


def camera_names(topics: Iterable[str]) -> dict[str, str]:
    """
    Name the camera of each image topic as the node does.

    One topic is the camera with the empty name; of several, each is called by
    what is left without ``image``, ``image_raw`` and ``compressed``.

    >>> camera_names(['/front/image', '/left/image_raw/compressed'])
    {'/front/image': 'front', '/left/image_raw/compressed': 'left'}
    >>> camera_names(['/camera/image'])
    {'/camera/image': ''}
    """
    topics = list(topics)
    if len(topics) == 1:
        return {topics[0]: ''}
    names = {}
    for topic in topics:
        parts = [p for p in topic.split('/') if p not in {'', 'image', 'image_raw', 'compressed'}]
        names[topic] = '_'.join(parts) or topic.strip('/').replace('/', '_')
    return names


def bags_in(names: Iterable[str]) -> list[Path]:
    """
    Return the bags that are meant.

    :param names: bags, folders that hold bags at any depth, or glob patterns.
    :raises BagError: a name leads to no bag.
    """
    found: dict[Path, None] = {}
    for name in names:
        # Path.glob takes no absolute patterns.
        matches = [name] if Path(name).exists() else sorted(glob.glob(name))  # noqa: PTH207
        places = [Path(match) for match in matches]
        here = [bag for place in places for bag in _below(place)]
        found |= dict.fromkeys(here)
        if not here:
            raise BagError(f'{name} is no bag and holds none')
    return list(found)


def _below(place: Path) -> Iterator[Path]:
    """Yield the bags in a folder; a bag's own files are no bags of their own."""
    if is_bag(place):
        metadata = place.is_dir() and (place / 'metadata.yaml').exists()
        loose = [] if metadata or place.is_file() else [p for p in place.iterdir() if is_bag(p)]
        if len(loose) <= 1:
            yield place
        else:
            yield from sorted(loose)
    elif place.is_dir():
        for part in sorted(place.iterdir()):
            if not part.name.startswith('.'):
                yield from _below(part)
