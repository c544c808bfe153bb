"""
Scoring against the truth, frame by frame as they come.

Two measures. Events: was the right sign confirmed, once, within its span.
Frames: what each frame says of the signs that it shows.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import iou
from alexnet_ros.pictures import jpeg_picture
from alexnet_ros.records import BBoxXYWH, Detection, Recognition
from alexnet_ros.report.ground_truth import Truth, TruthSpan

UNKNOWN, MISSED = -1, -2
EARLY_NS = 2 * 10**9  # a confirmation may come so long before its span: from farther than asked
GRACE_NS = 500_000_000  # and so long after it
SAME_IOU = 0.3
MAX_PICTURES = {'frame': 60, 'late': 8}  # of frames; every event error has one

Image = NDArray[np.uint8]


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


@dataclass(slots=True)
class Scores:
    """The figures; see :meth:`Scorer.as_json` for their names."""

    confusion: Counter[tuple[int, int]] = field(default_factory=Counter)
    wrong_reports: int = 0
    frames: int = 0
    right_events: int = 0
    false_events: int = 0
    frame_errors: int = 0


def _said(detection: Detection | None) -> int:
    """Return the class that a detection says."""
    if detection is None:
        return MISSED
    best = detection.classification.best
    return UNKNOWN if best is None else best.class_id


def _may_come(span: TruthSpan, camera: str, stamp_ns: int) -> bool:
    """Tell whether a sign may be confirmed at a time."""
    early, late = span.start_ns - EARLY_NS, span.end_ns + GRACE_NS
    return span.camera in {'', camera} and early <= stamp_ns <= late


class Scorer:
    """Compares what comes with what is true."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.scores = Scores()
        self.errors: list[ScoredError] = []
        self._states = [_SpanState(span) for span in truth.spans]
        self._pictures: Counter[str] = Counter()

    # Frames

    def add_frame(self, recognition: Recognition, image_rgb: Image | None) -> None:
        """Take one frame in; its image is held until its spans are over."""
        camera, stamp_ns = recognition.camera, recognition.stamp_ns
        self.scores.frames += 1
        for state in self._states:
            if state.done or state.span.camera not in {'', camera}:
                continue
            if state.span.start_ns <= stamp_ns <= state.span.end_ns and state.confirmed_ns is None:
                state.image, state.image_ns = image_rgb, stamp_ns
            elif stamp_ns > state.span.end_ns + GRACE_NS:
                self._close(state)
        if self.truth.marks:
            self._score_marks(recognition, image_rgb)
        else:
            self._score_spans(recognition, image_rgb)

    def _score_marks(self, recognition: Recognition, image_rgb: Image | None) -> None:
        """Compare the detections with the boxes of this frame."""
        rest = list(recognition.detections)
        for mark in self.truth.marks_at(recognition.camera, recognition.stamp_ns):
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
            where = box if found is None else found.bbox_xywh
            self._count(mark.class_id, _said(found), recognition, image_rgb, where)
        marks = self.truth.marks_at(recognition.camera, recognition.stamp_ns)
        near = self._near(recognition) - {mark.class_id for mark in marks}
        for detection in rest:
            if _said(detection) not in near:
                self.scores.wrong_reports += 1
                self._frame_error(
                    MISSED, _said(detection), recognition, image_rgb, detection.bbox_xywh
                )

    def _near(self, recognition: Recognition) -> set[int]:
        """Return what may be said now: the classes to be seen, or just before and after."""
        stamp_ns = recognition.stamp_ns
        return {UNKNOWN} | {
            s.class_id for s in self.truth.spans if _may_come(s, recognition.camera, stamp_ns)
        }

    def _score_spans(self, recognition: Recognition, image_rgb: Image | None) -> None:
        """Ask only whether the classes that are to be seen are among the detections."""
        rest = list(recognition.detections)
        for span in self.truth.spans_at(recognition.camera, recognition.stamp_ns):
            found = next((d for d in rest if _said(d) == span.class_id), None)
            if found is not None:
                rest.remove(found)
                self._count(span.class_id, span.class_id, recognition, image_rgb, None)
                continue
            known = max(rest, key=lambda d: d.bbox_xywh[2] * d.bbox_xywh[3], default=None)
            box = None if known is None else known.bbox_xywh
            self._count(span.class_id, _said(known), recognition, image_rgb, box)
        near = self._near(recognition)
        self.scores.wrong_reports += sum(_said(d) not in near for d in rest)

    def _count(
        self,
        truth_id: int,
        got_id: int,
        recognition: Recognition,
        image_rgb: Image | None,
        box: BBoxXYWH | None,
    ) -> None:
        self.scores.confusion[truth_id, got_id] += 1
        if truth_id != got_id:
            self._frame_error(truth_id, got_id, recognition, image_rgb, box)

    def _frame_error(
        self,
        truth_id: int,
        got_id: int,
        recognition: Recognition,
        image_rgb: Image | None,
        box: BBoxXYWH | None,
    ) -> None:
        self.scores.frame_errors += 1
        state = self._late_state(truth_id, got_id, recognition)
        kind = 'frame' if state is None else 'late'
        if state is not None:
            state.late += 1
        if self._pictures[kind] >= MAX_PICTURES[kind] or image_rgb is None:
            return
        self._pictures[kind] += 1
        picture = jpeg_picture(image_rgb, box)
        error = ScoredError(
            kind, recognition.camera, recognition.stamp_ns, truth_id, got_id, picture
        )
        self.errors.append(error)
        if state is not None:
            state.late_errors.append(error)

    def _late_state(
        self, truth_id: int, got_id: int, recognition: Recognition
    ) -> _SpanState | None:
        """Return the sign in sight that was not named so far."""
        if got_id not in {UNKNOWN, MISSED}:
            return None
        stamp_ns, cameras = recognition.stamp_ns, {'', recognition.camera}
        return next(
            (
                state
                for state in self._states
                if state.confirmed_ns is None
                and state.span.class_id == truth_id
                and state.span.camera in cameras
                and state.span.start_ns <= stamp_ns <= state.span.end_ns
            ),
            None,
        )

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
                self.scores.right_events += 1
                return True
        self.scores.false_events += 1
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
        """Settle a span that is over."""
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
        scores, spans = self.scores, len(self._states)
        events = scores.right_events + scores.false_events
        shown = sum(scores.confusion.values())
        right = sum(n for (truth, got), n in scores.confusion.items() if truth == got)
        delays = [
            (s.confirmed_ns - s.span.start_ns) / 1e9
            for s in self._states
            if s.confirmed_ns is not None
        ]
        return {
            'event_precision': scores.right_events / events if events else 1.0,
            'event_recall': scores.right_events / spans if spans else 1.0,
            'events_right': scores.right_events,
            'events_false': scores.false_events,
            'events_expected': spans,
            'frame_accuracy': right / shown if shown else 1.0,
            'frame_errors': scores.frame_errors,
            'late_frames': sum(s.late for s in self._states if s.confirmed_ns is not None),
            'signs_shown_in_frames': shown,
            'wrong_reports_per_frame': scores.wrong_reports / max(scores.frames, 1),
            'median_delay_s': round(float(np.median(delays)), 4) if delays else None,
            'spans': [
                {
                    'class_id': s.span.class_id,
                    'class_name': name_of(s.span.class_id, names),
                    'camera': s.span.camera,
                    'start_s': round((s.span.start_ns - start_ns) / 1e9, 4),
                    'end_s': round((s.span.end_ns - start_ns) / 1e9, 4),
                    'confirmed': s.confirmed_ns is not None,
                    'delay_s': None
                    if s.confirmed_ns is None
                    else round((s.confirmed_ns - s.span.start_ns) / 1e9, 4),
                    'left_s': None
                    if s.confirmed_ns is None
                    else round((s.span.end_ns - s.confirmed_ns) / 1e9, 4),
                }
                for s in self._states
            ],
            'confusion': [
                {'truth': name_of(truth, names), 'got': name_of(got, names), 'frames': count}
                for (truth, got), count in sorted(scores.confusion.items())
            ],
            'errors': [
                {
                    'kind': e.kind,
                    'camera': e.camera,
                    'at_s': round((e.stamp_ns - start_ns) / 1e9, 4),
                    'truth': name_of(e.truth_id, names),
                    'got': name_of(e.got_id, names),
                }
                for e in self.errors
            ],
        }


def name_of(class_id: int, names: dict[int, str]) -> str:
    """Return the name of a class, or what stands for none."""
    return {UNKNOWN: 'unknown', MISSED: 'nothing'}.get(
        class_id, names.get(class_id, f'class {class_id}')
    )
