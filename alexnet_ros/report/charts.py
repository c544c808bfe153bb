"""Charts as SVG text: drawn here, so that a report needs no library and no network."""

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH = 1120
LEFT, RIGHT = 64, 16
THUMB = 52
ROWS = 4  # of bars below each other
LANES = 3  # of thumbnails above each other; what finds no place is in the cards
KMH_PER_MPS = 3.6


def hue(class_id: int) -> int:
    """Return the hue of a class, degrees; neighbours differ clearly."""
    return class_id * 137 % 360


def nice_step(span: float, most: int = 12) -> float:
    """
    Return a round distance for ticks.

    >>> nice_step(28.0), nice_step(3600.0)
    (5.0, 500.0)
    """
    rough = max(span, 1e-6) / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= rough)


class Axis:
    """Seconds to pixels."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = max(duration_s, 0.1)

    def x(self, at_s: float) -> float:
        """Return the place of a time."""
        share = min(max(at_s / self.duration_s, 0.0), 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def grid(self, top: float, bottom: float) -> str:
        """Return vertical lines with their times below."""
        step = nice_step(self.duration_s)
        parts = []
        for index in range(int(self.duration_s / step + 1e-9) + 1):
            x = self.x(index * step)
            text = f'{index * step:g} s'
            parts.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
                f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" '
                f'text-anchor="middle">{text}</text>'
            )
        return ''.join(parts)


def _label(text: str, y: float) -> str:
    return f'<text class="label" x="0" y="{y:.1f}">{escape(text)}</text>'


def _svg(height: float, body: str, title: str) -> str:
    return (
        f'<div class="chart"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{body}</svg></div>'
    )


def _lane_of(ends: list[float], x: float, room: float) -> int | None:
    """Return the first lane with room at x, and take it."""
    for lane, end in enumerate(ends):
        if x >= end:
            ends[lane] = x + room
            return lane
    return None


def _places(
    signs: Sequence[Mapping[str, Any]], pictures: Sequence[str], axis: Axis
) -> list[tuple[int, int | None]]:
    """Return for each sign the row of its bar and the lane of its picture."""
    rows, lanes, places = [0.0] * ROWS, [0.0] * LANES, []
    for sign, picture in zip(signs, pictures, strict=True):
        x0, x1 = axis.x(sign['confirmed_s']), axis.x(sign['last_s'])
        row = _lane_of(rows, x0, max(x1 - x0, 4.0) + 2) or 0
        places.append((row, _lane_of(lanes, _left_of(x0), THUMB + 6) if picture else None))
    return places


def _left_of(x: float) -> float:
    """Return where a picture begins whose sign begins at x."""
    return min(max(x, LEFT), WIDTH - RIGHT - THUMB)


def timeline(
    signs: Sequence[Mapping[str, Any]],
    pictures: Sequence[str],
    spans: Sequence[Mapping[str, Any]],
    duration_s: float,
) -> str:
    """
    Draw the signs over time, each with its picture, above the truth.

    :param signs: entries of the report.
    :param pictures: data URI of each, or empty.
    :param spans: of the truth; may be empty.
    """
    axis, body = Axis(duration_s), []
    places = _places(signs, pictures, axis)
    lanes = 1 + max((lane for _, lane in places if lane is not None), default=-1)
    bars_y = lanes * (THUMB + 8) + 10
    for sign, picture, (row, lane) in zip(signs, pictures, places, strict=True):
        x0, x1, y = axis.x(sign['confirmed_s']), axis.x(sign['last_s']), bars_y + row * 16
        told = f'{sign["class_name"]}, {sign["confirmed_s"]:.2f} to {sign["last_s"]:.2f} s'
        wrong = ' wrong' if sign['right'] is False else ''
        body.append(
            f'<rect class="bar{wrong}" x="{x0:.1f}" y="{y:.1f}" rx="4" height="12" '
            f'width="{max(x1 - x0, 4):.1f}" style="--hue:{hue(sign["class_id"])}">'
            f'<title>{escape(told)}</title></rect>'
        )
        if lane is not None:
            top = (lanes - 1 - lane) * (THUMB + 8)
            body.append(
                f'<line class="stem" x1="{x0:.1f}" x2="{x0:.1f}" y1="{top + THUMB}" y2="{y:.1f}"/>'
                f'<image x="{_left_of(x0):.1f}" y="{top}" width="{THUMB}" height="{THUMB}" '
                f'href="{picture}" preserveAspectRatio="xMidYMid meet">'
                f'<title>{escape(told)}</title></image>'
            )
    rows = 1 + max((row for row, _ in places), default=0)
    truth_y = bars_y + rows * 16 + 6
    for span in spans:
        x0, x1 = axis.x(span['start_s']), axis.x(span['end_s'])
        state = 'met' if span['confirmed'] else 'missed'
        body.append(
            f'<rect class="truth {state}" x="{x0:.1f}" y="{truth_y}" height="8" rx="4" '
            f'width="{max(x1 - x0, 3):.1f}"><title>'
            f'{escape(span["class_name"])}: {state}</title></rect>'
        )
    bottom = truth_y + (16 if spans else 2)
    head = axis.grid(0, bottom) + _label('seen', bars_y + 10)
    if spans:
        head += _label('truth', truth_y + 8)
    return _svg(bottom + 24, head + ''.join(body), 'signs over time')


def score_chart(signs: Sequence[Mapping[str, Any]], duration_s: float) -> str:
    """Draw the score of every sign over time."""
    axis, top, height = Axis(duration_s), 8, 110

    def y(score: float) -> float:
        return top + (1 - score) * height

    body = [axis.grid(top, top + height)]
    body += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" '
        f'y2="{y(level):.1f}"/><text class="tick" x="{LEFT - 8}" y="{y(level) + 4:.1f}" '
        f'text-anchor="end">{level:.1f}</text>'
        for level in (0.0, 0.5, 1.0)
    ]
    for sign in signs:
        points = ' '.join(f'{axis.x(t):.1f},{y(score):.1f}' for t, score, _ in sign['curve'])
        body.append(
            f'<polyline class="curve" points="{points}" '
            f'style="--hue:{hue(sign["class_id"])}"><title>'
            f'{escape(sign["class_name"])}</title></polyline>'
        )
    return _svg(top + height + 24, ''.join(body), 'score over time')


def limit_chart(navigation: Mapping[str, Any], duration_s: float) -> str:
    """Draw the speed limit over time, and when the stop lock was on."""
    axis, top, height = Axis(duration_s), 10, 120
    limits = navigation['speed_limit_mps']
    highest = max((v for _, v in limits if v is not None), default=0.0) * KMH_PER_MPS
    step = nice_step(max(highest * 1.15, 10), 5)
    full = step * math.ceil(max(highest * 1.05, 10) / step)

    def y(kmh: float) -> float:
        return top + (1 - kmh / full) * height

    body = [axis.grid(top, top + height)]
    for index in range(int(full / step + 0.5) + 1):
        level = index * step
        body.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" '
            f'y2="{y(level):.1f}"/><text class="tick" x="{LEFT - 8}" '
            f'y="{y(level) + 4:.1f}" text-anchor="end">{level:g}</text>'
        )
    locks = [*navigation['stop_lock'], [duration_s, False]]
    for (start, on), (end, _) in itertools.pairwise(locks):
        if on:
            body.append(
                f'<rect class="lock" x="{axis.x(start):.1f}" y="{top}" height="{height}" '
                f'width="{max(axis.x(end) - axis.x(start), 2):.1f}">'
                f'<title>stop lock, {start:.2f} to {end:.2f} s</title></rect>'
                f'<text class="mark" x="{axis.x(start) + 6:.1f}" y="{top + 16}">STOP</text>'
            )
    steps = [*limits, [duration_s, limits[-1][1] if limits else None]]
    for (start, value), (end, _) in itertools.pairwise(steps):
        if value is None:
            continue
        x0, x1, line = axis.x(start), axis.x(end), y(value * KMH_PER_MPS)
        told = f'{value * KMH_PER_MPS:.0f} km/h from {start:.2f} to {end:.2f} s'
        body.append(
            f'<rect class="limit" x="{x0:.1f}" y="{line:.1f}" width="{x1 - x0:.1f}" '
            f'height="{top + height - line:.1f}"><title>{told}</title></rect>'
            f'<line class="limitline" x1="{x0:.1f}" x2="{x1:.1f}" '
            f'y1="{line:.1f}" y2="{line:.1f}"/>'
        )
        if x1 - x0 > 30:
            body.append(
                f'<text class="mark" x="{x0 + 5:.1f}" y="{line - 5:.1f}">'
                f'{value * KMH_PER_MPS:.0f}</text>'
            )
    body.append(_label('km/h', top + 4))
    return _svg(top + height + 24, ''.join(body), 'speed limit over time')


def histogram(counts: Sequence[int], edges: Sequence[float]) -> str:
    """Draw the distribution of one stage as a row of small bars."""
    most, bars = max(max(counts, default=0), 1), []
    for index, count in enumerate(counts):
        height = 34 * count / most if count else 0
        low = edges[index - 1] if index else 0
        high = f'{edges[index]:g}' if index < len(edges) else '…'
        bars.append(
            f'<rect class="hist" x="{index * 10}" y="{36 - height:.1f}" width="8" '
            f'height="{max(height, 1 if count else 0.5):.1f}">'
            f'<title>{low:g} to {high} ms: {count} frames</title></rect>'
        )
    return f'<svg class="histogram" viewBox="0 0 {len(counts) * 10} 38">{"".join(bars)}</svg>'
