"""
Which sign was seen when: one entry a confirmed track.

With whole-frame models there are no tracks; there an entry is a stretch of
frames that all say the same class.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.pictures import jpeg_from_rgb, thumbnail
from alexnet_ros.records import BBoxXYWH, Detection, Recognition
from alexnet_ros.report.scoring import Confirmed

Image = NDArray[np.uint8]

MAX_POINTS = 160  # of the curve of one entry; beyond, every other point goes
GROWTH = 1.15  # a crop is taken anew when the sign has grown by this
FORGET_NS = 5 * 10**9  # out of sight for so long is gone
STRETCH_FRAMES = 3  # so many frames alike begin a stretch


@dataclass(slots=True)
class Entry:
    """
    One sign, from its confirmation until it is gone.

    :param points: stamp, score and box width, thinned out evenly.
    :param frames: in how many frames it was seen.
    """

    camera: str
    track_id: str
    class_id: int
    class_name: str
    first_ns: int
    last_ns: int
    points: list[tuple[int, float, float]] = field(default_factory=list)
    frames: int = 0
    score: float = 0.0
    width_px: float = 0.0
    right: bool | None = None
    thumb_rgb: Image | None = None
    thumb_width_px: float = 0.0
    thumb: bytes = b''
    stride: int = 1

    def add(self, stamp_ns: int, score: float, box: BBoxXYWH, image_rgb: Image | None) -> None:
        """Take one sighting in."""
        if self.frames % self.stride == 0:
            self.points.append((stamp_ns, score, box[2]))
            if len(self.points) > MAX_POINTS:
                del self.points[1::2]
                self.stride *= 2
        self.frames += 1
        self.last_ns = stamp_ns
        self.score, self.width_px = max(self.score, score), max(self.width_px, box[2])
        if image_rgb is not None and box[2] > self.thumb_width_px * GROWTH:
            cut = thumbnail(image_rgb, box)
            if cut is not None:
                self.thumb_rgb, self.thumb_width_px = cut, box[2]

    def settle(self) -> None:
        """Encode the thumbnail; the pixels go."""
        if self.thumb_rgb is not None:
            self.thumb, self.thumb_rgb = jpeg_from_rgb(self.thumb_rgb), None

    def as_json(self, start_ns: int) -> dict[str, Any]:
        """Return the entry with times from ``start_ns`` on."""
        return {
            'camera': self.camera,
            'track_id': self.track_id or None,
            'class_id': self.class_id,
            'class_name': self.class_name,
            'confirmed_s': round((self.first_ns - start_ns) / 1e9, 4),
            'last_s': round((self.last_ns - start_ns) / 1e9, 4),
            'frames': self.frames,
            'best_score': round(self.score, 4),
            'widest_px': round(self.width_px, 1),
            'right': self.right,
            'curve': [
                [round((stamp - start_ns) / 1e9, 3), round(score, 4), round(width, 1)]
                for stamp, score, width in self.points
            ],
        }


@dataclass(slots=True)
class _Stretch:
    """Frames of one camera that say the same."""

    class_id: int
    frames: int = 0
    entry: Entry | None = None


class Timeline:
    """Collects entries and says which frame confirmed one; ``whole_frames`` have no tracks."""

    def __init__(self, *, whole_frames: bool = False) -> None:
        self._whole_frames = whole_frames
        self.entries: list[Entry] = []
        self._open: dict[tuple[str, str], Entry] = {}
        self._stretches: dict[str, _Stretch] = {}

    def add(
        self, recognition: Recognition, image_rgb: Image | None
    ) -> list[tuple[Entry, Confirmed]]:
        """Take one frame in; return the entries that it began."""
        begun: list[tuple[Entry, Confirmed]] = []
        tracked = [d for d in recognition.detections if d.track_id is not None]
        for detection in tracked:
            entry = self._tracked(recognition, detection, begun)
            best = detection.classification.best
            if entry is not None and best is not None:
                entry.add(recognition.stamp_ns, best.score, detection.bbox_xywh, image_rgb)
        self._settle_passed(recognition)
        if self._whole_frames and recognition.detections:
            self._stretch(recognition, image_rgb, begun)
        return begun

    def _tracked(
        self, recognition: Recognition, detection: Detection, begun: list[tuple[Entry, Confirmed]]
    ) -> Entry | None:
        """Return the entry of a confirmed track, made at its first sight."""
        key = (recognition.camera, detection.track_id or '')
        best = detection.classification.best
        if key not in self._open or detection.newly_confirmed:
            if best is None:
                return None
            event = Confirmed(*key, best.class_id, recognition.stamp_ns, detection.bbox_xywh)
            self._begin(event, best.class_name, begun)
        return self._open[key]

    def _begin(self, event: Confirmed, name: str, begun: list[tuple[Entry, Confirmed]]) -> Entry:
        entry = Entry(
            event.camera, event.track_id, event.class_id, name, event.stamp_ns, event.stamp_ns
        )
        self.entries.append(entry)
        self._open[event.camera, event.track_id] = entry
        begun.append((entry, event))
        return entry

    def _settle_passed(self, recognition: Recognition) -> None:
        """Encode the thumbnails of what is long out of sight; ids do not come back."""
        for key, entry in list(self._open.items()):
            away_ns = abs(recognition.stamp_ns - entry.last_ns)
            if key[0] == recognition.camera and away_ns > FORGET_NS:
                entry.settle()
                del self._open[key]

    def _stretch(
        self,
        recognition: Recognition,
        image_rgb: Image | None,
        begun: list[tuple[Entry, Confirmed]],
    ) -> None:
        detection = recognition.detections[0]
        best = detection.classification.best
        class_id = -1 if best is None else best.class_id
        stretch = self._stretches.get(recognition.camera)
        if stretch is None or stretch.class_id != class_id:
            if stretch is not None and stretch.entry is not None:
                stretch.entry.settle()
            stretch = self._stretches[recognition.camera] = _Stretch(class_id)
        stretch.frames += 1
        if best is None:
            return
        if stretch.frames == STRETCH_FRAMES:
            event = Confirmed(
                recognition.camera, '', class_id, recognition.stamp_ns, detection.bbox_xywh
            )
            stretch.entry = self._begin(event, best.class_name, begun)
        if stretch.entry is not None:
            stretch.entry.add(recognition.stamp_ns, best.score, detection.bbox_xywh, image_rgb)

    def finish(self) -> None:
        """Settle everything; call once, after the last frame."""
        for entry in self.entries:
            entry.settle()
