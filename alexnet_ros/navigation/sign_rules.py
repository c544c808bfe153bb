"""
What a confirmed sign does to limits and stops.

What lowers the speed is done at once. What raises it, and a stop, is done when
the sign is reached: near in the image, or gone after it was large enough.
"""

import math

from alexnet_ros.config import NavigatorSettings
from alexnet_ros.navigation.clocks import HoldClock
from alexnet_ros.navigation.events import Event, event_of_sign
from alexnet_ros.navigation.sightings import Sighting
from alexnet_ros.navigation.sources import SpeedSource, SpeedSources

SIGN = 'sign'  # name of the source that speed limit signs set


class SignRules:
    """
    The limit and the stop that signs have set.

    :param settings: may be replaced at any time by assignment.
    :param sources: where the limits are put.
    :param clock: what holds run on.
    :param events: where stops are told.
    """

    def __init__(
        self,
        settings: NavigatorSettings,
        sources: SpeedSources,
        clock: HoldClock,
        events: list[Event],
    ) -> None:
        self.settings = settings
        self._sources = sources
        self._clock = clock
        self._events = events
        self._stop_ends_s: float | None = None  # on the clock's standing_s
        self._no_stop_before_s = -math.inf

    @property
    def stopping(self) -> bool:
        """Whether a stop sign locks."""
        return self._stop_ends_s is not None

    def see(self, one: Sighting) -> None:
        """Do what a sign in view asks for; harmless to repeat in every image."""
        reached = one.height_px >= self.settings.near_height_px
        slot = self._sources.get(SIGN)
        if one.action.kind == 'speed_limit' and (slot is None or _lowers(one, slot)):
            self._limit(one)
        elif one.action.kind == 'yield':
            self._slow(one, 'yield', self.settings.yield_hold_s, self.settings.yield_speed_mps)
        elif one.action.kind == 'warn':
            self._slow(one, f'warn {one.action.class_id}', self.settings.warn_hold_s, None)
        elif reached:
            self._reach(one)

    def leave(self, one: Sighting) -> None:
        """Do what a sign asks for that has just gone, if it was passed."""
        if one.height_px >= self.settings.passed_height_px:
            self._reach(one)

    def expire(self) -> None:
        """End what has lasted its time or distance."""
        self._sources.expire(self._clock.held_s)
        if self._stop_ends_s is not None and self._clock.standing_s >= self._stop_ends_s:
            self._stop_ends_s = None
            self._no_stop_before_s = self._clock.held_s + self.settings.stop_again_s
            self._events.append(Event('go', 'the stop is over'))
        slot = self._sources.get(SIGN)
        if slot is None:
            return
        time_s, distance_m = self.settings.limit_time_s, self.settings.limit_distance_m
        if (time_s and self._clock.held_s - slot.since_s >= time_s) or (
            distance_m and self._clock.travelled_m - slot.since_m >= distance_m
        ):
            self._sources.drop(SIGN)
            self._events.append(event_of_sign('ended', _limit_text(slot), slot.cause))

    def _reach(self, one: Sighting) -> None:
        """Do what waits until the sign is reached."""
        kind = one.action.kind
        slot = self._sources.get(SIGN)
        if kind == 'stop' and not one.stopped:
            self._stop(one)
        elif slot is None or not self._stands_behind(one, slot):
            return
        elif kind == 'speed_limit' and not _lowers(one, slot):
            self._limit(one)
        elif kind == 'end_of_limits' or (
            kind == 'end_of_limit' and slot.speed_mps == one.action.speed_mps
        ):
            self._sources.drop(SIGN)
            self._events.append(event_of_sign('ended', _limit_text(slot), one))

    def _limit(self, one: Sighting) -> None:
        self._sources.put(
            SpeedSource(
                SIGN,
                speed_mps=one.action.speed_mps,
                since_s=self._clock.held_s,
                since_m=self._clock.travelled_m,
                cause=one,
            )
        )

    def _stands_behind(self, one: Sighting, slot: SpeedSource) -> bool:
        """Tell whether a sign comes after the one whose limit is in force."""
        if slot.cause is None or slot.cause is one:
            return True
        return one.last_ns - slot.cause.last_ns > self.settings.same_place_s * 1e9

    def _stop(self, one: Sighting) -> None:
        one.stopped = True
        if self.stopping or self._clock.held_s < self._no_stop_before_s:
            self._events.append(event_of_sign('ignored', 'belongs to the last stop', one))
            return
        hold_s = one.action.seconds or self.settings.stop_hold_s
        self._stop_ends_s = self._clock.standing_s + hold_s
        self._events.append(event_of_sign('stop', f'locked for {hold_s:g} s', one))

    def _slow(self, one: Sighting, name: str, hold_s: float, speed_mps: float | None) -> None:
        """Slow for a time after the sign was last seen; without a speed, do nothing."""
        action = one.action
        if action.speed_mps is not None or action.percent is not None:
            speed_mps = action.speed_mps
        elif speed_mps is None:
            return
        last = self._sources.get(name)
        if speed_mps is not None and last is not None and last.speed_mps is not None:
            speed_mps = min(speed_mps, last.speed_mps)  # seeing more never lets go
        self._sources.put(
            SpeedSource(
                name,
                speed_mps=speed_mps,
                percent=action.percent,
                ends_s=self._clock.held_s + (action.seconds or hold_s),
                cause=one,
            )
        )


def _lowers(one: Sighting, slot: SpeedSource) -> bool:
    """Tell whether a limit sign asks for no more than the limit in force."""
    speed, now = one.action.speed_mps, slot.speed_mps
    return speed is not None and now is not None and speed <= now


def _limit_text(slot: SpeedSource) -> str:
    return f'the limit of {slot.speed_mps or 0.0:.2f} m/s'
