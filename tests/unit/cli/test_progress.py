"""A bar on a terminal, whole lines elsewhere."""

import io

from alexnet_ros.cli.progress import Progress


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
