"""
What is none of the classes: road, pieces of signs, altered and drawn signs.

The pool is made once at the start from the training crops and a video, with
the run's seed; the usual augmentation then varies it. Class ids in here are
GTSRB's.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import DatasetError, ImageFormatError
from alexnet_ros.training import drawn
from alexnet_ros.training.batches import Images
from alexnet_ros.video import open_media

Image = NDArray[np.uint8]
TURNABLE = (9, 10, 11, 13, 16, *range(18, 32))  # upside down they mean nothing
TWO_DIGITS = (0, 1, 2, 3, 4, 5)  # 20 to 80
FLIPPING_DIGITS = (1, 3, 4)  # a turned first digit changes 30, 60 (to 90) and 70
TRIANGLES = tuple(range(18, 32))
ROUND = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15)


def video_frames(path: Path, start: float = 0.0, stop: float = 1.0, step: int = 1) -> list[Image]:
    """
    Return frames of a video between two shares of its length, RGB.

    :raises DatasetError: not a readable video.
    """
    try:
        with open_media(path) as video:
            frames = [frame for _, frame in video]
    except ImageFormatError as error:
        raise DatasetError(f'{path} is not a readable video') from error
    return frames[round(start * len(frames)) : round(stop * len(frames)) : step]


def random_crop(frame: Image, rng: np.random.Generator, low: int = 18, high: int = 220) -> Image:
    """Return a nearly square piece of a frame, its side drawn on a log scale."""
    height, width = frame.shape[:2]
    side = float(np.exp(rng.uniform(np.log(low), np.log(min(high, height - 1)))))
    w, h = (
        int(np.clip(side * f, 8, s - 1))
        for f, s in zip(rng.uniform(0.8, 1.25, 2), (width, height), strict=True)
    )
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    piece: Image = frame[y : y + h, x : x + w].copy()
    if max(w, h) <= 96:
        return piece
    return np.asarray(cv2.resize(piece, (96, 96), interpolation=cv2.INTER_AREA), np.uint8)


def texture(rng: np.random.Generator, side: int) -> Image:
    """Return noise of some grain, a ramp or one colour, (side, side, 3)."""
    cells = int(rng.choice([2, 3, 5, 9, 20, side]))
    base = rng.integers(0, 256, (cells, cells, 3)).astype(np.float32)
    if rng.random() < 0.5:
        base = base.mean(2, keepdims=True).repeat(3, 2)
    smooth = cv2.resize(base, (side, side), interpolation=cv2.INTER_CUBIC)
    level = rng.uniform(0, 255, 3)
    strength = float(rng.uniform(0.02, 1))
    return np.asarray(np.clip(level + (smooth - level) * strength, 0, 255), np.uint8)


class NegativeMaker:
    """
    Makes crops that are no known sign, and drawn crops that are.

    :param crops: training crops, each with a border of about 10 %.
    :param class_ids: their GTSRB classes.
    :param frames: frames of road without signs.
    :param traffic_signs: the classes are GTSRB's: also alter and draw signs.
    """

    def __init__(
        self,
        crops: Images,
        class_ids: NDArray[np.int64],
        frames: Sequence[Image],
        rng: np.random.Generator,
        *,
        traffic_signs: bool = False,
    ) -> None:
        self.traffic_signs = traffic_signs
        self.crops, self.class_ids, self.frames, self.rng = crops, class_ids, frames, rng
        self._by_class = {c: np.flatnonzero(class_ids == c) for c in set(class_ids.tolist())}

    def backdrop(self, side: int) -> Image:
        """Return road or texture, (side, side, 3)."""
        if self.frames and self.rng.random() < 0.75:
            frame = self.frames[int(self.rng.integers(len(self.frames)))]
            return cv2.resize(random_crop(frame, self.rng), (side, side)).astype(np.uint8)
        return texture(self.rng, side)

    def sign(self, classes: Sequence[int] | None = None) -> tuple[Image, int]:
        """Return a training crop (of one of the classes) and its class."""
        if classes is None:
            index = int(self.rng.integers(len(self.class_ids)))
        else:
            known = [c for c in classes if c in self._by_class]
            index = int(self.rng.choice(self._by_class[int(self.rng.choice(known))]))
        return self.crops[index], int(self.class_ids[index])

    def road(self) -> Image:
        """Return a piece of road, or texture where there are no frames."""
        if not self.frames:
            return texture(self.rng, 64)
        return random_crop(self.frames[int(self.rng.integers(len(self.frames)))], self.rng)

    def displaced(self) -> Image:
        """Return half of a sign or less, or a sign much too small for its crop."""
        rng = self.rng
        sign, _ = self.sign()
        side = int(rng.integers(40, 110))
        canvas = self.backdrop(side)
        if rng.random() < 0.45:
            size = int(side * rng.uniform(0.2, 0.48))
            x, y = rng.integers(0, side - size + 1, 2).tolist()
        else:
            size = int(side * rng.uniform(0.7, 2.0))
            far = size * rng.uniform(0.55, 0.8) * rng.choice([-1, 1])
            near = size * rng.uniform(-0.5, 0.5)
            dx, dy = (far, near) if rng.random() < 0.5 else (near, far)
            x, y = (int((side - size) / 2 + d) for d in (dx, dy))
        _paste(canvas, _trimmed(sign, size), x, y)
        return canvas

    def altered(self) -> Image:
        """Return a photographed sign changed into one without meaning."""
        rng, pick = self.rng, self.rng.random()
        if pick < 0.25:
            return np.array(self.sign(TURNABLE)[0][::-1, ::-1])
        if pick >= 0.6:
            round_one = pick < 0.85
            words = drawn.OTHER_NUMBERS if pick < 0.8 else drawn.OTHER_WORDS
            sign, _ = self.sign(ROUND if round_one else TRIANGLES)
            return self.repainted(sign, str(rng.choice(words)), round_one)
        image: Image = self.sign(FLIPPING_DIGITS if pick < 0.48 else TWO_DIGITS)[0].copy()
        height, width = image.shape[:2]
        middle, reach = round(width / 2), round(0.225 * width)
        digits = image[round(0.33 * height) : round(0.67 * height)]
        left, right = digits[:, middle - reach : middle], digits[:, middle : middle + reach]
        if pick < 0.48:
            left[:] = left[::-1, ::-1].copy()
        elif pick < 0.53:
            right[:] = left
        else:
            left[:], right[:] = right.copy(), left.copy()
        return image

    def repainted(self, image: Image, text: str, round_one: bool) -> Image:
        """Return the sign with other words in its middle."""
        height, width = image.shape[:2]
        image = cv2.resize(image, (96, 96)).astype(np.uint8)
        centre = image[28:68, 28:68].reshape(-1, 3)
        order = centre.sum(1).argsort()
        face, ink = (
            drawn.colour_of(np.median(centre[part], 0)) for part in (order[-400:], order[:120])
        )
        if round_one:
            cv2.circle(image, (48, 48), 26, face, -1, cv2.LINE_AA)
        else:
            corners = np.array([[48, 26], [27, 68], [69, 68]], np.int32)
            cv2.fillPoly(image, [corners], face, cv2.LINE_AA)
        drawn.write(image, text, ink, self.rng, 0.46 if round_one else 0.26)
        image = cv2.GaussianBlur(image, (0, 0), float(self.rng.uniform(0.5, 1.2))).astype(np.uint8)
        small = (max(24, width), max(24, height))
        return cv2.resize(image, small, interpolation=cv2.INTER_AREA).astype(np.uint8)

    def drawn_sign(self, known: bool) -> tuple[Image, int]:
        """Return a drawn sign and its class, -1 when it has none."""
        if known and self.rng.random() < 0.35:
            text = str(self.rng.choice(list(drawn.SPEEDS)))
            return self.repainted(self.sign(ROUND)[0], text, True), drawn.SPEEDS[text]
        canvas = self.backdrop(drawn.CANVAS)
        class_id = (drawn.known_sign if known else drawn.unknown_sign)(canvas, self.rng)
        side = int(self.rng.integers(28, 90))
        small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), class_id

    def negative(self) -> Image:
        """Return one crop that is none of the classes."""
        pick = self.rng.random() * (1.0 if self.traffic_signs else 0.58)
        if pick < 0.27:
            return self.road()
        if pick < 0.32:
            return texture(self.rng, int(self.rng.integers(24, 80)))
        if pick < 0.58:
            return self.displaced()
        if pick < 0.76:
            return self.altered()
        return self.drawn_sign(known=False)[0]


def _trimmed(sign: Image, size: int) -> Image:
    """Return the sign without most of its border, (size, size, 3)."""
    height, width = sign.shape[:2]
    inner = sign[height // 12 : height - height // 12, width // 12 : width - width // 12]
    return cv2.resize(inner, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _paste(canvas: Image, patch: Image, x: int, y: int) -> None:
    """Put the patch onto the canvas where they overlap, as a disc with soft edge."""
    height, width = canvas.shape[:2]
    size = patch.shape[0]
    disc = np.zeros((size, size), np.float32)
    cv2.circle(disc, (size // 2, size // 2), int(size * 0.56), 1.0, -1)
    mask = cv2.GaussianBlur(disc, (0, 0), 0.02 * size + 0.5)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + size), min(height, y + size)
    if x1 <= x0 or y1 <= y0:
        return
    weight = mask[y0 - y : y1 - y, x0 - x : x1 - x, None]
    part = canvas[y0:y1, x0:x1]
    part[:] = part * (1 - weight) + patch[y0 - y : y1 - y, x0 - x : x1 - x] * weight
