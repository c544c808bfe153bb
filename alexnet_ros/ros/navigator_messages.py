"""Messages to the navigator's records, and its state to diagnostics."""

from typing import Any, Literal

from vision_msgs.msg import Classification, Detection2DArray, LabelInfo

from alexnet_ros.navigation import ClassFrame, Moment, Navigator, Score, SignFrame, SignSeen
from alexnet_ros.navigation.checks import MAX_SIGNS
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
    'old_speed': 'are the clocks of base and navigator in step?',
    'several_sources': 'several nodes publish on speed_limit_in: none of them may let go',
    'too_large': 'more bytes than any message of its kind has',
    'labels_unknown': 'no label_info has come, and require_label_info is set',
}


MAX_BYTES = {LabelInfo: 4 << 20, Detection2DArray: 1 << 19, Classification: 1 << 18}
MAX_BYTES_ELSE = 1 << 14
STAMP_BYTES = 12  # the encapsulation and the two numbers of a stamp, before the frame's name


def fault_of_size(kind: type, data: bytes) -> str:
    """
    Return why a serialised message is not worth its conversion, empty if it is.

    The number of detections stands behind the header: seconds, nanoseconds
    and the frame's name as length and bytes, each aligned to four (OMG DDS
    XTypes, plain CDR).
    """
    if kind is Detection2DArray:
        order: Literal['big', 'little'] = 'little' if len(data) > 1 and data[1] & 1 else 'big'
        name_bytes = int.from_bytes(data[STAMP_BYTES : STAMP_BYTES + 4], order)
        place = STAMP_BYTES + 4 + name_bytes + -name_bytes % 4
        if int.from_bytes(data[place : place + 4], order) > MAX_SIGNS:
            return 'too_many'
    return 'too_large' if len(data) > MAX_BYTES.get(kind, MAX_BYTES_ELSE) else ''


def stamp_ns(message: Any) -> int:
    """Return the stamp of a message with a header, nanoseconds."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def sign_frame_from_message(message: Detection2DArray, camera: str = '') -> SignFrame:
    """Return the detections of an image; an empty camera takes the header's frame."""
    return SignFrame(
        camera or message.header.frame_id,
        stamp_ns(message),
        tuple(
            SignSeen(
                one.id,
                one.bbox.size_y,
                tuple(
                    Score.of(result.hypothesis.class_id, result.hypothesis.score)
                    for result in one.results
                ),
                (one.bbox.center.position.x, one.bbox.center.position.y),
            )
            for one in message.detections
        ),
    )


def class_frame_from_message(message: Classification, camera: str = '') -> ClassFrame:
    """Return the classes of an image; an empty camera takes the header's frame."""
    return ClassFrame(
        camera or message.header.frame_id,
        stamp_ns(message),
        tuple(Score.of(result.class_id, result.score) for result in message.results),
    )


def names_from_label_info(message: LabelInfo) -> dict[int, str]:
    """Return class id to name."""
    return {one.class_id: one.class_name for one in message.class_map}


def navigator_finding(
    navigator: Navigator, now: Moment, *, new_refusals: int, state_error: str
) -> Finding:
    """
    Judge the navigator.

    :param new_refusals: messages and signs refused since the last report.
    :param state_error: why what is in force would not survive a restart.
    """
    limit = navigator.limit
    locked_by = navigator.locked_by
    cap_mps = navigator.settings.max_speed_mps
    silent = navigator.cameras.silent(now.steady_ns, navigator.settings.stale_after_s)
    ages_s = [one.silent_s(now.steady_ns) for one in navigator.cameras if one.images]
    speed, percent = (None, None) if limit is None else (limit.mps, limit.percent)
    values: dict[str, object] = {
        'speed limit (m/s)': 'none' if speed is None else f'{speed:.2f}',
        'speed limit (%)': 'none' if percent is None else f'{percent:g}',
        'limited by': 'nothing' if limit is None else limit.source.title,
        'stop lock': bool(locked_by),
        'locked by': ', '.join(locked_by) or 'nothing',
        'in force': ', '.join(one.name for one in navigator.restrictions) or 'nothing',
        'signs in view': navigator.cameras.signs_in_view,
        'time since last good result (ms)': min(ages_s) * 1e3 if ages_s else 'none yet',
        'silent cameras': ', '.join(repr(one.name) for one in silent) or 'none',
        'results taken': navigator.accepted,
        'table confirmed by label_info': navigator.labels_known and not navigator.misnamed,
        'cap (m/s)': 'not set' if cap_mps is None else f'{cap_mps:g}',
        'other publishers': ', '.join(navigator.others.publishers) or 'none',
    }
    values |= {f'refused: {why}': count for why, count in sorted(navigator.refused.items())}
    why = navigator.last_fault
    hint = f' ({why}: {HINTS[why]})' if why in HINTS else f' ({why})' if why else ''
    judged = [
        (
            bool(navigator.others.publishers),
            ERROR,
            f'end all publishers but one, there is also {values["other publishers"]}',
        ),
        (
            bool(navigator.misnamed),
            ERROR,
            f'the table does not fit the model: {next(iter(navigator.misnamed.values()), "")}',
        ),
        (not ages_s, STALE, f'no good result yet{hint}'),
        (navigator.stale, ERROR, f'no good result: silent is {values["silent cameras"]}{hint}'),
        (
            bool(navigator.unsaid),
            ERROR,
            f'not sent for want of max_speed_mps: {", ".join(navigator.unsaid)}',
        ),
        (bool(state_error), WARN, f'a restart would forget what is in force: {state_error}'),
        (bool(new_refusals), WARN, f'{new_refusals} refused{hint}'),
        (bool(locked_by), OK, f'locked by {values["locked by"]}'),
    ]
    level, text = next(((level, text) for on, level, text in judged if on), (OK, 'driving'))
    return Finding('navigation', level, text, values)
