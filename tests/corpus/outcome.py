"""Replays one kind of bag and says what came of it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from alexnet_ros.bags.find import bags_in
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import ReplayOptions, replay_bag
from tests.corpus.kinds import Kind


@dataclass(frozen=True)
class Outcome:
    """Frames used by topic, losses, and signs in their order."""

    read: dict[str, int]
    lost: int
    rejected: dict[str, int]
    said: str
    signs: tuple[str, ...]


def outcome_of(kind: Kind, folder: Path, recognizer: Recognizer) -> Outcome:
    """Write the bag into a folder and replay it."""
    (bag,) = bags_in([str(kind.make(folder))])
    run = replay_bag(bag, folder / 'out', recognizer, ReplayOptions(actions=''))
    topics = run.account['topics']
    rejected: Counter[str] = Counter()
    for topic in run.topics:
        rejected.update(topics[topic]['rejected'])
    signs = sorted(run.timeline.entries, key=lambda entry: entry.class_id)
    return Outcome(
        {topic: topics[topic]['read'] for topic in run.topics},
        sum(topics[topic]['lost'] for topic in run.topics),
        dict(rejected),
        '; '.join(run.losses),
        tuple(run.names[entry.class_id] for entry in signs),
    )
