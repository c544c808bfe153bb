"""
Signs that are nearly one of GTSRB's, made of photographed ones.

Numbers are lifted off speed limits (or set in one of the machine's fonts), put
onto other limits, onto blank discs and onto end-of-limit signs. What comes out
has the texture, the light and the blur of a photograph and another meaning:
limit 40, 110, 5; "20t", "3,5t", "3.8m"; the end of limit 60. The same brush makes
known signs, so that being made tells nothing.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.sign_text import Image, font_mask, printed, trimmed

Floats = NDArray[np.float32]

SIDE = 96  # pixels at which faces are worked on
LIMITS = {'20': 0, '30': 1, '50': 2, '60': 3, '70': 4, '80': 5, '100': 7, '120': 8}
OTHER_LIMITS = ('5', '10', '15', '25', '35', '40', '45', '55', '65', '75', '85', '90', '110')
OTHER_LIMITS = (*OTHER_LIMITS, '130', '140', '10', '40', '90', '110', '5', '15', '40', '90', '10')
PLATES = (
    *('5t', '10t', '20t', '30t', '40t', '50t', '60t', '8t', '12t', '15t', '25t', '35t', '55t'),
    *('3,5t', '5,5t', '7,5t', '2,8t', '2.8t', '7.5t', '18t', '16t', '80t', '100t', '20T', '30T'),
    *(
        '2m',
        '3m',
        '4m',
        '3,8m',
        '3.5m',
        '4.5m',
        '2,5m',
        '2.2m',
        '3,0m',
        '4,2m',
        '10m',
        '50m',
        '70m',
    ),
    *(
        '4.5',
        '3.5',
        '2.2',
        '3,8',
        '2,0',
        'P',
        'H',
        'BUS',
        'TAXI',
        'STOP',
        'ZOLL',
        '30 min',
        'km/h',
    ),
)


class Limit:
    """
    A photographed round sign of a known place.

    :param image: (h, w, 3) uint8 RGB with its border.
    :param roi: the sign's box (x1, y1, x2, y2) in pixels.
    """

    def __init__(self, image: Image, roi: tuple[int, int, int, int]) -> None:
        self.image, self.roi = image, roi
        x1, y1, x2, y2 = roi
        scale = np.array([SIDE / image.shape[1], SIDE / image.shape[0]])
        self.middle = np.array([x1 + x2, y1 + y2]) / 2 * scale
        self.radius = float(min(np.array([x2 - x1, y2 - y1]) * scale)) / 2

    def canvas(self) -> Image:
        """Return the crop, (SIDE, SIDE, 3)."""
        kind = cv2.INTER_AREA if self.image.shape[0] > SIDE else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(self.image, (SIDE, SIDE), interpolation=kind), np.uint8)

    def place(self, across: float, down: float) -> tuple[slice, slice]:
        """Return rows and columns of the middle, half as wide and high as given, in radii."""
        x, y = self.middle
        rows = slice(max(0, round(y - down * self.radius)), round(y + down * self.radius))
        return rows, slice(
            max(0, round(x - across * self.radius)), round(x + across * self.radius)
        )

    def ink(self, canvas: Image) -> Floats:
        """Return how dark each pixel is between the face (0) and the print (1), (SIDE, SIDE)."""
        grey = canvas.min(2).astype(np.float32)  # red and white differ, ink is dark in all
        inner = grey[self.place(0.5, 0.42)]
        dark, light = np.percentile(inner, (5, 90))
        return np.asarray(
            np.clip((light - grey) / max(light - dark, 8) * 1.2 - 0.1, 0, 1), np.float32
        )

    def erased(self) -> tuple[Image, NDArray[np.float64]]:
        """Return the sign without its print, and the print's colour."""
        canvas = self.canvas()
        ink = self.ink(canvas)
        disc = np.zeros((SIDE, SIDE), np.uint8)
        middle = tuple(int(v) for v in self.middle.round())
        cv2.circle(disc, middle, round(0.68 * self.radius), 1, -1)
        marks = cv2.dilate((ink > 0.25).astype(np.uint8) * disc, np.ones((5, 5), np.uint8)) * disc
        middle_part = self.place(0.5, 0.38)
        solid = canvas[middle_part][ink[middle_part] > 0.85]
        blank = np.asarray(cv2.inpaint(canvas, marks, 4, cv2.INPAINT_TELEA), np.uint8)
        face = np.median(blank[middle_part].reshape(-1, 3), 0)
        colour = np.median(solid, 0) if len(solid) > 8 else 0.2 * face
        return blank, colour if colour.mean() < 0.55 * face.mean() else 0.25 * face


class Lookalikes:
    """
    Makes them from the training crops of GTSRB.

    :param limits: class id to signs of it, limits and signs without print.
    """

    def __init__(self, limits: dict[int, list[Limit]], rng: np.random.Generator) -> None:
        self.limits, self.rng = limits, rng
        self.digits: dict[str, list[Image]] = {}
        for text, class_id in LIMITS.items():
            large = [s for s in limits[class_id] if s.roi[3] - s.roi[1] >= 40]
            for sign in (large or limits[class_id])[:: max(1, len(large) // 60)]:
                self._lift(text, sign)

    def _lift(self, text: str, sign: Limit) -> None:
        """Keep the digits of one photographed limit."""
        across = 0.56 if len(text) == 2 else 0.66
        mask = (255 * sign.ink(sign.canvas())[sign.place(across, 0.42)]).astype(np.uint8)
        width = mask.shape[1] // len(text)
        for index, digit in enumerate(text):
            part = mask[:, index * width : (index + 1) * width]
            if 0.15 < float((part > 128).mean()) < 0.75:
                self.digits.setdefault(digit, []).append(trimmed(part))
                if digit == '6':
                    self.digits.setdefault('9', []).append(trimmed(part)[::-1, ::-1].copy())

    def text_mask(self, text: str) -> Image:
        """Return text of lifted digits where there are some, else in one font."""
        rng = self.rng
        if len(text) > 1 and text[-1] in 'tmT' and text[-2].isdigit() and rng.random() < 0.75:
            return self._with_small_unit(text)
        if rng.random() < 0.45 or not set(text) <= set(self.digits):
            return font_mask(text, rng)
        parts = []
        for digit in text:
            part = self.digits[digit][int(rng.integers(len(self.digits[digit])))]
            parts.append(cv2.resize(part, (round(64 * (0.3 if digit == '1' else 0.62)), 64)))
            parts.append(np.zeros((64, int(rng.integers(3, 9))), np.uint8))
        return np.hstack(parts[:-1]).astype(np.uint8)

    def _with_small_unit(self, text: str) -> Image:
        """Return a number with its unit small at the lower right."""
        number, unit = self.text_mask(text[:-1]), font_mask(text[-1], self.rng)
        high = round(64 * float(self.rng.uniform(0.35, 0.7)))
        wide = max(6, round(high * unit.shape[1] / unit.shape[0]))
        number = cv2.resize(number, (max(16, round(64 * (len(text) - 1) * 0.62)), 64))
        page = np.zeros((64, wide + int(self.rng.integers(3, 9))), np.uint8)
        page[64 - high :, -wide:] = cv2.resize(unit, (wide, high))
        return np.hstack([number, page]).astype(np.uint8)

    def sign(self, classes: tuple[int, ...]) -> Limit:
        """Return a random sign of one of the classes."""
        known = [c for c in classes if self.limits.get(c)]
        found = self.limits[int(self.rng.choice(known))]
        return found[int(self.rng.integers(len(found)))]

    def number(self, text: str) -> Image:
        """Return a photographed limit with another text, (SIDE, SIDE, 3)."""
        return self.number_on(self.sign((0, 1, 2, 3, 4, 5, 7, 8, 15)), text)

    def number_on(self, base: Limit, text: str) -> Image:
        """Return this limit with another text, (SIDE, SIDE, 3)."""
        rng = self.rng
        canvas, ink = base.erased()
        if rng.random() < 0.12:  # a yellow face, as in Sweden or at road works
            self.tinted(
                canvas, base, np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.1, 0.5)])
            )
        high = base.radius * float(rng.uniform(0.62, 0.88)) * (1 if len(text) < 4 else 0.8)
        wide = high * (0.25 + 0.42 * len(text)) * float(rng.uniform(0.8, 1.15))
        wide = min(wide, base.radius * (1.25 if len(text) < 3 else 1.42))
        shift = rng.normal(0, 0.03, 2) * base.radius
        if 'm' in text and rng.random() < 0.6:  # arrows that say height or width
            self._arrows(canvas, base, ink, upright=rng.random() < 0.6)
        printed(canvas, self.text_mask(text), base.middle + shift, (wide, high), ink)
        return canvas

    def squeezed(self, unit: str) -> tuple[Image, int]:
        """Return a limit whose own digits make room for a small unit ('' none), and its class."""
        rng = self.rng
        class_id = int(rng.choice(list(LIMITS.values())))
        base = self.sign((class_id,))
        canvas, (blank, ink) = base.canvas(), base.erased()
        region = base.place(0.6, 0.45)
        digits, face = canvas[region], blank[region].copy()
        high, wide = digits.shape[:2]
        w, h = round(wide * rng.uniform(0.66, 0.85)), round(high * rng.uniform(0.8, 1.0))
        top = int(rng.integers(0, high - h + 1))
        left = 0 if unit else int(rng.integers(0, wide - w + 1))
        face[top : top + h, left : left + w] = cv2.resize(digits, (w, h))
        out = canvas.copy()
        out[region] = face
        if unit:
            size = high * float(rng.uniform(0.28, 0.55))
            x, y = region[1].start + w + 0.42 * size, region[0].start + top + 0.86 * h - size / 2
            mask = font_mask(unit, rng)
            place = np.array([min(x, base.middle[0] + 0.68 * base.radius), y])
            printed(out, mask, place, (0.6 * size, size), ink)
        return out, class_id

    def _arrows(self, canvas: Image, base: Limit, ink: object, upright: bool) -> None:
        colour = tuple(int(v) for v in np.asarray(ink).tolist())
        half, far = self.rng.uniform(0.12, 0.45), self.rng.uniform(0.66, 0.78)
        for way in (-1, 1):
            along = np.array([0, way]) if upright else np.array([way, 0])
            over = along[::-1]
            tip = base.middle + along * 0.4 * base.radius
            back = base.middle + along * far * base.radius
            wing = over * half * base.radius
            corners = np.stack([tip, back + wing, back - wing]).round().astype(np.int32)
            cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA)

    def tinted(self, canvas: Image, base: Limit, factors: NDArray[np.float64]) -> None:
        """Multiply the colours of the white face, in place."""
        colours = canvas.astype(np.float32)
        spread = colours.max(2) - colours.min(2)
        pale = np.clip(1.6 - spread / 28, 0, 1) * np.clip((colours.mean(2) - 45) / 40, 0, 1)
        y, x = np.mgrid[0:SIDE, 0:SIDE]
        inside = np.hypot(x - base.middle[0], y - base.middle[1]) < 0.85 * base.radius
        weight = (pale * inside)[..., None]
        canvas[:] = (colours * (1 + weight * (factors.astype(np.float32) - 1))).astype(np.uint8)

    def end_of(self, text: str) -> Image:
        """Return the end of a limit: grey print and bars, (SIDE, SIDE, 3)."""
        rng = self.rng
        if rng.random() < 0.45:  # a photographed barred disc gets a number
            base = self.sign((32, 32, 32, 41, 42))
            canvas = base.canvas()
            face = np.percentile(canvas[base.place(0.5, 0.5)].reshape(-1, 3), 75, 0)
            self._number_under(canvas, base, text, face * rng.uniform(0.15, 0.65))
            return canvas
        base = self.sign((0, 1, 2, 3, 4, 5, 7, 8, 15))
        canvas, ink = base.erased()
        face = np.median(canvas[base.place(0.5, 0.5)].reshape(-1, 3), 0)
        face = face * (1 - 0.3 * (rng.random() < 0.5)) + 0.3 * face.mean() * (rng.random() < 0.3)
        if rng.random() < 0.45:  # a dark ring, dark print and fine bars, as in China
            self._rim(canvas, base, np.clip(ink * float(rng.uniform(0.8, 1.5)), 0, 255), 0.0)
            self._bars(canvas, base, ink + (face - ink) * float(rng.uniform(0.05, 0.6)), fine=True)
            self._number_under(canvas, base, text, ink * float(rng.uniform(0.8, 1.4)))
            return canvas
        self._rim(canvas, base, np.clip(face, 0, 255), float(rng.uniform(0.2, 0.9)))
        grey = np.minimum(ink + (face - ink) * float(rng.uniform(0, 0.65)), 0.72 * face)
        self._number_under(canvas, base, text, grey)
        self._bars(canvas, base, ink + (face - ink) * float(rng.uniform(0, 0.35)))
        return canvas

    def _number_under(self, canvas: Image, base: Limit, text: str, ink: object) -> None:
        high = base.radius * float(self.rng.uniform(0.66, 1.0))
        wide = min(
            high * (0.25 + 0.42 * len(text)) * float(self.rng.uniform(0.85, 1.2)),
            1.5 * base.radius,
        )
        layer = canvas.copy()
        printed(layer, self.text_mask(text), base.middle, (wide, high), ink)
        np.minimum(canvas, layer, out=canvas)  # bars stay on top

    def _rim(self, canvas: Image, base: Limit, colour: NDArray[np.float64], edge: float) -> None:
        """Turn the red rim into a colour, with a thin edge of a share of its brightness."""
        y, x = np.mgrid[0:SIDE, 0:SIDE]
        away = np.hypot(x - base.middle[0], y - base.middle[1]) / base.radius
        light = canvas.max(2).astype(np.float32)
        rim = (away > 0.74) & (away < 1.02)
        red = canvas[..., 0] - canvas[..., 1:].max(2).astype(np.float32)
        rim |= (red > 0.12 * canvas[..., 0]) & (away < 1.1)
        typical = max(float(np.median(light[rim])), 8.0)
        shade = np.clip(light / typical, 0.7, 1.3)[..., None]
        weight = cv2.GaussianBlur(rim.astype(np.float32), (0, 0), 1.0)[..., None]
        mixed = canvas * (1 - weight) + np.clip(colour * shade, 0, 255) * weight
        canvas[:] = mixed.astype(np.uint8)
        if edge:
            dark = tuple(int(v) for v in (colour * edge).tolist())
            radius = round(base.radius * float(self.rng.uniform(0.88, 1.0)))
            middle = tuple(int(v) for v in base.middle.round())
            cv2.circle(canvas, middle, radius, dark, int(self.rng.integers(1, 5)), cv2.LINE_AA)

    def _bars(self, canvas: Image, base: Limit, ink: object, *, fine: bool = False) -> None:
        """Draw one broad or some thin bars from lower left to upper right, in place."""
        rng, radius = self.rng, base.radius
        count = int(rng.choice([1, 3, 4, 5, 5, 6]))
        apart = float(rng.uniform(0.07, 0.15)) * radius
        thick = max(1, round(float(rng.uniform(0.03, 0.08)) * radius))
        if fine:
            count, thick = max(count, 3), 1
        if count == 1:
            thick = max(2, round(float(rng.uniform(0.12, 0.3)) * radius))
        turn = np.radians(rng.normal(45, 6))
        along, over = (
            np.array([np.cos(turn), -np.sin(turn)]),
            np.array([np.sin(turn), np.cos(turn)]),
        )
        layer = canvas.copy()
        colour = tuple(int(v) for v in np.clip(np.asarray(ink), 0, 255).tolist())
        for index in range(count):
            off = (index - (count - 1) / 2) * apart
            reach = float(np.sqrt(max(radius**2 - off**2, 1))) * float(rng.uniform(0.85, 1.0))
            ends = [base.middle + off * over + side * reach * along for side in (-1, 1)]
            points = [tuple(int(v) for v in end.round()) for end in ends]
            cv2.line(layer, points[0], points[1], colour, thick, cv2.LINE_AA)
        canvas[:] = cv2.addWeighted(canvas, 0.1, layer, 0.9, 0)

    def slashed(self, classes: tuple[int, ...]) -> Image:
        """Return a photographed prohibition with a red bar that it does not have."""
        base = self.sign(classes)
        return self.slashed_canvas(base.canvas(), base)

    def slashed_canvas(
        self, canvas: Image, base: Limit, colour: NDArray[np.float64] | None = None
    ) -> Image:
        """Draw a bar in the rim's colour, or another, across a sign; return it."""
        y, x = np.mgrid[0:SIDE, 0:SIDE]
        away = np.hypot(x - base.middle[0], y - base.middle[1]) / base.radius
        if colour is None:
            colour = np.median(canvas[(away > 0.84) & (away < 0.94)], 0)
        turn = np.radians(self.rng.normal(45, 8)) * (1 if self.rng.random() < 0.8 else -1)
        way = np.array([np.cos(turn), np.sin(turn)]) * 0.85 * base.radius
        points = [tuple(int(v) for v in (base.middle + s * way).round()) for s in (-1, 1)]
        width = max(2, round(base.radius * float(self.rng.uniform(0.13, 0.24))))
        paint = tuple(int(v) for v in colour.tolist())
        cv2.line(canvas, points[0], points[1], paint, width, cv2.LINE_AA)
        return canvas
