"""Results that running nodes published, read back from a bag."""

from pathlib import Path
from typing import Any

from alexnet_ros.bags import messages
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.bags.typestore import stamp_ns_of, typestore
from alexnet_ros.errors import BagError
from alexnet_ros.navigation.offline import NavigationLog
from alexnet_ros.records import Recognition


class Recorded:
    """
    The detections, labels and navigation of one recording.

    :param path: a bag with ``~/detections`` topics, such as ``results.mcap``.
    :raises BagError: it has none.
    """

    def __init__(self, path: str | Path) -> None:
        self.names: dict[int, str] = {}
        self.navigation = NavigationLog()
        self._data: dict[tuple[str, int], bytes] = {}
        self.whole_frames = True  # until a detection says otherwise
        self._offset_ns: int | None = None
        self._seen: set[tuple[str, str]] = set()
        with BagReader(path) as bag:
            kind_of = {topic: info.kind for topic, info in bag.topics.items()}
            told = {t for t, kind in kind_of.items() if kind == messages.DETECTIONS}
            self._cameras = _cameras({t for t in told if t.endswith('/detections')})
            if not self._cameras:
                raise BagError(f"{path} has no detections: record the node's ~/detections")
            # Never images.
            kinds = {messages.LABEL_INFO, messages.SPEED_LIMIT, messages.BOOL}
            told |= {topic for topic, kind in kind_of.items() if kind in kinds}
            for message in bag.messages(told):
                self._take(message.topic, message.kind, message.data, message.log_ns)

    def _take(self, topic: str, kind: str, data: bytes, log_ns: int) -> None:
        found: Any = typestore().deserialize_cdr(data, kind)
        if topic in self._cameras:
            stamp_ns = stamp_ns_of(found.header)
            self._data[self._cameras[topic], stamp_ns] = data
            self.whole_frames &= all(map(_is_whole, found.detections))
            if self._offset_ns is None:
                self._offset_ns = log_ns - stamp_ns
        elif kind == messages.LABEL_INFO:
            self.names |= {int(one.class_id): str(one.class_name) for one in found.class_map}
        elif kind == messages.SPEED_LIMIT:
            at_ns = stamp_ns_of(found.header) or log_ns
            self.navigation.note_limit(at_ns, found.speed_limit or None)
        elif kind == messages.BOOL and topic.endswith('stop_lock'):
            # Without a header; the recording may run on another clock than the images.
            self.navigation.note_lock(log_ns - (self._offset_ns or 0), bool(found.data))

    def __len__(self) -> int:
        """Return how many frames have a result."""
        return len(self._data)

    def recognition(
        self, camera: str, stamp_ns: int, size_wh: tuple[int, int]
    ) -> Recognition | None:
        """Return what was published for a frame, None if nothing was."""
        data = self._data.get((camera, stamp_ns))
        if data is None:
            return None
        message = typestore().deserialize_cdr(data, messages.DETECTIONS)
        return messages.recognition_from_detections(
            message, camera, size_wh, self.names, self._seen
        )


def _is_whole(detection: Any) -> bool:
    """Tell whether a detection may be that of a whole frame: no track, from the corner on."""
    box, centre = detection.bbox, detection.bbox.center.position
    corner = (centre.x - box.size_x / 2, centre.y - box.size_y / 2)
    return not detection.id and corner == (0.0, 0.0)


def _cameras(topics: set[str]) -> dict[str, str]:
    """Name the camera of each topic: ``NODE/detections`` or ``NODE/CAMERA/detections``."""
    if len(topics) == 1:
        return dict.fromkeys(topics, '')
    return {topic: topic.split('/')[-2] for topic in topics}
