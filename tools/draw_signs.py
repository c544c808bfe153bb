"""
Traffic signs of the Vienna Convention, drawn from scratch into one picture of the package.

    python -m tools.draw_signs

The picture, ``alexnet_ros/synthetic/signs.png``, has a square for each sign in the order of
``SIGNS``. Proportions follow the German catalogue (StVO annexes; for instance sign 274: a red
ring of a tenth of the diameter inside a thin white edge).
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.synthetic.signs import PICTURE, SIGNS
from alexnet_ros.synthetic.signs import SIZE_PX as TEXTURE_PX
from tools.glyphs import draw_text

Canvas = NDArray[np.uint8]

SIZE_PX = 1024  # drawn at this size, then reduced: that is the anti-aliasing
WHITE, BLACK, GREY = (238, 238, 236), (22, 22, 24), (120, 121, 122)
RED, BLUE, YELLOW = (196, 22, 32), (16, 84, 168), (244, 184, 24)

LIMITS_KMH = {1: 30, 2: 50, 3: 60, 4: 70, 5: 80}


def _polygon(canvas: Canvas, colour: tuple[int, int, int], *points: tuple[float, float]) -> None:
    """Fill a polygon given in units of the canvas."""
    fixed = np.rint(np.array(points) * SIZE_PX * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], (*colour, 255), cv2.LINE_AA, 4)


def _disc(canvas: Canvas, colour: tuple[int, int, int], radius: float) -> None:
    """Fill a disc round the canvas' centre; the radius in its units."""
    centre = SIZE_PX // 2
    cv2.circle(canvas, (centre, centre), round(radius * SIZE_PX), (*colour, 255), -1, cv2.LINE_AA)


def _speed(canvas: Canvas, kmh: int) -> None:
    _disc(canvas, WHITE, 0.5)
    _disc(canvas, RED, 0.485)
    _disc(canvas, WHITE, 0.375)
    draw_text(
        canvas,
        str(kmh),
        centre_xy=(0.5, 0.5),
        height=0.42,
        aspect=0.56,
        gap=0.045,
        stroke=0.068,
        colour=(*BLACK, 255),
    )


def _bars(canvas: Canvas, count: int, pitch: float, thickness: float) -> None:
    """Draw the diagonal bars of an end sign, from lower left to upper right."""
    for index in range(count):
        shift = (index - (count - 1) / 2) * pitch
        along, across = np.array([0.7071, -0.7071]), np.array([0.7071, 0.7071])
        middle = np.array([0.5, 0.5]) + across * shift
        half = (0.47**2 - shift**2) ** 0.5
        corners = [
            middle + a * half * along + c * thickness / 2 * across
            for a, c in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        _polygon(canvas, BLACK, *[(float(x), float(y)) for x, y in corners])


def _end_disc(canvas: Canvas) -> None:
    _disc(canvas, BLACK, 0.5)
    _disc(canvas, WHITE, 0.478)


def _end_of_80(canvas: Canvas) -> None:
    _end_disc(canvas)
    draw_text(
        canvas,
        '80',
        centre_xy=(0.5, 0.5),
        height=0.44,
        aspect=0.56,
        gap=0.05,
        stroke=0.072,
        colour=(*GREY, 255),
    )
    _bars(canvas, 5, 0.042, 0.02)


def _end_of_all(canvas: Canvas) -> None:
    _end_disc(canvas)
    _bars(canvas, 5, 0.056, 0.022)


def _priority_road(canvas: Canvas) -> None:
    for colour, half in ((BLACK, 0.5), (WHITE, 0.48), (BLACK, 0.31), (YELLOW, 0.295)):
        _polygon(
            canvas,
            colour,
            (0.5, 0.5 - half),
            (0.5 + half, 0.5),
            (0.5, 0.5 + half),
            (0.5 - half, 0.5),
        )


def _triangle(canvas: Canvas, *, up: bool) -> None:
    """Draw a white triangle with a red border; rounded tips by a thick outline."""
    centre, tips = np.array([0.5, 0.62]), np.array([[0.5, 0.085], [0.955, 0.9], [0.045, 0.9]])
    if not up:
        centre, tips = 1 - centre, 1 - tips
    for colour, shrink, edge in ((WHITE, 1.0, 0.075), (RED, 0.985, 0.06), (WHITE, 0.68, 0.012)):
        corners = centre + (tips - centre) * shrink
        _polygon(canvas, colour, *[(float(x), float(y)) for x, y in corners])
        fixed = np.rint(corners * SIZE_PX * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], True, (*colour, 255), round(edge * SIZE_PX), cv2.LINE_AA, 4)


def _caution(canvas: Canvas) -> None:
    _triangle(canvas, up=True)
    _polygon(canvas, BLACK, (0.452, 0.4), (0.548, 0.4), (0.522, 0.68), (0.478, 0.68))
    cv2.circle(
        canvas,
        (SIZE_PX // 2, round(0.4 * SIZE_PX)),
        round(0.047 * SIZE_PX),
        (*BLACK, 255),
        -1,
        cv2.LINE_AA,
    )
    cv2.circle(
        canvas,
        (SIZE_PX // 2, round(0.765 * SIZE_PX)),
        round(0.048 * SIZE_PX),
        (*BLACK, 255),
        -1,
        cv2.LINE_AA,
    )


def _stop(canvas: Canvas) -> None:
    for colour, radius in ((WHITE, 0.54), (RED, 0.505)):
        angles = np.radians(np.arange(8) * 45 + 22.5)
        _polygon(
            canvas,
            colour,
            *[(0.5 + radius * float(np.cos(a)), 0.5 + radius * float(np.sin(a))) for a in angles],
        )
    draw_text(
        canvas,
        'STOP',
        centre_xy=(0.5, 0.5),
        height=0.34,
        aspect=0.5,
        gap=0.035,
        stroke=0.058,
        colour=(*WHITE, 255),
    )


def _no_entry(canvas: Canvas) -> None:
    _disc(canvas, WHITE, 0.5)
    _disc(canvas, RED, 0.485)
    _polygon(canvas, WHITE, (0.1, 0.41), (0.9, 0.41), (0.9, 0.59), (0.1, 0.59))


def _no_vehicles(canvas: Canvas) -> None:
    _disc(canvas, WHITE, 0.5)
    _disc(canvas, RED, 0.485)
    _disc(canvas, WHITE, 0.375)


def _blue(canvas: Canvas) -> None:
    _disc(canvas, WHITE, 0.5)
    _disc(canvas, BLUE, 0.48)


def _arrow(canvas: Canvas, degrees: float) -> None:
    """Draw a straight white arrow on blue; 0 points up, 90 to the right."""
    _blue(canvas)
    shape = np.array(
        [
            (-0.05, 0.36),
            (-0.05, -0.14),
            (-0.17, 0.0),
            (-0.17, -0.12),
            (0.0, -0.36),
            (0.17, -0.12),
            (0.17, 0.0),
            (0.05, -0.14),
            (0.05, 0.36),
        ]
    )
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    _polygon(canvas, WHITE, *[(float(x), float(y)) for x, y in shape @ matrix.T + 0.5])


def _turn_right(canvas: Canvas) -> None:
    _blue(canvas)
    _polygon(
        canvas,
        WHITE,
        (0.3, 0.82),
        (0.3, 0.42),
        (0.36, 0.36),
        (0.6, 0.36),
        (0.5, 0.23),
        (0.62, 0.23),
        (0.84, 0.42),
        (0.62, 0.61),
        (0.5, 0.61),
        (0.6, 0.48),
        (0.42, 0.48),
        (0.42, 0.82),
    )


_DRAWINGS: dict[int, Callable[[Canvas], None]] = {
    **{class_id: partial(_speed, kmh=kmh) for class_id, kmh in LIMITS_KMH.items()},
    6: _end_of_80,
    12: _priority_road,
    13: lambda canvas: _triangle(canvas, up=False),
    14: _stop,
    15: _no_vehicles,
    17: _no_entry,
    18: _caution,
    32: _end_of_all,
    33: _turn_right,
    35: lambda canvas: _arrow(canvas, 0),
    38: lambda canvas: _arrow(canvas, 135),
    39: lambda canvas: _arrow(canvas, 225),
}


def drawn(class_id: int) -> Canvas:
    """
    Return a sign and its coverage, (TEXTURE_PX, TEXTURE_PX, 4) uint8.

    R, G and B come multiplied by the coverage: smooth edges blend with transparent black.
    """
    canvas = np.zeros((SIZE_PX, SIZE_PX, 4), np.uint8)
    _DRAWINGS[class_id](canvas)
    size = (TEXTURE_PX, TEXTURE_PX)
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    """Draw them all."""
    row = np.concatenate([drawn(class_id) for class_id in SIGNS], axis=1)
    bgra = row[..., [2, 1, 0, 3]]
    cv2.imwrite(str(PICTURE), bgra, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == '__main__':
    main()
