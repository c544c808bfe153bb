"""Batches of augmented pictures, made ahead by threads, the same for the same seed."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.training.augment import SignAugmentation
from alexnet_ros.training.settings import TrainSettings

Image = NDArray[np.uint8]
AHEAD = 6  # batches made before they are asked for
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
        self, start: int, size_of: Callable[[int], int], threads: int = 2
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
                while len(waiting) < (AHEAD if threads else 1):
                    later = step + len(waiting)
                    waiting.append(pool.submit(self.make, later, size_of(later)))
                yield (step, *waiting.popleft().result())
                step += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def colour_components(images: Images, count: int, seed: int = 0) -> NDArray[np.float64]:
    """
    Return the principal components of a data set's colours, of 300 images, 300 pixels each.

    :returns: (3, 3), one component a row (R, G, B, on the 0-1 scale), each as
        long as its variance.
    """
    rng = np.random.default_rng(seed)
    pixels = []
    for index in rng.permutation(count)[:300].tolist():
        flat = images[index].reshape(-1, 3)
        pixels.append(flat[rng.integers(0, len(flat), 300)])
    values, vectors = np.linalg.eigh(np.cov(np.concatenate(pixels).T / 255))
    return np.asarray((vectors * values).T[::-1])


@dataclass(frozen=True)
class PaperAugmentation:
    """
    The paper's random changes, for whole photographs: crop, mirror and PCA colour noise.

    Krizhevsky et al. 2012, section 4.1: the shorter side becomes 256, a random
    square of the input's size is cut out, mirrored or not, and multiples of the
    principal components of the training colours are added, N(0, 0.1) times their
    variances.

    :param components: see :func:`colour_components`; None adds no noise.
    :param crop: side of the cut as a share of the shorter side, 224 / 256.
    :param sigma: of the colour noise.
    :param mirror: also mirror left to right.
    :param smallest: 1 keeps the paper's fixed scale; less also draws smaller
        cuts, down to this share of ``crop``.
    :param stretch: cut a part of the picture's own proportions, for a network
        that sees whole pictures stretched to its input; else a square.
    """

    components: NDArray[np.float64] | None = None
    crop: float = 224 / 256
    sigma: float = 0.1
    mirror: bool = True
    smallest: float = 1.0
    stretch: bool = False

    def __call__(self, image: Image, out: Image, rng: np.random.Generator) -> None:
        """Write one changed copy of (h, w, 3) into ``out`` (H, W, 3)."""
        height, width = image.shape[:2]
        share = self.crop * float(rng.uniform(self.smallest, 1))
        across, down = (width, height) if self.stretch else (min(height, width),) * 2
        across, down = max(1, round(across * share)), max(1, round(down * share))
        x, y = int(rng.integers(0, width - across + 1)), int(rng.integers(0, height - down + 1))
        part = image[y : y + down, x : x + across]
        kind = cv2.INTER_AREA if down > out.shape[0] else cv2.INTER_LINEAR
        cv2.resize(part, (out.shape[1], out.shape[0]), out, interpolation=kind)
        if self.mirror and rng.random() < 0.5:
            out[:] = out[:, ::-1].copy()
        if self.components is not None:
            shift = 255 * (rng.normal(0, self.sigma, 3) @ self.components)  # (3,)
            ramp = np.arange(256, dtype=np.float32)[:, None] + shift
            table = np.clip(np.rint(ramp), 0, 255).astype(np.uint8).reshape(1, 256, 3)
            out[:] = cv2.LUT(out, table)


def plain(image: Image, out: Image, rng: np.random.Generator) -> None:
    """Resize only."""
    del rng
    cv2.resize(image, (out.shape[1], out.shape[0]), out, interpolation=cv2.INTER_LINEAR)


def augmentation_for(settings: TrainSettings, images: Images, count: int) -> Augmentation:
    """Return the random changes that the settings ask for."""
    if settings.augmentation == 'signs':
        return SignAugmentation(mirror=settings.mirror)
    if settings.augmentation == 'none':
        return plain
    stretch = settings.resize == 'stretch'
    components = colour_components(images, count, settings.seed)
    paper = settings.augmentation == 'paper'
    # where the node sees whole pictures, training must see some (Touvron et al. 2019)
    crop, smallest = (224 / 256, 1.0) if paper and not stretch else (1.0, 0.875 if paper else 0.5)
    return PaperAugmentation(components, crop, 0.1, settings.mirror, smallest, stretch)
