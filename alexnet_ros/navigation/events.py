"""What goes in as time, and what comes out: commands and events."""

import json
from dataclasses import dataclass

from alexnet_ros.navigation.sightings import Sighting


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: on the node's clock (0 without one) and on a steady clock, nanoseconds."""

    ros_ns: int
    steady_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing seen or done, for people and logs.

    :param kind: ``seen``, ``ignored``, ``limit``, ``ended``, ``release``, ``stop``,
        ``go``, ``lock``, ``unlock``, ``stale``, ``fresh``, ``clock_jump``, ``rejected``,
        ``labels``, ``evicted``, ``commander``, ``restored``, ``operator`` or ``no_cap``.
    :param did: what follows from it, or why nothing does.
    :param stamp_ns: stamp of the image that it rests on; 0 without one.
    """

    kind: str
    did: str
    stamp_ns: int = 0
    camera: str = ''
    track_id: str = ''
    class_id: int = -1
    class_name: str = ''
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Command:
    """
    What the robot is to be told now.

    :param speed_limit_mps: the lowest limit in force, in [0.01, cap], or None.
    :param speed_limit_percent: the same in percent of the robot's own maximum,
        where no cap is set; None with ``speed_limit_mps``.
    :param release: a limit has just ended and none is left.
    :param changed: the limit differs from the last command's.
    :param heading: a new heading, -1 (left) to 1 (right), or None.
    """

    speed_limit_mps: float | None
    speed_limit_percent: float | None
    release: bool
    changed: bool
    stop_lock: bool
    heading: float | None
    events: tuple[Event, ...]


def event_of_sign(kind: str, did: str, sign: Sighting | None) -> Event:
    """Return an event about a sign, if there is one."""
    if sign is None:
        return Event(kind, did)
    return Event(
        kind,
        did,
        sign.last_ns,
        sign.camera,
        sign.track_id,
        sign.action.class_id,
        sign.action.class_name,
        sign.score,
    )


def event_json(event: Event, command: Command, now: Moment) -> str:
    """Return an event and the state after it as one JSON object."""
    limit = command.speed_limit_mps
    return json.dumps(
        {
            'event': event.kind,
            'time_s': round(now.ros_ns / 1e9, 6),
            'stamp_s': round(event.stamp_ns / 1e9, 6) if event.stamp_ns else None,
            'camera': event.camera,
            'track_id': event.track_id or None,
            'class_id': event.class_id,
            'class_name': event.class_name,
            'score': round(event.score, 4),
            'did': event.did,
            'speed_limit_mps': None if limit is None else round(limit, 4),
            'stop_lock': command.stop_lock,
        },
        allow_nan=False,
    )
