"""Axis-aligned boxes in pixels: ``xywh`` is left, top, width, height."""

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.records import BBoxXYWH

Floats = NDArray[np.float32]


def intersection_area(one: BBoxXYWH, two: BBoxXYWH) -> float:
    """
    Return the area that two boxes share, square pixels.

    >>> intersection_area((0, 0, 10, 10), (5, 5, 10, 10))
    25
    """
    width = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    height = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    return width * height if width > 0 and height > 0 else 0.0


def iou(one: BBoxXYWH, two: BBoxXYWH) -> float:
    """
    Return the intersection over union of two boxes, 0 to 1.

    >>> iou((0, 0, 10, 10), (0, 0, 10, 5))
    0.5
    """
    shared = intersection_area(one, two)
    return shared / (one[2] * one[3] + two[2] * two[3] - shared) if shared else 0.0


def xywh_from_corners(boxes_ltrb: NDArray[np.floating]) -> Floats:
    """
    Return boxes given by left, top, right and bottom, shape (N, 4).

    >>> xywh_from_corners(np.array([[1.0, 2.0, 4.0, 6.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    low, high = boxes_ltrb[:, :2], boxes_ltrb[:, 2:]
    return np.concatenate([low, high - low], axis=1).astype(np.float32)


def pairwise_iou(boxes_xywh: Floats, others_xywh: Floats) -> Floats:
    """
    Return the intersection over union of every pair of boxes.

    :param boxes_xywh: shape (N, 4), float32.
    :param others_xywh: shape (M, 4), float32.
    :returns: shape (N, M), float32, 0 to 1.
    """
    low = np.maximum(boxes_xywh[:, None, :2], others_xywh[None, :, :2])  # (N, M, 2)
    high = np.minimum(
        (boxes_xywh[:, :2] + boxes_xywh[:, 2:])[:, None],
        (others_xywh[:, :2] + others_xywh[:, 2:])[None],
    )
    shared = np.prod(np.maximum(high - low, 0), axis=2)  # (N, M)
    areas = np.prod(boxes_xywh[:, 2:], axis=1)[:, None] + np.prod(others_xywh[:, 2:], axis=1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-6), np.float32)


def clip_to_frame(bbox_xywh: BBoxXYWH, size_wh: tuple[int, int]) -> BBoxXYWH:
    """
    Return the part of a box inside the frame; width and height are 0 outside it.

    >>> clip_to_frame((-5.0, 2.0, 10.0, 4.0), (100, 50))
    (0.0, 2.0, 5.0, 4.0)
    """
    x, y, width, height = bbox_xywh
    left, top = min(max(x, 0.0), size_wh[0]), min(max(y, 0.0), size_wh[1])
    right, bottom = min(max(x + width, 0.0), size_wh[0]), min(max(y + height, 0.0), size_wh[1])
    return left, top, right - left, bottom - top


def expand(bbox_xywh: BBoxXYWH, margin: float) -> BBoxXYWH:
    """
    Grow a box on every side by a fraction of its width and height.

    >>> expand((10.0, 10.0, 20.0, 10.0), 0.5)
    (0.0, 5.0, 40.0, 20.0)
    """
    x, y, width, height = bbox_xywh
    across, down = width * margin, height * margin
    return x - across, y - down, width + 2 * across, height + 2 * down


def crop(
    image_rgb: NDArray[np.uint8], bbox_xywh: BBoxXYWH, margin: float = 0.0
) -> tuple[NDArray[np.uint8], BBoxXYWH]:
    """
    Cut a box with its margin out of a frame.

    :param image_rgb: shape (H, W, 3).
    :param margin: fraction of the box's side added on each side.
    :returns: a view, empty where the box lies outside the frame, and the box
        in whole pixels that it covers.
    """
    size_wh = image_rgb.shape[1], image_rgb.shape[0]
    x, y, width, height = clip_to_frame(expand(bbox_xywh, margin), size_wh)
    left, top, right, bottom = round(x), round(y), round(x + width), round(y + height)
    part = image_rgb[top:bottom, left:right]
    return part, (float(left), float(top), float(right - left), float(bottom - top))
