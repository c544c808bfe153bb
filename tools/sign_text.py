"""Text as masks, in fonts that the machine has, and masks onto pictures."""

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
FONTS = (
    *('DejaVuSans-Bold', 'DejaVuSans', 'DejaVuSansMono-Bold', 'DejaVuSans-BoldOblique'),
    *('DejaVuSansMono', 'STIXGeneralBol', 'cmb10', 'DejaVuSansMono-Oblique', 'DejaVuSerif-Bold'),
)
HERSHEY = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


@lru_cache(maxsize=64)
def _font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / 'fonts/ttf' / f'{name}.ttf'), 96)


def trimmed(mask: Image) -> Image:
    """Return the mask without empty rows and columns."""
    rows, columns = np.flatnonzero(mask.max(1) > 60), np.flatnonzero(mask.max(0) > 60)
    if not len(rows) or not len(columns):
        return mask
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def font_mask(text: str, rng: np.random.Generator, fonts: tuple[str, ...] | None = None) -> Image:
    """Return text in a random font, (h, w), 0 to 255, without a border."""
    if fonts is None and rng.random() < 0.25:
        page = np.zeros((160, 90 * len(text) + 60), np.uint8)
        face, weight = int(rng.choice(HERSHEY)), int(rng.integers(6, 15))
        cv2.putText(page, text, (30, 120), face, 3.2, 255, weight, cv2.LINE_AA)
        return trimmed(page)
    font = _font(str(rng.choice(fonts or FONTS)))
    left, top, right, bottom = font.getbbox(text)
    page_pil = Pil.new('L', (int(right - left) + 8, int(bottom - top) + 8), 0)
    ImageDraw.Draw(page_pil).text((4 - left, 4 - top), text, fill=255, font=font)
    return trimmed(np.asarray(page_pil, np.uint8))


def printed(
    canvas: Image, mask: Image, middle: NDArray[np.float64], size: tuple[float, float], ink: object
) -> None:
    """Blend a mask, stretched to a size in pixels, onto the canvas in place."""
    w, h = (max(2, round(v)) for v in size)
    x, y = (round(float(m) - s / 2) for m, s in zip(middle, (w, h), strict=True))
    page = np.zeros(canvas.shape[:2], np.float32)
    small = cv2.resize(mask, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    x0, y0, x1, y1 = max(0, x), max(0, y), min(page.shape[1], x + w), min(page.shape[0], y + h)
    if x1 <= x0 or y1 <= y0:
        return
    page[y0:y1, x0:x1] = small[y0 - y : y1 - y, x0 - x : x1 - x]
    weight = cv2.GaussianBlur(page, (0, 0), 0.7)[..., None]
    canvas[:] = (canvas * (1 - weight) + np.asarray(ink, np.float32) * weight).astype(np.uint8)
