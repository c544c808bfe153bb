"""Plain messages for the codec's tests."""

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class RawImage:
    """The fields of sensor_msgs/Image that the codec reads."""

    height: Any = 2
    width: Any = 4
    encoding: Any = 'rgb8'
    is_bigendian: Any = 0
    step: Any = 12
    data: Any = field(default_factory=lambda: array('B', range(24)))


@dataclass
class Compressed:
    """The fields of sensor_msgs/CompressedImage."""

    format: Any
    data: Any


def picture(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A smooth picture with different channels, RGB."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    planes = [255 * across, 255 * down, 127 + 120 * np.sin(5 * across + 3 * down)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


def message(
    rows: NDArray[Any], encoding: str, *, padding: int = 0, height: int | None = None
) -> RawImage:
    """Pack rows of an encoding's bytes, (rows, bytes) or (rows, W, channels)."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    padded = np.pad(flat, ((0, 0), (0, padding)), constant_values=211)
    width = rows.shape[1]
    return RawImage(
        height or len(rows), width, encoding, 0, padded.shape[1], array('B', padded.tobytes())
    )
