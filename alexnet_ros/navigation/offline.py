"""
What the sign navigator would have told the robot during a bag.

The same state machine as in the node, driven by the bag's stamps: a step with
every frame and ten a second between them.
"""

from dataclasses import dataclass, replace
from typing import Any

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation import (
    ClassFrame,
    Event,
    Moment,
    Navigator,
    Score,
    SignFrame,
    SignSeen,
    find_table,
    read_table,
)
from alexnet_ros.records import Classification, Recognition

STEP_NS = 100_000_000  # the stop lock goes out at 10 Hz
REPEAT_NS = 500_000_000  # a limit in force goes out at 2 Hz
BACKWARD_NS = 10**9  # a step back beyond it is a jump of the clock
CAP_MPS = 36.2  # no robot listens here, so that every sign may show what it does
LONGEST_GAP_NS = 10 * 10**9  # of a longer gap only the beginning is stepped through


@dataclass(frozen=True, slots=True)
class NavigatorOutput:
    """
    One moment's output.

    :param limit_mps: to publish now, 0.0 for the release, or None.
    :param stop_lock: to publish now.
    """

    at_ns: int
    limit_mps: float | None
    stop_lock: bool


class NavigationLog:
    """What was told over a run: changes only."""

    def __init__(self) -> None:
        self.limits: list[tuple[int, float | None]] = []
        self.locks: list[tuple[int, bool]] = []
        self.events: list[tuple[int, Event]] = []

    def note_limit(self, at_ns: int, limit_mps: float | None) -> None:
        """Keep a limit in metres a second, None for no limit, if it is new."""
        if limit_mps != (self.limits[-1][1] if self.limits else None):
            self.limits.append((at_ns, limit_mps))

    def note_lock(self, at_ns: int, stop_lock: bool) -> None:
        """Keep the stop lock, if it is new."""
        if not self.locks or self.locks[-1][1] != stop_lock:
            self.locks.append((at_ns, stop_lock))

    def as_json(self, start_ns: int) -> dict[str, Any]:
        """Return the changes with times from ``start_ns`` on."""

        def at_s(stamp_ns: int) -> float:
            return round((stamp_ns - start_ns) / 1e9, 4)

        return {
            'speed_limit_mps': [
                [at_s(stamp), None if limit is None else round(limit, 4)]
                for stamp, limit in self.limits
            ],
            'stop_lock': [[at_s(stamp), lock] for stamp, lock in self.locks],
            'events': [
                {
                    'at_s': at_s(stamp),
                    'event': event.kind,
                    'did': event.did,
                    'class_name': event.class_name,
                    'track_id': event.track_id or None,
                    'camera': event.camera,
                }
                for stamp, event in self.events
            ],
        }


class OfflineNavigator:
    """
    Runs the navigator over recognitions.

    :param names: class id to name, of the model.
    :param settings: of the navigator; its table decides what is read.
    """

    def __init__(self, names: dict[int, str], settings: NavigatorSettings | None = None) -> None:
        settings = settings or NavigatorSettings()
        if settings.max_speed_mps is None:
            settings = replace(settings, max_speed_mps=CAP_MPS)
        table = read_table(find_table(settings.actions))
        self._reads = table.reads
        self.navigator = Navigator(settings, table)
        self.navigator.observe_labels(names)
        self.log = NavigationLog()
        self._now_ns = 0
        self._sent_ns = 0

    def add(self, recognition: Recognition, at_ns: int | None = None) -> list[NavigatorOutput]:
        """
        Take one frame in; return what is published up to it.

        :param at_ns: the robot's clock when it came, by which the age of its
            stamp is judged as in the node; None takes the stamp itself.
        """
        stamp_ns = recognition.stamp_ns
        at_ns = stamp_ns if at_ns is None else at_ns
        behind_ns = self._now_ns - at_ns  # another camera may be a little ahead
        now_ns = self._now_ns if 0 <= behind_ns < BACKWARD_NS else at_ns
        told = []
        if self._now_ns and now_ns > self._now_ns:
            first = self._now_ns - self._now_ns % STEP_NS + STEP_NS
            until = min(now_ns, self._now_ns + LONGEST_GAP_NS)
            told = [self._step(at_ns) for at_ns in range(first, until, STEP_NS)]
        now = Moment(now_ns, now_ns)
        if self._reads == 'detections':
            self.navigator.observe_signs(_sign_frame(recognition), now)
        else:
            found = recognition.foremost
            scores = () if found is None else _scores(found.classification)
            self.navigator.observe_classes(ClassFrame(recognition.camera, stamp_ns, scores), now)
        told.append(self._step(now_ns))
        return told

    def _step(self, at_ns: int) -> NavigatorOutput:
        command = self.navigator.step(Moment(at_ns, at_ns))
        self._now_ns = at_ns
        self.log.note_limit(at_ns, command.speed_limit_mps)
        self.log.note_lock(at_ns, command.stop_lock)
        self.log.events.extend((at_ns, event) for event in command.events)
        send: float | None = None
        if command.release:
            send = 0.0
        elif command.speed_limit_mps is not None and (
            command.changed or not 0 <= at_ns - self._sent_ns < REPEAT_NS
        ):
            send = command.speed_limit_mps
        if send is not None:
            self._sent_ns = at_ns
        return NavigatorOutput(at_ns, send, command.stop_lock)


def _scores(classification: Classification) -> tuple[Score, ...]:
    """Return what the node would publish: nothing for the unknown."""
    if classification.unknown:
        return ()
    return tuple(Score(one.class_id, one.score) for one in classification.results)


def _sign_frame(recognition: Recognition) -> SignFrame:
    signs = tuple(
        SignSeen(
            d.track_id or '', height, _scores(d.classification), (x + width / 2, y + height / 2)
        )
        for d in recognition.detections
        for x, y, width, height in [d.bbox_xywh]
    )
    return SignFrame(recognition.camera, recognition.stamp_ns, signs)
