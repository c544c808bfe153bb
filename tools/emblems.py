"""
More look-alikes of photographed signs: other emblems, zones, blue discs with numbers.

The emblems are the dark parts of drawn signs; they replace those of photographed
warning triangles and prohibitions. Known emblems go the same way, so that being
made tells nothing.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.lookalikes import LIMITS, OTHER_LIMITS, SIDE, Limit, Lookalikes
from tools.sign_text import Image, printed, trimmed

TRIANGLE_LEVEL = 0.2  # of the radius: the middle of a triangle's face is so far below its box's
ROUND_BASES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16)
BLUE = (33, 34, 35, 36, 37, 38, 39, 40)
ZONES = ('ZONE', 'Zone', 'ZONA', 'ZONE 30', 'zone', 'km/h')


def emblem_of(drawing: NDArray[np.uint8]) -> Image | None:
    """
    Return the dark emblem in the middle of a drawn sign, None where there is none.

    :param drawing: (H, W, 4) RGBA.
    :returns: (h, w), 0 to 255, without a border.
    """
    height, width = drawing.shape[:2]
    alpha = (drawing[..., 3] > 128).astype(np.uint8)
    alpha = cv2.copyMakeBorder(alpha, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(alpha, cv2.DIST_L2, 3)[1:-1, 1:-1]
    inner = depth > 0.26 * float(depth.max())
    dark = (drawing[..., :3].max(2) < 90) & inner
    if not 0.02 < float(dark.sum()) / (height * width) < 0.4:
        return None
    return trimmed((255 * dark).astype(np.uint8))


def blank_triangle(sign: Limit) -> tuple[Image, NDArray[np.float64], NDArray[np.float64]]:
    """Return a photographed triangle without its emblem, the emblem's colour and middle."""
    canvas = sign.canvas()
    x, y = sign.middle
    r = sign.radius
    corners = np.array(
        [[x, y - 0.5 * r], [x - 0.6 * r, y + 0.58 * r], [x + 0.6 * r, y + 0.58 * r]]
    )
    face = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(face, [corners.round().astype(np.int32)], 1)
    grey = canvas.max(2).astype(np.float32)
    inside = grey[face > 0]
    dark, light = np.percentile(inside, (4, 80))
    marks = ((grey < 0.45 * dark + 0.55 * light) * face).astype(np.uint8)
    marks = cv2.dilate(marks, np.ones((5, 5), np.uint8)) * face
    blank = np.asarray(cv2.inpaint(canvas, marks, 4, cv2.INPAINT_TELEA), np.uint8)
    ink = np.full(3, min(float(dark), 0.4 * float(light)))
    return blank, ink, np.array([x, y + TRIANGLE_LEVEL * r])


class Emblems:
    """
    Makes them.

    :param made: gives photographed signs and numbers.
    :param triangles: emblems and their class for warning signs, -1 for none.
    :param rounds: emblems of prohibitions that are none.
    """

    def __init__(
        self, made: Lookalikes, triangles: Sequence[tuple[Image, int]], rounds: Sequence[Image]
    ) -> None:
        self.made, self.rng = made, made.rng
        self.triangles, self.rounds = list(triangles), list(rounds)

    def triangle(self, known: bool) -> tuple[Image, int]:
        """Return a photographed triangle with a drawn emblem, and its class (-1)."""
        rng = self.rng
        fitting = [item for item in self.triangles if (item[1] >= 0) == known]
        mask, class_id = fitting[int(rng.integers(len(fitting)))]
        base = self.made.sign(tuple(range(18, 32)))
        canvas, ink, middle = blank_triangle(base)
        high = base.radius * float(rng.uniform(0.68, 0.9))
        wide = min(high * mask.shape[1] / mask.shape[0], 0.95 * base.radius)
        middle = middle + rng.normal(0, 0.03 * base.radius, 2)
        printed(canvas, mask, middle, (wide, high), ink)
        return canvas, class_id

    def prohibition(self) -> Image:
        """Return a photographed prohibition with another emblem, some with a red bar."""
        rng = self.rng
        mask = self.rounds[int(rng.integers(len(self.rounds)))]
        base = self.made.sign(ROUND_BASES)
        canvas, ink = base.erased()
        size = base.radius * float(rng.uniform(0.9, 1.2))
        fit = size / max(mask.shape)
        printed(canvas, mask, base.middle, (mask.shape[1] * fit, mask.shape[0] * fit), ink)
        if rng.random() < 0.3:
            canvas = self.made.slashed_canvas(canvas, base)
        return canvas

    def blue(self) -> Image:
        """Return a photographed blue disc with a number or letters instead of arrows."""
        rng = self.rng
        base = self.made.sign(BLUE)
        canvas = base.canvas()
        disc = np.zeros((SIDE, SIDE), np.uint8)
        middle = tuple(int(v) for v in base.middle.round())
        cv2.circle(disc, middle, round(0.82 * base.radius), 1, -1)
        colours = canvas.astype(np.float32)
        pale = colours[..., 0] / np.maximum(colours[..., 2], 1)
        low, high = np.percentile(pale[disc > 0], (15, 97))
        marks = ((pale > 0.6 * low + 0.4 * high) * disc).astype(np.uint8)
        marks = cv2.dilate(marks, np.ones((5, 5), np.uint8)) * disc
        white = np.percentile(colours[disc > 0], 97, 0)
        blank = np.asarray(cv2.inpaint(canvas, marks, 4, cv2.INPAINT_TELEA), np.uint8)
        texts = (*LIMITS, *OTHER_LIMITS, 'P', 'H', 'i', 'BUS')
        text = str(rng.choice(texts))
        tall = base.radius * float(rng.uniform(0.7, 1.05))
        wide = min(tall * (0.25 + 0.42 * len(text)), 1.45 * base.radius)
        printed(blank, self.made.text_mask(text), base.middle, (wide, tall), white)
        if rng.random() < 0.25:
            blank = self.made.slashed_canvas(blank, base, np.array([170.0, 30, 35]))
        return blank

    def turned(self) -> Image:
        """Return a photographed arrow on a blue disc that points where no class does."""
        rng = self.rng
        ahead = rng.random() < 0.7
        base = self.made.sign((35,) if ahead else (38, 39))
        turn = float(rng.choice((-90, 90, 90, -90, 180)) if ahead else rng.choice((-45, 45, 135)))
        middle = (float(base.middle[0]), float(base.middle[1]))
        matrix = cv2.getRotationMatrix2D(middle, turn + float(rng.normal(0, 5)), 1.0)
        spun = cv2.warpAffine(base.canvas(), matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(spun, np.uint8)

    def zone(self) -> Image:
        """Return a plate with a limit and the word zone, or its grey end."""
        rng, made = self.rng, self.made
        end = rng.random() < 0.45
        text = str(rng.choice(['30', '30', '30', '20', '40', '50', '60', '70']))
        base = made.sign((0, 1, 2, 3, 4, 5, 15))
        disc, _ = base.erased()
        face = np.median(disc[base.place(0.5, 0.5)].reshape(-1, 3), 0)
        high = int(SIDE * rng.uniform(1.0, 1.35))
        plate = np.empty((high, SIDE, 3), np.float32)
        plate[:] = face * rng.uniform(0.85, 1.05)
        plate += np.linspace(-6, 6, high)[:, None, None] * rng.normal()
        scale = SIDE * float(rng.uniform(0.66, 0.82)) / (2 * base.radius)
        centre = np.array([SIDE / 2, scale * base.radius + SIDE * rng.uniform(0.05, 0.12)])
        crop = made.number_on(base, text)
        if end:
            grey = crop.mean(2, keepdims=True)
            crop = np.clip(grey + 0.45 * (face - grey), 0, 255).astype(np.uint8)
        matrix = np.column_stack([np.eye(2) * scale, centre - scale * base.middle])
        size = (SIDE, high)
        moved = cv2.warpAffine(crop, matrix, size, flags=cv2.INTER_LINEAR)
        mask = np.zeros((high, SIDE), np.float32)
        middle = tuple(int(v) for v in centre.round())
        cv2.circle(mask, middle, round(scale * base.radius), 1.0, -1, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None]
        image = np.asarray(np.clip(plate * (1 - mask) + moved * mask, 0, 255), np.uint8)
        ink = face * float(rng.uniform(0.1, 0.35))
        words = made.text_mask(str(rng.choice(ZONES)))
        level = (centre[1] + scale * base.radius + high) / 2
        room = max(6.0, (high - centre[1] - scale * base.radius) * 0.7)
        printed(image, words, np.array([SIDE / 2, level]), (SIDE * 0.6, min(room, 22)), ink)
        dark = tuple(int(v) for v in ink.tolist())
        cv2.rectangle(image, (1, 1), (SIDE - 2, high - 2), dark, int(rng.integers(1, 3)))
        if end:
            for index in range(int(rng.integers(1, 6))):
                off = (index - 2) * int(rng.integers(5, 9))
                ends = ((off, high - 4), (SIDE + off, 4))
                cv2.line(image, ends[0], ends[1], dark, int(rng.integers(1, 4)), cv2.LINE_AA)
        return image
