"""The sign of life of long runs."""

import io
import time

import pytest

from tools import progress
from tools.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(name='clock')
def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now_s[0])
    return now_s


def test_without_a_terminal_a_line_comes_now_and_then(clock: list[float]) -> None:
    stream = io.StringIO()
    with Progress('soak', 600, every_s=60, stream=stream) as shown:
        for second in range(0, 400, 5):
            if 150 < second < 290:
                continue  # busy with something else: no lines are made up for it
            clock[0] = 100.0 + second
            shown.show(f'{second} images')
    assert stream.getvalue().splitlines() == [
        'soak: 1.0 of 10.0 min, 60 images',
        'soak: 2.0 of 10.0 min, 120 images',
        'soak: 4.8 of 10.0 min, 290 images',
        'soak: 5.0 of 10.0 min, 300 images',
        'soak: 6.0 of 10.0 min, 360 images',
    ]


def test_terminal_gets_a_bar_that_goes_away(clock: list[float]) -> None:
    stream = Terminal()
    with Progress('soak', 2.0, stream=stream) as shown:
        clock[0] += 1.0
        for _ in range(200):  # the bar is drawn every 0.1 s of real time
            shown.show('7 images')
            if '50% |' in stream.getvalue():
                break
            time.sleep(0.05)
    text = stream.getvalue()
    assert '7 images' in text
    assert '50% |' in text
    assert '\n' not in text
    assert text.endswith('\r')
