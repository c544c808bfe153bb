"""Which topics of a bag or a graph are cameras: by type and content, not by name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alexnet_ros.bags.typestore import COMPRESSED, IMAGE, IMAGE_TYPES
from alexnet_ros.codec import picture_fault

NO_CAMERA = frozenset({'depth_encoding', 'bad_format', 'unknown_encoding'})
"""What a codec may say of a picture that tells of its topic, not of damage."""

TRANSPORTS = frozenset(
    'avif cloudini compressed compressedDepth draco ffmpeg h264 hevc theora zstd'.split()  # noqa: SIM905
)
"""Last elements of the topics that image_transport plugins add below a raw one."""


def companion_of(topic: str, kind: str, raw: frozenset[str], packed: frozenset[str]) -> str:
    """Return the topic whose pictures a topic has in another form, or ''."""
    base, _, last = topic.rpartition('/')
    if kind != COMPRESSED or not base:
        return ''
    if base in raw:
        return base
    better = f'{base}/compressed'
    return better if last in TRANSPORTS and topic != better and better in packed else ''


def chosen_cameras(
    topics: Mapping[str, tuple[str, int]], first_images: Callable[[str], Sequence[Any]]
) -> tuple[list[str], dict[str, str]]:
    """
    Tell the cameras from other image topics.

    What is named as depth but holds colours, most often a rendering of the
    distances, and what cannot be decoded are taken only where there is nothing
    else.

    :param topics: topic to its type and how many messages it has.
    :param first_images: gives some readable messages of a topic.
    :returns: the cameras, sorted, and the reason why each other one is none.
    """
    images = {t: kind for t, (kind, count) in sorted(topics.items()) if kind in IMAGE_TYPES}
    full = {t: kind for t, kind in images.items() if topics[t][1]}
    why = {topic: 'no messages' for topic in images if topic not in full}
    raw = frozenset(t for t, kind in full.items() if kind == IMAGE)
    packed = frozenset(t for t, kind in full.items() if kind == COMPRESSED)
    good, spare = [], []
    for topic, kind in full.items():
        parts = topic.split('/')
        base = companion_of(topic, kind, raw, packed)
        if base:
            why[topic] = f'companion of {base}'
        elif 'overlay' in parts:
            why[topic] = 'overlay'
        elif fault := _fault(topic, first_images(topic)):
            why[topic] = fault
            if fault != 'depth_encoding':
                spare.append(topic)
        else:
            good.append(topic)
    if not good:
        good = spare
    return good, {topic: text for topic, text in why.items() if topic not in good}


def _fault(topic: str, messages: Sequence[Any]) -> str:
    faults = [picture_fault(message) for message in messages]
    if faults and set(faults) <= NO_CAMERA:
        return faults[0]
    return 'depth by its name' if {'depth', 'compressedDepth'} & set(topic.split('/')) else ''
