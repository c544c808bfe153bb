import io

from alexnet_ros.engine.progress import BuildProgress, ProgressPrinter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_gets_one_line_that_is_drawn_anew() -> None:
    stream = Terminal()
    printer = ProgressPrinter(stream)
    printer(BuildProgress('reading the network', None, 0.5))
    printer(BuildProgress('Tactic selection', 0.5, 7.0))
    printer.close()
    text = stream.getvalue()
    assert text.count('\n') == 1
    assert text.count('\r') == 2
    assert '[############............]' in text
    assert '50%' in text


def test_log_gets_a_line_every_five_seconds() -> None:
    stream = io.StringIO()
    printer = ProgressPrinter(stream)
    for second in range(3):  # all within far less than five seconds
        printer(BuildProgress('compiling', None, float(second)))
    assert stream.getvalue() == 'building engine: compiling (0 s)\n'
    printer._next_line = 0.0  # five seconds later
    printer(BuildProgress('compiling', None, 5.0))
    printer.close()
    assert stream.getvalue().splitlines()[1:] == ['building engine: compiling (5 s)']
