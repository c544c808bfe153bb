"""Splitting by group, so that one physical object never stands on both sides."""

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
