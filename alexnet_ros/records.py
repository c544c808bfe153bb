"""
Frozen results that travel between the layers.

Boxes are ``bbox_xywh``: left, top, width, height in pixels of the full frame,
floats, origin in the top left corner. Stamps are integer nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

BBoxXYWH = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One camera image on its way through the recognizer.

    :param image_rgb: shape (H, W, 3), uint8, channels R, G, B; may be a
        read-only view into a message.
    :param stamp_ns: acquisition time from the image's header, nanoseconds.
    :param camera: camera name, empty for the only one.
    """

    image_rgb: NDArray[np.uint8]
    stamp_ns: int
    camera: str = ''


@dataclass(frozen=True, slots=True)
class Region:
    """
    One part of a frame to classify.

    :param bbox_xywh: tight box of the object, before any margin, pixels.
    :param score: how much it looks like an object, 0 to 1; 1 for given boxes.
    :param kind: ``frame``, ``sign`` or ``detection``.
    """

    bbox_xywh: BBoxXYWH
    score: float = 1.0
    kind: str = 'frame'


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One hypothesis: class id, its name and its calibrated probability."""

    class_id: int
    class_name: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """
    What one region shows.

    :param results: the top-k known classes, best first, scores in 0 to 1;
        kept for the user even when ``unknown``.
    :param unknown: the model takes the region for none of its classes.
    :param energy: free energy of the logits (Liu et al. 2020), no unit.
    """

    results: tuple[ClassScore, ...]
    unknown: bool
    energy: float = 0.0

    @property
    def best(self) -> ClassScore | None:
        """Return the best accepted class, or None when unknown."""
        return None if self.unknown or not self.results else self.results[0]


@dataclass(frozen=True, slots=True)
class Detection:
    """
    One classified region of a frame.

    :param track_id: id of the confirmed track it belongs to, or None while
        the track is not (yet) confirmed.
    :param newly_confirmed: true on the one frame that confirms the track.
    """

    bbox_xywh: BBoxXYWH
    classification: Classification
    region_score: float = 1.0
    track_id: str | None = None
    newly_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Recognition:
    """
    Everything recognised in one frame.

    :param size_wh: width and height of the frame in pixels.
    :param stage_ms: wall time of each stage in milliseconds (``regions``,
        ``preprocess``, ``engine``, ``postprocess``, ``tracking``).
    :param features: fc7 values, shape (N, 4096) float32, or None.
    """

    camera: str
    stamp_ns: int
    size_wh: tuple[int, int]
    detections: tuple[Detection, ...]
    stage_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    features: NDArray[np.float32] | None = None

    @property
    def foremost(self) -> Detection | None:
        """Return the largest detection with a known class, or None."""
        known = [d for d in self.detections if not d.classification.unknown]
        return max(known, key=lambda d: d.bbox_xywh[2] * d.bbox_xywh[3], default=None)


@dataclass(frozen=True, slots=True)
class Outputs:
    """
    What an engine gives for one batch.

    :param logits: shape (N, classes), float32; a new array owned by the caller.
    :param features: shape (N, 4096), float32, or None when not asked for.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """
    What runs and why.

    :param backend: ``onnxruntime``, ``tensorrt`` or ``tensorrt_rtx``.
    :param device: such as ``cpu (2 threads)`` or ``NVIDIA H200 (sm_90)``.
    :param reason: why this backend was chosen, one sentence.
    """

    backend: str
    device: str
    precision: str
    model_name: str
    model_sha256: str
    input_hw: tuple[int, int]
    classes: int
    max_batch: int
    reason: str = ''
