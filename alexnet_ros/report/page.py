"""The pages of a report: one file each, no script, no network; Jinja2 escapes all values."""

import base64
import functools
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2

from alexnet_ros.report import charts

MAX_CARDS = 300
CLOCK_SET_NS = 946_684_800 * 10**9  # 2000: stamps before it come from a clock that was not set
WORDS = {  # kind of an error: what its badge says
    'missed': 'missed',
    'false': 'wrongly confirmed',
    'again': 'confirmed again',
    'frame': 'wrong in this frame',
    'late': 'seen late',
}
LATE = 'Frames that show a sign before it was named: too small, too far, or not yet sure.'


def jpeg_uri(jpeg: bytes) -> str:
    """Return a picture as text, empty for none."""
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}' if jpeg else ''


def percent(fraction: float) -> str:
    """Return a fraction as percent, with a space that does not break."""
    return f'{fraction * 100:.1f}'.removesuffix('.0') + '\u202f%'


@functools.cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name('templates')),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {'uri': jpeg_uri, 'percent': percent}
    return found


def render(template: str, **values: Any) -> str:
    """Fill one of the templates."""
    return _templates().get_template(template).render(values)


def _confusion(truth: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the confusion matrix, frames by ground truth and answer."""
    cells = {(c['truth'], c['got']): c['frames'] for c in truth['confusion']}
    names = list(dict.fromkeys(name for name, _ in cells))
    columns = [*names, *dict.fromkeys(got for _, got in cells if got not in names)]
    return {name: {column: cells.get((name, column), 0) for column in columns} for name in names}


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    model, engine = report['model'], report['engine']
    return [
        ('bag', report['bag']['path']),
        ('topics', ', '.join(report['bag']['topics'])),
        ('duration', f'{report["bag"]["duration_s"]:.2f} s'),
        ('model', f'{model["name"]} {model["version"]} ({model["precision"]})'),
        ('sha256', model['sha256']),
        ('engine', f'{engine["backend"]} on {engine["device"]}'),
        ('chosen', engine['reason']),
        ('made', report['timing'].get('made', '')),
    ]


def _words(error: Mapping[str, Any]) -> str:
    silent = error['kind'] == 'frame' and error['got'] in {'nothing', 'unknown'}
    return 'not named in this frame' if silent else WORDS[error['kind']]


def page(
    report: Mapping[str, Any],
    thumbs: Sequence[bytes],
    errors: Sequence[bytes],
    picture: bytes,
    links: Sequence[str] = (),
) -> str:
    """
    Return the page of one report.

    :param thumbs: JPEG of each sign; may be empty bytes.
    :param errors: JPEG of each error against the ground truth.
    :param picture: an annotated frame, as JPEG; may be empty.
    :param links: files beside the page; videos among them are embedded.
    """
    duration_s, truth, signs = report['bag']['duration_s'], report['truth'], report['signs']
    cameras, timing = list(report['cameras'].values()), report['timing']
    uris = [jpeg_uri(jpeg) for jpeg in thumbs]
    found = [
        {**error, 'picture': jpeg, 'words': _words(error)}
        for error, jpeg in zip(truth['errors'] if truth else [], errors, strict=True)
    ]
    late = [error for error in found if error['kind'] == 'late']
    wrong = [error for error in found if error['kind'] != 'late']
    pictured = sum(error['kind'] in {'frame', 'late'} for error in found)
    start_ns = report['bag']['start_ns']
    return render(
        'report.html',
        report=report,
        name=Path(report['bag']['path']).name or 'replay',
        day=f'{datetime.fromtimestamp(start_ns / 1e9, timezone.utc):%Y-%m-%d}'
        if start_ns >= CLOCK_SET_NS
        else '',
        **{key: sum(count[key] for count in cameras) for key in ('read', 'processed', 'dropped')},
        rejected=sum(sum(count['rejected'].values()) for count in cameras),
        tracked=any(sign['track_id'] for sign in signs),
        picture=picture,
        facts=_facts(report),
        links=links,
        videos=[link for link in links if link.endswith(('.mp4', '.webm'))],
        thumbs=uris,
        hues=charts.hues(signs),
        max_cards=MAX_CARDS,
        timeline=charts.timeline(signs, uris, truth['spans'] if truth else [], duration_s),
        score_chart=charts.score_chart(signs, duration_s),
        limit_chart=None
        if report['navigation'] is None
        else charts.limit_chart(report['navigation'], duration_s),
        confusion=_confusion(truth) if truth else {},
        errors=[('Errors', '', wrong), ('Seen late', LATE, late)],
        hidden=truth['frame_errors'] - pictured if truth else 0,
        stages=[
            (stage, row, charts.histogram(row['histogram'], timing['bin_edges_ms']))
            for stage, row in timing['stages'].items()
        ],
    )


def index_page(merged: Mapping[str, Any], folder: Path) -> str:
    """Return the page of many replayed bags; its links are relative to ``folder``."""
    runs = [(one, os.path.relpath(one['output'], folder)) for one in merged['runs']]
    return render('index.html', merged=merged, runs=runs, made=now())


def now() -> str:
    """Return date and time, UTC, to the minute."""
    return f'{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC'
