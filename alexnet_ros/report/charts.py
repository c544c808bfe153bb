"""
The geometry of the report's charts: what is drawn where, in SVG units.

The templates turn the shapes into SVG and escape what is in them, so that a
report needs no script and no network.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH = 1120
LEFT, RIGHT = 64, 16
THUMB = 52
ROWS = 4  # of bars below each other
LANES = 3  # of thumbnails above each other; what finds no place is in the cards
DASHES = 3  # so many patterns of lines, see style.css
KMH_PER_MPS = 3.6

Sign = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One SVG element.

    :param attributes: numbers are written with one decimal.
    :param title: what a pointer over it shows.
    """

    tag: str
    attributes: Mapping[str, Any]
    text: str = ''
    title: str = ''


@dataclass(slots=True)
class Chart:
    """A drawing over time: its shapes, and names for its colours."""

    height: int
    shapes: list[Shape] = field(default_factory=list)
    legend: list[Mapping[str, Any]] = field(default_factory=list)
    width: int = WIDTH

    def add(self, tag: str, text: str = '', title: str = '', **attributes: Any) -> None:
        """Add a shape; ``class_`` and ``text_anchor`` lose and change their underscore."""
        named = {
            key.rstrip('_').replace('_', '-'): round(value, 1)
            if isinstance(value, float)
            else value
            for key, value in attributes.items()
        }
        self.shapes.append(Shape(tag, named, text, title))

    def rect(
        self, title: str, kind: str, box: tuple[float, float, float, float], **more: Any
    ) -> None:
        """Add a rectangle at x, y, width, height, of a class of style.css."""
        x, y, width, height = box
        self.add('rect', '', title, class_=kind, x=x, y=y, width=width, height=height, **more)


def hues(signs: Sequence[Sign]) -> dict[int, int]:
    """Return a hue for each class, degrees: as far apart as so many can be."""
    ids = list(dict.fromkeys(sign['class_id'] for sign in signs))
    stride = next(s for s in (5, 3, 2, 1) if math.gcd(s, max(len(ids), 1)) == 1)
    return {
        class_id: (12 + 360 * (index * stride % len(ids)) // len(ids)) % 360
        for index, class_id in enumerate(ids)
    }


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
    """Seconds to SVG units."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = max(duration_s, 0.1)

    def x(self, at_s: float) -> float:
        """Return the place of a time."""
        fraction = min(max(at_s / self.duration_s, 0.0), 1.0)
        return LEFT + fraction * (WIDTH - LEFT - RIGHT)

    def grid(self, chart: Chart, top: float, bottom: float) -> None:
        """Draw vertical lines with their times below."""
        step = nice_step(self.duration_s)
        for index in range(int(self.duration_s / step + 1e-9) + 1):
            x, text = self.x(index * step), f'{index * step:g} s'
            chart.add('line', class_='grid', x1=x, x2=x, y1=top, y2=bottom)
            chart.add('text', text, class_='tick', x=x, y=bottom + 16, text_anchor='middle')


def _level(chart: Chart, y: float, text: str) -> None:
    chart.add('line', class_='grid', x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
    chart.add('text', text, class_='tick', x=LEFT - 8, y=y + 4, text_anchor='end')


def _lane_of(ends: list[float], x: float, room: float) -> int | None:
    """Return the first lane with room at x, and take it."""
    for lane, end in enumerate(ends):
        if x >= end:
            ends[lane] = x + room
            return lane
    return None


def _places(
    signs: Sequence[Sign], pictures: Sequence[str], axis: Axis
) -> list[tuple[int, int | None]]:
    """Return for each sign the row of its bar and the lane of its picture."""
    rows, lanes, places = [0.0] * ROWS, [0.0] * LANES, []
    for sign, picture in zip(signs, pictures, strict=True):
        x0, x1 = axis.x(sign['confirmed_s']), axis.x(sign['last_s'])
        row = _lane_of(rows, x0, max(x1 - x0, 4.0) + 2) or 0
        places.append((row, _lane_of(lanes, _left_of(x0), THUMB + 6) if picture else None))
    return places


def _left_of(x: float) -> float:
    return min(max(x, LEFT), WIDTH - RIGHT - THUMB)


def timeline(
    signs: Sequence[Sign], pictures: Sequence[str], spans: Sequence[Sign], duration_s: float
) -> Chart:
    """
    Draw the signs over time, each with its picture, above the ground truth.

    :param pictures: data URI of each, or empty.
    :param spans: of the ground truth; may be empty.
    """
    axis, colours = Axis(duration_s), hues(signs)
    places = _places(signs, pictures, axis)
    lanes = 1 + max((lane for _, lane in places if lane is not None), default=-1)
    bars_y = lanes * (THUMB + 8) + 10
    truth_y = bars_y + (1 + max((row for row, _ in places), default=0)) * 16 + 6
    bottom = truth_y + (16 if spans else 2)
    chart = Chart(bottom + 24)
    axis.grid(chart, 0, bottom)
    chart.add('text', 'seen', class_='label', x=0, y=bars_y + 10)
    for sign, picture, (row, lane) in zip(signs, pictures, places, strict=True):
        x0, x1, y = axis.x(sign['confirmed_s']), axis.x(sign['last_s']), bars_y + row * 16
        title = f'{sign["class_name"]}, {sign["confirmed_s"]:.2f} to {sign["last_s"]:.2f} s'
        kind = 'bar wrong' if sign['right'] is False else 'bar'
        hue = f'--hue:{colours[sign["class_id"]]}'
        chart.rect(title, kind, (x0, y, max(x1 - x0, 4), 12), rx=4, style=hue)
        if lane is not None:
            top = (lanes - 1 - lane) * (THUMB + 8)
            chart.add('line', class_='stem', x1=x0, x2=x0, y1=top + THUMB, y2=y)
            at: dict[str, Any] = {'x': _left_of(x0), 'y': top, 'width': THUMB, 'height': THUMB}
            chart.add('image', title=title, href=picture, **at)
    if spans:
        chart.add('text', 'truth', class_='label', x=0, y=truth_y + 8)
    for span in spans:
        x0, x1 = axis.x(span['start_s']), axis.x(span['end_s'])
        state = 'met' if span['confirmed'] else 'missed'
        title = f'{span["class_name"]}: {state}'
        chart.rect(title, f'truth {state}', (x0, truth_y, max(x1 - x0, 3), 8), rx=4)
    return chart


def score_chart(signs: Sequence[Sign], duration_s: float) -> Chart:
    """Draw the score of every sign over time, from a round value below the lowest up."""
    axis, colours, top, height = Axis(duration_s), hues(signs), 8, 110
    lowest = min((score for sign in signs for _, score, _ in sign['curve']), default=0.0)
    floor = min(math.floor(lowest * 20) / 20, 0.95)

    def y(score: float) -> float:
        return top + (1 - score) / (1 - floor) * height

    chart = Chart(top + height + 24)
    axis.grid(chart, top, top + height)
    for part in (0.0, 0.5, 1.0):
        level = floor + part * (1 - floor)
        _level(chart, y(level), f'{level:.3g}')
    names = {sign['class_id']: sign['class_name'] for sign in signs}
    dashes = {class_id: index % DASHES for index, class_id in enumerate(names)}
    for sign in signs:
        class_id = sign['class_id']
        chart.add(
            'polyline',
            title=sign['class_name'],
            class_=f'curve dash{dashes[class_id]}',
            points=' '.join(f'{axis.x(t):.1f},{y(score):.1f}' for t, score, _ in sign['curve']),
            style=f'--hue:{colours[class_id]}',
        )
    chart.legend = [
        {'name': name, 'hue': colours[class_id], 'dash': dashes[class_id]}
        for class_id, name in names.items()
    ]
    return chart


def limit_chart(navigation: Mapping[str, Any], duration_s: float) -> Chart:
    """Draw the speed limit over time, and when the stop lock was on."""
    axis, top, height = Axis(duration_s), 10, 120
    limits = navigation['speed_limit_mps']
    highest = max((v for _, v in limits if v is not None), default=0.0) * KMH_PER_MPS
    step = nice_step(max(highest * 1.15, 10), 5)
    full = step * math.ceil(max(highest * 1.05, 10) / step)

    def y(kmh: float) -> float:
        return top + (1 - kmh / full) * height

    chart = Chart(top + height + 24)
    axis.grid(chart, top, top + height)
    for index in range(int(full / step + 0.5) + 1):
        _level(chart, y(index * step), f'{index * step:g}')
    locks = [*navigation['stop_lock'], [duration_s, False]]
    for (start, on), (end, _) in itertools.pairwise(locks):
        if on:
            x0, width = axis.x(start), max(axis.x(end) - axis.x(start), 2)
            title = f'stop lock, {start:.2f} to {end:.2f} s'
            chart.rect(title, 'lock', (x0, top, width, height))
            chart.add('text', 'STOP', class_='mark', x=x0 + 6, y=top + 16)
    steps = [*limits, [duration_s, limits[-1][1] if limits else None]]
    for (start, value), (end, _) in itertools.pairwise(steps):
        if value is None:
            continue
        kmh = value * KMH_PER_MPS
        x0, x1, line = axis.x(start), axis.x(end), y(kmh)
        title = f'{kmh:.0f} km/h from {start:.2f} to {end:.2f} s'
        chart.rect(title, 'limit', (x0, line, x1 - x0, top + height - line))
        chart.add('line', class_='limitline', x1=x0, x2=x1, y1=line, y2=line)
        if x1 - x0 > 30:
            chart.add('text', f'{kmh:.0f}', class_='mark', x=x0 + 5, y=line - 5)
    chart.add('text', 'km/h', class_='label', x=0, y=top + 4)
    return chart


def histogram(counts: Sequence[int], edges: Sequence[float]) -> list[Shape]:
    """Draw the distribution of one stage as a row of small bars."""
    most, chart = max(max(counts, default=0), 1), Chart(38)
    for index, count in enumerate(counts):
        height = 34 * count / most if count else 0
        low = edges[index - 1] if index else 0
        high = f'{edges[index]:g}' if index < len(edges) else '…'
        tall = max(float(height), 1.0 if count else 0.5)
        title = f'{low:g} to {high} ms: {count} frames'
        chart.rect(title, 'hist', (index * 10, 36.0 - height, 8, tall))
    return chart.shapes
