"""
What a navigator leaves to the next one: a small JSON text.

It has what is in force, the stop signs that were on their way, and the cameras
whose silence matters. All of it is taken up as strictly as it can be: holds
begin anew, and nothing of what was about to raise a speed is known any more.
"""

import json
import math
from typing import Any

from alexnet_ros.errors import ConfigError
from alexnet_ros.navigation.actions import Action
from alexnet_ros.navigation.cameras import MAX_CAMERAS, MAX_SIGNS
from alexnet_ros.navigation.checks import Score, SignSeen
from alexnet_ros.navigation.events import Event, Moment
from alexnet_ros.navigation.machine import Navigator
from alexnet_ros.navigation.restrictions import Restriction

VERSION = 1


def text_from_navigator(navigator: Navigator) -> str:
    """Return what must survive, the same text while nothing of it changes."""
    return json.dumps(
        {
            'version': VERSION,
            'restrictions': navigator.restrictions.record(),
            'stop_signs': [
                [one.camera, one.track_id, one.action.class_id, one.height_px]
                for camera in navigator.cameras
                for one in camera.signs.values()
                if one.awaited
            ],
            'cameras': sorted(one.name for one in navigator.cameras if one.counts),
        },
        allow_nan=False,
    )


def restore_navigator(navigator: Navigator, text: str, now: Moment) -> None:
    """
    Take up what :func:`text_from_navigator` has returned in another process.

    :raises ConfigError: it is not readable; nothing has been taken up then.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f'not JSON: {error}') from error
    keys = {'version', 'restrictions', 'stop_signs', 'cameras'}
    if not isinstance(record, dict) or set(record) != keys or record['version'] != VERSION:
        raise ConfigError(f'expected version {VERSION} with {", ".join(sorted(keys))}')
    cameras = _checked(record['cameras'], MAX_CAMERAS, str)
    signs = [
        _checked_sign(one) for one in _checked(record['stop_signs'], MAX_CAMERAS * MAX_SIGNS, list)
    ]
    navigator.restrictions.restore(record['restrictions'])
    for name in cameras:
        navigator.cameras.expect(name, now.steady_ns)
    for name, track_id, class_id, height_px in signs:
        camera = navigator.cameras.expect(name, now.steady_ns)
        action = navigator.table.get(class_id)
        if action is None or action.kind != 'stop':
            action = Action(class_id, 'a stop sign of another table', 'stop')
        nowhere = SignSeen(track_id, height_px, (), (math.nan, math.nan))
        camera.see(nowhere, 0, action, 0.0)
    for one in navigator.restrictions:
        if one.name.startswith('frame') and one.track_id:
            known = navigator.table.get(Score.of(one.track_id, 0.0).class_id)
            kind = 'lock' if one.locks else 'slow'
            navigator.cameras.expect(one.camera, now.steady_ns).frame.action = (
                known if known is not None else Action(-1, 'restored', kind, percent=one.percent)
            )
    for one in navigator.restrictions:
        navigator.tell(Event('restored', one.name, camera=one.camera))


def distrust_state(navigator: Navigator, why: str) -> None:
    """Lock until an operator lets go, because nobody knows what was in force."""
    navigator.restrictions.tighten(Restriction('unreadable state', locks=True))
    navigator.tell(Event('restored', f'locked until an operator lets go: {why}'))


def _checked(value: Any, longest: int, kind: type) -> list[Any]:
    if not isinstance(value, list) or len(value) > longest:
        raise ConfigError(f'expected a list of at most {longest}, got {value!r:.80}')
    if not all(isinstance(one, kind) for one in value):
        raise ConfigError(f'expected a list of {kind.__name__}, got {value!r:.80}')
    return value


def _checked_sign(value: list[Any]) -> tuple[str, str, int, float]:
    match value:
        case [str(camera), str(track_id), int(class_id), float(height_px)]:
            return camera, track_id, class_id, height_px
    raise ConfigError(f'expected camera, track id, class id and height, got {value!r:.80}')
