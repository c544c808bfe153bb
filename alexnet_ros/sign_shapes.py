"""
Shapes of signs: how well an outline fits a disc, triangle or diamond.

An outline's convex hull is described by its support: how far it reaches from
the middle of its box in fixed directions, the box scaled to a unit square. The
support of partly hidden, jagged or pixelated outlines stays close to that of
the whole shape, and it costs one small matrix product for all outlines of a
frame.
"""

from collections.abc import Sequence
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
        count, start = {
            'triangle': (3, -np.pi / 2), 'yield': (3, np.pi / 2), 'diamond': (4, 0.0),
        }[name]
    angle = start + np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


NEAR_RIM = 0.72
"""Share of the way from the middle to the hull from which a point is at the rim."""

SHAPES = ('disc', 'triangle', 'yield', 'diamond', 'square')
"""Known shapes; ``square`` stands for everything that is no sign's outline."""

_UNIT = _directions()


def support(
    outlines: Sequence[NDArray[Any]], boxes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """
    Return how far each outline reaches in every direction.

    :param outlines: N outlines or convex hulls as OpenCV gives them, each
        (points, 1, 2).
    :param boxes: N boxes xywh, shape (N, 4), pixels.
    :returns: shape (N, DIRECTIONS), 0.5 where the outline touches its box's
        side middle.
    """
    reach, starts, _ = _reach(outlines, boxes)
    return np.asarray(np.maximum.reduceat(reach, starts, axis=0), np.float32)


def _reach(
    outlines: Sequence[NDArray[Any]], boxes: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return each point's reach (points, DIRECTIONS), outline starts and owners."""
    counts = np.array([len(outline) for outline in outlines])
    points = np.concatenate([outline.reshape(-1, 2) for outline in outlines]).astype(np.float32)
    owner = np.repeat(np.arange(len(outlines)), counts)
    inner = np.maximum(boxes[:, 2:] - 1, 1)  # pixel centres span one less than the box
    middle = boxes[:, :2] + (boxes[:, 2:] - 1) / 2
    unit = (points - middle[owner]) / inner[owner]  # (points, 2)
    starts = np.cumsum(counts) - counts
    return (unit @ _UNIT).astype(np.float32), starts, owner


def rim_share(
    outlines: Sequence[NDArray[Any]], boxes: NDArray[np.float32],
    supports: NDArray[np.float32],
) -> NDArray[np.float32]:
    """
    Return which share of each outline's points lies near its convex hull.

    Near 1 for filled shapes, closed rings and broken rings; low for foliage.

    :param outlines: N outlines, each (points, 1, 2).
    :param boxes: their boxes xywh, shape (N, 4).
    :param supports: shape (N, DIRECTIONS).
    :returns: shape (N,), 0 to 1.
    """
    reach, starts, owner = _reach(outlines, boxes)
    gauge = (reach / np.maximum(supports, 0.1)[owner]).max(axis=1)  # 1 on the hull
    near = (gauge > NEAR_RIM).astype(np.float32)
    counts = np.diff(np.append(starts, len(owner)))
    return np.asarray(np.add.reduceat(near, starts) / counts, np.float32)


def _templates() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
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
            box = np.array([[*low, *(high - low + 1)]], np.float32)
            rows.append(support([corners.astype(np.float32)[:, None]], box)[0])
            owners.append(index)
            aspects.append((high - low)[0] / (high - low)[1])
    return np.stack(rows), np.array(owners), np.array(aspects, np.float32)


_TEMPLATES, _OWNERS, _ASPECTS = _templates()


def shape_fit(
    supports: NDArray[np.float32], boxes: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """
    Return the best shape of each outline and how well it fits.

    :param supports: shape (N, DIRECTIONS), see :func:`support`.
    :param boxes: xywh, shape (N, 4), pixels.
    :returns: index into :data:`SHAPES`, shape (N,), and the fit 0 to 1 (N,).
    """
    error = np.square(supports[:, None] - _TEMPLATES[None]).mean(axis=2)  # (N, T)
    aspect = np.log((boxes[:, 2] / boxes[:, 3])[:, None] / _ASPECTS[None])
    cost = error / SPREAD**2 + np.square(np.maximum(np.abs(aspect) - 0.15, 0) / 0.3)
    best = cost.argmin(axis=1)
    fit = np.exp(-0.5 * cost[np.arange(len(best)), best])
    return _OWNERS[best], fit.astype(np.float32)
