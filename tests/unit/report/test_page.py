import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from alexnet_ros.navigation.offline import NavigationLog
from alexnet_ros.report.charts import hues, limit_chart, nice_step, score_chart, timeline
from alexnet_ros.report.ground_truth import Truth, TruthSpan
from alexnet_ros.report.page import index_page, page
from alexnet_ros.report.run import Run
from alexnet_ros.report.write import write_report
from tests.unit.report.test_scoring import IMAGE, SECOND, confirmed, seen

VOID = {'meta', 'link', 'img', 'br', 'rect', 'line', 'image', 'polyline'}


class Balanced(HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def run_with(name: str = 'Stop', truth: Truth | None = None) -> Run:
    log = NavigationLog()
    log.note_limit(SECOND, 13.9)
    log.note_limit(3 * SECOND, None)
    log.note_lock(SECOND, False)
    log.note_lock(2 * SECOND, True)
    identity = {
        'model': {'name': 'm', 'version': '1', 'precision': 'int8', 'sha256': 'ab'},
        'engine': {'backend': 'b', 'device': 'd', 'reason': name},
    }
    run = Run(f'/bags/{name}', {1: name}, identity, navigation=log, truth=truth, whole_frames=True)
    for index in range(8):
        run.add(seen(1 + index / 2, (1, 5.0)), IMAGE)
    run.camera('').rejected['short_data'] += 2
    run.losses.append(f'{name} lost')
    run.finish()
    return run


def html_of(run: Run) -> str:
    thumbs = [entry.thumb for entry in run.timeline.entries]
    errors = [e.picture for e in run.scorer.errors] if run.scorer else []
    return page(run.as_json(), thumbs, errors, run.picture)


def test_page_is_whole_and_needs_no_network() -> None:
    truth = Truth([TruthSpan('', 1, SECOND, 9 * SECOND), TruthSpan('', 2, 0, SECOND)])
    html = html_of(run_with(truth=truth))
    parser = Balanced()
    parser.feed(html)
    assert not parser.open
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "default-src 'none'" in html
    assert '<script' not in html
    assert 'url(' not in html
    for words in (
        'Signs over time',
        'Speed limit over time',
        'Confusion by frame',
        'Errors',
        'short_data: 2',
        'lost',
    ):
        assert words in html


def test_names_cannot_break_the_page() -> None:
    html = html_of(run_with('<script>alert("x")</script> & $title'))
    assert '<script' not in html
    assert '&lt;script&gt;' in html


def test_empty_run_has_a_page() -> None:
    run = Run(
        'bag',
        {},
        {
            'model': {'name': '', 'version': '', 'precision': '', 'sha256': ''},
            'engine': {'backend': '', 'device': '', 'reason': ''},
        },
    )
    run.finish(complete=False)
    assert 'stopped before the end' in html_of(run)


@pytest.mark.parametrize(('span', 'step'), [(1, 0.1), (28, 5), (600, 50), (86400, 10000)])
def test_ticks_are_round(span: float, step: float) -> None:
    assert nice_step(span) == pytest.approx(step)


def test_charts_stand_in_their_frame() -> None:
    sign = {
        'class_id': 1,
        'class_name': 'Stop',
        'confirmed_s': 99.0,
        'last_s': 99.9,
        'right': None,
        'curve': [[99.0, 0.5, 20.0], [99.9, 1.0, 30.0]],
    }
    navigation = {'speed_limit_mps': [[1.0, 13.9], [50.0, None]], 'stop_lock': [[2.0, True]]}
    for chart in (
        timeline([sign] * 9, ['data:,'] * 9, [], 100.0),
        score_chart([sign], 100.0),
        limit_chart(navigation, 100.0),
    ):
        for shape in chart.shapes:
            for name in ('x', 'x1', 'x2', 'y', 'y1', 'y2'):
                limit = chart.height if name[0] == 'y' else chart.width
                assert -1 <= shape.attributes.get(name, 0) <= limit, (shape, name)


def test_each_class_has_a_colour_of_its_own() -> None:
    for count in range(1, 30):
        found = hues([{'class_id': 7 * index} for index in range(count)])
        assert len(set(found.values())) == count
    stop_and_30 = hues([{'class_id': 14}, {'class_id': 1}])
    assert abs(stop_and_30[14] - stop_and_30[1]) == 180


def test_report_embeds_its_video_and_links_its_files(tmp_path: Path) -> None:
    for name in ('results.mcap', 'video.webm'):
        (tmp_path / name).write_bytes(b'')
    html = write_report(tmp_path, run_with()).read_text()
    assert '<video controls preload="metadata" src="video.webm">' in html
    assert '<a href="results.mcap">' in html


def test_frames_before_a_sign_is_named_are_seen_late_not_wrong() -> None:
    truth = Truth([TruthSpan('', 1, SECOND, 5 * SECOND)])
    run = Run('bag', {1: 'Stop'}, run_with().identity, truth=truth)
    run.add(seen(1), IMAGE)
    run.add(seen(2, (1, 5.0)), IMAGE)
    assert run.scorer is not None
    run.scorer.add_event(confirmed(1, 2.0), IMAGE)
    run.finish()
    truth_json = run.as_json()['truth']
    kinds = [error['kind'] for error in truth_json['errors']]
    assert 'late' in kinds
    assert 'frame' not in kinds
    assert truth_json['late_frames'] == 2 - truth_json['confusion'][0]['frames']
    assert 'Seen late' in html_of(run)
    assert 'wrong in this frame' not in html_of(run)


def test_index_of_many_bags_links_them_and_names_what_failed(tmp_path: Path) -> None:
    merged = {
        'bags': 2,
        'failed': 1,
        'frames': 9,
        'signs': 1,
        'truth': {'event_precision': 1.0, 'event_recall': 0.5},
        'runs': [
            {'bag': 'a<b', 'output': str(tmp_path / 'a'), 'error': 'is not a bag'},
            {
                'bag': 'c',
                'output': str(tmp_path / 'c'),
                'complete': True,
                'frames': 9,
                'signs': 1,
                'truth': None,
            },
        ],
    }
    html = index_page(merged, tmp_path)
    assert 'href="c/report.html"' in html
    assert 'a&lt;b' in html
    assert 'is not a bag' in html
