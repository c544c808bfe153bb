"""Messages to the navigator's records, and its state to diagnostics."""

import math

from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.navigation import ClassFrame, Moment, Navigator, Score, SignFrame, SignSeen
from alexnet_ros.ros.clients.findings import ERROR, OK, STALE, WARN, Finding

HINTS = {
    'too_old': 'is use_sim_time the same for all nodes?',
    'future': 'is use_sim_time the same for all nodes, are the clocks in step?',
    'no_clock': 'use_sim_time is on, but nothing comes on /clock',
    'no_stamp': 'the images have no stamp',
    'bad_score': 'the recogniser gives values that are no probabilities',
    'unknown': 'the model does not know what it sees',
    'not_in_table': 'the model gives classes that the table of actions lacks',
    'misnamed': 'the table of actions is for another model',
    'labels_unknown': 'no label_info has come, and require_label_info is set',
}


def _stamp_ns(message: Detection2DArray | Classification) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def sign_frame_from_message(message: Detection2DArray) -> SignFrame:
    """Return the detections of an image; the camera is the header's frame."""
    return SignFrame(
        message.header.frame_id,
        _stamp_ns(message),
        tuple(
            SignSeen(
                one.id,
                one.bbox.size_y,
                tuple(
                    Score.of(result.hypothesis.class_id, result.hypothesis.score)
                    for result in one.results
                ),
            )
            for one in message.detections
        ),
    )


def class_frame_from_message(message: Classification) -> ClassFrame:
    """Return the classes of an image; the camera is the header's frame."""
    return ClassFrame(
        message.header.frame_id,
        _stamp_ns(message),
        tuple(Score.of(result.class_id, result.score) for result in message.results),
    )


def names_from_label_info(message: LabelInfo) -> dict[int, str]:
    """Return class id to name."""
    return {one.class_id: one.class_name for one in message.class_map}


def navigator_finding(navigator: Navigator, now: Moment, *, new_refusals: int) -> Finding:
    """
    Judge the navigator.

    :param new_refusals: messages and signs refused since the last report.
    """
    state = navigator.state
    unseen_s = navigator.clock.unseen_s(now)
    locked_by = navigator.locked_by
    values: dict[str, object] = {
        'speed limit (m/s)': 'none' if state is None else f'{state[0]:.2f}',
        'limited by': 'nothing' if state is None else state[1],
        'stop lock': bool(locked_by),
        'locked by': ', '.join(locked_by) or 'nothing',
        'signs in view': navigator.signs_in_view,
        'time since last good result (ms)': 'none yet' if math.isinf(unseen_s) else unseen_s * 1e3,
        'results taken': navigator.accepted,
        'table confirmed by label_info': navigator.labels_known and not navigator.misnamed,
        'cap (m/s)': f'{navigator.settings.max_speed_mps:g}',
    }
    values |= {f'refused: {why}': count for why, count in sorted(navigator.refused.items())}

    def found(level: bytes, message: str) -> Finding:
        return Finding('navigation', level, message, values)

    why = navigator.last_fault
    hint = f' ({why}: {HINTS[why]})' if why in HINTS else f' ({why})' if why else ''
    if navigator.misnamed:
        first = next(iter(navigator.misnamed.values()))
        return found(ERROR, f'the table does not fit the model: {first}')
    if math.isinf(unseen_s):
        return found(STALE, f'no good result yet{hint}')
    if navigator.clock.stale:
        return found(ERROR, f'no good result for {unseen_s:.1f} s{hint}')
    if new_refusals:
        return found(WARN, f'{new_refusals} refused{hint}')
    return found(OK, f'locked by {values["locked by"]}' if locked_by else 'driving')
