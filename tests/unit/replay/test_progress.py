import io

from alexnet_ros.replay.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_log_gets_a_line_every_tenth() -> None:
    stream = io.StringIO()
    progress = Progress(40, 'bag', stream)
    for _ in range(40):
        progress.step()
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith('bag  ')
    assert '100%  40/40' in lines[-1]
    assert 'frames/s' in lines[-1]


def test_terminal_gets_one_line() -> None:
    stream = Terminal()
    progress = Progress(0, stream=stream, unit='bags')
    progress.step(3)
    progress.close()
    assert stream.getvalue().count('\n') == 1
    assert '3 bags' in progress.line()
    assert '\x1b[K' in stream.getvalue()
