"""Lit lamps, which a finder of round things takes for signs."""

import cv2
import numpy as np

from tools.lookalikes import SIDE
from tools.sign_text import Image, font_mask

HUES = ((60, 255, 170), (255, 60, 40), (255, 180, 50), (255, 250, 230), (90, 255, 110))


def lit_lamp(ground: Image, rng: np.random.Generator) -> Image:
    """
    Return a lit lamp: of a traffic light, of a car, in a street, (SIDE, SIDE, 3).

    :param ground: (h, w, 3) uint8 RGB, what is round it.
    """
    image = cv2.resize(ground, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    image = image.astype(np.float32) * float(rng.uniform(0.3, 1.0))
    middle, radius = SIDE / 2 + rng.normal(0, 3, 2), SIDE * float(rng.uniform(0.3, 0.44))
    if rng.random() < 0.75:  # in a dark housing
        wide, tall = radius * rng.uniform(1.1, 1.5), radius * rng.uniform(1.2, 4.0)
        off = float(rng.uniform(-1, 1)) * (tall - radius)
        corners = np.array([[-wide, off - tall], [wide, off + tall]]) + middle
        (x0, y0), (x1, y1) = (tuple(int(v) for v in c.round()) for c in corners)
        grey = float(rng.uniform(5, 60))
        cv2.rectangle(image, (x0, y0), (x1, y1), (grey, grey, grey), -1)
    hue = np.array(HUES[int(rng.integers(len(HUES)))], np.float32)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    away = np.hypot(x - middle[0], y - middle[1]) / radius
    disc = np.clip((1 - away) * radius / float(rng.uniform(1, 6)), 0, 1)[..., None]
    core = np.exp(-((away / float(rng.uniform(0.5, 1.2))) ** 2))[..., None]
    white = float(rng.uniform(0, 0.9))
    lit = hue * (1 - white * core) + 255 * white * core
    lit = lit * float(rng.uniform(0.45, 1.1)) * (0.6 + 0.4 * core)
    if rng.random() < 0.3:  # an arrow or a figure leaves most of it dark
        mask = font_mask(str(rng.choice(list('<>^v+iX'))), rng)
        size = (round(1.2 * radius), round(1.2 * radius))
        page = np.zeros((SIDE, SIDE), np.float32)
        at = [max(0, int(m - s / 2)) for m, s in zip(middle, size, strict=True)]
        part = cv2.resize(mask, size).astype(np.float32) / 255
        part = part[: SIDE - at[1], : SIDE - at[0]]
        page[at[1] : at[1] + part.shape[0], at[0] : at[0] + part.shape[1]] = part
        disc = disc * (page if rng.random() < 0.6 else 1 - page)[..., None]
    image = image * (1 - disc) + lit * disc
    image += hue * float(rng.uniform(0, 0.4)) * np.exp(-((away / 1.3) ** 2))[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)
