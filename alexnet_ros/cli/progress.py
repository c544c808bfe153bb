"""How far a job is, on standard error."""

import io
import sys
from typing import Any

from tqdm import tqdm

from alexnet_ros.closing import Closing
from alexnet_ros.engine.base import BuildProgress

LINE_EVERY_S = 10.0


class Progress(tqdm):  # type: ignore[misc]  # it has no types
    """A bar on a terminal, a line every ten seconds elsewhere; ``total`` 0 is not known."""

    def __init__(self, total: int, name: str, unit: str = 'frames', **kwargs: Any) -> None:
        kwargs.setdefault('file', sys.stderr)
        self._live = kwargs['file'].isatty()
        interval_s = 0.1 if self._live else LINE_EVERY_S
        super().__init__(
            total=total or None,
            desc=name,
            unit=f' {unit}',
            miniters=1,
            dynamic_ncols=self._live,
            **{'mininterval': interval_s, **kwargs},
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Draw the bar, or write its line."""
        if self._live:
            return bool(super().display(msg, pos))
        print(msg if msg is not None else str(self), file=self.fp, flush=True)
        return True

    @classmethod
    def say(cls, text: str) -> None:
        """Print a line on standard output, above the bars of a terminal."""
        if sys.stderr.isatty():
            cls.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """End the bar, or write the last line."""
        if not self._live and not self.disable:
            self.display()
            self.fp = io.StringIO()  # for the empty line that tqdm ends with
        super().close()


class BuildBar(Closing):
    """Shows an engine build, from its first sign of life on."""

    def __init__(self, **how: Any) -> None:
        self._how = how
        self._bar: Progress | None = None

    def __call__(self, progress: BuildProgress) -> None:
        """Show one sign of life."""
        if self._bar is None:
            self._bar = Progress(0, str(progress), bar_format='{desc}', **self._how)
        self._bar.set_description_str(str(progress), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """End the bar, if there was one."""
        if self._bar is not None:
            self._bar.close()
