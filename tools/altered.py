"""
Photographed signs changed into ones without meaning, and drawn signs.

Class ids are GTSRB's.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from alexnet_ros.training.negatives import texture
from tools import drawn
from tools.drawn import OTHER_NUMBERS
from tools.lookalikes import Limit
from tools.sign_text import Image

TURNABLE = (9, 10, 11, 13, 16, *range(18, 32))  # upside down they mean nothing
TWO_DIGITS = (0, 1, 2, 3, 4, 5)  # 20 to 80
FLIPPING_DIGITS = (1, 3, 4)  # a turned first digit changes 30, 60 (to 90) and 70
TRIANGLES = tuple(range(18, 32))
ROUND = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15)


class Altered:
    """
    Makes them.

    :param signs: photographs by class.
    :param road: gives a piece of road.
    """

    def __init__(
        self,
        signs: Mapping[int, Sequence[Limit]],
        road: Callable[[], Image],
        rng: np.random.Generator,
    ) -> None:
        self.signs, self.road, self.rng = signs, road, rng

    def _sign(self, classes: Sequence[int]) -> Image:
        """Return a photograph of one of the classes."""
        known = [c for c in classes if c in self.signs]
        chosen = self.signs[int(self.rng.choice(known))]
        return chosen[int(self.rng.integers(len(chosen)))].image

    def altered(self) -> Image:
        """Return a photographed sign changed into one without meaning."""
        rng, pick = self.rng, self.rng.random()
        if pick < 0.25:
            return np.array(self._sign(TURNABLE)[::-1, ::-1])
        if pick >= 0.6:
            round_one = pick < 0.85
            words = OTHER_NUMBERS if pick < 0.8 else drawn.OTHER_WORDS
            sign = self._sign(ROUND if round_one else TRIANGLES)
            return self._repainted(sign, str(rng.choice(words)), round_one)
        image: Image = self._sign(FLIPPING_DIGITS if pick < 0.48 else TWO_DIGITS).copy()
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

    def _repainted(self, image: Image, text: str, round_one: bool) -> Image:
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

    def drawn(self, known: bool) -> tuple[Image, int]:
        """Return a drawn sign and its class, -1 when it has none."""
        if known and self.rng.random() < 0.35:
            text = str(self.rng.choice(list(drawn.SPEEDS)))
            return self._repainted(self._sign(ROUND), text, True), drawn.SPEEDS[text]
        ground = self.road() if self.rng.random() < 0.75 else texture(self.rng, drawn.CANVAS)
        canvas = cv2.resize(ground, (drawn.CANVAS, drawn.CANVAS)).astype(np.uint8)
        class_id = (drawn.known_sign if known else drawn.unknown_sign)(canvas, self.rng)
        side = int(self.rng.integers(28, 90))
        small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8), class_id
