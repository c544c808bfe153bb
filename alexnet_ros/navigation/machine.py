"""The state machine: observations in, a command out."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.actions import Action, ActionTable
from alexnet_ros.navigation.cameras import Camera, Cameras
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
from alexnet_ros.navigation.clocks import RobotClock
from alexnet_ros.navigation.events import Command, Event, Moment, event_of_sign
from alexnet_ros.navigation.others import OTHER_SOURCE, Others
from alexnet_ros.navigation.restrictions import Evidence, Limit, Restriction, Restrictions
from alexnet_ros.navigation.sightings import Passage
from alexnet_ros.navigation.sign_rules import SignRules

MAX_NOTED = 256
MAX_EVENTS = 64  # told in one step


class Navigator:
    """
    From confirmed signs or whole-frame classes to limits, a lock, a heading.

    What is in force becomes less by
    :class:`~alexnet_ros.navigation.restrictions.Evidence` alone. Not thread-safe.

    :param settings: may be replaced at any time by assignment.
    :param table: what each class does.
    """

    def __init__(self, settings: NavigatorSettings, table: ActionTable) -> None:
        self.table = table
        self.clock = RobotClock(settings)
        self.cameras = Cameras()
        self.restrictions = Restrictions()
        self.refused: Counter[str] = Counter()
        self.accepted = 0
        self.last_fault = ''
        self.misnamed: dict[int, str] = {}
        self._misnamed: dict[str, dict[int, str]] = {}  # by camera
        self.labels_known = False
        self.stale = True
        self._events: list[Event] = []
        self.others = Others(self.restrictions, self._events)
        self._rules = SignRules(settings, self.restrictions, self._events)
        self._said: tuple[float | None, float | None] = (None, None)
        self._heading: float | None = None
        self._noted: set[tuple[str, str, str, int]] = set()
        self._last_stamps: dict[str, int] = {}  # of speed_limit_in and velocity

    @property
    def settings(self) -> NavigatorSettings:
        """How it behaves; assign to change it."""
        return self.clock.settings

    @settings.setter
    def settings(self, settings: NavigatorSettings) -> None:
        if settings.max_speed_mps is None:  # what is in force could not be said any more
            settings = replace(settings, max_speed_mps=self.settings.max_speed_mps)
        self.clock.settings = settings
        self._rules.settings = settings

    def observe_signs(self, frame: SignFrame, now: Moment) -> str:
        """
        Take the detections of one image; those with a track id may act.

        :returns: why the message was refused as a whole, empty if it was not.
        """
        fault = fault_of_signs(frame)
        present = {one.track_id for one in frame.signs if one.track_id}
        camera, passage, fault = self._begin(frame.camera, frame.stamp_ns, now, fault, present)
        if camera is None:
            return fault
        for missed in camera.miss(passage, frame.signs):
            self._rules.miss(missed, camera, passage)
        for sign in frame.signs:
            if sign.track_id:
                self._see(camera, frame, sign)
        self._rules.pass_on(camera, passage, frame)
        for least in camera.evict():
            if least.in_view:
                self._events.append(event_of_sign('evicted', 'too many signs in view', least))
            if least.pending:
                self._rules.assume(least, camera, 'too many signs in view')
        return ''

    def observe_classes(self, frame: ClassFrame, now: Moment) -> str:
        """
        Take what a whole-frame model says; nothing certain is no sign of life.

        :returns: why the message was refused, empty if it was not.
        """
        best = best_score(frame.scores)
        fault = fault_of_classes(frame) or self._unfit(best)
        camera, passage, fault = self._begin(frame.camera, frame.stamp_ns, now, fault, ())
        if camera is None or best is None:
            return fault
        known = [
            (self.table[one.class_id], one.score)
            for one in frame.scores
            if not self._unfit(one, scored=False)
        ]
        state, set_to = camera.frame, self.settings
        self._heading = state.steer(known, set_to.heading_smoothing)
        locked = state.locks
        if not passage.whole:
            state.reset_release()
        action = state.see(self.table[best.class_id], set_to.engage_frames, set_to.release_frames)
        if action is None:
            return ''
        self._put_frame(camera.name, action)
        kind = 'seen' if locked == state.locks else 'unlock' if locked else 'lock'
        about = (frame.stamp_ns, frame.camera, '', action.class_id, action.class_name, best.score)
        self._events.append(Event(kind, action.kind, *about))
        return ''

    def observe_limit(
        self, value: float, now: Moment, *, percentage: bool, stamp_ns: int = 0, alone: bool = True
    ) -> str:
        """
        Take another source's limit, such as that of Nav2's SpeedFilter.

        :param value: metres a second or, with ``percentage``, percent of the
            robot's maximum; 0 ends that source's limit.
        :param stamp_ns: when it was said, 0 if that is not known.
        :param alone: nobody else says anything there, so it may let go.
        :returns: why it was refused, empty if it was not.
        """
        self._advance(now)
        late = self._late(OTHER_SOURCE, stamp_ns, now)
        fault = self.others.observe_limit(value, percentage=percentage, late=late, alone=alone)
        return self.refuse(fault, stamp_ns, '') if fault else ''

    def observe_speed(self, mps: float, now: Moment, *, stamp_ns: int = 0) -> str:
        """
        Take a measured speed, metres a second; its sign does not matter.

        :returns: why it was refused, empty if it was not.
        """
        self._advance(now)
        old = stamp_ns and now.ros_ns - stamp_ns > self.settings.max_age_s * 1e9
        if self._late('velocity', stamp_ns, now) or old:
            return self.refuse('old_speed', stamp_ns, '')
        return '' if self.clock.measure(mps, now) else self.refuse('bad_speed', 0, '')

    def observe_labels(self, names: Mapping[int, str], camera: str = '') -> None:
        """Compare the table with the names that a camera's model gives its classes."""
        self._misnamed[camera] = self.table.misnamed(names)
        misnamed = {key: why for one in self._misnamed.values() for key, why in one.items()}
        if self.labels_known and misnamed == self.misnamed:
            return
        self.misnamed, self.labels_known = misnamed, True
        did = 'the table fits the model'
        if misnamed:
            some = '; '.join(list(misnamed.values())[:3])
            did = f'{len(misnamed)} classes of the table do nothing: {some}'
        self._events.append(Event('labels', did))

    def refuse(self, fault: str, stamp_ns: int = 0, camera: str = '') -> str:
        """Count a message that is not believed, tell of it once, and return why."""
        self.refused[fault] += 1
        if fault != self.last_fault:
            self._events.append(Event('rejected', fault, stamp_ns, camera))
        self.last_fault = fault
        return fault

    def release(self) -> None:
        """End everything that is in force, because an operator has said so."""
        self.restrictions.end_all(Evidence.OPERATOR)
        self.cameras.clear()
        self._events.append(Event('operator', 'everything in force was let go'))

    def tell(self, event: Event) -> None:
        """Let an event of the surroundings go out with the next command."""
        self._events.append(event)

    def step(self, now: Moment) -> Command:
        """
        Return what to tell the robot; call after observations and at 10 Hz.

        :param now: the node's clock may jump, the steady one only rises.
        """
        self._advance(now)
        self._watch(now.steady_ns)
        if self.settings.release_to == 'cap' and self.settings.max_speed_mps is not None:
            self.restrictions.tighten(Restriction('cap', percent=100.0))
        found = self.limit
        said = (None, None) if found is None else (found.mps, found.percent)
        changed, self._said = said != self._said, said
        if changed and found is not None:
            unit = f'{found.percent:g} %' if found.mps is None else f'{found.mps:.2f} m/s'
            source = found.source
            self._events.append(event_of_sign('limit', f'{source.title}: {unit}', source.cause))
        elif changed:
            why = '' if self.restrictions.loosened is None else self.restrictions.loosened.value
            self._events.append(Event('release', f'no limit is in force any more: {why}'))
        heading, self._heading = self._heading, None
        events = self._events[:MAX_EVENTS]
        if len(self._events) > MAX_EVENTS:
            events.append(Event('ignored', f'{len(self._events) - MAX_EVENTS} more events'))
        self._events.clear()
        release = changed and found is None
        return Command(*said, release, changed, bool(self.locked_by), heading, tuple(events))

    @property
    def limit(self) -> Limit | None:
        """Return the lowest limit in force that may be said."""
        return self.restrictions.lowest(self.settings.max_speed_mps)

    @property
    def locked_by(self) -> list[str]:
        """Return what makes the robot stand: ``stop sign``, ``frame``, ``stale`` and so on."""
        reasons = [one.title for one in self.restrictions if one.locks]
        if OTHER_SOURCE in self.unsaid:
            reasons.append(f'{OTHER_SOURCE} without max_speed_mps')
        if self.stale and self.settings.on_stale == 'stop':
            reasons.append('stale')
        return reasons

    @property
    def unsaid(self) -> list[str]:
        """Return what is in force and is not said, because no cap is set."""
        if self.settings.max_speed_mps is not None:
            return []
        return [one.name for one in self.restrictions if one.speed_mps is not None]

    def _put_frame(self, camera: str, action: Action) -> None:
        """Put a whole-frame class into force: the camera's last one has ended."""
        name = f'frame {camera}' if camera else 'frame'
        self.restrictions.end(name, Evidence.FREER)
        new = Restriction(name, percent=action.percent, camera=camera)
        new.locks, new.track_id = action.kind == 'lock', str(action.class_id)
        if new.locks or new.percent is not None:
            self.restrictions.tighten(new)

    def _advance(self, now: Moment) -> None:
        """Let the clocks run on; tell of jumps."""
        jumped_s = self.clock.advance(now)
        if jumped_s:
            for camera in self.cameras:
                camera.jump()
            self._last_stamps.clear()
            self._noted.clear()
            did = f'by {jumped_s:.3f} s: signs in view forgotten, everything in force holds'
            self._events.append(Event('clock_jump', did))

    def _watch(self, steady_ns: int) -> None:
        """Tell of staleness; stop for the stop signs that nobody sees any more."""
        self.cameras.forget_strangers(steady_ns)
        stale_after_s = self.settings.stale_after_s
        silent = self.cameras.silent(steady_ns, stale_after_s)
        for camera in silent:
            if camera.silent_s(steady_ns) > camera.patience_s(stale_after_s):
                for sign in camera.signs.values():
                    if sign.pending:
                        self._rules.assume(sign, camera, 'its camera is silent')
        was_stale = self.stale
        self.stale = bool(silent) or not any(
            one.fresh(steady_ns, stale_after_s) for one in self.cameras
        )
        if was_stale and not self.stale:
            self._events.append(Event('fresh', 'good results are coming'))
        elif self.stale and not was_stale:
            then = 'stopping' if self.settings.on_stale == 'stop' else 'everything holds'
            did = f'no good result for {stale_after_s:g} s: {then}'
            self._events.append(Event('stale', did, camera=', '.join(one.name for one in silent)))

    def _begin(
        self, name: str, stamp_ns: int, now: Moment, fault: str, present: Collection[str]
    ) -> tuple[Camera | None, Passage, str]:
        """Check a message; a good one lets its camera's time pass, a bad one is counted."""
        self._advance(now)
        camera = self.cameras.get(name)
        last_ns = None if camera is None else camera.stamp_ns
        fault = fault_of_stamp(stamp_ns, last_ns, now.ros_ns, self.settings) or fault
        camera = None
        if not fault:
            spare_s = math.inf if self.settings.on_stale == 'stop' else self.settings.stale_after_s
            camera, gone = self.cameras.admit(name, now.steady_ns, spare_s)
            if gone:
                self._events.append(Event('evicted', f'for {name!r}', camera=gone))
        if camera is None:
            return None, Passage(), self.refuse(fault or 'too_many_cameras', stamp_ns, name)
        passage = camera.hear(stamp_ns, now.steady_ns, self.clock.counted, self.settings)
        self.last_fault = ''
        self.accepted += 1
        for one in self.restrictions.pass_image(name, passage, present):
            self._rules.over(one, camera)
        if self.stale:
            self._watch(now.steady_ns)
        return camera, passage, ''

    def _late(self, topic: str, stamp_ns: int, now: Moment) -> bool:
        """Tell whether a stamped message is older than the topic's last one."""
        stamp_ns = min(stamp_ns, now.ros_ns)  # one from the future makes no other late
        last_ns = self._last_stamps.get(topic, 0)
        self._last_stamps[topic] = max(stamp_ns, last_ns)
        return 0 < stamp_ns < last_ns

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

    def _see(self, camera: Camera, frame: SignFrame, sign: SignSeen) -> None:
        """Take one confirmed sign."""
        best = best_score(sign.scores)
        fault = self._unfit(best)
        if fault or best is None:
            camera.disown(sign.track_id)
            return self._ignore(frame, sign, best, fault)
        action = self.table[best.class_id]
        one, new = camera.see(sign, frame.stamp_ns, action, best.score)
        if new:
            self._events.append(event_of_sign('seen', one.action.kind, one))
        return self._rules.see(one, camera, new=new)

    def _ignore(self, frame: SignFrame, sign: SignSeen, best: Score | None, fault: str) -> None:
        """Tell once that a confirmed sign does nothing, and why."""
        class_id = -1 if best is None else best.class_id
        key = (frame.camera, sign.track_id, fault, class_id)
        if key in self._noted:
            return
        if len(self._noted) >= MAX_NOTED:
            self._noted.clear()
        self._noted.add(key)
        self.refused[f'sign_{fault}'] += 1
        name = self.table[class_id].class_name if class_id in self.table else ''
        about = (frame.stamp_ns, frame.camera, sign.track_id, class_id, name)
        self._events.append(Event('ignored', fault, *about, best.score if best else 0.0))
