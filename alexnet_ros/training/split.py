"""Splitting by group, so that one physical object never stands on both sides."""

import zlib
from collections import defaultdict
from collections.abc import Sequence

from alexnet_ros.training.sources import Record


def held_out(records: Sequence[Record], every: int = 8, phase: int = 3) -> list[bool]:
    """
    Say for each record whether it is held out for validation.

    Within each class the groups, in order of name, are dealt out: every
    ``every``-th is held out, and at least one where a class has two or more.

    :param every: one group in this many; 0 holds nothing out.
    :param phase: which one of them, 0 to ``every`` - 1.
    """
    groups: dict[int, set[str]] = defaultdict(set)
    for record in records:
        groups[record.class_id].add(record.group)
    chosen: set[tuple[int, str]] = set()
    for class_id, names in groups.items():
        ordered = sorted(names)
        if not every or len(ordered) < 2:
            continue
        picks = ordered[phase % every :: every] or [ordered[-1]]
        chosen |= {(class_id, name) for name in picks}
    return [(record.class_id, record.group) in chosen for record in records]


def is_dev(name: str) -> bool:
    """
    Tell whether a frame is kept out of training, to measure on: every fifth by its name.

    >>> [name for name in ('00006.jpg', '00008.jpg', 'a/00012.jpg') if is_dev(name)]
    ['00008.jpg', 'a/00012.jpg']

    :param name: the frame's file name; folders before it do not count.
    """
    return zlib.crc32(name.rsplit('/', 1)[-1].encode()) % 5 == 0
