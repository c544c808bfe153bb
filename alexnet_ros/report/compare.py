"""What differs between two reports, and whether a report is good enough."""

from collections.abc import Mapping, Sequence
from typing import Any

Report = Mapping[str, Any]

SAME_S = 1.0  # the same sign is confirmed in both within this
SHIFT_S = 0.2  # an earlier or later confirmation worth saying
FIGURES = (  # key in ``truth``: words, whether more is better
    ('event_precision', 'event precision', True),
    ('event_recall', 'event recall', True),
    ('frame_accuracy', 'frame accuracy', True),
    ('wrong_reports_per_frame', 'wrong reports a frame', False),
    ('median_delay_s', 'median delay, s', False),
)
GRADES = {True: 'good', False: 'bad', None: 'fair'}  # of a sign, by whether it is right


def compare(report: Report, other: Report, other_name: str) -> dict[str, Any]:
    """Return ``other``, ``figures`` and ``signs``: what changed from another report of the bag."""
    figures = [_figure('signs confirmed', len(other['signs']), len(report['signs']), None)]
    if report['truth'] is not None and other['truth'] is not None:
        figures += [
            _figure(words, other['truth'][key], report['truth'][key], better)
            for key, words, better in FIGURES
        ]
    for stage, row in report['timing']['stages'].items():
        before = other['timing']['stages'].get(stage)
        if before is not None and stage == 'engine':
            figures.append(_figure('engine p50, ms', before['p50_ms'], row['p50_ms'], False))
    model = other['model']
    name = f'{other_name}: {model["name"]} {model["version"]} ({model["precision"]})'
    return {'other': name, 'figures': figures, 'signs': _signs(report['signs'], other['signs'])}


def _figure(
    what: str, before: float | None, now: float | None, more_is_better: bool | None
) -> dict[str, Any]:
    if before is None or now is None or before == now:
        change, grade = 'same' if before == now else '', ''
    else:
        change = f'{now - before:+.4g}'
        grade = 'good' if (now > before) == more_is_better else 'bad'
        grade = '' if more_is_better is None else grade
    row = {'what': what, 'before': _short(before), 'now': _short(now)}
    return {**row, 'change': change, 'grade': grade}


def _short(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else round(value, 4)


def _signs(now: Sequence[Report], before: Sequence[Report]) -> list[dict[str, str]]:
    """Pair the signs of two reports and say which differ."""
    changes, left = [], list(before)
    for sign in now:
        at_s = sign['confirmed_s']
        near = [
            s
            for s in left
            if s['camera'] == sign['camera']
            and (s['confirmed_s'] - SAME_S <= at_s <= s['last_s'] + SAME_S)
        ]
        same = [s for s in near if s['class_id'] == sign['class_id']]
        pair = min(same or near, key=lambda s: abs(s['confirmed_s'] - at_s), default=None)
        told = f'{sign["class_name"]} at {at_s:.2f} s'
        if pair is None:
            changes.append(_change('new', GRADES[sign['right']], told))
            continue
        left.remove(pair)
        if pair['class_id'] != sign['class_id']:
            text = f'{told}, was {pair["class_name"]}'
            changes.append(_change('class', GRADES[sign['right']], text))
        elif abs(pair['confirmed_s'] - at_s) >= SHIFT_S:
            shift = at_s - pair['confirmed_s']
            kind, grade = ('later', 'bad') if shift > 0 else ('earlier', 'good')
            changes.append(_change(kind, grade, f'{told}, by {abs(shift):.2f} s'))
    for sign in left:
        grade = 'good' if sign['right'] is False else 'bad'
        text = f'{sign["class_name"]}, was at {sign["confirmed_s"]:.2f} s'
        changes.append(_change('gone', grade, text))
    return changes


def _change(kind: str, grade: str, text: str) -> dict[str, str]:
    return {'kind': kind, 'grade': grade, 'text': text}


def drops(found: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """
    Say why a report is worse than another one by more than is allowed.

    :param limits: largest allowed loss of event ``recall`` and ``precision``, 0 to 1.
    :returns: one sentence a reason; empty if it is good enough.
    """
    rows = {row['what']: row for row in found['figures']}
    reasons = []
    for key, limit in limits.items():
        what = f'event {key}'
        if what not in rows:
            reasons.append(f'there is no {what} to compare: replay both with --truth')
            continue
        before, after = rows[what]['before'], rows[what]['now']
        if before - after > limit + 1e-9:
            reasons.append(f'{what} fell from {before:.4g} to {after:.4g}, by more than {limit:g}')
    return reasons


def gate(reports: Sequence[Report], min_recall: float | None, max_false: int | None) -> list[str]:
    """
    Say why reports are not good enough.

    :param min_recall: least share of the signs that must be confirmed, over
        all reports together.
    :param max_false: most wrongly confirmed signs, likewise.
    :returns: one sentence a reason, each naming the signs; empty if passed.
    """
    truths = [r['truth'] for r in reports if r['truth'] is not None]
    if not truths:
        return ['there is no truth to judge by'] if (min_recall, max_false) != (None, None) else []
    expected = sum(t['events_expected'] for t in truths)
    right, false = (sum(t[key] for t in truths) for key in ('events_right', 'events_false'))
    reasons = []
    recall = right / expected if expected else 1.0
    if min_recall is not None and recall < min_recall:
        missed = [
            f'{s["class_name"]} at {s["start_s"]:.1f} s'
            for t in truths
            for s in t['spans']
            if not s['confirmed']
        ]
        reasons.append(
            f'event recall {recall:.3f} is below {min_recall:g}: missed {", ".join(missed)}'
        )
    if max_false is not None and false > max_false:
        wrong = [
            f'{e["got"]} at {e["at_s"]:.1f} s '
            f'({"again" if e["kind"] == "again" else "truth: " + e["truth"]})'
            for t in truths
            for e in t['errors']
            if e['kind'] in {'false', 'again'}
        ]
        reasons.append(
            f'{false} signs wrongly confirmed, at most {max_false} allowed: {", ".join(wrong)}'
        )
    if not all(r['complete'] for r in reports):
        reasons.append('a replay was stopped before its end')
    return reasons
