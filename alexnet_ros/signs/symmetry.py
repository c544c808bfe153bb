"""
Discs of any colour: centres of radial symmetry of the brightness.

The strongest edge pixels vote for the point one radius away along their
gradient (Loy and Zelinsky 2003); where a circle is, its whole outline votes
for one point. Inward and outward gradients are kept apart, so that texture,
which has both, does not add up. Larger discs are looked for in halved images.
What gathers votes is then measured on its outline, all round.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.signs.colours import shrunk
from alexnet_ros.signs.edges import Edges, Floats, Plane

RADII = (4.0, 4.8, 5.7, 6.8)
"""Radii voted for in each octave, pixels of its image; ratio about 1.19."""

LEAST_GRADIENT = 60.0
"""Sobel gradient of grey levels from which a pixel may vote."""

MOST_VOTERS = 5000
"""Edge pixels that vote in one octave, strongest first."""

LEAST_VOTES = 0.45
"""Least share of a circle's outline that must agree on its middle."""

MOST_PEAKS = 40
"""Middles measured in one octave, most votes first."""

ANGLES = 32
"""Points of an outline at which its gradient is measured."""

STRETCH = (0.72, 0.8, 0.88, 0.96, 1.05, 1.15, 1.26)
"""Radii measured, relative to the one voted for."""

PAD = int(RADII[-1]) + 4
"""Pixels of margin round the votes of an image: the largest radius and a neighbourhood."""

_TURN = np.arange(ANGLES) * (2 * np.pi / ANGLES)
_COS, _SIN = np.cos(_TURN).astype(np.float32), np.sin(_TURN).astype(np.float32)
_STRETCH = np.array(STRETCH, np.float32)


def _voters(edges: Edges) -> tuple[NDArray[np.intp], Floats, Floats]:
    """
    Return the strongest edge pixels.

    :returns: row * W + column, and the unit gradient along x and y, each (N,).
    """
    size = cv2.add(
        cv2.convertScaleAbs(edges.along_x, alpha=0.25),
        cv2.convertScaleAbs(edges.along_y, alpha=0.25),
    )
    counts = np.cumsum(cv2.calcHist([size], [0], None, [256], [0, 256]).ravel()[::-1])[::-1]
    enough = np.flatnonzero(counts <= MOST_VOTERS)
    level = max(int(LEAST_GRADIENT / 4), int(enough[0]) if len(enough) else 255)
    index = np.flatnonzero(size >= level)
    along_x, along_y = edges.at(index)
    length = np.sqrt(along_x * along_x + along_y * along_y)
    np.maximum(length, 1, out=length)
    along_x /= length
    along_y /= length
    return index, along_x, along_y


def _octave(edges: Edges, smallest: float, largest: float) -> Floats:
    """Return discs of one octave: middle x, y, radius and votes, shape (N, 4)."""
    radii = np.array(
        [radius for radius in RADII if smallest <= 2.2 * radius and 1.8 * radius <= largest],
        np.float32,
    )
    if not len(radii):
        return np.zeros((0, 4), np.float32)
    index, unit_x, unit_y = _voters(edges)
    wide, tall = edges.width + 2 * PAD, edges.height + 2 * PAD
    middle = index + index // edges.width * (2 * PAD) + PAD * (wide + 1)  # with the margin
    jump = np.rint(np.multiply.outer(radii, unit_y)) * wide
    jump += np.rint(np.multiply.outer(radii, unit_x))
    ahead = jump.astype(np.intp)  # (radii, voters)
    votes = np.empty((2 * len(radii), tall * wide), np.uint8)  # by radius: brighter, darker
    for number, one in enumerate(ahead):
        votes[2 * number] = np.bincount(middle + one, minlength=tall * wide)
        votes[2 * number + 1] = np.bincount(middle - one, minlength=tall * wide)
    return _peaks(votes, radii, wide)


def _peaks(votes: NDArray[np.uint8], radii: Floats, wide: int) -> Floats:
    """
    Return where most votes lie close together, most first, at most MOST_PEAKS.

    :param votes: shape (2 * radii, pixels with margin).
    :param wide: pixels of a row with its margin.
    """
    flat = votes.ravel()
    across = flat[:-2] + flat[1:-1]
    across += flat[2:]
    near = np.zeros_like(flat)  # votes of 3x3 pixels
    inner = near[wide + 1 : -wide - 1]
    np.add(across[: -2 * wide], across[wide:-wide], out=inner)
    inner += across[2 * wide :]
    round_px = np.repeat(2 * np.pi * radii.astype(np.float64), 2)  # (2 * radii,)
    least = np.ceil(LEAST_VOTES * round_px).astype(np.uint8)
    many = np.flatnonzero(near.reshape(votes.shape) >= least[:, None])
    beside = np.arange(-2, 3)
    for steps in (beside * wide, beside[:, None] * wide + beside):  # few pass the first
        around = many + steps.reshape(-1, 1)
        many = many[near.take(many) == near.take(around, mode='clip').max(axis=0)]
    which = many // votes.shape[1]
    share = (near.take(many) / round_px[which]).astype(np.float32)
    best = np.argsort(-share, kind='stable')[:MOST_PEAKS]
    rows, columns = np.divmod(many[best] - which[best] * votes.shape[1], wide)
    found = np.stack([columns - PAD, rows - PAD, radii[which[best] // 2], share[best]], 1)
    return np.asarray(found, np.float32)


def _outlines(edges: Edges, voted: Floats) -> tuple[Floats, Floats]:
    """
    Return the best radius of each disc and how much of its outline is an edge.

    :param voted: middle x, y and radius, shape (N, 3 or more), pixels.
    """
    tries = voted[:, 2:3] * _STRETCH  # (N, R)
    share = edges.share(
        voted[:, 0, None, None] + tries[:, :, None] * _COS,  # (N, R, A)
        voted[:, 1, None, None] + tries[:, :, None] * _SIN,
        (_COS, _SIN),
        straight=0.85,
        least=24,
    )
    best = share.argmax(axis=1)
    rows = np.arange(len(best))
    return tries[rows, best], share[rows, best]


def discs(grey: Plane, smallest: float, largest: float) -> Floats:
    """
    Return discs of a grey image.

    :param grey: shape (H, W), uint8.
    :param smallest: least diameter, pixels.
    :param largest: largest diameter, pixels.
    :returns: shape (N, 4): middle x and y, radius (pixels), share of its
        outline that is an edge of one direction (0 to 1).
    """
    found = [np.zeros((0, 4), np.float32)]
    step = 1
    while 1.8 * RADII[0] * step <= largest and min(grey.shape) > 4 * RADII[-1]:
        if 2.2 * RADII[-1] * step >= smallest:
            edges = Edges(grey)
            voted = _octave(edges, smallest / step, largest / step)
            radii, share = _outlines(edges, voted)
            found.append(
                np.stack(
                    [(voted[:, 0] + 0.5) * step, (voted[:, 1] + 0.5) * step, radii * step, share],
                    1,
                ).astype(np.float32)
            )
        grey, step = shrunk(grey, 1), 2 * step
    return np.concatenate(found)
