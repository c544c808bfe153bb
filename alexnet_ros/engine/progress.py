"""What an engine build tells while it runs, and how a terminal shows it."""

import sys
import time
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """
    One sign of life of a build.

    :param phase: what is being done, a few words.
    :param fraction: done share of the whole build, 0 to 1, or None where the
        builder does not tell.
    :param elapsed_s: seconds since the build began.
    """

    phase: str
    fraction: float | None
    elapsed_s: float

    def __str__(self) -> str:
        """Return one line for a log."""
        share = '' if self.fraction is None else f' {self.fraction:4.0%}'
        return f'building engine:{share} {self.phase} ({self.elapsed_s:.0f} s)'


class ProgressPrinter:
    """
    Show progress on standard error.

    A bar that is drawn anew on a terminal, one line every 5 s elsewhere.

    :param stream: where to write, standard error unless given.
    """

    WIDTH = 24
    LINE_EVERY_S = 5.0

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._next_line = 0.0
        self._drawn = 0

    def __call__(self, progress: BuildProgress) -> None:
        """Show one sign of life."""
        if not self._terminal:
            now = time.monotonic()
            if now >= self._next_line:
                self._next_line = now + self.LINE_EVERY_S
                self._stream.write(f'{progress}\n')
                self._stream.flush()
            return
        text = str(progress)
        if progress.fraction is not None:
            filled = round(progress.fraction * self.WIDTH)
            text = f'[{"#" * filled}{"." * (self.WIDTH - filled)}] {text}'
        text = text[:96]
        self._stream.write('\r' + text.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(text)

    def close(self) -> None:
        """End the bar's line."""
        if self._terminal and self._drawn:
            self._stream.write('\n')
            self._stream.flush()
            self._drawn = 0
