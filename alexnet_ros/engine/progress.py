"""What an engine build tells while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """
    One sign of life of a build.

    :param phase: what is being done, a few words.
    :param fraction: done share of the whole build, 0 to 1, or None where the
        builder does not tell.
    """

    phase: str
    fraction: float | None
    elapsed_s: float

    def __str__(self) -> str:
        """Return one line for a log."""
        share = '' if self.fraction is None else f' {self.fraction:4.0%}'
        return f'building engine:{share} {self.phase} ({self.elapsed_s:.0f} s)'
