"""How far a run of an hour is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

from alexnet_ros.closing import Closing

LINE_EVERY_S = 60.0


class Progress(Closing):
    """
    A run whose length in seconds is known.

    :param what: its name.
    :param length_s: how long it takes.
    :param every_s: between two lines where there is no terminal, seconds.
    :param stream: where to write, standard error unless given.
    """

    def __init__(
        self,
        what: str,
        length_s: float,
        *,
        every_s: float = LINE_EVERY_S,
        stream: TextIO | None = None,
    ) -> None:
        self._what, self._length_s, self._every_s = what, length_s, every_s
        self._stream = stream or sys.stderr
        self._start_s = time.monotonic()
        self._next_s = self._start_s + every_s
        self._bar = tqdm(
            total=round(length_s),
            desc=what,
            file=self._stream,
            leave=False,
            disable=not self._stream.isatty(),
            bar_format='{desc} {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left{postfix}',
        )

    def show(self, text: str) -> None:
        """Tell how it stands; may be called as often as one likes."""
        now_s = time.monotonic()
        done_s = min(now_s - self._start_s, self._length_s)
        if not self._bar.disable:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(int(done_s) - self._bar.n)
        elif now_s >= self._next_s:
            self._next_s += self._every_s * (1 + (now_s - self._next_s) // self._every_s)
            clock = f'{done_s / 60:.1f} of {self._length_s / 60:.1f} min'
            print(f'{self._what}: {clock}, {text}', file=self._stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
