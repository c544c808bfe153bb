"""The HTML of a report: one file, no script, no network."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from alexnet_ros.report.charts import histogram, hue, limit_chart, score_chart, timeline
from alexnet_ros.report.template import PAGE

MOST_CARDS = 300


def _uri(jpeg: bytes) -> str:
    """Return a picture as text."""
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}' if jpeg else ''


def _tile(value: str, text: str, kind: str = '') -> str:
    return f'<div class="tile {kind}"><b>{escape(value)}</b><span>{escape(text)}</span></div>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    top = ''.join(f'<th>{escape(text)}</th>' for text in head)
    body = ''.join('<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>' for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f'<tbody>{body}</tbody></table></div>'
    )


def _section(title: str, body: str, note: str = '') -> str:
    if not body:
        return ''
    said = f'<p class="note">{escape(note)}</p>' if note else ''
    return f'<section><h2>{escape(title)}</h2>{said}{body}</section>'


def _percent(share: float) -> str:
    """Return a share as percent, with a space that does not break."""
    return f'{share * 100:.1f}'.removesuffix('.0') + '\u202f%'


def _tiles(report: Mapping[str, Any]) -> str:
    cameras = report['cameras'].values()
    processed, read = (sum(c[key] for c in cameras) for key in ('processed', 'read'))
    dropped = sum(c['dropped'] for c in cameras)
    rejected = sum(sum(c['rejected'].values()) for c in cameras)
    tiles = [
        _tile(f'{processed}', f'of {read} frames processed' if read else 'frames processed'),
        _tile(
            f'{len(report["signs"])}',
            'signs confirmed'
            if any(s['track_id'] for s in report['signs'])
            else 'stretches of one class',
        ),
    ]
    truth = report['truth']
    if truth is not None:
        for key, text in (
            ('event_precision', 'event precision'),
            ('event_recall', 'event recall'),
            ('frame_accuracy', 'frame accuracy'),
        ):
            grade = 'good' if truth[key] >= 0.99 else 'fair' if truth[key] >= 0.9 else 'bad'
            tiles.append(_tile(_percent(truth[key]), text, grade))
    if report['timing']['frames_per_s']:
        tiles.append(_tile(f'{report["timing"]["frames_per_s"]:.0f}', 'frames a second'))
    tiles.append(_tile(f'{dropped}', 'frames dropped', 'fair' if dropped else ''))
    tiles.append(_tile(f'{rejected}', 'frames rejected', 'bad' if rejected else ''))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _cards(signs: Sequence[Mapping[str, Any]], pictures: Sequence[str]) -> str:
    cards = []
    for sign, picture in list(zip(signs, pictures, strict=True))[:MOST_CARDS]:
        badge = {True: '<i class="good">right</i>', False: '<i class="bad">wrong</i>', None: ''}[
            sign['right']
        ]
        image = f'<img src="{picture}" alt="">' if picture else '<img alt="">'
        camera = f'{escape(sign["camera"])} · ' if sign['camera'] else ''
        cards.append(
            f'<article style="--hue:{hue(sign["class_id"])}">{image}<div>'
            f'<h3>{escape(sign["class_name"])}{badge}</h3>'
            f'<p>{camera}{sign["confirmed_s"]:.2f} to {sign["last_s"]:.2f} s<br>'
            f'{sign["frames"]} frames · score {sign["best_score"]:.2f} · '
            f'up to {sign["widest_px"]:.0f} px</p></div></article>'
        )
    rest = len(signs) - MOST_CARDS
    more = f'<p class="note">{rest} more stand in report.json.</p>' if rest > 0 else ''
    return f'<div class="cards">{"".join(cards)}</div>{more}' if cards else ''


def _spans(truth: Mapping[str, Any]) -> str:
    rows = []
    for span in truth['spans']:
        if span['confirmed']:
            state = '<i class="good">confirmed</i>'
            times = [f'{span["delay_s"]:.2f} s', f'{span["left_s"]:.2f} s']
        else:
            state, times = '<i class="bad">missed</i>', ['', '']
        rows.append(
            [
                escape(span['class_name']),
                f'{span["start_s"]:.2f} to {span["end_s"]:.2f} s',
                state,
                *times,
            ]
        )
    return _table(['sign', 'to be seen', '', 'after', 'before it is gone'], rows)


def _confusion(truth: Mapping[str, Any]) -> str:
    """Return the confusion matrix: truth down, answer across, shares shaded."""
    cells = {(c['truth'], c['got']): c['frames'] for c in truth['confusion']}
    rows = list(dict.fromkeys(truth_name for truth_name, _ in cells))
    columns = [*rows, *dict.fromkeys(g for _, g in cells if g not in rows)]
    if not rows:
        return ''
    head = ''.join(f'<th class="turn"><span>{escape(name)}</span></th>' for name in columns)
    body = []
    for row in rows:
        total = sum(cells.get((row, column), 0) for column in columns)
        line = []
        for column in columns:
            count = cells.get((row, column), 0)
            kind = 'hit' if row == column else 'miss'
            line.append(
                f'<td class="{kind if count else ""}" '
                f'style="--share:{count / max(total, 1):.3f}">{count or ""}</td>'
            )
        body.append(f'<tr><th>{escape(row)}</th>{"".join(line)}</tr>')
    return (
        f'<div class="scroll"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{"".join(body)}</tbody></table></div>'
    )


def _errors(truth: Mapping[str, Any], pictures: Sequence[bytes]) -> str:
    """Return every error with its picture."""
    words = {
        'missed': 'missed',
        'false': 'wrongly confirmed',
        'again': 'confirmed again',
        'frame': 'wrong in this frame',
    }
    figures = []
    for error, picture in zip(truth['errors'], pictures, strict=True):
        told = f'{error["truth"]} → {error["got"]}'
        image = f'<img src="{_uri(picture)}" alt="">' if picture else ''
        figures.append(
            f'<figure>{image}<figcaption><i class="bad">{words[error["kind"]]}</i> '
            f'{escape(told)}<br>{escape(error["camera"])} {error["at_s"]:.2f} s'
            f'</figcaption></figure>'
        )
    hidden = truth['frame_errors'] - sum(e['kind'] == 'frame' for e in truth['errors'])
    more = f'<p class="note">{hidden} more frames are counted, not pictured.</p>'
    return f'<div class="figures">{"".join(figures)}</div>' + (more if hidden > 0 else '')


def _stages(timing: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(stage),
            *(f'{row[f"{name}_ms"]:.2f}' for name in ('p50', 'p95', 'p99', 'max')),
            histogram(row['histogram'], timing['bin_edges_ms']),
        ]
        for stage, row in timing['stages'].items()
    ]
    return (
        _table(['stage', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms', '0.1 … 500 ms'], rows)
        if rows
        else ''
    )


def _cameras(report: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(name or '(the only one)'),
            *(str(count[key]) for key in ('read', 'processed', 'dropped')),
            escape(', '.join(f'{reason}: {n}' for reason, n in count['rejected'].items()) or '0'),
            f'{count["known"]} / {count["unknown"]}',
        ]
        for name, count in report['cameras'].items()
    ]
    return _table(
        ['camera', 'read', 'processed', 'dropped', 'rejected', 'regions known / unknown'], rows
    )


def _facts(report: Mapping[str, Any]) -> str:
    model, engine = report['model'], report['engine']
    rows = [
        ('bag', report['bag']['path']),
        ('topics', ', '.join(report['bag']['topics'])),
        ('duration', f'{report["bag"]["duration_s"]:.2f} s'),
        ('model', f'{model["name"]} {model["version"]} ({model["precision"]})'),
        ('sha256', model['sha256']),
        ('engine', f'{engine["backend"]} on {engine["device"]}'),
        ('chosen', engine['reason']),
    ]
    return (
        '<dl>'
        + ''.join(
            f'<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>' for name, text in rows if text
        )
        + '</dl>'
    )


def _compared(compared: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(row['what']),
            escape(str(row['before'])),
            escape(str(row['now'])),
            f'<i class="{row["grade"]}">{escape(row["change"])}</i>',
        ]
        for row in compared['figures']
    ]
    changes = ''.join(
        f'<li><i class="{c["grade"]}">{escape(c["kind"])}</i> {escape(c["text"])}</li>'
        for c in compared['signs']
    )
    return _table(['', 'before', 'now', 'change'], rows) + (
        f'<ul class="changes">{changes}</ul>'
        if changes
        else '<p class="note">The same signs at the same times.</p>'
    )


def page(
    report: Mapping[str, Any], thumbs: Sequence[bytes], errors: Sequence[bytes], picture: bytes
) -> str:
    """
    Return the page.

    :param report: what ``report.json`` holds.
    :param thumbs: JPEG of each sign; may be empty bytes.
    :param errors: JPEG of each error of the truth.
    :param picture: an annotated frame, as JPEG; may be empty.
    """
    pictures = [_uri(jpeg) for jpeg in thumbs]
    duration_s, truth = report['bag']['duration_s'], report['truth']
    signs, parts = report['signs'], []
    parts.append(
        _section(
            'Signs over time',
            timeline(signs, pictures, truth['spans'] if truth else [], duration_s)
            if signs or truth
            else '',
        )
    )
    parts.append(_section('Score over time', score_chart(signs, duration_s) if signs else ''))
    if report['navigation'] is not None:
        parts.append(
            _section('Speed limit over time', limit_chart(report['navigation'], duration_s))
        )
    if 'compared' in report:
        parts.append(
            _section(
                'Compared with the other report',
                _compared(report['compared']),
                report['compared']['other'],
            )
        )
    parts.append(_section('Signs', _cards(signs, pictures)))
    if truth is not None:
        parts.append(_section('Against the truth', _spans(truth)))
        parts.append(
            _section(
                'Confusion by frame',
                _confusion(truth),
                'Truth in the rows, answers in the columns.',
            )
        )
        parts.append(_section('Errors', _errors(truth, errors) if truth['errors'] else ''))
    parts.append(_section('Time of each stage', _stages(report['timing'])))
    parts.append(_section('Frames', _cameras(report)))
    losses = ''.join(f'<li>{escape(loss)}</li>' for loss in report['bag']['losses'])
    parts.append(
        _section('What of the bag could not be read', f'<ul>{losses}</ul>' if losses else '')
    )
    hero = f'<img class="hero" src="{_uri(picture)}" alt="an annotated frame">' if picture else ''
    state = (
        '<i class="good">complete</i>'
        if report['complete']
        else '<i class="bad">stopped before the end</i>'
    )
    return PAGE.substitute(
        title=escape(Path(report['bag']['path']).name or 'replay'),
        state=state,
        tiles=_tiles(report),
        hero=hero,
        facts=_facts(report),
        body=''.join(parts),
    )
