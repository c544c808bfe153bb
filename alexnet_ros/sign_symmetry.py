"""
Discs of any colour: centres of radial symmetry of the brightness.

The strongest edge pixels vote for the point one radius away along their
gradient (Loy and Zelinsky 2003); where a circle is, its whole outline votes
for one point. Inward and outward gradients are kept apart, so that texture,
which has both, does not add up. Larger discs are looked for in halved images.
What gathers votes is then measured on its outline, all round.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # (H, W) uint8; OpenCV does not tell its arrays' types

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

_NEAR = np.ones((5, 5), np.uint8)
_TURN = np.arange(ANGLES) * (2 * np.pi / ANGLES)
_ROUND = np.stack([np.cos(_TURN), np.sin(_TURN)]).astype(np.float32)  # (2, ANGLES)


def _nonzero(mask: Plane) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return columns and rows of the pixels that are set."""
    points = cv2.findNonZero(mask)
    if points is None:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    columns, rows = points.reshape(-1, 2).astype(np.intp).T
    return columns, rows


class _Gradient:
    """Sobel gradient of a grey image and its strongest edge pixels."""

    def __init__(self, grey: Plane) -> None:
        self.height, self.width = grey.shape
        self.along_x = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
        self.along_y = cv2.Sobel(grey, cv2.CV_16S, 0, 1)

    def voters(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Return rows, columns and unit gradients (N, 2), x first, of edge pixels."""
        quarter_x, quarter_y = (
            cv2.convertScaleAbs(part, alpha=0.25) for part in (self.along_x, self.along_y)
        )
        size = cv2.add(quarter_x, quarter_y)
        level = LEAST_GRADIENT / 4
        counts = np.cumsum(cv2.calcHist([size], [0], None, [256], [0, 256]).ravel()[::-1])[::-1]
        enough = np.flatnonzero(counts <= MOST_VOTERS)
        level = max(level, float(enough[0]) if len(enough) else 255.0)
        columns, rows = _nonzero(cv2.threshold(size, level - 1, 255, cv2.THRESH_BINARY)[1])
        both = np.stack([self.along_x[rows, columns], self.along_y[rows, columns]], 1)
        unit: NDArray[np.float32] = both.astype(np.float32)
        unit /= np.maximum(np.hypot(unit[:, 0], unit[:, 1]), 1)[:, None]
        return rows, columns, unit

    def outline(
        self, middles: NDArray[np.float32], radii: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Return the best radius of each disc and how much of its outline is an edge.

        :param middles: shape (N, 2), x first, pixels.
        :param radii: shape (N,), pixels.
        """
        tries = radii[:, None] * np.array(STRETCH, np.float32)  # (N, R)
        spots = middles[:, None, None] + tries[:, :, None, None] * _ROUND.T  # (N, R, A, 2)
        x = np.clip(np.rint(spots[..., 0]), 0, self.width - 1).astype(np.intp)
        y = np.clip(np.rint(spots[..., 1]), 0, self.height - 1).astype(np.intp)
        along_x, along_y = (p[y, x].astype(np.float32) for p in (self.along_x, self.along_y))
        outward = along_x * _ROUND[0] + along_y * _ROUND[1]
        clear = np.abs(outward) > np.maximum(0.85 * np.hypot(along_x, along_y), 24)
        bright = (clear & (outward > 0)).mean(axis=3 - 1)
        dark = (clear & (outward < 0)).mean(axis=3 - 1)
        share = np.maximum(bright, dark)  # (N, R)
        best = share.argmax(axis=1)
        rows = np.arange(len(best))
        return tries[rows, best], share[rows, best].astype(np.float32)


def _octave(gradient: _Gradient, smallest: float, largest: float) -> NDArray[np.float32]:
    """Return discs of one octave: middle x, y, radius and votes, shape (N, 4)."""
    rows, columns, unit = gradient.voters()
    pad = int(RADII[-1]) + 2
    wide, tall = gradient.width + 2 * pad, gradient.height + 2 * pad
    base = (rows + pad) * wide + columns + pad
    found = [np.zeros((0, 4), np.float32)]
    for radius in RADII:
        if not smallest <= 2.2 * radius or 1.8 * radius > largest:
            continue
        shift = np.rint(unit * radius).astype(np.intp)
        jump = shift[:, 1] * wide + shift[:, 0]
        for index in (base + jump, base - jump):
            count = np.bincount(index, minlength=wide * tall).astype(np.uint8)
            votes = cv2.boxFilter(count.reshape(tall, wide), -1, (3, 3), normalize=False)
            least = np.ceil(LEAST_VOTES * 2 * np.pi * radius)
            many = cv2.threshold(votes, least - 1, 255, cv2.THRESH_BINARY)[1]
            highest = cv2.compare(votes, cv2.dilate(votes, _NEAR), cv2.CMP_GE)
            x, y = _nonzero(cv2.bitwise_and(many, highest))
            share = votes[y, x] / (2 * np.pi * radius)
            found.append(np.stack(
                [x - pad, y - pad, np.full(len(x), radius), share], 1
            ).astype(np.float32))
    discs_found = np.concatenate(found)
    return discs_found[np.argsort(-discs_found[:, 3], kind='stable')[:MOST_PEAKS]]


def discs(grey: Plane, smallest: float, largest: float) -> NDArray[np.float32]:
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
            gradient = _Gradient(grey)
            voted = _octave(gradient, smallest / step, largest / step)
            radii, share = gradient.outline(voted[:, :2], voted[:, 2])
            found.append(np.stack([
                (voted[:, 0] + 0.5) * step, (voted[:, 1] + 0.5) * step, radii * step, share,
            ], 1).astype(np.float32))
        height, width = grey.shape
        grey = np.asarray(cv2.resize(
            grey[:height // 2 * 2, :width // 2 * 2], (width // 2, height // 2),
            interpolation=cv2.INTER_AREA,
        ), np.uint8)
        step *= 2
    return np.concatenate(found)
