"""Videos, pictures and cameras: read as if they were a bag, or written into one."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bags.salvage import Say, StoredMessage
from alexnet_ros.bags.typestore import IMAGE, typestore
from alexnet_ros.bags.writer import BagWriter, image_message
from alexnet_ros.errors import BagError, ImageFormatError
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.video import VIDEOS, open_media, sources_in

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
                    # Where its header does not tell, by reading it.
                    frames, rate_hz = media.frames or sum(1 for _ in media), media.rate_hz
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


def bag_from_sources(
    folder: str | Path,
    names: Iterable[str],
    *,
    topic: str = TOPIC,
    compressed: bool = False,
    rate_hz: float = PICTURE_RATE_HZ,
    seconds: float = 0.0,
    start_ns: int = START_NS,
    **how: Any,
) -> int:
    """
    Write the frames of videos, pictures and cameras into a new bag.

    Videos are stamped by their own frame rate, a camera by the clock.

    :param compressed: JPEG on ``TOPIC/compressed`` in place of raw images.
    :param seconds: stop after so much, 0 for all; a camera never ends by itself.
    :param start_ns: stamp of the first frame of a file, nanoseconds.
    :param how: storage, compression and splitting, see
        :class:`~alexnet_ros.bags.writer.BagWriter`.
    :returns: how many frames were written.
    :raises BagError: a source cannot be read, or the folder exists.
    """
    frames = 0
    try:
        read = stamped_frames(sources_in(names), rate_hz)
        first = next(read, None)
        if first is None:
            raise BagError('there are no frames')
        first_ns = first[0]
        with BagWriter(folder, **how) as bag:
            for read_ns, image_rgb in itertools.chain([first], read):
                if seconds and read_ns - first_ns > seconds * 1e9:
                    break
                stamp_ns = read_ns - START_NS + start_ns if first_ns == START_NS else read_ns
                if compressed:
                    bag.write_jpeg(f'{topic}/compressed', stamp_ns, jpeg_from_rgb(image_rgb, 90))
                else:
                    bag.write_image(topic, stamp_ns, image_rgb)
                frames += 1
    except ImageFormatError as error:
        raise BagError(f'{error.detail} (after {frames} frames)') from error
    return frames
