"""A video, or pictures in a row, read as if they were a bag with one camera."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bags.salvage import Say, StoredMessage
from alexnet_ros.bags.typestore import IMAGE, typestore
from alexnet_ros.bags.writer import image_message
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.video import VIDEOS, Media, open_media, sources_in

TOPIC = '/camera/image'
START_NS = 1_750_000_000 * 10**9  # some day; a stamp of 0 means "not set"
PICTURE_RATE_HZ = 10.0


def is_media(path: Path) -> bool:
    """Tell whether a path that is no bag may be read as pictures."""
    if path.is_file():
        return path.suffix.lower() in VIDEOS
    return path.is_dir() and sources_in([str(path)]) != [str(path)]


def stamped_frames(
    sources: list[str], rate_hz: float = PICTURE_RATE_HZ, say: Say | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """
    Yield stamp, nanoseconds, and frame (H, W, 3) uint8 of sources one after the other.

    Videos run at their own rate from :data:`START_NS` on; of a camera the stamps
    are the time.

    :param say: is told of what cannot be read; None raises it.
    :raises ImageFormatError: a source cannot be read.
    """
    start_ns = START_NS
    for name in sources:
        try:
            with open_media(name) as media:
                step_ns = round(1e9 / (rate_hz if media.frames == 1 else media.rate_hz))
                stamp_ns = start_ns - step_ns
                for offset_ns, image_rgb in media:
                    stamp_ns = offset_ns if media.live else start_ns + offset_ns
                    yield stamp_ns, image_rgb
                start_ns = stamp_ns + step_ns
        except ImageFormatError as error:
            if say is None:
                raise ImageFormatError(error.reason, f'{name}: {error.detail}') from error
            say(f'{name}: {error}')


class MediaFile:
    """
    One video or folder of pictures behind the interface of a bag's file.

    ``counts`` is what the video's header says, or the number of pictures.
    """

    def __init__(self, path: Path, say: Say) -> None:
        self._say = say
        self._sources = sources_in([str(path)])
        self.claimed = 0
        frames, rate_hz = len(self._sources), PICTURE_RATE_HZ
        if len(self._sources) == 1 and path.is_file():
            try:
                with open_media(path) as media:
                    frames, rate_hz = _frames_of(media), media.rate_hz
            except ImageFormatError as error:
                say(f'{path.name}: {error}')
                frames = 0
        self.counts: Counter[tuple[str, str]] = Counter({(TOPIC, IMAGE): frames})
        last_ns = START_NS + round(max(frames - 1, 0) * 1e9 / rate_hz)
        self.span_ns: tuple[int, int] | None = (START_NS, last_ns)

    def messages(self, wanted: frozenset[str]) -> Iterator[StoredMessage]:
        """Yield the frames as ``sensor_msgs/Image``."""
        if wanted and TOPIC not in wanted:
            return
        store = typestore()
        for stamp_ns, image_rgb in stamped_frames(self._sources, say=self._say):
            data = bytes(store.serialize_cdr(image_message(stamp_ns, image_rgb, 'camera'), IMAGE))
            yield StoredMessage(TOPIC, IMAGE, stamp_ns, data)


def _frames_of(media: Media) -> int:
    """Return how many frames a video has; where its header does not tell, by reading it."""
    return media.frames or sum(1 for _ in media)
