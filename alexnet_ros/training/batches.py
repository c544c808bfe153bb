"""Batches of augmented crops, made ahead by threads, the same for the same seed."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Augmentation = Callable[[Image, Image, np.random.Generator], None]


class Images(Protocol):
    """Anything that gives images by index."""

    def __getitem__(self, index: int, /) -> Image:
        """Return one image."""
        ...


@dataclass
class Source:
    """
    One kind of image in the mix.

    :param images: the images by index.
    :param class_ids: their labels, int64.
    :param share: its share of each batch.
    :param weights: chance of each image, any scale; None for the same.
    """

    images: Images
    class_ids: NDArray[np.int64]
    share: float
    weights: NDArray[np.float64] | None = None
    _cumulative: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare drawing."""
        weights = np.ones(len(self.class_ids)) if self.weights is None else self.weights
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> int:
        """Return a random index."""
        index = int(np.searchsorted(self._cumulative, rng.random(), side='right'))
        return min(index, len(self.class_ids) - 1)


def balanced_weights(class_ids: NDArray[np.int64], power: float = 0.5) -> NDArray[np.float64]:
    """
    Return the chance of each image so that a class counts by ``n ** power``.

    :param power: 1 leaves the data as it is, 0 makes all classes equal.
    """
    counts = np.bincount(class_ids)
    return np.asarray(counts[class_ids].astype(np.float64) ** (power - 1))


class BatchMaker:
    """Makes the batch of a step from (seed, rank, step) alone."""

    def __init__(
        self,
        sources: Sequence[Source],
        augment: Augmentation,
        batch: int,
        seed: int,
        rank: int = 0,
    ) -> None:
        self.sources, self.augment, self.batch = sources, augment, batch
        self.seed, self.rank = seed, rank
        self._edges = np.cumsum([s.share for s in sources]) / sum(s.share for s in sources)

    def make(self, step: int, size_px: int) -> tuple[Image, NDArray[np.int64]]:
        """Return images (N, size, size, 3) uint8 and class ids (N,) of one step."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        images = np.empty((self.batch, size_px, size_px, 3), np.uint8)
        class_ids = np.empty(self.batch, np.int64)
        for row in range(self.batch):
            which = min(int(np.searchsorted(self._edges, rng.random())), len(self.sources) - 1)
            source = self.sources[which]
            index = source.draw(rng)
            self.augment(source.images[index], images[row], rng)
            class_ids[row] = source.class_ids[index]
        return images, class_ids

    def stream(
        self, start: int, size_of: Callable[[int], int], threads: int = 2, ahead: int = 6
    ) -> Generator[tuple[int, Image, NDArray[np.int64]], None, None]:
        """
        Give batch after batch from step ``start`` on, without end.

        :param size_of: side in pixels for a step.
        :param threads: how many make batches at once; 0 makes them in place.
        """
        step, pool = start, ThreadPoolExecutor(threads or 1)
        waiting = deque([pool.submit(self.make, step, size_of(step))])
        try:
            while True:
                while len(waiting) < (ahead if threads else 1):
                    later = step + len(waiting)
                    waiting.append(pool.submit(self.make, later, size_of(later)))
                yield (step, *waiting.popleft().result())
                step += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
