"""What became of every message of a bag."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from alexnet_ros.bags.typestore import IMAGE_TYPES


@dataclass(slots=True)
class TopicAccount:
    """
    The messages of one topic.

    :param kind: its type; of several the image's.
    :param claimed: how many there should be, by metadata, statistics or count.
    :param seen: how many came out of the file.
    :param skipped: those not looked at, by reason.
    :param rejected: those of the seen that could not be used, by reason.
    """

    kind: str
    claimed: int = 0
    seen: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """How many could be used."""
        return self.seen - self.rejected.total()

    @property
    def lost(self) -> int:
        """How many should be there and are not."""
        return max(self.claimed - self.seen - self.skipped.total(), 0)

    def as_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            'type': self.kind,
            'claimed': self.claimed,
            'read': self.read,
            'skipped': dict(sorted(self.skipped.items())),
            'rejected': dict(sorted(self.rejected.items())),
            'lost': self.lost,
        }

    def __str__(self) -> str:
        """Return the figures as text, those that are 0 left out."""
        if not self.claimed:
            return 'no messages'
        parts = [f'{self.read} of {self.claimed} read']
        for word, counts in (('rejected', self.rejected), ('skipped', self.skipped)):
            if counts:
                reasons = ', '.join(f'{count} {why}' for why, count in sorted(counts.items()))
                parts.append(f'{counts.total()} {word} ({reasons})')
        if self.lost:
            parts.append(f'{self.lost} lost')
        return ', '.join(parts)


class Account:
    """The account of a whole bag, by topic."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicAccount] = {}

    def restart(self, skipped: dict[str, Counter[str]]) -> None:
        """Begin to read anew."""
        for topic, one in self.topics.items():
            one.seen, one.rejected = 0, Counter()
            one.skipped = Counter(skipped.get(topic, {}))

    def stop(self) -> None:
        """Note that the rest was not read because somebody stopped it."""
        for one in self.topics.values():
            if one.lost:
                one.skipped['stopped before them'] += one.lost

    def reject(self, topic: str, reason: str) -> None:
        """Note that a message that was seen could not be used."""
        self.topics[topic].rejected[reason] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the sums, and the figures of each topic."""
        whole = TopicAccount('')
        for one in self.topics.values():
            whole.claimed += one.claimed
            whole.seen += one.seen
            whole.skipped += one.skipped
            whole.rejected += one.rejected
        sums = {key: value for key, value in whole.as_json().items() if key != 'type'}
        sums['lost'] = sum(one.lost for one in self.topics.values())
        return {**sums, 'topics': {t: one.as_json() for t, one in sorted(self.topics.items())}}

    def lines(self, *, only_losses: bool = False) -> list[str]:
        """Return one line for each image topic, and for each topic that lost something."""
        return [
            f'{topic}: {one}'
            for topic, one in sorted(self.topics.items())
            if one.lost or one.rejected or (one.kind in IMAGE_TYPES and not only_losses)
        ]
