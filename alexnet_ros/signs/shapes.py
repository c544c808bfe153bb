"""
Shapes of signs: how well an outline fits a disc, triangle or diamond.

An outline is described by its support, which is that of its convex hull: how
far it reaches from the middle of its box in fixed directions, the box scaled to
a unit square. The support of partly hidden, jagged or pixelated outlines stays
close to that of the whole shape, and it costs one small matrix product for all
outlines of a frame.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 16
"""Directions of the support, evenly spread, the first to the right."""

TILTS_DEG = (-12.0, -6.0, 0.0, 6.0, 12.0)
"""Rotations at which each shape is known, degrees."""

SPREAD = 0.055
"""Root-mean-square support error at which the fit falls to 0.61, box sides."""


def _directions() -> NDArray[np.float32]:
    """Return unit vectors, shape (2, DIRECTIONS)."""
    angle = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _polygon(name: str) -> NDArray[np.float64]:
    """Return the corners of one shape, shape (N, 2), y down."""
    if name in {'disc', 'square'}:
        count, start = (64, 0.0) if name == 'disc' else (4, np.pi / 4)
    else:
        count, start = {'triangle': (3, -np.pi / 2), 'yield': (3, np.pi / 2), 'diamond': (4, 0.0)}[
            name
        ]
    angle = start + np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


NEAR_RIM = 0.72
"""Share of the way from the middle to the hull from which a point is at the rim."""

SHAPES = ('disc', 'triangle', 'yield', 'diamond', 'square')
"""Known shapes; ``square`` stands for everything that is no sign's outline."""

_HALF = _directions()[:, : DIRECTIONS // 2].T.copy()  # (D / 2, 2); the others are their opposites


class Points:
    """
    The points of N outlines, one after the other, and what is measured on them.

    :param outlines: as OpenCV gives them, each (points, 1, 2), at least one.
    """

    def __init__(self, outlines: Sequence[NDArray[Any]]) -> None:
        self._counts = np.fromiter(map(len, outlines), np.intp, len(outlines))
        self._starts = np.cumsum(self._counts) - self._counts
        together = np.concatenate(outlines).reshape(-1, 2)
        self._xy = together.T.astype(np.float32, order='C')  # (2, points)
        low = np.minimum.reduceat(self._xy, self._starts, axis=1)
        high = np.maximum.reduceat(self._xy, self._starts, axis=1)
        self.boxes: NDArray[np.float32] = np.concatenate([low, high - low + 1]).T
        """Boxes xywh, shape (N, 4), pixels."""

    def support(self) -> NDArray[np.float32]:
        """
        Return how far each outline reaches in every direction.

        :returns: shape (N, DIRECTIONS), 0.5 where the outline touches its box's
            side middle.
        """
        reach = self._reach
        ahead = np.maximum.reduceat(reach, self._starts, axis=1)
        back = np.minimum.reduceat(reach, self._starts, axis=1)
        return np.asarray(np.concatenate([ahead, -back]).T, np.float32)  # (N, D)

    def rim_share(self, supports: NDArray[np.float32]) -> NDArray[np.float32]:
        """
        Return which share of each outline's points lies near its convex hull.

        Near 1 for filled shapes, closed rings and broken rings; low for foliage.

        :param supports: shape (N, DIRECTIONS).
        :returns: shape (N,), 0 to 1.
        """
        reach = self._reach  # (D / 2, points)
        limits = NEAR_RIM * np.maximum(supports, 0.1).T  # (D, N)
        ahead, back = np.repeat(limits, self._counts, axis=1).reshape(2, *reach.shape)
        near = ((reach > ahead) | (reach < -back)).any(axis=0).astype(np.float32)
        return np.asarray(np.add.reduceat(near, self._starts) / self._counts, np.float32)

    @cached_property
    def _reach(self) -> NDArray[np.float32]:
        """Return each point's reach in the first half of the directions, (D / 2, points)."""
        inner = np.maximum(self.boxes[:, 2:] - 1, 1)  # pixel centres span one less than the box
        middles = self.boxes[:, :2] + (self.boxes[:, 2:] - 1) / 2
        unit = self._xy - np.repeat(middles.T, self._counts, axis=1)
        unit /= np.repeat(inner.T, self._counts, axis=1)
        return np.asarray(_HALF @ unit, np.float32)


def _templates() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
    """Return supports (T, DIRECTIONS), shape index (T,) and aspect w/h (T,)."""
    rows, owners, aspects = [], [], []
    for index, name in enumerate(SHAPES):
        for tilt in TILTS_DEG if name != 'disc' else (0.0,):
            turn = np.deg2rad(tilt)
            matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            corners = _polygon(name) @ matrix.T * 1000
            if name != 'disc':  # real corners are round
                corners = (corners[:, None] + 120 * _polygon('disc')[None]).reshape(-1, 2)
            low, high = corners.min(axis=0), corners.max(axis=0)
            rows.append(Points([corners.astype(np.float32)[:, None]]).support()[0])
            owners.append(index)
            aspects.append((high - low)[0] / (high - low)[1])
    return np.stack(rows).astype(np.float64), np.array(owners), np.array(aspects, np.float32)


_TEMPLATES, _OWNERS, _ASPECTS = _templates()
_SQUARES = np.square(_TEMPLATES).sum(axis=1)


def shape_fit(
    supports: NDArray[np.float32], boxes: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """
    Return the best shape of each outline and how well it fits.

    :param supports: shape (N, DIRECTIONS), see :meth:`Points.support`.
    :param boxes: xywh, shape (N, 4), pixels.
    :returns: index into :data:`SHAPES`, shape (N,), and the fit 0 to 1 (N,).
    """
    wide = supports.astype(np.float64)  # the squares cancel
    squares = np.square(wide).sum(axis=1)[:, None] + _SQUARES
    error = (squares - 2 * wide @ _TEMPLATES.T) / DIRECTIONS  # (N, T)
    aspect = np.log((boxes[:, 2] / boxes[:, 3])[:, None] / _ASPECTS[None])
    cost = error / SPREAD**2 + np.square(np.maximum(np.abs(aspect) - 0.15, 0) / 0.3)
    best = cost.argmin(axis=1)
    fit = np.exp(-0.5 * cost[np.arange(len(best)), best])
    return _OWNERS[best], fit.astype(np.float32)
