"""A bar on a terminal, whole lines elsewhere."""

import io

from alexnet_ros.cli.progress import BuildBar, Progress
from alexnet_ros.engine.base import BuildProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_log_gets_whole_lines_with_count_and_rate() -> None:
    stream = io.StringIO()
    with Progress(40, 'drive', file=stream) as progress:
        for _ in range(40):
            progress.update()
    text = stream.getvalue()
    first, *_, last = text.splitlines()
    assert '\r' not in text
    assert first.startswith('drive:   0%')
    assert '40/40' in last
    assert 'frames/s' in last


def test_terminal_gets_one_line_also_where_the_length_is_unknown() -> None:
    stream = Terminal()
    with Progress(0, 'bags', 'bags', file=stream) as progress:
        progress.update(3)
    assert stream.getvalue().count('\n') == 1
    assert '3 bags' in stream.getvalue()


def test_a_build_is_one_line_on_a_terminal_drawn_anew() -> None:
    stream = Terminal()
    with BuildBar(file=stream, mininterval=0) as bar:
        bar(BuildProgress('reading the network', None, 0.5))
        bar(BuildProgress('Tactic selection', 0.5, 7.0))
    text = stream.getvalue()
    assert text.count('\n') == 1
    assert 'reading the network' in text
    assert '50% Tactic selection (7 s)' in text


def test_a_build_in_a_log_begins_and_ends_with_a_line() -> None:
    stream = io.StringIO()
    with BuildBar(file=stream) as bar:
        for second in range(3):  # within far less than ten seconds
            bar(BuildProgress('compiling', None, float(second)))
    assert stream.getvalue().splitlines() == [
        'building engine: compiling (0 s)',
        'building engine: compiling (2 s)',
    ]


def test_no_build_says_nothing() -> None:
    stream = io.StringIO()
    BuildBar(file=stream).close()
    assert not stream.getvalue()
