"""Small pictures for reports: crops and marked frames, as JPEG."""

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import crop
from alexnet_ros.records import BBoxXYWH

Image = NDArray[np.uint8]

PICTURE_WIDTH = 320
THUMB_PX = 96
MARK_RGB = (255, 64, 32)


def jpeg_from_rgb(image_rgb: Image, quality: int = 85) -> bytes:
    """Encode a picture as JPEG; ``quality`` 1 to 100."""
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def thumbnail(image_rgb: Image, bbox_xywh: BBoxXYWH, margin: float = 0.15) -> Image | None:
    """Cut a box and a fraction of its sides out, scaled to :data:`THUMB_PX`; None if outside."""
    part = crop(image_rgb, bbox_xywh, margin)[0]
    if not part.size:
        return None
    scale = THUMB_PX / max(part.shape[:2])
    size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=how), np.uint8)


def jpeg_picture(
    image_rgb: Image, bbox_xywh: BBoxXYWH | None, widest_px: int = PICTURE_WIDTH
) -> bytes:
    """Return a frame at report size, with a box marked, as JPEG."""
    scale = min(widest_px / image_rgb.shape[1], 1.0)
    size = (round(image_rgb.shape[1] * scale), max(round(image_rgb.shape[0] * scale), 1))
    small = np.ascontiguousarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA))
    if bbox_xywh is not None:
        x, y, width, height = (value * scale for value in bbox_xywh)
        cv2.rectangle(
            small,
            (round(x) - 2, round(y) - 2),
            (round(x + width) + 2, round(y + height) + 2),
            MARK_RGB,
            2,
            cv2.LINE_AA,
        )
    return jpeg_from_rgb(np.asarray(small, np.uint8), 80)
