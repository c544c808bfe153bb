"""What was recognised, drawn into the picture."""

import math
import unicodedata
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import intersection_area
from alexnet_ros.records import BBoxXYWH, Detection, Recognition

Image = NDArray[np.uint8]
Rect = tuple[int, int, int, int]  # left, top, right, bottom

CONFIRMED = (20, 150, 60)
NAMED = (215, 120, 0)
UNKNOWN = (110, 110, 110)
TEXT = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX

SPELLED = str.maketrans(
    {
        '\u00e4': 'ae',
        '\u00f6': 'oe',
        '\u00fc': 'ue',
        '\u00df': 'ss',
        '\u00c4': 'Ae',
        '\u00d6': 'Oe',
        '\u00dc': 'Ue',
        '\u00d8': 'O',
        '\u00f8': 'o',
        '\u2013': '-',
        '\u2014': '-',
        '\u00b0': ' deg',
    }
)
"""What OpenCV's fonts lack and decomposition does not give."""


@dataclass(frozen=True)
class _Pen:
    """Sizes that stay readable at the picture's size, pixels."""

    line: int
    font_scale: float
    font_line: int
    pad: int

    @classmethod
    def fitting(cls, width: int, height: int) -> '_Pen':
        """Return a pen for a picture."""
        unit = max(0.5, math.sqrt(width * height / (1280 * 720)))
        return cls(
            max(1, round(2 * unit)),
            max(0.48, 0.55 * unit),
            max(1, round(1.3 * unit)),
            max(2, round(4 * unit)),
        )


def ascii_text(text: str) -> str:
    """
    Return the text in letters that OpenCV can draw.

    >>> ascii_text('Stra\u00dfe f\u00fcr Fu\u00dfg\u00e4nger')
    'Strasse fuer Fussgaenger'
    """
    plain = unicodedata.normalize('NFKD', text.translate(SPELLED))
    kept = (letter for letter in plain if not unicodedata.combining(letter))
    return ''.join(letter if ' ' <= letter <= '~' else '?' for letter in kept)


def caption(detection: Detection) -> str:
    """Return the line for one detection: name, percent, track."""
    best = detection.classification.best
    if best is None:
        return 'unknown'
    track = '' if detection.track_id is None else f' #{detection.track_id}'
    return ascii_text(f'{best.class_name} {best.score:.0%}{track}')


def colour_of(detection: Detection) -> tuple[int, int, int]:
    """Return its colour: green confirmed, amber named, grey unknown."""
    if detection.classification.best is None:
        return UNKNOWN
    return NAMED if detection.track_id is None else CONFIRMED


def draw(image_rgb: Image, recognition: Recognition) -> Image:
    """
    Return a copy of the frame with everything that was recognised in it.

    Each region gets its box and a line with name, score and track; a result
    for the whole frame becomes a banner along its upper side.

    :param image_rgb: the recognised frame, shape (H, W, 3), uint8; not modified.
    :returns: shape (H, W, 3), uint8, a new array.
    """
    canvas: Image = np.ascontiguousarray(image_rgb).copy()
    height, width = canvas.shape[:2]
    pen = _Pen.fitting(width, height)
    boxed = []
    for detection in recognition.detections:
        x, y, wide, tall = detection.bbox_xywh
        if x <= 1 and y <= 1 and x + wide >= width - 1 and y + tall >= height - 1:  # all of it
            _banner(canvas, detection, pen)
        else:
            boxed.append(detection)
    boxed.sort(key=lambda found: found.classification.best is not None)  # named ones on top
    for detection in boxed:
        left, top, right, bottom = _corners(detection.bbox_xywh, width, height)
        cv2.rectangle(canvas, (left, top), (right, bottom), colour_of(detection), pen.line)
    places = (_corners(detection.bbox_xywh, width, height) for detection in boxed)
    used: list[BBoxXYWH] = [(x, y, right - x, bottom - y) for x, y, right, bottom in places]
    for detection in reversed(boxed):
        used.append(_label(canvas, detection, pen, used))
    return canvas


def _corners(bbox: BBoxXYWH, width: int, height: int) -> Rect:
    x, y, wide, tall = (value if math.isfinite(value) else 0.0 for value in bbox)
    left, top = (round(min(max(v, 0), most - 1)) for v, most in ((x, width), (y, height)))
    right = round(min(max(x + wide, 0), width - 1))
    bottom = round(min(max(y + tall, 0), height - 1))
    return left, top, right, bottom


def _size(text: str, pen: _Pen, scale: float = 1.0) -> tuple[int, int, int]:
    (wide, tall), below = cv2.getTextSize(text, FONT, pen.font_scale * scale, pen.font_line)
    return wide, tall, below


def _label(canvas: Image, detection: Detection, pen: _Pen, used: list[BBoxXYWH]) -> BBoxXYWH:
    """Write the line near its box, inside the frame, clear of the boxes and lines before."""
    height, width = canvas.shape[:2]
    left, top, right, bottom = _corners(detection.bbox_xywh, width, height)
    text = caption(detection)
    wide, tall, below = _size(text, pen)
    wide, tall = wide + 2 * pen.pad, tall + below + 2 * pen.pad
    x = max(0, min(left, width - wide))
    spots = [
        (x, top - tall),
        (x, bottom),
        (right, top),
        (left - wide, top),
        (x, top - 2 * tall),
        (x, bottom + tall),
        (x, top),
    ]
    best, least = (x, max(0, min(top, height - tall))), math.inf
    for spot_x, spot_y in spots:
        place = (max(0, min(spot_x, width - wide)), max(0, min(spot_y, height - tall)))
        covered = sum(intersection_area((*place, wide, tall), other) for other in used)
        moved = abs(place[0] - spot_x) + abs(place[1] - spot_y)
        if covered + moved < least:
            best, least = place, covered + moved
        if least == 0:
            break
    corner = (best[0] + wide - 1, best[1] + tall - 1)
    cv2.rectangle(canvas, best, corner, colour_of(detection), -1)
    base = (best[0] + pen.pad, best[1] + tall - pen.pad - below)
    cv2.putText(canvas, text, base, FONT, pen.font_scale, TEXT, pen.font_line, cv2.LINE_AA)
    return (*best, wide, tall)


def _banner(canvas: Image, detection: Detection, pen: _Pen) -> None:
    """Write the whole frame's result along its upper side, as large as it fits."""
    width = canvas.shape[1]
    text = caption(detection)
    scale = 1.6
    wide, tall, below = _size(text, pen, scale)
    scale *= min(1.0, (width - 4 * pen.pad) / max(wide, 1))
    wide, tall, below = _size(text, pen, scale)
    depth = tall + below + 4 * pen.pad
    strip = canvas[:depth]
    strip[:] = (strip * np.float32(0.2) + np.array(colour_of(detection)) * 0.8).astype(np.uint8)
    cv2.putText(
        canvas,
        text,
        (2 * pen.pad, 2 * pen.pad + tall),
        FONT,
        pen.font_scale * scale,
        TEXT,
        max(1, round(pen.font_line * scale)),
        cv2.LINE_AA,
    )
