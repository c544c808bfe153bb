"""
Regions of frames to the network's uint8 batch.

Training's evaluation and the node call these functions, so that a network sees
in the field what it was measured with. Normalisation stands in the graph.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.errors import ImageFormatError
from alexnet_ros.model_package import InputSpec
from alexnet_ros.records import BBoxXYWH, Region

Span = tuple[int, int]
OUTSIDE = 0.5  # a region reaches at most this share of the frame's side beyond it


def resize_region(
    image_rgb: NDArray[np.uint8],
    bbox_xywh: BBoxXYWH,
    spec: InputSpec,
    out: NDArray[np.uint8],
    *,
    margin: float | None = None,
) -> None:
    """
    Cut a region out of a frame and resize it to the network's input.

    The box grows by the margin on each side and is rounded to whole pixels;
    beyond the frame the edge pixels are repeated. While a side is at least
    twice as long as wanted it is halved by averaging (exact, so cheap; FIELD
    measurements: a fractional area filter costs 15 times as much); the rest is
    bilinear.

    :param image_rgb: shape (H, W, 3), uint8; may be a read-only view with
        padded rows; not modified.
    :param bbox_xywh: tight box in pixels of the frame; must overlap it.
    :param out: shape (spec.height, spec.width, 3), uint8, C-contiguous;
        overwritten.
    :param margin: instead of ``spec.margin``; 0 for a whole frame.
    :raises ImageFormatError: ``bad_region``, the box is not finite, empty or
        outside of the frame; ``bad_array``, the arrays are not as above.
    """
    if (
        image_rgb.ndim != 3
        or image_rgb.shape[2] != 3
        or not image_rgb.size
        or image_rgb.dtype != np.uint8
    ):
        raise ImageFormatError(
            'bad_array',
            f'expected an image (H, W, 3) uint8, got {image_rgb.shape} {image_rgb.dtype}',
        )
    if (
        out.shape != (spec.height, spec.width, 3)
        or out.dtype != np.uint8
        or not out.flags.c_contiguous
    ):
        raise ImageFormatError(
            'bad_array',
            f'expected out to be contiguous ({spec.height}, {spec.width}, 3) uint8, '
            f'got {out.shape} {out.dtype}',
        )
    height, width = image_rgb.shape[:2]
    share = spec.margin if margin is None else margin
    x, y, box_width, box_height = bbox_xywh
    across = _span(x, box_width, share, width, bbox_xywh)
    down = _span(y, box_height, share, height, bbox_xywh)
    if spec.resize == 'centre_crop':
        across, down = _central(across, down, spec)
    scaled_into(_cut(image_rgb, across, down), out)


def batch_from_regions(
    items: Sequence[tuple[NDArray[np.uint8], Region]],
    spec: InputSpec,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """
    Build one batch from regions of any number of frames.

    :param items: N pairs of a frame (H, W, 3) and a region of it; a region of
        kind ``frame`` gets no margin.
    :param out: shape (M, spec.height, spec.width, 3), uint8, M >= N: written
        to and returned cut to N; a new array if None or too small.
    :returns: shape (N, spec.height, spec.width, 3), uint8, C-contiguous.
    :raises ImageFormatError: as :func:`resize_region`.
    """
    count = len(items)
    if out is None or len(out) < count:
        out = np.empty((count, spec.height, spec.width, 3), np.uint8)
    for position, (image_rgb, region) in enumerate(items):
        margin = 0.0 if region.kind == 'frame' else None
        resize_region(image_rgb, region.bbox_xywh, spec, out[position], margin=margin)
    return out[:count]


def _span(start: float, length: float, share: float, limit: int, bbox: BBoxXYWH) -> Span:
    """Return the first and the last + 1 pixel along one side, margin included."""
    inside = math.isfinite(start) and math.isfinite(length) and length > 0
    if not inside or start >= limit or start + length <= 0:
        raise ImageFormatError(
            'bad_region', f'expected a box that overlaps the frame, got x, y, w, h = {bbox}'
        )
    extra = length * share
    beyond = limit * OUTSIDE
    first = math.floor(max(start - extra, -beyond) + 0.5)
    last = math.floor(min(start + length + extra, limit + beyond) + 0.5)
    first = min(first, limit - 1)
    return first, max(last, first + 1, 1)


def _central(across: Span, down: Span, spec: InputSpec) -> tuple[Span, Span]:
    """Return the part that scaling to ``resize_px`` and a central cut would keep."""
    width, height = across[1] - across[0], down[1] - down[0]
    scale = min(width, height) / spec.resize_px  # frame pixels for one scaled pixel
    kept_width = min(width, max(1, round(spec.width * scale)))
    kept_height = min(height, max(1, round(spec.height * scale)))
    left = across[0] + (width - kept_width) // 2
    top = down[0] + (height - kept_height) // 2
    return (left, left + kept_width), (top, top + kept_height)


def _cut(image_rgb: NDArray[np.uint8], across: Span, down: Span) -> NDArray[np.uint8]:
    """Return the region, a view where it lies inside of the frame."""
    height, width = image_rgb.shape[:2]
    left, right = max(across[0], 0), min(across[1], width)
    top, bottom = max(down[0], 0), min(down[1], height)
    # A central cut may lie wholly in the repeated edge: keep one pixel to repeat.
    left, top = min(left, width - 1), min(top, height - 1)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inner = image_rgb[top:bottom, left:right]
    above, below = max(top - down[0], 0), max(down[1] - bottom, 0)
    before, after = max(left - across[0], 0), max(across[1] - right, 0)
    single = inner.shape[:2] == (1, 1)  # its border is itself, and OpenCV 4.5 refuses it
    if single or not (above or below or before or after):
        return inner
    padded = cv2.copyMakeBorder(inner, above, below, before, after, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def scaled_into(region: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """
    Resize (H, W, 3) uint8 into ``out``, any other height and width.

    Halve by averaging while a side is twice as long as wanted, then interpolate.

    Halving one side alone is the mean of two pixels, which the bilinear filter
    gives too, 3.7 times as fast as the area filter (OpenCV 5.0, 640x360).
    """
    out_height, out_width = out.shape[:2]
    while True:
        height, width = region.shape[:2]
        down = 2 if height >= 2 * out_height else 1
        across = 2 if width >= 2 * out_width else 1
        if down == across == 1:
            break
        half_width, half_height = width // across, height // down
        even = region[: half_height * down, : half_width * across]
        mean = cv2.INTER_AREA if down == across else cv2.INTER_LINEAR
        region = np.asarray(
            cv2.resize(even, (half_width, half_height), interpolation=mean), np.uint8
        )
    if region.shape == out.shape or region.shape[:2] == (1, 1):
        np.copyto(out, region)
    else:
        cv2.resize(region, (out_width, out_height), dst=out, interpolation=cv2.INTER_LINEAR)
