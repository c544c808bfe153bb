"""
The same sign over the frames of one camera, from first sight until it passes.

A track gathers what the network says of each sight of a sign. It is confirmed,
once, when enough recent frames agree with all the evidence so far; until then
nobody needs to act on it.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import TrackerSettings
from alexnet_ros.records import BBoxXYWH, Classification, ClassScore, Detection

Floats = NDArray[np.float32]

MAX_TRACKS = 64  # kept at once; the longest unseen goes first
FULL_WEIGHT_PX = 48.0  # side from which a sight counts fully; smaller ones by their area's root
MIN_LOG = -7.0  # log-probability below which one sight counts no further against a class
REMEMBERED = 4.0  # a confirmed sign may be found again for so many times max_missed_s
KEEP = 0.88  # share of the evidence that stays at each further sight: near sights tell more
MAX_SIGHTS = 3.0  # full sights that a probability rests on at most; neighbours are alike
MOTION_S = 0.3  # time over which speed and growth are averaged: boxes tremble by some percent


@dataclass
class _Track:
    """What is known of one sign."""

    bbox: BBoxXYWH
    seen_ns: int
    evidence: Floats  # (C,) weighted sum of log-probabilities
    weight: float
    frames: deque[int | None]  # class of each recent frame; None for unknown or unseen
    speed: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of the middle, pixels / s
    growth: float = 0.0  # of the side's logarithm, 1 a second
    sights: int = 1
    confirmed: int | None = None
    track_id: str | None = None
    probabilities: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def predicted(self, stamp_ns: int) -> BBoxXYWH:
        """
        Return the box expected at a time, by speed and growth.

        What is neared at an even speed grows as one over the time that is left
        until it is reached, and moves out from the vanishing point alike.
        """
        elapsed = (stamp_ns - self.seen_ns) / 1e9
        x, y, width, height = self.bbox
        scale = 1 / max(0.4, min(2.0, 1 - self.growth * elapsed))
        if abs(self.growth) > 1e-3:
            elapsed = (scale - 1) / self.growth
        middle_x = x + width / 2 + self.speed[0] * elapsed
        middle_y = y + height / 2 + self.speed[1] * elapsed
        return (
            middle_x - width * scale / 2,
            middle_y - height * scale / 2,
            width * scale,
            height * scale,
        )

    def move(self, bbox: BBoxXYWH, stamp_ns: int) -> None:
        """Take the newly seen box and learn speed and growth from it."""
        elapsed = (stamp_ns - self.seen_ns) / 1e9
        if elapsed > 0:
            share = max(1 / (self.sights + 1), 1 - math.exp(-elapsed / MOTION_S))
            for axis in (0, 1):
                way = bbox[axis] + bbox[axis + 2] / 2 - self.bbox[axis] - self.bbox[axis + 2] / 2
                self.speed[axis] += share * (way / elapsed - self.speed[axis])
            rate = math.log(max(_side(bbox), 1e-3) / max(_side(self.bbox), 1e-3)) / elapsed
            self.growth += share * (max(-3.0, min(3.0, rate)) - self.growth)
        self.bbox, self.seen_ns = bbox, stamp_ns
        self.sights += 1

    def learn(self, log_probs: Floats, side_px: float, known: bool) -> None:
        """Add one sight to the evidence; an unknown one only weakens it."""
        self.evidence *= KEEP
        self.weight *= KEEP
        if known:
            weight = min(1.0, side_px / FULL_WEIGHT_PX)
            self.evidence += weight * np.maximum(log_probs, MIN_LOG)
            self.weight += weight
        scale = min(1.0, MAX_SIGHTS / max(self.weight, 1e-6))
        logits = scale * self.evidence
        raised = np.exp(logits - logits.max())
        self.probabilities = (raised / raised.sum()).astype(np.float32)


class Tracker:
    """
    Follows the signs of one camera and says which are confirmed.

    Ids count the confirmed signs, from 1, over the tracker's life.

    :param settings: agreement asked for, and how long a sign may be unseen.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._tracks: list[_Track] = []
        self._names: dict[int, str] = {}
        self._last_ns: int | None = None
        self._issued = 0

    def reset(self) -> None:
        """Forget all tracks, for instance when time jumps; ids go on."""
        self._tracks.clear()
        self._last_ns = None

    @property
    def count(self) -> int:
        """Return the number of signs followed, confirmed or not."""
        return len(self._tracks)

    def update(
        self,
        stamp_ns: int,
        size_wh: tuple[int, int],
        detections: Sequence[Detection],
        log_probs: Floats,
    ) -> tuple[Detection, ...]:
        """
        Take the detections of one frame.

        :param stamp_ns: time of the frame, nanoseconds; when it goes back, all
            tracks are forgotten first. A frame of the stamp before, such as
            the same picture on a second topic, confirms nothing further.
        :param size_wh: width and height of the frame, pixels.
        :param detections: N classified regions.
        :param log_probs: their log-probabilities of all C classes, (N, C).
        :returns: the N detections in their order; those of confirmed signs
            with ``track_id`` and the classification of all their sights, once
            with ``newly_confirmed``.
        """
        again = stamp_ns == self._last_ns and stamp_ns != 0  # 0: the driver sets none
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.reset()
        self._last_ns = stamp_ns
        self._forget(stamp_ns, size_wh)
        for detection in detections:
            for result in detection.classification.results:
                self._names[result.class_id] = result.class_name
        owners = self._matched(stamp_ns, detections)
        results = []
        for row, detection in enumerate(detections):
            track = owners.get(row)
            known = not detection.classification.unknown and bool(detection.classification.results)
            seen = detection.classification.results[0].class_id if known else None
            if track is None:
                track = _Track(
                    detection.bbox_xywh,
                    stamp_ns,
                    np.zeros(log_probs.shape[1], np.float32),
                    0.0,
                    deque(maxlen=self.settings.confirm_window),
                )
                self._tracks.append(track)
                owners[row] = track
            else:
                track.move(detection.bbox_xywh, stamp_ns)
            if not (again and track.frames):
                track.learn(log_probs[row], _side(detection.bbox_xywh), known)
                track.frames.append(seen)
            results.append(self._told(track, detection))
        touched = {id(track) for track in owners.values()}
        for track in self._tracks:
            if id(track) not in touched and not again:
                track.frames.append(None)
        self._tracks.sort(key=lambda track: -track.seen_ns)  # stable
        del self._tracks[MAX_TRACKS:]
        return tuple(results)

    def _forget(self, stamp_ns: int, size_wh: tuple[int, int]) -> None:
        """Drop tracks unseen for too long or past the frame's sides."""
        width, height = size_wh

        def stays(track: _Track) -> bool:
            patience_s = self.settings.max_missed_s * (REMEMBERED if track.track_id else 1)
            if stamp_ns - track.seen_ns > patience_s * 1e9:
                return False
            x, y, wide, tall = track.predicted(stamp_ns)
            return 0 <= x + wide / 2 <= width and 0 <= y + tall / 2 <= height

        self._tracks = [track for track in self._tracks if stays(track)]

    def _matched(self, stamp_ns: int, detections: Sequence[Detection]) -> dict[int, _Track]:
        """Return row to track, tracks not lost before lost ones, best pairs first."""
        pairs = []
        for number, track in enumerate(self._tracks):
            expected = track.predicted(stamp_ns)
            unseen_s = (stamp_ns - track.seen_ns) / 1e9
            lost = unseen_s > self.settings.max_missed_s
            unsure = 0.9 if track.sights == 1 else min(0.9, 0.35 + unseen_s)  # no speed at first
            for row, detection in enumerate(detections):
                best = detection.classification.best
                same = best is not None and best.class_id == track.confirmed
                reach = 2 * unsure if lost or same else unsure
                near = _likeness(expected, detection.bbox_xywh, reach)
                if lost:
                    if _side(detection.bbox_xywh) < 0.85 * _side(track.bbox) or not (
                        same or best is None
                    ):
                        continue  # the next sign of the road, or another one
                    # Motion learnt from a few small boxes may be wrong by its whole amount
                    near = max(near, _likeness(track.bbox, detection.bbox_xywh, reach))
                if near > 0:
                    pairs.append((lost, -(near + 0.2 * same), number, row))
        owners: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, _, number, row in sorted(pairs):
            if row not in owners and number not in taken:
                owners[row] = self._tracks[number]
                taken.add(number)
        return owners

    def _told(self, track: _Track, detection: Detection) -> Detection:
        best = int(track.probabilities.argmax())
        score = float(track.probabilities[best])
        fresh = False
        agreeing = sum(seen == best for seen in track.frames)
        if (
            best != track.confirmed
            and best in self._names
            and agreeing >= self.settings.confirm_hits
            and score >= self.settings.min_track_score
        ):
            self._issued += 1
            track.confirmed, track.track_id = best, str(self._issued)
            fresh = True
        if track.track_id is None or best != track.confirmed:
            return detection
        kept = len(detection.classification.results)
        order = [int(i) for i in np.argsort(-track.probabilities, kind='stable')]
        known = [i for i in order if i in self._names][: max(kept, 1)]
        results = tuple(
            ClassScore(i, self._names[i], float(track.probabilities[i])) for i in known
        )
        classification = Classification(results, False, detection.classification.energy)
        return replace(
            detection,
            classification=classification,
            track_id=track.track_id,
            newly_confirmed=fresh,
        )


def _side(bbox: BBoxXYWH) -> float:
    return math.sqrt(max(bbox[2] * bbox[3], 0.0))


def _likeness(first: BBoxXYWH, second: BBoxXYWH, unsure: float) -> float:
    """Return how well two boxes may be one sign, 0 to 1; 0 if ``unsure`` sides apart."""
    larger, smaller = max(_side(first), _side(second)), min(_side(first), _side(second))
    if smaller <= 0 or larger > 1.8 * smaller:
        return 0.0
    apart = math.hypot(
        first[0] + first[2] / 2 - second[0] - second[2] / 2,
        first[1] + first[3] / 2 - second[1] - second[3] / 2,
    )
    return max(0.0, 1 - apart / (unsure * (first[2] + first[3]) / 2)) * (smaller / larger)
