"""
Edges of a grey image, and how much of an outline is one.

An outline stands out where the brightness changes across it, all round in the
same direction. All outlines of an image are measured at once.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # (H, W) uint8; OpenCV does not tell its arrays' types
Floats = NDArray[np.float32]


class Edges:
    """
    Sobel gradient of an image.

    :param grey: shape (H, W), uint8.
    """

    def __init__(self, grey: Plane) -> None:
        self.height, self.width = grey.shape
        self.along_x = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
        self.along_y = cv2.Sobel(grey, cv2.CV_16S, 0, 1)

    def at(self, index: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """
        Return the gradient along x and along y of some pixels.

        :param index: row * W + column, any shape.
        """
        return (
            self.along_x.ravel().take(index).astype(np.float32),
            self.along_y.ravel().take(index).astype(np.float32),
        )

    def share(
        self,
        spots_x: Floats,
        spots_y: Floats,
        normals: tuple[Floats, Floats],
        *,
        straight: float,
        least: float,
    ) -> Floats:
        """
        Return which share of each outline is an edge of one direction.

        :param spots_x: columns of the points, shape (N, S, P), pixels; not kept.
        :param spots_y: their rows, shape (N, S, P).
        :param normals: x and y of their outward normals, (P,) or (N, 1, P).
        :param straight: least cosine between normal and gradient.
        :param least: least Sobel gradient along the normal, grey levels.
        :returns: shape (N, S), 0 to 1.
        """
        slope_x, slope_y = self.at(self._index(spots_x, spots_y))
        outward = slope_x * normals[0]
        outward += slope_y * normals[1]
        outward *= np.abs(outward)  # squared, with its sign
        slope_x *= slope_x
        slope_y *= slope_y
        slope_x += slope_y
        slope_x *= np.float32(straight**2)
        limit = np.maximum(slope_x, np.float32(least**2), out=slope_x)
        each = np.full(limit.shape[-1], 1 / limit.shape[-1], np.float32)
        bright = (outward > limit).astype(np.float32) @ each
        dark = (outward < -limit).astype(np.float32) @ each
        return np.asarray(np.maximum(bright, dark), np.float32)

    def _index(self, spots_x: Floats, spots_y: Floats) -> NDArray[np.intp]:
        """Return row * W + column of the nearest pixels, in place."""
        for spots, most in ((spots_x, self.width - 1), (spots_y, self.height - 1)):
            np.rint(spots, out=spots)
            np.maximum(spots, 0, out=spots)
            np.minimum(spots, most, out=spots)
        index = spots_y.astype(np.intp)
        index *= self.width
        index += spots_x.astype(np.intp)
        return index
