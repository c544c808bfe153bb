"""
How likely a candidate is a sign, from a closer look at it.

Each candidate's outline is measured for edges, and its face is sampled on a
small grid: is the rim red and the face not, is the disc blue all over, is it
the same left and right. A logistic model for each kind of candidate weighs the
answers. Its weights were fitted on training crops pasted into road frames
(``benchmarks/fit_rating.py``).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.signs.candidates import KINDS, Boxes, Candidates, Scores
from alexnet_ros.signs.edges import Edges, Plane
from alexnet_ros.signs.weights import WEIGHTS

GRID = 12
"""Samples along a candidate's side."""

POINTS = 36
"""Points of an outline at which its gradient is measured."""

STRETCH = (0.78, 0.85, 0.92, 1.0, 1.08, 1.17)
"""Sizes at which an outline is looked for, relative to the candidate's."""

FEATURES = (
    'one',
    'source',
    'outline',
    'red rim',
    'red face',
    'blue face',
    'yellow face',
    'face brighter',
    'contrast',
    'mirrored',
    'size',
)
"""What a candidate is judged by, in this order."""

_CORNERS = {'disc': (POINTS, 0.0), 'triangle': (3, -90.0), 'yield': (3, 90.0), 'diamond': (4, 0.0)}


def _outline(shape: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return points and outward normals of an outline, both (POINTS, 2), box -0.5 to 0.5."""
    corners, start = _CORNERS[shape]
    angle = np.deg2rad(start + np.arange(corners) * 360 / corners)
    tips = np.stack([np.cos(angle), np.sin(angle)], 1)
    each = POINTS // corners
    share = (np.arange(each) + 0.5) / each * 0.8 + 0.1 if corners < POINTS else np.zeros(1)
    ahead = np.roll(tips, -1, axis=0)
    points = (tips[:, None] + share[None, :, None] * (ahead - tips)[:, None]).reshape(-1, 2)
    if corners < POINTS:
        across = tips + ahead
        normals = np.repeat(across / np.linalg.norm(across, axis=1)[:, None], each, axis=0)
    else:
        normals = points
    low, high = tips.min(axis=0), tips.max(axis=0)
    points = (points - low) / (high - low) - 0.5
    return points.astype(np.float32), normals.astype(np.float32)


def _zones(shape: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights of the rim and of the face, each (GRID * GRID,), sums 1."""
    points, normals = _outline(shape)
    side = (np.arange(GRID) + 0.5) / GRID - 0.5
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype(np.float32)
    depth = ((points[None] - grid[:, None]) * normals[None]).sum(axis=2).min(axis=1)  # inwards
    rim = ((depth > 0.01) & (depth < 0.11)).astype(np.float32)
    face = (depth > 0.14).astype(np.float32)
    return rim / rim.sum(), face / face.sum()


_SHAPES = [kind.split()[-1] for kind in KINDS]
_OUTLINES = np.stack([_outline(shape)[0] for shape in _SHAPES])  # (kinds, POINTS, 2)
_NORMALS = np.stack([_outline(shape)[1] for shape in _SHAPES])
_RIMS = np.stack([_zones(shape)[0] for shape in _SHAPES])  # (kinds, GRID * GRID)
_FACES = np.stack([_zones(shape)[1] for shape in _SHAPES])
_SIDE = ((np.arange(GRID) + 0.5) / GRID).astype(np.float32)


def outline_share(grey: Plane, boxes: Boxes, kinds: NDArray[np.intp]) -> tuple[Scores, Scores]:
    """
    Return how much of each candidate's outline is an edge, and at which size.

    :param grey: shape (H, W), uint8.
    :returns: share of the outline with one direction of brightness (N,), and
        the factor of :data:`STRETCH` at which that is so (N,).
    """
    stretch = np.array(STRETCH, np.float32)
    middles = boxes[:, :2] + boxes[:, 2:] / 2 - 0.5
    reach = _OUTLINES[kinds] * boxes[:, None, 2:]  # (N, P, 2)
    spots_x, spots_y = (
        middles[:, axis, None, None] + reach[:, None, :, axis] * stretch[None, :, None]
        for axis in (0, 1)
    )  # (N, S, P)
    normals = _NORMALS[kinds][:, None]
    share = Edges(grey).share(
        spots_x, spots_y, (normals[..., 0], normals[..., 1]), straight=0.8, least=16
    )
    best = share.argmax(axis=1)
    return share[np.arange(len(best)), best], stretch[best]


def _dots(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of each row with its like, shape (N,)."""
    return np.asarray(np.einsum('np,np->n', first, second), np.float32)


def features(maps: Mapping[str, Plane], candidates: Candidates) -> NDArray[np.float32]:
    """
    Return the answers to :data:`FEATURES`, shape (N, 11), all of the order of 1.

    :param maps: see :func:`alexnet_ros.signs.colours.colour_maps`.
    """
    boxes, kinds = candidates.boxes, candidates.kinds
    height, width = maps['grey'].shape
    x = np.clip(boxes[:, None, 0] + _SIDE * boxes[:, None, 2], 0, width - 1).astype(np.intp)
    y = np.clip(boxes[:, None, 1] + _SIDE * boxes[:, None, 3], 0, height - 1).astype(np.intp)
    index = (y[:, :, None] * width + x[:, None, :]).reshape(len(boxes), -1)  # (N, GRID²)
    flat = {
        name: plane.ravel().take(index).astype(np.float32) / 255 for name, plane in maps.items()
    }
    rim, face = _RIMS[kinds], _FACES[kinds]
    grey = flat['grey']
    bright_face = _dots(grey, face)
    spread = np.sqrt(np.maximum(_dots(grey * grey, face) - bright_face**2, 0))
    centred = grey - grey.mean(axis=1, keepdims=True)
    mirrored = centred.reshape(-1, GRID, GRID)[:, :, ::-1].reshape(centred.shape)
    alike = _dots(centred, mirrored) / np.maximum(_dots(centred, centred), 1 / 255**2)
    source = np.clip(candidates.scores, 0.005, 0.995)
    return np.stack(
        [
            np.ones(len(boxes)),
            np.log(source / (1 - source)) / 4,
            outline_share(maps['grey'], boxes, kinds)[0],
            _dots(flat['red'], rim),
            _dots(flat['red'], face),
            _dots(flat['blue'], face),
            _dots(flat['yellow'], face),
            bright_face - _dots(grey, rim),
            spread * 4,
            alike,
            np.log2(np.maximum(boxes[:, 2], 1) / 16),
        ],
        axis=1,
    ).astype(np.float32)


def rated(maps: Mapping[str, Plane], candidates: Candidates) -> Candidates:
    """
    Return the candidates with their scores after the closer look, best first.

    :param maps: see :func:`alexnet_ros.signs.colours.colour_maps`.
    """
    if not len(candidates):
        return candidates
    weights = np.array([WEIGHTS[kind] for kind in KINDS], np.float32)
    logits = (features(maps, candidates) * weights[candidates.kinds]).sum(axis=1)
    scores = (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
    order = np.argsort(-scores, kind='stable')
    return Candidates(candidates.boxes[order], scores[order], candidates.kinds[order])
