"""The state machine: observations in, a command out."""

import math
from collections import Counter
from collections.abc import Mapping

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.actions import ActionTable
from alexnet_ros.navigation.checks import (
    ClassFrame,
    Score,
    SignFrame,
    SignSeen,
    best_score,
    fault_of_classes,
    fault_of_signs,
    fault_of_stamp,
)
from alexnet_ros.navigation.clocks import HoldClock
from alexnet_ros.navigation.events import Command, Event, Moment, event_of_sign
from alexnet_ros.navigation.frame_state import FrameState
from alexnet_ros.navigation.sightings import Sightings
from alexnet_ros.navigation.sign_rules import SignRules
from alexnet_ros.navigation.sources import SpeedSource, SpeedSources

MOST_CAMERAS = 16
MOST_NOTED = 256
OTHER_LIMIT = 'speed_limit_in'


class Navigator:
    """
    From confirmed signs or whole-frame classes to limits, a lock, a heading.

    Whatever comes in, a limit is in [0.01, cap]; a limit ends by an end sign,
    its expiry, a freer class or another source's release alone; and nothing
    that is older than ``max_age_s`` or from the future has any effect.

    Not thread-safe.

    :param settings: may be replaced at any time by assignment.
    :param table: what each class does.
    """

    def __init__(self, settings: NavigatorSettings, table: ActionTable) -> None:
        self.table = table
        self.clock = HoldClock(settings)
        self.refused: Counter[str] = Counter()
        self.accepted = 0
        self.misnamed: dict[int, str] = {}
        self.labels_known = False
        self._events: list[Event] = []
        self._sources = SpeedSources()
        self._rules = SignRules(settings, self._sources, self.clock, self._events)
        self._sightings = Sightings()
        self._frame = FrameState()
        self._stamps: dict[str, int] = {}
        self._limit_mps: float | None = None
        self._heading: float | None = None
        self._noted: set[tuple[str, str, str, int]] = set()
        self._last_fault = ''
        self._was_stale = True

    @property
    def settings(self) -> NavigatorSettings:
        """How it behaves; assign to change it."""
        return self.clock.settings

    @settings.setter
    def settings(self, settings: NavigatorSettings) -> None:
        self.clock.settings = settings
        self._rules.settings = settings

    # What is observed

    def observe_signs(self, frame: SignFrame, now: Moment) -> str:
        """
        Take the detections of one image; those with a track id may act.

        :returns: why the message was refused as a whole, empty if it was not.
        """
        last_ns = self._stamps.get(frame.camera)
        fault = self._begin(frame.camera, frame.stamp_ns, now, fault_of_signs(frame))
        if fault:
            return fault
        after_ns = round(self.settings.passed_after_s * 1e9)
        longest_ns = max(round(self.settings.stale_after_s * 1e9), after_ns)
        if last_ns is not None and frame.stamp_ns - last_ns > longest_ns:
            self._sightings.lose(frame.camera)  # nobody saw what became of them
        for one in self._sightings.passed(frame.camera, frame.stamp_ns, after_ns):
            self._rules.leave(one)
        for sign in frame.signs:
            if sign.track_id:
                self._see(frame, sign)
        return ''

    def observe_classes(self, frame: ClassFrame, now: Moment) -> str:
        """
        Take what a whole-frame model says; nothing certain is no sign of life.

        :returns: why the message was refused, empty if it was not.
        """
        fault, best = fault_of_classes(frame), best_score(frame.scores)
        if not fault:
            fault = self._unfit(best)
        fault = self._begin(frame.camera, frame.stamp_ns, now, fault)
        if fault or best is None:
            return fault
        known = [
            (self.table[one.class_id], one.score)
            for one in frame.scores
            if not self._unfit(one, scored=False)
        ]
        self._heading = self._frame.steer(known, self.settings.heading_smoothing)
        locked = self._frame.locks
        action = self._frame.see(
            self.table[best.class_id], self.settings.engage_frames, self.settings.release_frames
        )
        if action is None:
            return ''
        if action.percent is None:
            self._sources.drop('frame')
        else:
            self._sources.put(SpeedSource('frame', percent=action.percent))
        kind = 'seen'
        if locked != self._frame.locks:
            kind = 'unlock' if locked else 'lock'
        self._events.append(
            Event(
                kind,
                action.kind,
                frame.stamp_ns,
                frame.camera,
                '',
                action.class_id,
                action.class_name,
                best.score,
            )
        )
        return ''

    def observe_limit(self, value: float, now: Moment, *, percentage: bool) -> str:
        """
        Take another source's limit, such as that of Nav2's SpeedFilter.

        :param value: metres a second or, with ``percentage``, percent of the
            cap; 0 ends that source's limit.
        :returns: why it was refused, empty if it was not.
        """
        self._advance(now)
        if not math.isfinite(value) or value < 0:
            return self._refuse('bad_limit', 0, '')
        if value == 0:
            self._sources.drop(OTHER_LIMIT)
        elif percentage:
            self._sources.put(SpeedSource(OTHER_LIMIT, percent=min(value, 100.0)))
        else:
            self._sources.put(SpeedSource(OTHER_LIMIT, speed_mps=value))
        return ''

    def observe_speed(self, mps: float, now: Moment) -> str:
        """
        Take a measured speed, metres a second; its sign does not matter.

        :returns: why it was refused, empty if it was not.
        """
        self._advance(now)
        if not math.isfinite(mps):
            return self._refuse('bad_speed', 0, '')
        self.clock.measured(abs(mps), now)
        return ''

    def observe_labels(self, names: Mapping[int, str]) -> None:
        """Compare the table with the names that the model gives its classes."""
        misnamed = self.table.misnamed(names)
        if self.labels_known and misnamed == self.misnamed:
            return
        self.misnamed, self.labels_known = misnamed, True
        did = 'the table fits the model'
        if misnamed:
            some = '; '.join(list(misnamed.values())[:3])
            did = f'{len(misnamed)} classes of the table do nothing: {some}'
        self._events.append(Event('labels', did))

    # What follows

    def step(self, now: Moment) -> Command:
        """
        Return what to tell the robot; call after observations and at 10 Hz.

        :param now: the node's clock may jump, the steady one only rises.
        """
        self._advance(now)
        self._rules.expire()
        found = self._lowest()
        limit = None if found is None else found[0]
        changed = limit != self._limit_mps
        if found is not None and changed:
            self._events.append(
                event_of_sign('limit', f'{found[1].name}: {found[0]:.2f} m/s', found[1].cause)
            )
        elif changed:
            self._events.append(Event('release', 'no limit is in force any more'))
        self._limit_mps = limit
        heading, self._heading = self._heading, None
        events = tuple(self._events)
        self._events.clear()
        return Command(
            limit, changed and limit is None, changed, bool(self.locked_by), heading, events
        )

    @property
    def locked_by(self) -> list[str]:
        """What makes the robot stand: ``stop sign``, ``frame``, ``stale``."""
        reasons = {
            'stop sign': self._rules.stopping,
            'frame': self._frame.locks,
            'stale': self.clock.stale and self.settings.on_stale == 'stop',
        }
        return [name for name, on in reasons.items() if on]

    @property
    def state(self) -> tuple[float, str] | None:
        """The limit in force, metres a second, and its source; None without one."""
        found = self._lowest()
        return None if found is None else (found[0], found[1].name)

    @property
    def last_fault(self) -> str:
        """Why the last message was refused, empty if it was taken."""
        return self._last_fault

    @property
    def signs_in_view(self) -> int:
        """How many confirmed signs that the table knows are in view."""
        return len(self._sightings)

    # Helpers

    def _lowest(self) -> tuple[float, SpeedSource] | None:
        cap = self.settings.max_speed_mps
        found = self._sources.lowest(cap)
        if found is None and self.settings.release_to == 'cap':
            return cap, SpeedSource('cap', speed_mps=cap)
        return found

    def _advance(self, now: Moment) -> None:
        """Let the clocks run on; tell of jumps and staleness."""
        jumped_s = self.clock.advance(now)
        if jumped_s:
            self._sightings.clear()
            self._stamps.clear()
            self._noted.clear()
            self._frame.reset_streak()
            self._events.append(
                Event('clock_jump', f'by {jumped_s:.3f} s: signs in view forgotten, limits hold')
            )
        self._tell_stale()

    def _tell_stale(self) -> None:
        if self.clock.stale == self._was_stale:
            return
        self._was_stale = self.clock.stale
        if not self.clock.stale:
            self._events.append(Event('fresh', 'good results are coming'))
            return
        self._frame.reset_streak()
        then = 'stopping' if self.settings.on_stale == 'stop' else 'everything holds'
        self._events.append(
            Event('stale', f'no good result for {self.settings.stale_after_s:g} s: {then}')
        )

    def _begin(self, camera: str, stamp_ns: int, now: Moment, fault: str) -> str:
        """Check a message; a good one is a sign of life, a bad one is counted."""
        self._advance(now)
        late = fault_of_stamp(stamp_ns, self._stamps.get(camera), now.ros_ns, self.settings)
        fault = late or fault
        if not fault and camera not in self._stamps and len(self._stamps) >= MOST_CAMERAS:
            fault = 'too_many_cameras'
        if fault:
            return self._refuse(fault, stamp_ns, camera)
        self._stamps[camera] = stamp_ns
        self._last_fault = ''
        self.accepted += 1
        self.clock.alive(now)
        self._tell_stale()
        return ''

    def _refuse(self, fault: str, stamp_ns: int, camera: str) -> str:
        self.refused[fault] += 1
        if fault != self._last_fault:
            self._events.append(Event('rejected', fault, stamp_ns, camera))
        self._last_fault = fault
        return fault

    def _unfit(self, best: Score | None, *, scored: bool = True) -> str:
        """Return why a class cannot act, empty if it can."""
        if best is None:
            return 'unknown'
        if best.class_id not in self.table:
            return 'not_in_table'
        if best.class_id in self.misnamed:
            return 'misnamed'
        if self.settings.require_label_info and not self.labels_known:
            return 'labels_unknown'
        return 'score' if scored and best.score < self.settings.min_score else ''

    def _see(self, frame: SignFrame, sign: SignSeen) -> None:
        """Take one confirmed sign."""
        best = best_score(sign.scores)
        fault = self._unfit(best)
        if fault or best is None:
            self._ignore(frame, sign, best, fault)
            return
        one, changed = self._sightings.see(
            (frame.camera, sign.track_id),
            frame.stamp_ns,
            self.table[best.class_id],
            best.score,
            sign.height_px,
        )
        if changed:
            self._events.append(event_of_sign('seen', one.action.kind, one))
        self._rules.see(one)

    def _ignore(self, frame: SignFrame, sign: SignSeen, best: Score | None, fault: str) -> None:
        """Tell once that a confirmed sign does nothing, and why."""
        class_id = -1 if best is None else best.class_id
        key = (frame.camera, sign.track_id, fault, class_id)
        if key in self._noted:
            return
        if len(self._noted) >= MOST_NOTED:
            self._noted.clear()
        self._noted.add(key)
        self.refused[f'sign_{fault}'] += 1
        known = self.table.get(class_id)
        self._events.append(
            Event(
                'ignored',
                fault,
                frame.stamp_ns,
                frame.camera,
                sign.track_id,
                class_id,
                '' if known is None else known.class_name,
                0.0 if best is None else best.score,
            )
        )
