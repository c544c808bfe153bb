"""
Reading bags as they are in the field: whole, split, compressed or damaged.

Messages are streamed, so that memory does not grow with the bag. Whatever
cannot be read is skipped, said in :attr:`BagReader.losses` and counted in
:attr:`BagReader.account`.
"""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from rosbags.serde import SerdeError

from alexnet_ros.bags.account import Account, TopicAccount
from alexnet_ros.bags.choice import chosen_cameras
from alexnet_ros.bags.find import MAX_NAME, SUFFIXES, is_bag, parts_of, read_metadata
from alexnet_ros.bags.pace import gap_text, is_gap
from alexnet_ros.bags.pictures import MediaFile, is_media
from alexnet_ros.bags.salvage import StoredMessage
from alexnet_ros.bags.storage import UNREADABLE, Storage, open_storage
from alexnet_ros.bags.typestore import COMPRESSED, IMAGE_TYPES, stamp_ns_of, typestore
from alexnet_ros.bags.unpack import UNPACK_ERRORS, Allowance, unpack_file, unpacked_message
from alexnet_ros.closing import Closing
from alexnet_ros.errors import BagError
from alexnet_ros.files import one_line
from alexnet_ros.video import natural

T = TypeVar('T')
MAX_LOSSES = 1000
MESSAGE_COST = 1000  # what an empty message counts as, in unpacked bytes: it takes as long
MAX_IMAGE_TOPICS = 256
LOOKED_AT = 3  # messages of a topic, to tell whether it is a camera


@dataclass(slots=True)
class TopicInfo:
    """
    A topic of a bag.

    :param kind: its type; where it has several, that of its images.
    :param messages: how many it has of that type.
    :param others: how many of other types, by type.
    """

    kind: str
    messages: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, count: int) -> None:
        """Take in messages of a type."""
        if kind != self.kind and kind in IMAGE_TYPES and self.kind not in IMAGE_TYPES:
            self.others[self.kind] += self.messages
            self.kind, self.messages = kind, 0
        if kind == self.kind or (kind in IMAGE_TYPES and self.kind in IMAGE_TYPES):
            self.messages += count
        else:
            self.others[kind] += count


@dataclass(frozen=True, slots=True)
class BagImage:
    """
    One image message of a bag.

    :param stamp_ns: of its header; 0 where the driver sets none.
    :param log_ns: the bag's time.
    """

    topic: str
    compressed: bool
    stamp_ns: int
    log_ns: int
    frame_id: str
    message: Any

    @property
    def time_ns(self) -> int:
        """Return the stamp, or the bag's time where there is none: for order and display only."""
        return self.stamp_ns or self.log_ns


class BagReader(Closing):
    """
    A bag, opened for streaming; a context manager.

    :param path: a bag folder, with or without ``metadata.yaml``, or one
        ``.mcap``, ``.db3`` or ROS 1 ``.bag`` file, also with ``.zstd``; or a
        video, or a folder of pictures, which are read as one camera.
    :raises BagError: there is no bag at all.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.losses: list[str] = []
        self.account = Account()
        self.topics: dict[str, TopicInfo] = {}
        self._promised: Counter[str] = Counter()  # messages by topic, by metadata.yaml
        self._stack = contextlib.ExitStack()
        try:
            self._files: list[Storage] = (
                [MediaFile(self.path, self.say)]
                if is_media(self.path) and not is_bag(self.path)
                else list(self._within(self._opened(file) for file in self._storage_files()))
            )
        except BaseException:
            self.close()
            raise
        spans = [file.span_ns for file in self._files if file.span_ns is not None]
        self.start_ns = min((span[0] for span in spans), default=0)
        self.end_ns = max((span[1] for span in spans), default=0)
        self._sum_up()

    def say(self, loss: str) -> None:
        """Keep a line on what could not be read as it should be; each once."""
        loss = one_line(loss)
        if len(self.losses) < MAX_LOSSES and loss not in self.losses:
            self.losses.append(loss)

    def _storage_files(self) -> list[Path]:
        if self.path.is_file() and self.path.name.endswith(SUFFIXES):
            parts = parts_of(self.path)
            if len(parts) > 1:
                self.say(f'read as one bag of {len(parts)} files: metadata.yaml is missing')
            return parts
        if not self.path.is_dir():
            raise BagError(
                f'{self.path} is not a bag: give a bag folder or a .mcap, .db3, .bag or video file'
            )
        present = sorted(
            (f for f in self.path.iterdir() if f.name.endswith(SUFFIXES) and f.is_file()),
            key=natural,
        )
        named, self._promised = read_metadata(self.path / 'metadata.yaml', self.say)
        files = []
        for name in named:
            file = self.path / Path(name).name  # never outside the folder
            if file in present:
                files.append(file)
            else:
                self.say(f'{file.name} is named in metadata.yaml but missing')
        if not files and not present:
            raise BagError(f'{self.path} contains no .mcap or .db3 file: it is not a bag')
        return files or present

    def _opened(self, path: Path) -> Storage:
        """Look into one file; decompress it first where it is packed whole."""
        scratch = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix='bag-')))
        if path.suffix == '.zstd':
            packed, path = path, scratch / path.stem
            try:
                unpack_file(packed, path)
            except (OSError, *UNPACK_ERRORS) as error:
                self.say(f'{packed.name}: cannot be decompressed completely ({error})')
        return open_storage(path, self.say, scratch)

    def _sum_up(self) -> None:
        """Add the files up to the whole bag; compare with what is promised."""
        for file in self._files:
            for (topic, kind), count in sorted(file.counts.items()):
                if not _is_name(topic) or (kind and not _is_name(kind)):
                    self.say(f'{topic[:80]!r} ({kind[:80]}) is not a valid topic name: skipped')
                    continue
                self.topics.setdefault(topic, TopicInfo(kind)).add(kind, count)
        for topic, info in self.topics.items():
            there = info.messages + info.others.total()
            claimed = max(there, self._promised[topic])
            self.account.topics[topic] = TopicAccount(info.kind, claimed)
        for topic, count in self._promised.items():
            if count and topic not in self.account.topics:
                self.account.topics[topic] = TopicAccount('', count)
        expected = max(self._promised.total(), sum(file.claimed for file in self._files))
        if self.message_count < expected:
            self.say(f'{expected - self.message_count} of {expected} messages are lost')

    @property
    def message_count(self) -> int:
        """All messages that can be read, of all topics."""
        return sum(info.messages + info.others.total() for info in self.topics.values())

    def image_topics(self) -> list[str]:
        """
        Return the topics that a camera node would listen to.

        Of a raw topic and its companions the raw one is taken; overlays, depth
        and what holds no messages are left out.
        """
        return list(self._choice[0])

    @cached_property
    def _choice(self) -> tuple[list[str], dict[str, str]]:
        counts = {t: (i.kind, i.messages) for t, i in self.topics.items() if i.kind in IMAGE_TYPES}
        if len(counts) > MAX_IMAGE_TOPICS:  # the first pictures of each are searched for
            self.say(f'of {len(counts)} image topics the first {MAX_IMAGE_TOPICS} are looked at')
            counts = dict(sorted(counts.items())[:MAX_IMAGE_TOPICS])
        return chosen_cameras(counts, self._first_images)

    def _first_images(self, topic: str) -> list[Any]:
        found = []
        for number, stored in enumerate(self.messages([topic])):
            with contextlib.suppress(SerdeError, *UNREADABLE):
                if stored.kind in IMAGE_TYPES:
                    found.append(typestore().deserialize_cdr(stored.data, stored.kind))
            if number + 1 == LOOKED_AT:
                break
        return found

    def messages(self, topics: Iterable[str] = ()) -> Iterator[StoredMessage]:
        """Yield the stored messages as CDR, file by file, by the bag's time within one."""
        yield from self._within(self._messages(frozenset(topics)))

    def _within(self, items: Iterator[T]) -> Iterator[T]:
        """Yield what reading gives, as long as it does not unpack to too much in all."""
        files = [self.path] if self.path.is_file() else self.path.iterdir()
        allowance = Allowance(sum(file.stat().st_size for file in files if file.is_file()))
        yield from allowance.over(items)
        if allowance.left < 0:
            self.say(f'it unpacks to more than {allowance.most} bytes: the rest is not read')

    def _messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        for file in self._files:
            for message in file.messages(wanted):
                if not Allowance.take(len(message.data) + MESSAGE_COST):
                    return
                if message.topic not in self.topics:
                    continue
                try:
                    data = unpacked_message(message.data)
                    if message.ros1:
                        data = bytes(typestore().ros1_to_cdr(data, message.kind))
                except (SerdeError, *UNREADABLE) as error:
                    if message.topic in wanted or message.kind in IMAGE_TYPES:
                        self.say(
                            f'{message.topic}: a message cannot be unpacked '
                            f'({type(error).__name__})'
                        )
                        yield message._replace(data=b'')
                    continue
                yield message._replace(data=data, ros1=False)

    def readable(self, topics: Iterable[str]) -> Iterator[tuple[StoredMessage, Any]]:
        """
        Yield the messages of some topics that are whole; the account begins anew.

        :returns: each as it is stored and, of an image, as an object; None of
            others. Beside the images of a topic nothing else of it is given.
        """
        chosen = list(topics)
        self.account.restart(self._skipped(chosen))
        last_ns = 0
        for stored in self.messages(chosen):
            if last_ns and is_gap(stored.log_ns - last_ns):
                self.say(f'{gap_text(stored.log_ns - last_ns)} in the recording')
            last_ns = stored.log_ns
            image = stored.kind in IMAGE_TYPES
            if stored.topic not in self.topics or (
                not image and self.topics[stored.topic].kind in IMAGE_TYPES
            ):
                continue  # among the skipped already
            self.account.topics[stored.topic].seen += 1
            try:
                store = typestore()
                message = store.deserialize_cdr(stored.data, stored.kind) if image else None
            except (SerdeError, *UNREADABLE) as error:
                self.say(f'{stored.topic}: a message cannot be read ({type(error).__name__})')
                self.account.reject(stored.topic, 'malformed')
            else:
                yield stored, message

    def images(self, topics: Iterable[str] = ()) -> Generator[BagImage, None, None]:
        """
        Yield the images of some topics, streamed; the account begins anew.

        :param topics: empty for :meth:`image_topics`.
        :raises BagError: one of them is not there or holds no images.
        """
        chosen = list(topics) or self.image_topics()
        self._check(chosen)
        for stored, message in self.readable(chosen):
            yield BagImage(
                stored.topic,
                stored.kind == COMPRESSED,
                stamp_ns_of(message.header),
                stored.log_ns,
                message.header.frame_id,
                message,
            )

    def _check(self, chosen: list[str]) -> None:
        for topic in chosen:
            info = self.topics.get(topic)
            if info is None or info.kind not in IMAGE_TYPES or not info.messages:
                images = ', '.join(self.image_topics()) or 'none'
                raise BagError(f'{self.path} has no images on {topic}; it has: {images}')
        if not chosen:
            kinds = ', '.join(
                f'{topic} ({self._choice[1].get(topic) or info.kind})'
                for topic, info in sorted(self.topics.items())
            )
            losses = f' ({"; ".join(self.losses)})' if self.losses else ''
            raise BagError(f'{self.path} has no images; it has {kinds or "no messages"}{losses}')

    def _skipped(self, chosen: list[str]) -> dict[str, Counter[str]]:
        """Return what will not be looked at, by topic and reason."""
        found = {}
        for topic, info in self.topics.items():
            skipped = Counter({f'of type {kind}': n for kind, n in info.others.items() if n})
            if topic not in chosen and info.messages:
                is_image = info.kind in IMAGE_TYPES
                why = self._choice[1].get(topic, 'not chosen') if is_image else 'no image'
                skipped[why] += info.messages
            found[topic] = skipped
        return found

    def close(self) -> None:
        """Remove the scratch files; calling again does nothing."""
        self._stack.close()


def _is_name(text: str) -> bool:
    """Tell whether a topic or type can be called so: one line without hidden characters."""
    return 0 < len(text) <= MAX_NAME and text.isprintable()


def frames_of(bag: str | Path, topics: tuple[str, ...] = ()) -> int:
    """Return how many images a replay of this bag reads."""
    with BagReader(bag) as reader:
        return sum(
            reader.topics[t].messages
            for t in topics or reader.image_topics()
            if t in reader.topics
        )
