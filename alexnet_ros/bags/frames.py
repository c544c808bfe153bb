"""
Frames out of a bag: all of them, read ahead, or paced as a camera sends them.

Reading and decoding run in a thread of their own, so that the recognizer
waits for neither.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_ros.bags.pace import Pace
from alexnet_ros.bags.reader import BagImage, BagReader
from alexnet_ros.codec import rgb_from_compressed, rgb_from_image
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.records import Frame

AHEAD = 4  # decoded frames that wait at most
TAKE_S = 0.2  # how soon a stopped reader is noticed


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


class _Stopped(Exception):  # noqa: N818 - it is no error
    """The consumer has gone."""


class ReadAhead:
    """Runs an iterator in a thread; iterate over it, then close it."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(AHEAD)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(source,), daemon=True)
        self._thread.start()

    def _put(self, item: tuple[str, Any]) -> None:
        while not self._halt.is_set():
            try:
                self._queue.put(item, timeout=TAKE_S)
            except queue.Full:
                continue
            return
        raise _Stopped

    def _fill(self, source: Iterator[Any]) -> None:
        try:
            for item in source:
                self._put(('item', item))
            self._put(('end', None))
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised where it is taken
            try:
                self._put(('error', error))
            except _Stopped:
                return

    def __iter__(self) -> Iterator[Any]:
        """Yield what the source yields."""
        while True:
            kind, item = self._queue.get()
            if kind == 'end':
                return
            if kind == 'error':
                raise item
            yield item

    def close(self) -> None:
        """Stop the thread."""
        self._halt.set()
        self._thread.join(timeout=5.0)


def every_frame(reader: BagReader, cameras: Mapping[str, str]) -> Iterator[list[BagFrame]]:
    """Yield every frame by itself, decoded ahead."""
    ahead = ReadAhead(decoded(image, cameras[image.topic]) for image in reader.images(cameras))
    try:
        for frame in ahead:
            yield [frame]
    finally:
        ahead.close()


class _Slots:
    """The newest image of each camera, as the node's mailbox keeps them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.newest: dict[str, BagImage] = {}
        self.dropped: dict[str, int] = {}
        self.over = False
        self.error: BaseException | None = None
        self.halt = threading.Event()

    def put(self, camera: str, image: BagImage) -> None:
        with self.changed:
            if camera in self.newest:
                self.dropped[camera] = self.dropped.get(camera, 0) + 1
            self.newest[camera] = image
            self.changed.notify()

    def finish(self, error: BaseException | None = None) -> None:
        with self.changed:
            self.over, self.error = True, error
            self.changed.notify()

    def take(self) -> list[tuple[str, BagImage, int]]:
        """Wait for images; an empty list says that there will be none."""
        with self.changed:
            while not self.newest and not self.over:
                self.changed.wait(TAKE_S)
            if self.error is not None:
                raise self.error
            found = [
                (camera, image, self.dropped.pop(camera, 0))
                for camera, image in sorted(self.newest.items())
            ]
            self.newest.clear()
            return found


def paced_frames(
    reader: BagReader,
    cameras: Mapping[str, str],
    rate: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[BagFrame]]:
    """
    Yield the newest frame of each camera, in the bag's own time without long gaps.

    What comes while the consumer is busy replaces what waits, as in the live
    node; the frame that follows says how many were dropped.

    :param rate: 2.0 plays twice as fast.
    """
    slots = _Slots()

    def play() -> None:
        try:
            pace: Pace | None = None
            for image in reader.images(cameras):
                pace = pace or Pace(clock(), rate)
                if slots.halt.wait(max(pace.due_s(image.log_ns) - clock(), 0.0)):
                    return
                slots.put(cameras[image.topic], image)
            slots.finish()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is taken
            slots.finish(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        while found := slots.take():
            yield [decoded(image, camera, dropped) for camera, image, dropped in found]
    finally:
        slots.halt.set()
        thread.join(timeout=5.0)
