"""A progress line with frames a second and the time left."""

import sys
import time
from typing import TextIO

REDRAW_S = 0.2
WIDTH = 24


class Progress:
    """
    One line on a terminal, a line every tenth of the way elsewhere.

    :param total: frames to come; 0 if that is not known.
    :param label: what is worked on.
    :param unit: what is counted.
    """

    def __init__(
        self, total: int, label: str = '', stream: TextIO | None = None, unit: str = 'frames'
    ) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.done = 0
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0
        self._tenth = 0

    def step(self, count: int = 1) -> None:
        """Go on by some frames."""
        self.done += count
        now = time.monotonic()
        if self._live:
            if now - self._drawn >= REDRAW_S:
                self._drawn = now
                self._stream.write(f'\r\x1b[K{self.line()}')
                self._stream.flush()
        elif self.total and self.done * 10 // self.total > self._tenth:
            self._tenth = self.done * 10 // self.total
            print(self.line(), file=self._stream)

    def line(self) -> str:
        """Return the line as it stands."""
        passed = max(time.monotonic() - self._began, 1e-6)
        rate = self.done / passed
        name = f'{self.label}  ' if self.label else ''
        if not self.total:
            return f'{name}{self.done} {self.unit}  {rate:.1f} {self.unit}/s'
        share = min(self.done / self.total, 1.0)
        bar = '█' * round(share * WIDTH) + '░' * (WIDTH - round(share * WIDTH))
        left = (self.total - self.done) / rate if rate else 0.0
        return (
            f'{name}{bar} {share:4.0%}  {self.done}/{self.total}  {rate:.1f} {self.unit}/s  '
            f'{int(left) // 60}:{int(left) % 60:02d} left'
        )

    def close(self) -> None:
        """End the line."""
        if self._live:
            self._stream.write(f'\r\x1b[K{self.line()}\n')
            self._stream.flush()
