"""
What a confirmed sign does to limits and stops.

What lowers the speed is done at once. What raises it is done when the sign is
seen to be reached, or was seen to come up and pass. A stop is done when the
sign is reached, and as soon as nobody can know that it was not.
"""

import math

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.actions import Action
from alexnet_ros.navigation.cameras import Camera
from alexnet_ros.navigation.checks import SignFrame
from alexnet_ros.navigation.events import Event, event_of_sign
from alexnet_ros.navigation.restrictions import Evidence, Restriction, Restrictions
from alexnet_ros.navigation.sightings import Passage, Sighting

SIGN = 'sign'  # how the limits are told that speed limit signs set
FOUND_ANEW = 0.8  # of near_height_px: a track that begins so large was lost and found
SLOWEST_S = 1.0  # the frame period that is assumed while it is not known
SETTLED_S = 1.0  # and only if no frame was lost for so long


class SignRules:
    """
    The limits and the stops that signs set.

    :param settings: may be replaced at any time by assignment.
    :param restrictions: where they are put.
    :param events: where they are told.
    """

    def __init__(
        self, settings: NavigatorSettings, restrictions: Restrictions, events: list[Event]
    ) -> None:
        self.settings = settings
        self._restrictions = restrictions
        self._events = events

    def see(self, one: Sighting, camera: Camera, *, new: bool) -> None:
        """Do what a sign in view asks for; harmless to repeat in every image."""
        action = one.action
        one.behind = frozenset(
            limit.sights
            for limit in self._restrictions.of_title(SIGN)
            if limit.clear_s > self.settings.same_place_s
        )
        if new and action.kind == 'stop' and self._found_anew(one, camera):
            one.done = True
            self._events.append(event_of_sign('ignored', 'belongs to the last stop', one))
            return
        if action.kind == 'speed_limit':
            self._limit(one)
        elif action.kind == 'yield':
            self._slow(one, self.settings.yield_hold_s, self.settings.yield_speed_mps)
        elif action.kind == 'warn':
            self._slow(one, self.settings.warn_hold_s, None)
        if one.last_px >= self.settings.near_height_px:
            self._reach(one)

    def miss(self, one: Sighting, camera: Camera, passage: Passage) -> None:
        """Do what a sign asks for that an image does not show."""
        passed_px = self.settings.passed_height_px
        gone = one.absent_s >= self.settings.passed_after_s
        if one.pending and not gone:
            waited = not passage.whole or one.unseen_s >= self.settings.passed_after_s
            if waited and one.may_have_come(passed_px):
                self.assume(one, camera, 'it may have been passed in frames that are missing')
        elif one.pending and one.may_have_come(passed_px):
            small = one.height_px < passed_px
            self._stop(one, 'it may have been passed between two images' if small else '')
        elif gone and not one.done and one.came_up(passed_px):
            self._reach(one)
        if gone:
            one.done, one.assumed = True, False
            one.gone = one.height_px < self.settings.near_height_px

    def pass_on(self, camera: Camera, passage: Passage, frame: SignFrame) -> None:
        """Do what signs ask for whose tracks have become others."""
        for heir, shown in camera.inherit(passage, frame.signs, frame.stamp_ns):
            if shown:
                self.see(heir, camera, new=False)
            else:
                self._restrictions.let_go(heir)
                self.miss(heir, camera, passage)

    def assume(self, one: Sighting, camera: Camera, why: str) -> None:
        """
        Stop for a sign that nobody has seen to be reached.

        It lasts longer by what it may come too early: a sign that is gone is
        known to be passed only so much later.
        """
        one.done = one.assumed = True
        early_s = self.settings.passed_after_s + 2 * (camera.period_s or SLOWEST_S)
        self._stop(one, why, early_s)

    def over(self, one: Restriction, camera: Camera) -> None:
        """Tell what has lasted its time."""
        if one.stands:
            camera.stood_ns = camera.heard_ns if one.sure else None
            self._events.append(Event('go', 'the stop is over', camera=one.camera))
        elif one.title == SIGN:
            self._events.append(event_of_sign('ended', _limit_text(one), one.cause))

    def _reach(self, one: Sighting) -> None:
        """Do what waits until the sign is reached: only now it ends what is behind it."""
        action, ended = one.action, []
        behind = [
            limit
            for limit in self._restrictions.of_title(SIGN)
            if limit.sights in one.behind
            and limit.name != _limit_name(action)
            and (one.instead is None or one.sure)  # else nobody knows which of the two it is
            and not one.heir
        ]
        if action.kind == 'stop' and not one.done:
            one.done = True
            self._stop(one)
        elif action.kind in {'speed_limit', 'end_of_limits'}:
            ended = behind
        elif action.kind == 'end_of_limit':
            ended = [limit for limit in behind if limit.speed_mps == action.speed_mps]
        for limit in ended:
            self._restrictions.end(limit.name, Evidence.PASSED)
            self._events.append(event_of_sign('ended', _limit_text(limit), one))

    def _limit(self, one: Sighting) -> None:
        """Set a limit; those of other signs stay beside it, and the lowest counts."""
        set_to = self.settings
        self._restrictions.tighten(
            Restriction(
                _limit_name(one.action),
                SIGN,
                speed_mps=one.action.speed_mps,
                hold_s=set_to.limit_time_s or math.inf,
                hold_m=set_to.limit_distance_m or math.inf,
                cause=one,
            )
        )

    def _stop(self, one: Sighting, why: str = '', early_s: float = 0.0) -> None:
        """Lock; a stop that is on begins its time anew."""
        hold_s = (one.action.seconds or self.settings.stop_hold_s) + early_s
        name = f'stop sign {one.camera}'
        last = self._restrictions.get(name)
        self._restrictions.tighten(
            Restriction(name, locks=True, hold_s=hold_s, stands=True, cause=one, sure=not why)
        )
        if last is None or why or not last.sure:
            did = f'locked for {hold_s:g} s' + (f': {why}' if why else '')
            self._events.append(event_of_sign('stop', did, one))
        else:
            self._events.append(event_of_sign('ignored', 'prolongs the stop that is on', one))

    def _found_anew(self, one: Sighting, camera: Camera) -> bool:
        """Tell whether a stop sign is the last stop's, whose track was lost at the stop."""
        if one.height_px < FOUND_ANEW * self.settings.near_height_px:
            return False
        if camera.whole_s < SETTLED_S:
            return False  # it may be another, which came while frames were missing
        stop = self._restrictions.get(f'stop sign {camera.name}')
        if stop is not None:
            return stop.sure
        since_ns = None if camera.stood_ns is None else camera.heard_ns - camera.stood_ns
        return since_ns is not None and since_ns <= self.settings.stop_again_s * 1e9

    def _slow(self, one: Sighting, hold_s: float, speed_mps: float | None) -> None:
        """Slow for a time after the sign was last seen; without a speed, do nothing."""
        action = one.action
        if action.speed_mps is not None or action.percent is not None:
            speed_mps = action.speed_mps
        elif speed_mps is None:
            return
        self._restrictions.tighten(
            Restriction(
                f'{action.kind} {action.class_id}' + (f' {one.camera}' if one.camera else ''),
                speed_mps=speed_mps,
                percent=action.percent,
                hold_s=action.seconds or hold_s,
                cause=one,
            )
        )


def _limit_name(action: Action) -> str:
    return f'{SIGN} {action.class_id}'


def _limit_text(limit: Restriction) -> str:
    return f'the limit of {limit.speed_mps or 0.0:.2f} m/s'
