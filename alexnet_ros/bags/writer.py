"""Writing bags: MCAP or sqlite3, split or whole, raw or compressed images."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from alexnet_ros.bags.typestore import COMPRESSED, IMAGE, typestore
from alexnet_ros.closing import Closing
from alexnet_ros.errors import AlexnetRosError, BagError
from alexnet_ros.files import make_folder, one_line, write_error, write_file

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
COMPRESSIONS = {
    '': CompressionMode.NONE,
    'message': CompressionMode.MESSAGE,
    'file': CompressionMode.FILE,
    'storage': CompressionMode.STORAGE,  # chunks, MCAP only
}
_OPTIONS = re.compile(r'[#?%]')
_FOREVER = QosTime(9223372036, 854775807)


def qos(*, reliable: bool = True, latched: bool = False, depth: int = 10) -> Qos:
    """Return the quality of service that ``ros2 bag play`` is to offer."""
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


class BagWriter(Closing):
    """
    A new bag; a context manager.

    :param folder: must not exist; its parent is made.
    :param storage: ``mcap`` or ``sqlite3``.
    :param compression: empty, ``message``, ``file`` or ``storage`` (zstd).
    :param split_messages: begin a new file after so many messages; 0 never.
    :raises BagError: wrong storage, or the folder exists.

    Within :keyword:``with``, an error still closes the bag properly: what was
    written until then can be read.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        storage: str = 'mcap',
        compression: str = '',
        split_messages: int = 0,
    ) -> None:
        if storage not in STORAGES or compression not in COMPRESSIONS:
            raise BagError(
                f'a bag is stored as {", ".join(STORAGES)} with compression none, message, file '
                f'or storage; got {storage!r}, {compression!r}'
            )
        if compression == 'storage' and storage != 'mcap':
            raise BagError('compression storage needs storage mcap')
        self.folder = Path(folder)
        if self.folder.exists():
            raise BagError(f'{self.folder} exists already; name a new folder or remove it')
        self._storage, self._compression = storage, compression
        self._split = split_messages
        self._parts: list[Path] = []
        self._writer: Writer | None = None
        self._scratch: Path | None = None
        self._connections: dict[str, Connection] = {}
        self._offers: dict[str, tuple[str, Qos]] = {}
        self._count = 0

    def _begin(self) -> Writer:
        """Open the bag, or its next file."""
        # rosbags would read the rest of such a path as options of sqlite.
        odd = self._storage == 'sqlite3' and _OPTIONS.search(str(self.folder.absolute()))
        if self._split or odd:
            if self._scratch is None:
                make_folder(self.folder.parent)
                with self._told(self.folder):
                    place = None if odd else self.folder.parent
                    self._scratch = Path(tempfile.mkdtemp(prefix='.bag-', dir=place))
            name = _OPTIONS.sub('_', self.folder.name) if odd else self.folder.name
            path = self._scratch / f'{name}_{len(self._parts)}'
        else:
            path = self.folder
        writer = Writer(path, version=9, storage_plugin=STORAGES[self._storage])
        writer.set_compression(COMPRESSIONS[self._compression], CompressionFormat.ZSTD)
        with self._told(path):
            writer.open()
        self._parts.append(path)
        self._connections = {
            topic: writer.add_connection(
                topic, kind, typestore=typestore(), offered_qos_profiles=[offer]
            )
            for topic, (kind, offer) in self._offers.items()
        }
        self._writer, self._count = writer, 0
        return writer

    @contextlib.contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        """Turn what a failed write raises into one line, and let the file go."""
        try:
            yield
        except Exception as error:
            writer, self._writer = self._writer, None
            # What is buffered cannot be written; closing the file would try it again.
            raw = getattr(getattr(getattr(writer, 'storage', None), 'bio', None), 'raw', None)
            if raw is not None:
                raw.close()
            if isinstance(error, OSError):
                raise write_error(path, error) from error
            # sqlite3's errors come from another module where rosbags uses apsw.
            if isinstance(error, WriterError) or type(error).__module__ in {'apsw', 'sqlite3'}:
                raise BagError(f'cannot write the bag {path}: {one_line(error)}') from error
            raise

    def add_topic(self, topic: str, kind: str, offer: Qos | None = None) -> None:
        """Declare a topic; needed only where its quality of service matters."""
        if topic in self._offers:
            return
        self._offers[topic] = (kind, offer or qos())
        if self._writer is not None:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=typestore(), offered_qos_profiles=[self._offers[topic][1]]
            )

    def write(self, topic: str, message: Any, log_ns: int) -> None:
        """
        Append one message.

        :param message: of the types of :func:`~alexnet_ros.bags.typestore.typestore`.
        :param log_ns: the bag's own time of it, nanoseconds.
        """
        kind = message.__msgtype__
        self.write_raw(topic, kind, bytes(typestore().serialize_cdr(message, kind)), log_ns)

    def write_raw(self, topic: str, kind: str, data: bytes, log_ns: int) -> None:
        """Append one message that is already serialised."""
        writer = self._writer
        if writer is None or (self._split and self._count >= self._split):
            if writer is not None:
                with self._told(self.folder):
                    writer.close()
            writer = self._begin()
        with self._told(self.folder):
            self.add_topic(topic, kind)
            writer.write(self._connections[topic], log_ns, data)
        self._count += 1

    def write_image(
        self, topic: str, stamp_ns: int, image_rgb: NDArray[np.uint8], frame_id: str = 'camera'
    ) -> None:
        """Append a raw ``rgb8`` image; logged at its own stamp."""
        self.add_topic(topic, IMAGE, qos(reliable=False, depth=5))
        self.write(topic, image_message(stamp_ns, image_rgb, frame_id), stamp_ns)

    def write_jpeg(self, topic: str, stamp_ns: int, data: bytes, frame_id: str = 'camera') -> None:
        """Append a JPEG as a compressed image; logged at its own stamp."""
        message = typestore().types[COMPRESSED](
            header=header(stamp_ns, frame_id),
            format='rgb8; jpeg compressed bgr8',
            data=np.frombuffer(data, np.uint8),
        )
        self.add_topic(topic, COMPRESSED, qos(reliable=False, depth=5))
        self.write(topic, message, stamp_ns)

    def close(self) -> None:
        """Finish the bag; an empty one has its topics and no message."""
        if not self._parts:
            self._begin()
        with self._told(self.folder):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            if self._scratch is not None:
                self._gather()

    def _gather(self) -> None:
        """Put the files of a split bag into one folder, with one metadata file."""
        self.folder.mkdir()
        key = 'rosbag2_bagfile_information'
        infos = []
        for part in self._parts:
            infos.append(yaml.safe_load((part / 'metadata.yaml').read_text())[key])
            for name in infos[-1]['relative_file_paths']:
                shutil.move(str(part / name), self.folder / name)
        whole = infos[-1]
        counts: dict[str, int] = {}
        for info in infos:
            for entry in info['topics_with_message_count']:
                name = entry['topic_metadata']['name']
                counts[name] = counts.get(name, 0) + entry['message_count']
        for entry in whole['topics_with_message_count']:
            entry['message_count'] = counts[entry['topic_metadata']['name']]
        start = min(i['starting_time']['nanoseconds_since_epoch'] for i in infos)
        end = max(
            i['starting_time']['nanoseconds_since_epoch'] + i['duration']['nanoseconds']
            for i in infos
        )
        whole.update(
            relative_file_paths=[name for i in infos for name in i['relative_file_paths']],
            files=[file for i in infos for file in i['files']],
            message_count=sum(i['message_count'] for i in infos),
            starting_time={'nanoseconds_since_epoch': start},
            duration={'nanoseconds': end - start},
        )
        write_file(self.folder / 'metadata.yaml', yaml.safe_dump({key: whole}))
        shutil.rmtree(self._parts[0].parent)
        self._scratch = None

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close; after an error as well as can be, without hiding it."""
        if kind is None:
            self.close()
        else:
            with contextlib.suppress(AlexnetRosError):
                self.close()


def image_message(stamp_ns: int, image_rgb: NDArray[np.uint8], frame_id: str) -> Any:
    """Return a ``sensor_msgs/Image``, rgb8."""
    height, width = image_rgb.shape[:2]
    return typestore().types[IMAGE](
        header=header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding='rgb8',
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(image_rgb).reshape(-1),
    )


def header(stamp_ns: int, frame_id: str) -> Any:
    """Return a ``std_msgs/Header``."""
    types = typestore().types
    seconds, rest = divmod(stamp_ns, 10**9)
    stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=rest)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)
