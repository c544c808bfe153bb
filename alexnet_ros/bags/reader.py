"""
Reading bags as they are in the field: whole, split, compressed or damaged.

Messages are streamed, so that memory does not grow with the bag. Whatever
cannot be read is skipped and said in :attr:`BagReader.losses`.
"""

import contextlib
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.errors import ReaderError
from rosbags.serde import SerdeError

from alexnet_ros.bags.find import SUFFIXES
from alexnet_ros.bags.salvage import StoredMessage, salvage_mcap, salvage_sqlite
from alexnet_ros.bags.typestore import COMPRESSED, IMAGE_TYPES, typestore
from alexnet_ros.errors import BagError

try:  # what rosbags reads sqlite3 files with
    from apsw import Error as DatabaseError
except ImportError:
    from sqlite3 import Error as DatabaseError  # type: ignore[assignment]
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_UNREADABLE = (
    ReaderError,
    DatabaseError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    RuntimeError,
    EOFError,
    AssertionError,
    MemoryError,  # a length that is damaged
    OverflowError,
    struct.error,
    zstd.ZstdError,
)  # what damage makes the library raise


@dataclass(slots=True)
class TopicInfo:
    """A topic of a bag: its type and how many messages it has."""

    kind: str
    messages: int = 0


@dataclass(frozen=True, slots=True)
class BagImage:
    """
    One image message of a bag.

    :param stamp_ns: of its header, or the bag's time where that is 0.
    :param log_ns: the bag's time.
    :param message: the ``sensor_msgs`` image, as the codec reads it.
    """

    topic: str
    compressed: bool
    stamp_ns: int
    log_ns: int
    frame_id: str
    message: Any


@dataclass(slots=True)
class _File:
    """One storage file: where it lies readable, and whether it must be salvaged."""

    path: Path
    damaged: bool = False
    topics: dict[str, TopicInfo] = field(default_factory=dict)
    start_ns: int | None = None
    end_ns: int | None = None


def _natural(path: Path) -> list[Any]:
    """Order ``bag_10`` behind ``bag_9``."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]


class BagReader:
    """
    A bag, opened for streaming; a context manager.

    :param path: a bag folder, with or without ``metadata.yaml``, or one
        ``.mcap`` or ``.db3`` file, also with ``.zstd``.
    :raises BagError: there is no bag at all.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.losses: list[str] = []
        self.topics: dict[str, TopicInfo] = {}
        self.start_ns, self.end_ns = 0, 0
        self._expected = 0  # messages by metadata.yaml
        self._stack = contextlib.ExitStack()
        self._files = [self._opened(file) for file in self._storage_files()]
        self._sum_up()

    def _say(self, loss: str) -> None:
        if loss not in self.losses:
            self.losses.append(loss)

    def _storage_files(self) -> list[Path]:
        """Return the bag's files in their order."""
        if self.path.is_file() and self.path.name.endswith(SUFFIXES):
            return [self.path]
        if not self.path.is_dir():
            raise BagError(f'{self.path} is no bag: give a bag folder, a .mcap or a .db3 file')
        present = sorted(
            (f for f in self.path.iterdir() if f.name.endswith(SUFFIXES)), key=_natural
        )
        named: list[str] = []
        try:
            info = yaml.safe_load((self.path / 'metadata.yaml').read_text())
            info = info['rosbag2_bagfile_information']
            named = [str(n) for n in info['relative_file_paths']]
            self._expected = int(info['message_count'])
        except FileNotFoundError:
            self._say('metadata.yaml is missing; the files are read in the order of names')
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            self._say('metadata.yaml cannot be read; the files are read in the order of names')
        files = []
        for name in named:
            file = self.path / Path(name).name  # never outside the folder
            if file in present:
                files.append(file)
            else:
                self._say(f'{file.name} is named in metadata.yaml but missing')
        if not files and not present:
            raise BagError(f'{self.path} holds no .mcap and no .db3 file: it is no bag')
        return files or present

    def _opened(self, path: Path) -> _File:
        """Look into one file; decompress it first where it is packed whole."""
        if path.suffix == '.zstd':
            path = self._decompressed(path)
        file = _File(path)
        try:
            with Reader(path) as reader:
                for connection in reader.connections:
                    info = file.topics.setdefault(connection.topic, TopicInfo(connection.msgtype))
                    info.messages += connection.msgcount
                if reader.message_count:
                    file.start_ns, file.end_ns = reader.start_time, reader.end_time - 1
        except _UNREADABLE:
            file.damaged = True
            file.topics = {}
            for message in self._salvaged(path):
                file.topics.setdefault(message.topic, TopicInfo(message.kind)).messages += 1
                file.start_ns = min(file.start_ns or message.log_ns, message.log_ns)
                file.end_ns = max(file.end_ns or 0, message.log_ns)
        return file

    def _decompressed(self, path: Path) -> Path:
        """Unpack a zstd file into a scratch folder that goes with the reader."""
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix='bag-')))
        target = folder / path.stem
        with target.open('wb') as out:
            try:
                with zstd.open(path, 'rb') as packed:
                    shutil.copyfileobj(packed, out)
            except (EOFError, zstd.ZstdError, OSError) as error:
                self._say(f'{path.name}: cannot be decompressed to its end ({error})')
        return target

    def _salvaged(self, path: Path) -> Iterator[StoredMessage]:
        scan = salvage_mcap if path.suffix == '.mcap' else salvage_sqlite
        return scan(path, self._say)

    def _sum_up(self) -> None:
        """Add the files up to the whole bag."""
        for file in self._files:
            for topic, info in file.topics.items():
                self.topics.setdefault(topic, TopicInfo(info.kind)).messages += info.messages
        self.start_ns = min((f.start_ns for f in self._files if f.start_ns is not None), default=0)
        self.end_ns = max((f.end_ns for f in self._files if f.end_ns is not None), default=0)

        found = self.message_count
        if found < self._expected:
            self._say(f'{self._expected - found} of {self._expected} messages are lost')

    @property
    def message_count(self) -> int:
        """All messages that can be read, of all topics."""
        return sum(info.messages for info in self.topics.values())

    def image_topics(self) -> list[str]:
        """
        Return the topics that a camera node would listen to.

        Of a raw topic and its compressed companion the raw one is taken;
        overlays and depth are left out.
        """
        found = [t for t, info in sorted(self.topics.items()) if info.kind in IMAGE_TYPES]
        found = [t for t in found if not re.search(r'depth|overlay|/compressedDepth', t)]
        return [
            t
            for t in found
            if not (t.endswith('/compressed') and t.removesuffix('/compressed') in found)
        ]

    def messages(self, topics: Iterable[str] = ()) -> Iterator[StoredMessage]:
        """
        Yield the stored messages, file by file, by the bag's time within one.

        :param topics: only these; empty for all.
        """
        wanted = frozenset(topics)
        for file in self._files:
            for message in self._file_messages(file, wanted):
                if message.data[:4] == ZSTD_MAGIC:  # compression mode "message"
                    try:
                        data = zstd.decompress(message.data)
                    except zstd.ZstdError as error:
                        self._say(f'{file.path.name}: a message cannot be decompressed ({error})')
                        continue
                    yield message._replace(data=data)
                else:
                    yield message

    def _file_messages(self, file: _File, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield one file's messages; go on by salvage where the reader fails."""
        last_ns = -1
        if not file.damaged:
            try:
                with Reader(file.path) as reader:
                    chosen = [c for c in reader.connections if not wanted or c.topic in wanted]
                    if not chosen:
                        return
                    for connection, log_ns, data in reader.messages(chosen):
                        last_ns = log_ns
                        yield StoredMessage(connection.topic, connection.msgtype, log_ns, data)
                return
            except _UNREADABLE as error:
                self._say(f'{file.path.name}: damaged inside ({error}); what follows is salvaged')
        for message in self._salvaged(file.path):
            if (not wanted or message.topic in wanted) and message.log_ns > last_ns:
                yield message

    def images(self, topics: Iterable[str] = ()) -> Iterator[BagImage]:
        """
        Yield the images of some topics, streamed.

        :param topics: empty for :meth:`image_topics`.
        :raises BagError: one of them is not there or holds no images.
        """
        chosen = list(topics) or self.image_topics()
        for topic in chosen:
            if topic not in self.topics or self.topics[topic].kind not in IMAGE_TYPES:
                images = ', '.join(self.image_topics()) or 'none'
                raise BagError(f'{self.path} has no images on {topic}; it has: {images}')
        if not chosen:
            kinds = ', '.join(f'{t} ({i.kind})' for t, i in sorted(self.topics.items()))
            raise BagError(f'{self.path} has no images; it has {kinds or "no messages"}')
        store = typestore()
        for stored in self.messages(chosen):
            try:
                message: Any = store.deserialize_cdr(stored.data, stored.kind)
            except (SerdeError, *_UNREADABLE) as error:
                self._say(f'{stored.topic}: a message cannot be read ({type(error).__name__})')
                continue
            stamp = message.header.stamp
            stamp_ns = stamp.sec * 10**9 + stamp.nanosec or stored.log_ns
            yield BagImage(
                stored.topic,
                stored.kind == COMPRESSED,
                stamp_ns,
                stored.log_ns,
                message.header.frame_id,
                message,
            )

    def close(self) -> None:
        """Remove the scratch files; calling again does nothing."""
        self._stack.close()

    def __enter__(self) -> 'BagReader':
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()


def frames_of(bag: str | Path, topics: tuple[str, ...] = ()) -> int:
    """Return how many images a replay of this bag reads."""
    with BagReader(bag) as reader:
        return sum(
            reader.topics[t].messages
            for t in topics or reader.image_topics()
            if t in reader.topics
        )
