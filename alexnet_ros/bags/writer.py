"""Writing bags: MCAP or sqlite3, raw or compressed images."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
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
from alexnet_ros.files import one_line, write_error

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
COMPRESSIONS = {
    '': CompressionMode.NONE,
    'message': CompressionMode.MESSAGE,
    'file': CompressionMode.FILE,
    'storage': CompressionMode.STORAGE,  # chunks, MCAP only
}
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
    :raises BagError: wrong storage, the folder exists, or sqlite3 would take
        part of its path for options.

    Within :keyword:``with``, an error still closes the bag properly: what was
    written until then can be read.
    """

    def __init__(
        self, folder: str | Path, *, storage: str = 'mcap', compression: str = ''
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
        if storage == 'sqlite3' and set('#?%') & set(str(self.folder.absolute())):
            raise BagError(f'{self.folder}: sqlite3 takes #, ? and % for options; use mcap')
        self._storage, self._compression = storage, compression
        self._begun = False
        self._writer: Writer | None = None
        self._connections: dict[str, Connection] = {}
        self._offers: dict[str, tuple[str, Qos]] = {}

    def _begin(self) -> Writer:
        writer = Writer(self.folder, version=9, storage_plugin=STORAGES[self._storage])
        writer.set_compression(COMPRESSIONS[self._compression], CompressionFormat.ZSTD)
        with self._told():
            writer.open()
        self._begun, self._writer = True, writer
        for topic in self._offers:
            self._connect(topic)
        return writer

    def _connect(self, topic: str) -> None:
        if self._writer is not None:
            kind, offer = self._offers[topic]
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=typestore(), offered_qos_profiles=[offer]
            )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
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
                raise write_error(self.folder, error) from error
            # sqlite3's errors come from another module where rosbags uses apsw.
            if isinstance(error, WriterError) or type(error).__module__ in {'apsw', 'sqlite3'}:
                raise BagError(f'cannot write the bag {self.folder}: {one_line(error)}') from error
            raise

    def add_topic(self, topic: str, kind: str, offer: Qos | None = None) -> None:
        """Declare a topic; needed only where its quality of service matters."""
        if topic not in self._offers:
            self._offers[topic] = (kind, offer or qos())
            self._connect(topic)

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
        writer = self._writer or self._begin()
        with self._told():
            self.add_topic(topic, kind)
            writer.write(self._connections[topic], log_ns, data)

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
        if not self._begun:
            self._begin()
        writer = self._writer
        with self._told():
            if writer is not None:
                writer.close()
                self._writer = None

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
