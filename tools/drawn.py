"""
Drawn signs, of known and of unknown meaning.

A network that has only ever seen photographs of 43 classes names every disc
and triangle after one of them. The same brush draws signs with known numbers
(labelled so) and with numbers, letters and shapes that are no class, so that
being drawn tells nothing and what is drawn tells all.
"""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
CANVAS = 160
SPEEDS = {'20': 0, '30': 1, '50': 2, '60': 3, '70': 4, '80': 5, '100': 7, '120': 8}
OTHER_NUMBERS = (
    *('5', '10', '15', '25', '35', '40', '45', '55', '90', '110', '130', '140'),
    *('40', '90', '10', '40', '90', '5', '110', '130'),
)
OTHER_WORDS = (
    *('P', 'H', 'X', 'A', 'M', 'bus', '3,5t', '2m', '3,8m', 'ZONE', 'TAXI', 'i', '?', 'S', '1'),
    *('8', 'km', 'E6', 'A1', 'EXIT', '<', '>', '^', 'v', '+', '=', '#', '*', '/', '\\'),
    *('O', 'U', 'W'),
)
RED, BLUE, GREEN, YELLOW = (185, 25, 30), (20, 70, 170), (10, 110, 60), (240, 190, 20)
WHITE, BLACK, GREY = (240, 240, 240), (20, 20, 20), (128, 128, 128)
ORANGE, BROWN = (240, 120, 20), (110, 60, 30)


@lru_cache(maxsize=64)
def _font(index: int, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font from matplotlib's folder, or Pillow's own."""
    names = ('DejaVuSans-Bold', 'DejaVuSans', 'DejaVuSansMono-Bold', 'DejaVuSerif-Bold')
    try:
        import matplotlib as mpl

        folder = Path(mpl.get_data_path()) / 'fonts/ttf'
        return ImageFont.truetype(str(folder / f'{names[index]}.ttf'), size)
    except (ImportError, OSError):
        return ImageFont.load_default(size)


def text_mask(text: str, width: int, height: int, rng: np.random.Generator) -> Image:
    """Return the text filling (height, width), 0 to 255."""
    font = _font(int(rng.choice(4, p=(0.5, 0.25, 0.15, 0.1))), 64)
    left, top, right, bottom = font.getbbox(text)
    page = Pil.new('L', (max(1, int(right - left)), max(1, int(bottom - top))), 0)
    ImageDraw.Draw(page).text((-left, -top), text, fill=255, font=font)
    return cv2.resize(np.asarray(page), (max(1, width), max(1, height))).astype(np.uint8)


def write(
    image: Image, text: str, colour: Colour, rng: np.random.Generator, share: float = 0.5
) -> None:
    """Write into the middle of the image, in place; ``share`` is of its side."""
    side = image.shape[0]
    height = int(side * share * rng.uniform(0.65, 0.9))
    width = int(min(height * (0.28 + 0.36 * len(text)) * rng.uniform(0.9, 1.2), side * 0.62))
    mask = text_mask(text, width, height, rng)
    y = (side - height) // 2 + int(rng.integers(-4, 5) * side / CANVAS)
    x = (image.shape[1] - width) // 2 + int(rng.integers(-3, 4) * side / CANVAS)
    y, x = max(0, y), max(0, x)
    part = image[y : y + height, x : x + width]
    weight = mask[: part.shape[0], : part.shape[1], None] / np.float32(255)
    part[:] = (part * (1 - weight) + np.array(colour) * weight).astype(np.uint8)


def polygon(sides: int, radius: float, turn_deg: float = 0.0) -> NDArray[np.int32]:
    """Return the corners of a regular polygon about the canvas' middle."""
    angle = np.radians(turn_deg + 360 / sides * np.arange(sides))
    points = CANVAS / 2 + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.asarray(points.round(), np.int32)


def colour_of(values: NDArray[np.float64]) -> Colour:
    """Return three values, 0 to 255, as a colour."""
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def shifted(colour: Colour, rng: np.random.Generator) -> Colour:
    """Return nearly the same colour, faded or darker."""
    return colour_of(np.clip(np.array(colour) + rng.normal(0, 14, 3), 0, 255))


def _face(
    image: Image, outline: NDArray[np.int32], rim: Colour, inner: Colour, thickness: int
) -> None:
    cv2.fillPoly(image, [outline], inner, cv2.LINE_AA)
    if thickness:
        cv2.polylines(image, [outline], True, rim, thickness, cv2.LINE_AA)


def known_sign(canvas: Image, rng: np.random.Generator) -> int:
    """Draw a sign of a known class onto the canvas; return its class id."""
    kind = rng.choice(
        ['speed', 'blank', 'entry', 'yield', 'stop', 'priority', 'caution'],
        p=(0.64, 0.05, 0.06, 0.06, 0.07, 0.06, 0.06),
    )
    red, white, black = (shifted(c, rng) for c in (RED, WHITE, BLACK))
    disc = polygon(40, 64)
    rim = int(rng.integers(12, 19))
    if kind in ('speed', 'blank'):
        face = shifted(YELLOW, rng) if rng.random() < 0.12 else white
        _face(canvas, polygon(40, 64 - rim / 2), red, face, rim)
        if kind == 'blank':
            return 15
        text = str(rng.choice(list(SPEEDS)))
        write(canvas, text, black, rng, 0.46)
        return SPEEDS[text]
    if kind == 'entry':
        _face(canvas, disc, red, red, 0)
        cv2.rectangle(canvas, (34, 69), (126, 91), white, -1)
        return 17
    if kind == 'yield':
        _face(canvas, polygon(3, 62, 90), red, white, rim)
        return 13
    if kind == 'stop':
        _face(canvas, polygon(8, 66, 22.5), white, red, 4)
        write(canvas, 'STOP', white, rng, 0.36)
        return 14
    if kind == 'priority':
        _face(canvas, polygon(4, 68), black, white, 3)
        _face(canvas, polygon(4, 48), black, shifted(YELLOW, rng), 2)
        return 12
    _face(canvas, polygon(3, 66, -90), red, white, rim)
    cv2.rectangle(canvas, (74, 62), (86, 92), black, -1)
    cv2.circle(canvas, (80, 103), 7, black, -1)
    return 18


def unknown_sign(canvas: Image, rng: np.random.Generator) -> int:
    """Draw something sign-like that is none of the classes onto the canvas; return -1."""
    colours = (RED, BLUE, GREEN, YELLOW, WHITE, BLACK, ORANGE, GREY, BROWN)
    one, two, three = (shifted(colours[i], rng) for i in rng.choice(9, 3, replace=False))
    red, white, black = (shifted(c, rng) for c in (RED, WHITE, BLACK))
    rim = int(rng.integers(6, 20))
    pick = rng.random()
    words = OTHER_WORDS + OTHER_NUMBERS
    if pick < 0.34:  # speed limits that are no class
        face = shifted(YELLOW, rng) if rng.random() < 0.15 else white
        _face(canvas, polygon(40, 64 - rim / 2), red, face, max(rim, 11))
        write(canvas, str(rng.choice(OTHER_NUMBERS)), black, rng, 0.46)
    elif pick < 0.46:  # warning triangles with a wrong sign in them
        turn = -90 if rng.random() < 0.8 else 90
        _face(canvas, polygon(3, 64, turn), red, white, max(rim, 9))
        write(canvas, str(rng.choice(words)), black, rng, 0.3)
    elif pick < 0.56:  # American diamonds
        _face(canvas, polygon(4, 68), black, shifted(YELLOW if pick < 0.52 else ORANGE, rng), 3)
        write(canvas, str(rng.choice(words)), black, rng, 0.42)
    elif pick < 0.66:  # blue and other discs with letters
        _face(canvas, polygon(40, 62), two, shifted(BLUE, rng) if pick < 0.62 else one, 3)
        write(canvas, str(rng.choice(words)), white, rng, 0.5)
    elif pick < 0.72:  # octagons without STOP
        _face(canvas, polygon(8, 64, 22.5), white, red if rng.random() < 0.6 else one, 4)
        if rng.random() < 0.7:
            write(canvas, str(rng.choice(words)), white, rng, 0.4)
    elif pick < 0.86:  # plates
        w, h = rng.integers(30, 76, 2).tolist()
        box = np.array([[80 - w, 80 - h], [80 + w, 80 - h], [80 + w, 80 + h], [80 - w, 80 + h]])
        _face(canvas, box.astype(np.int32), two, one, int(rng.integers(0, 8)))
        if rng.random() < 0.75:
            write(canvas, str(rng.choice(words)), three, rng, 0.5)
    elif pick < 0.93:  # plain shapes
        sides = int(rng.choice([3, 4, 5, 6, 40]))
        colour = shifted(RED if rng.random() < 0.4 else BLUE, rng)
        _face(canvas, polygon(sides, 60, float(rng.uniform(0, 360))), colour, colour, 0)
    else:  # lights
        cv2.rectangle(canvas, (55, 15), (105, 145), black, -1)
        for row, colour in zip((38, 80, 122), (RED, YELLOW, GREEN), strict=True):
            lit = rng.random() < 0.4
            cv2.circle(canvas, (80, row), 18, colour if lit else (40, 40, 40), -1, cv2.LINE_AA)
    return -1
