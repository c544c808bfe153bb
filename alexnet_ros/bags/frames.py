"""
Frames out of a bag: all of them, read ahead, or paced as a camera sends them.

Reading and decoding run in a thread of their own, so that the recognizer
waits for neither.
"""

import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from alexnet_ros.bags.pace import Pace
from alexnet_ros.bags.reader import BagImage, BagReader
from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.records import Frame

AHEAD = 4  # decoded frames that wait at most
T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class BagFrame:
    """One decoded image, or why it was refused; ``dropped`` images were passed over before it."""

    camera: str
    image: BagImage
    frame: Frame | None
    refused: str = ''
    dropped: int = 0


def decoded(image: BagImage, camera: str, dropped: int = 0) -> BagFrame:
    """Decode one image as the node does."""
    read = rgb_from_compressed if image.compressed else rgb_from_image
    try:
        pixels = read(image.message)
    except ImageFormatError as error:
        return BagFrame(camera, image, None, error.reason, dropped)
    return BagFrame(camera, image, Frame(pixels, image.stamp_ns, camera), '', dropped)


def _read_ahead(source: Generator[T, None, None]) -> Iterator[T]:
    """Yield what a generator gives, run by a thread some items before they are wanted."""
    end: Any = object()
    pool = ThreadPoolExecutor(1)
    waiting = deque(pool.submit(next, source, end) for _ in range(AHEAD))
    try:
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, source, end))
            yield item
    finally:
        for future in waiting:
            future.cancel()
        pool.submit(source.close)  # in the thread that opened what it reads
        pool.shutdown()


def every_frame(reader: BagReader, cameras: Mapping[str, str]) -> Iterator[list[BagFrame]]:
    """Yield every frame by itself, decoded ahead."""
    for frame in _read_ahead(decoded(one, cameras[one.topic]) for one in reader.images(cameras)):
        yield [frame]


def paced_frames(
    reader: BagReader, cameras: Mapping[str, str], rate: float = 1.0
) -> Iterator[list[BagFrame]]:
    """
    Yield the newest frame of each camera, in the bag's own time without long gaps.

    What comes while the consumer is busy replaces what waits, as in the live
    node; the frame that follows says how many were dropped.

    :param rate: 2.0 plays twice as fast.
    """
    pace = Pace(time.monotonic(), rate)
    newest: dict[str, BagImage] = {}
    dropped: Counter[str] = Counter()

    def taken() -> list[BagFrame]:
        found = [decoded(one, name, dropped[name]) for name, one in sorted(newest.items())]
        newest.clear()
        dropped.clear()
        return found

    for image in _read_ahead(reader.images(cameras)):
        due_s = pace.due_s(image.log_ns)
        if newest and due_s > time.monotonic():  # nothing else has come by now
            yield taken()
        time.sleep(max(due_s - time.monotonic(), 0.0))
        camera = cameras[image.topic]
        dropped[camera] += camera in newest
        newest[camera] = image
    if newest:
        yield taken()
