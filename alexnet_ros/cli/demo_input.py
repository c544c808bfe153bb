"""What the demo plays: the rendered drive, a bag or a video."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alexnet_ros.bags.find import is_bag
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.salvage import StoredMessage
from alexnet_ros.bags.typestore import COMPRESSED, typestore
from alexnet_ros.cli.progress import Progress
from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.errors import BagError
from alexnet_ros.synthetic import drive

RENDERERS = ('drive.py', 'scene.py', 'signs.png')
DRIVE_TOPIC = '/camera/image'


@dataclass(slots=True)
class DemoInput:
    """
    Images of one camera.

    :param text: one line that names it.
    :param truth: CSV of what is to be seen, or None.
    :param losses: what could not be read; known when the pictures are over.
    """

    text: str
    path: Path
    topic: str
    kind: str
    frames: int
    truth: Path | None = None
    losses: list[str] = field(default_factory=list)

    def pictures(self) -> Iterator[StoredMessage]:
        """Yield the images in their order, streamed."""
        with BagReader(self.path) as reader:
            for stored, _ in reader.readable([self.topic]):
                if stored.kind == self.kind:
                    yield stored
            self.losses = [*reader.losses, *reader.account.lines(only_losses=True)]

    def rgb(self, data: bytes) -> Any:
        """Decode one of the pictures: shape (H, W, 3), uint8."""
        message: Any = typestore().deserialize_cdr(data, self.kind)
        return rgb_from_compressed(message) if self.kind == COMPRESSED else rgb_from_image(message)


def rendered_drive(folder: Path, *, weaving: bool = False) -> DemoInput:
    """
    Render the drive past known signs, or take the one rendered before.

    :param weaving: a robot that weaves over the road instead, for a model of headings.
    :param folder: where the bag is kept, under a name made of the code that
        renders it; older ones are removed.
    """
    digest = hashlib.sha256()
    for name in RENDERERS:
        digest.update(Path(drive.__file__).with_name(name).read_bytes())
    kind = 'weave' if weaving else 'drive'
    bag = folder / f'{kind}-{digest.hexdigest()[:12]}'
    if not (bag / 'truth.csv').is_file():
        for old in folder.glob(f'{kind}-*'):
            shutil.rmtree(old)
        scratch = folder / f'{bag.name}.part'
        count = drive.WEAVE_FRAMES if weaving else drive.frame_count()
        with Progress(count, f'rendering the {kind}') as progress:
            drive.write_drive_bag(
                scratch,
                compressed=True,
                frames=drive.weave_frames() if weaving else None,
                topic=DRIVE_TOPIC,
                on_frame=progress.update,
            )
        scratch.rename(bag)
    found = bag_input(bag)
    found.text = f'rendered {kind} ({found.frames} frames)'
    found.truth = None if weaving else bag / 'boxes.csv'
    return found


def bag_input(path: Path, topic: str = '') -> DemoInput:
    """
    Take the images of a bag.

    :param topic: of the images; empty for the first that has some.
    :raises BagError: it is no bag, or it has no such images.
    """
    with BagReader(path) as reader:
        topics = [topic] if topic else reader.image_topics()
        if not topics or not getattr(reader.topics.get(topics[0]), 'messages', 0):
            known = '; '.join([', '.join(reader.image_topics()) or 'none', *reader.losses])
            raise BagError(f'{path} has no images on {topic or "any topic"}; it has: {known}')
        info = reader.topics[topics[0]]
        what = 'bag' if is_bag(path) else 'video'
        text = f'{what} {path}, {topics[0]} ({info.messages} frames)'
        return DemoInput(text, path, topics[0], info.kind, info.messages)
