"""What may be believed: messages as plain records, and the reasons to refuse one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alexnet_ros.config import NavigatorSettings

MAX_SIGNS = 256  # in one message; the classifier reports at most 64
MAX_SCORES = 10_000
MAX_NAME_CHARS = 256  # characters of a track id or a camera's frame


@dataclass(frozen=True, slots=True)
class Score:
    """One hypothesis: class id (-1 if it is no decimal number) and probability."""

    class_id: int
    score: float

    @classmethod
    def of(cls, class_id: str, score: float) -> 'Score':
        """Return a hypothesis of a message, whose class id is a string."""
        decimal = class_id.isascii() and class_id.isdecimal() and len(class_id) <= 5
        return cls(int(class_id) if decimal else -1, score)


@dataclass(frozen=True, slots=True)
class SignSeen:
    """
    One detection of an image.

    :param track_id: id of its confirmed track, empty while unconfirmed.
    :param height_px: height of its box, pixels of the camera frame.
    :param scores: its hypotheses; none means unknown.
    :param middle_px: middle of its box, x and y.
    """

    track_id: str
    height_px: float
    scores: tuple[Score, ...]
    middle_px: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class SignFrame:
    """All detections of one image; none is a sign of life too."""

    camera: str
    stamp_ns: int
    signs: tuple[SignSeen, ...]


@dataclass(frozen=True, slots=True)
class ClassFrame:
    """What one image shows as a whole; no scores means unknown."""

    camera: str
    stamp_ns: int
    scores: tuple[Score, ...]


def best_score(scores: Sequence[Score]) -> Score | None:
    """Return the most probable hypothesis, or None without any."""
    return max(scores, key=lambda one: one.score, default=None)


def fault_of_stamp(
    stamp_ns: int, last_ns: int | None, now_ns: int, settings: NavigatorSettings
) -> str:
    """
    Return why an image's time forbids to act on it, empty if it does not.

    :param last_ns: stamp of the camera's last accepted image.
    :param now_ns: the node's clock; 0 before it runs.
    """
    if now_ns <= 0:
        return 'no_clock'
    if stamp_ns <= 0:
        return 'no_stamp'
    age_ns = now_ns - stamp_ns
    if age_ns < -settings.max_skew_s * 1e9:
        return 'future'
    if age_ns > settings.max_age_s * 1e9:
        return 'too_old'
    return 'out_of_order' if last_ns is not None and stamp_ns <= last_ns else ''


def fault_of_signs(frame: SignFrame) -> str:
    """Return what is wrong with a message of detections, empty if nothing."""
    if len(frame.signs) > MAX_SIGNS:
        return 'too_many'
    if len(frame.camera) > MAX_NAME_CHARS:
        return 'bad_name'
    for sign in frame.signs:
        if len(sign.track_id) > MAX_NAME_CHARS:
            return 'bad_name'
        if not (all(map(math.isfinite, sign.middle_px)) and 0 <= sign.height_px < math.inf):
            return 'bad_box'
        fault = _fault_of_scores(sign.scores)
        if fault:
            return fault
    return ''


def fault_of_classes(frame: ClassFrame) -> str:
    """Return what is wrong with a message of classes, empty if nothing."""
    return 'bad_name' if len(frame.camera) > MAX_NAME_CHARS else _fault_of_scores(frame.scores)


def _fault_of_scores(scores: Sequence[Score]) -> str:
    if len(scores) > MAX_SCORES:
        return 'too_many'
    # NaN fails the comparison, so it is refused here too
    return '' if all(0.0 <= one.score <= 1.0 for one in scores) else 'bad_score'
