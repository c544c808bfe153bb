"""Decoded images, kept in memory while they fit."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError
from alexnet_ros.training.sources import Record, bytes_of

Image = NDArray[np.uint8]


def decode(record: Record) -> Image:
    """
    Return one image, (H, W, 3) uint8, RGB.

    :raises DatasetError: not an image that OpenCV can read.
    """
    data = np.frombuffer(bytes_of(record), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DatasetError(f'unreadable image {record.name} ({data.size} bytes)')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class ImageBank:
    """
    Images by index, decoded once.

    :param records: what to read.
    :param memory_mb: images beyond this many megabytes are decoded each time.
    """

    def __init__(self, records: Sequence[Record], memory_mb: int = 4096) -> None:
        self.records = list(records)
        self._kept: dict[int, Image] = {}
        self._free = memory_mb * 1_000_000

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.records)

    def __getitem__(self, index: int) -> Image:
        """Return one image, (H, W, 3) uint8 RGB; do not write into it."""
        image = self._kept.get(index)
        if image is None:
            image = decode(self.records[index])
            if image.nbytes <= self._free:
                self._free -= image.nbytes
                self._kept[index] = image
        return image

    def load(self, threads: int = 2) -> None:
        """Decode what fits now, so that unreadable files are found at the start."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.__getitem__, range(len(self)), chunksize=256):
                pass
