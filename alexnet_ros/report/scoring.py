"""
Scoring against the truth, frame by frame as they come.

Two measures. Events: was the right sign confirmed, once, within its span.
Frames: what each frame says of the signs that it shows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import iou
from alexnet_ros.pictures import jpeg_picture
from alexnet_ros.records import BBoxXYWH, Detection, Recognition
from alexnet_ros.report.ground_truth import Truth, TruthMark, TruthSpan

UNKNOWN, MISSED = -1, -2
EARLY_NS = 2 * 10**9  # a confirmation may come so long before its span: from farther than asked
GRACE_NS = 500_000_000  # and so long after it
SAME_IOU = 0.3
MAX_PICTURES = {'frame': 60, 'late': 8}  # of frames; every event error has one

Image = NDArray[np.uint8]
Pair = tuple[int, Detection | None, BBoxXYWH | None]  # class to be seen, the answer, its box


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One sign that the tracker confirmed."""

    camera: str
    track_id: str
    class_id: int
    stamp_ns: int
    bbox_xywh: BBoxXYWH


@dataclass(slots=True)
class ScoredError:
    """
    One thing that came out wrong.

    :param kind: ``missed``, ``false``, ``again`` (events), ``frame`` (wrong there) or ``late``
        (the sign is in sight but not yet named).
    :param truth_id: what was to be seen, :data:`MISSED` for nothing.
    :param got_id: what was said, or :data:`UNKNOWN`, :data:`MISSED`.
    """

    kind: str
    camera: str
    stamp_ns: int
    truth_id: int
    got_id: int
    picture: bytes = b''


@dataclass(slots=True)
class _SpanState:
    span: TruthSpan
    confirmed_ns: int | None = None
    image: Image | None = None
    image_ns: int = 0
    done: bool = False
    late: int = 0  # frames that show it before it was named
    late_errors: list[ScoredError] = field(default_factory=list)


def _said(detection: Detection | None) -> int:
    if detection is None:
        return MISSED
    best = detection.classification.best
    return UNKNOWN if best is None else best.class_id


def _may_come(span: TruthSpan, camera: str, stamp_ns: int) -> bool:
    early, late = span.start_ns - EARLY_NS, span.end_ns + GRACE_NS
    return span.camera in {'', camera} and early <= stamp_ns <= late


class Scorer:
    """Compares what comes with what is true."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.errors: list[ScoredError] = []
        self.frames = self.frame_errors = self.wrong_reports = 0
        self.right_events = self.false_events = 0
        self._confusion: Counter[tuple[int, int]] = Counter()
        self._states = [_SpanState(span) for span in truth.spans]
        self._pictures: Counter[str] = Counter()

    # Frames

    def add_frame(self, recognition: Recognition, image_rgb: Image | None) -> None:
        """Take one frame in; its image is held until its spans are over."""
        camera, stamp_ns = recognition.camera, recognition.stamp_ns
        self.frames += 1
        for state in self._states:
            if state.done or state.span.camera not in {'', camera}:
                continue
            if state.span.start_ns <= stamp_ns <= state.span.end_ns and state.confirmed_ns is None:
                state.image, state.image_ns = image_rgb, stamp_ns
            elif stamp_ns > state.span.end_ns + GRACE_NS:
                self._close(state)
        # What may be said now: the classes to be seen, or just before and after.
        near = {UNKNOWN} | {s.class_id for s in self.truth.spans if _may_come(s, camera, stamp_ns)}
        marks, rest = self.truth.marks_at(camera, stamp_ns), list(recognition.detections)
        pairs = (
            self._by_marks(marks, rest)
            if self.truth.marks
            else self._by_spans(self.truth.spans_at(camera, stamp_ns), rest)
        )
        for truth_id, found, box in pairs:
            got_id = _said(found)
            self._confusion[truth_id, got_id] += 1
            if truth_id != got_id:
                self._frame_error(truth_id, got_id, recognition, image_rgb, box)
        near -= {mark.class_id for mark in marks}
        for detection in rest:
            if _said(detection) not in near:
                self.wrong_reports += 1
                if self.truth.marks:
                    said, box = _said(detection), detection.bbox_xywh
                    self._frame_error(MISSED, said, recognition, image_rgb, box)

    @staticmethod
    def _by_marks(marks: list[TruthMark], rest: list[Detection]) -> Iterator[Pair]:
        """Yield each box of the truth with its answer, which leaves the rest."""
        for mark in marks:
            box = mark.bbox_xywh
            if box is None:
                found = next((d for d in rest if _said(d) == mark.class_id), None)
                found = found or next(iter(rest), None)
            else:
                found = max(rest, key=lambda d: iou(d.bbox_xywh, box), default=None)
                if found is not None and iou(found.bbox_xywh, box) < SAME_IOU:
                    found = None
            if found is not None:
                rest.remove(found)
            yield mark.class_id, found, box if found is None else found.bbox_xywh

    @staticmethod
    def _by_spans(spans: list[TruthSpan], rest: list[Detection]) -> Iterator[Pair]:
        """Yield each class to be seen with a detection of it, else with the largest one."""
        for span in spans:
            found = next((d for d in rest if _said(d) == span.class_id), None)
            if found is not None:
                rest.remove(found)
            else:
                found = max(rest, key=lambda d: d.bbox_xywh[2] * d.bbox_xywh[3], default=None)
            yield span.class_id, found, None if found is None else found.bbox_xywh

    def _frame_error(
        self,
        truth_id: int,
        got_id: int,
        recognition: Recognition,
        image_rgb: Image | None,
        box: BBoxXYWH | None,
    ) -> None:
        self.frame_errors += 1
        camera, stamp_ns = recognition.camera, recognition.stamp_ns
        late = [  # in sight and not named so far
            state
            for state in self._states
            if got_id in {UNKNOWN, MISSED}
            and state.confirmed_ns is None
            and state.span.class_id == truth_id
            and state.span.camera in {'', camera}
            and state.span.start_ns <= stamp_ns <= state.span.end_ns
        ][:1]
        kind = 'late' if late else 'frame'
        for state in late:
            state.late += 1
        if self._pictures[kind] >= MAX_PICTURES[kind] or image_rgb is None:
            return
        self._pictures[kind] += 1
        picture = jpeg_picture(image_rgb, box)
        error = ScoredError(kind, camera, stamp_ns, truth_id, got_id, picture)
        self.errors.append(error)
        for state in late:
            state.late_errors.append(error)

    # Events

    def add_event(self, event: Confirmed, image_rgb: Image | None) -> bool:
        """Take a confirmed sign in; return whether it is right and the first of its span."""
        for state in self._states:
            span = state.span
            if (
                state.confirmed_ns is None
                and span.class_id == event.class_id
                and _may_come(span, event.camera, event.stamp_ns)
            ):
                state.confirmed_ns, state.image = event.stamp_ns, None
                self.right_events += 1
                return True
        self.false_events += 1
        again = any(
            s.span.class_id == event.class_id and _may_come(s.span, event.camera, event.stamp_ns)
            for s in self._states
        )
        shown = self.truth.spans_at(event.camera, event.stamp_ns)
        truth_id = event.class_id if again else shown[0].class_id if shown else MISSED
        picture = b'' if image_rgb is None else jpeg_picture(image_rgb, event.bbox_xywh)
        kind = 'again' if again else 'false'
        self.errors.append(
            ScoredError(kind, event.camera, event.stamp_ns, truth_id, event.class_id, picture)
        )
        return False

    def _close(self, state: _SpanState) -> None:
        state.done = True
        if state.confirmed_ns is None:
            for error in state.late_errors:
                error.kind = 'frame'  # it was not named later either
            picture = b'' if state.image is None else jpeg_picture(state.image, None)
            span, at_ns = state.span, state.image_ns or state.span.start_ns
            self.errors.append(
                ScoredError('missed', span.camera, at_ns, span.class_id, MISSED, picture)
            )
        state.image = None

    def finish(self) -> None:
        """Settle what is still open; call once, after the last frame."""
        for state in self._states:
            if not state.done:
                self._close(state)
        self.errors.sort(key=lambda e: (e.kind in MAX_PICTURES, e.stamp_ns, e.camera))

    def as_json(self, names: dict[int, str], start_ns: int) -> dict[str, Any]:
        """Return the metrics, with times counted from ``start_ns``."""
        spans = len(self._states)
        events = self.right_events + self.false_events
        shown = sum(self._confusion.values())
        right = sum(n for (truth, got), n in self._confusion.items() if truth == got)
        delays = [
            (s.confirmed_ns - s.span.start_ns) / 1e9
            for s in self._states
            if s.confirmed_ns is not None
        ]
        return {
            'event_precision': self.right_events / events if events else 1.0,
            'event_recall': self.right_events / spans if spans else 1.0,
            'events_right': self.right_events,
            'events_false': self.false_events,
            'events_expected': spans,
            'frame_accuracy': right / shown if shown else 1.0,
            'frame_errors': self.frame_errors,
            'late_frames': sum(s.late for s in self._states if s.confirmed_ns is not None),
            'signs_shown_in_frames': shown,
            'wrong_reports_per_frame': self.wrong_reports / max(self.frames, 1),
            'median_delay_s': round(float(np.median(delays)), 4) if delays else None,
            'spans': [
                {
                    'class_id': s.span.class_id,
                    'class_name': name_of(s.span.class_id, names),
                    'camera': s.span.camera,
                    'start_s': _seconds(s.span.start_ns, start_ns),
                    'end_s': _seconds(s.span.end_ns, start_ns),
                    'confirmed': s.confirmed_ns is not None,
                    'delay_s': _seconds(s.confirmed_ns, s.span.start_ns),
                    'left_s': _seconds(s.span.end_ns, s.confirmed_ns),
                }
                for s in self._states
            ],
            'confusion': [
                {'truth': name_of(truth, names), 'got': name_of(got, names), 'frames': count}
                for (truth, got), count in sorted(self._confusion.items())
            ],
            'errors': [
                {
                    'kind': e.kind,
                    'camera': e.camera,
                    'at_s': _seconds(e.stamp_ns, start_ns),
                    'truth': name_of(e.truth_id, names),
                    'got': name_of(e.got_id, names),
                }
                for e in self.errors
            ],
        }


def _seconds(later_ns: int | None, earlier_ns: int | None) -> float | None:
    """Return the time between two stamps, seconds; None where one of them never came."""
    if later_ns is None or earlier_ns is None:
        return None
    return round((later_ns - earlier_ns) / 1e9, 4)


def name_of(class_id: int, names: dict[int, str]) -> str:
    """Return the name of a class, or what stands for none."""
    return {UNKNOWN: 'unknown', MISSED: 'nothing'}.get(
        class_id, names.get(class_id, f'class {class_id}')
    )
