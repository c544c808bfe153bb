"""
Digits and letters as strokes, in the manner of DIN 1451.

A glyph is a list of polylines in a unit box (x right, y down, 0 to 1); the
sign drawing scales it and strokes it with one thickness.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def arc(
    centre_xy: tuple[float, float], radii_xy: tuple[float, float], start_deg: float, end_deg: float
) -> Points:
    """Return an elliptic arc, shape (25, 2); angles run clockwise from the right, y down."""
    angle = np.radians(np.linspace(start_deg, end_deg, 25))
    return np.stack(
        [centre_xy[0] + radii_xy[0] * np.cos(angle), centre_xy[1] + radii_xy[1] * np.sin(angle)], 1
    )


def line(*points: tuple[float, float]) -> Points:
    """Return a polyline through the points, shape (N, 2)."""
    return np.array(points, np.float64)


def joined(*parts: Points) -> Points:
    """Join polylines end to end."""
    return np.concatenate(parts)


GLYPHS: dict[str, tuple[Points, ...]] = {
    '0': (
        joined(
            arc((0.5, 0.36), (0.5, 0.36), 180, 360),
            arc((0.5, 0.64), (0.5, 0.36), 0, 180),
            line((0.0, 0.36)),
        ),
    ),
    '1': (line((0.12, 0.27), (0.62, 0.0), (0.62, 1.0)),),
    '2': (joined(arc((0.5, 0.29), (0.46, 0.29), 190, 385), line((0.0, 1.0), (1.0, 1.0))),),
    '3': (
        joined(
            arc((0.47, 0.25), (0.43, 0.25), 200, 450), arc((0.47, 0.74), (0.5, 0.26), 270, 515)
        ),
    ),
    '5': (
        joined(
            line((0.92, 0.0), (0.14, 0.0), (0.08, 0.47)), arc((0.46, 0.68), (0.52, 0.32), 232, 508)
        ),
    ),
    '6': (line((0.72, 0.0), (0.06, 0.56)), arc((0.5, 0.69), (0.5, 0.31), 0, 360)),
    '7': (line((0.0, 0.0), (1.0, 0.0), (0.36, 1.0)),),
    '8': (arc((0.5, 0.25), (0.42, 0.25), 0, 360), arc((0.5, 0.74), (0.5, 0.26), 0, 360)),
    'S': (
        joined(arc((0.5, 0.25), (0.46, 0.25), 335, 90), arc((0.5, 0.75), (0.48, 0.25), -90, 155)),
    ),
    'T': (line((0.0, 0.0), (1.0, 0.0)), line((0.5, 0.0), (0.5, 1.0))),
    'P': (
        joined(
            line((0.0, 1.0), (0.0, 0.0)),
            line((0.5, 0.0)),
            arc((0.5, 0.28), (0.5, 0.28), -90, 90),
            line((0.0, 0.56)),
        ),
    ),
}
GLYPHS['O'] = GLYPHS['0']


def draw_text(
    canvas: NDArray[np.uint8],
    text: str,
    *,
    centre_xy: tuple[float, float],
    height: float,
    aspect: float,
    gap: float,
    stroke: float,
    colour: Sequence[int],
) -> None:
    """
    Stroke a word onto a canvas.

    :param canvas: shape (H, W, C), uint8; changed in place.
    :param centre_xy: centre of the word, in units of the canvas' width.
    :param height: of a glyph, the stroke's own thickness included, same unit.
    :param aspect: width of a glyph over its height.
    :param gap: between glyphs, same unit as ``height``.
    :param stroke: thickness, same unit.
    """
    size = canvas.shape[1]
    width = height * aspect
    total = len(text) * width + (len(text) - 1) * gap
    inner = np.array([width - stroke, height - stroke])
    left, top = centre_xy[0] - total / 2 + stroke / 2, centre_xy[1] - height / 2 + stroke / 2
    for index, letter in enumerate(text):
        origin = np.array([left + index * (width + gap), top])
        paths = [
            np.rint((p * inner + origin) * size * 16).astype(np.int32) for p in GLYPHS[letter]
        ]
        cv2.polylines(
            canvas, paths, False, [int(c) for c in colour], round(stroke * size), cv2.LINE_AA, 4
        )
