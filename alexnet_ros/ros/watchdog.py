"""Notices that a frame, or the executor, does not come to an end."""

import time
from collections.abc import Callable

CONFIRMATIONS = 3  # looks in a row: a process that was stopped and goes on is no hang


class Watchdog:
    """Judges how long things have taken, at a steady pace, from its own thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spun_s = clock()
        self._suspicions = 0

    def mark_spin(self) -> None:
        """Note that the executor works; called by it several times a second."""
        self._spun_s = self._clock()

    restart = mark_spin

    def hang(self, busy_s: float, timeout_s: float, *, active: bool) -> str:
        """
        Return what hangs, or an empty text.

        :param busy_s: how long the frame in work has taken so far.
        :param timeout_s: how long a frame, or a callback, may take.
        :param active: whether the executor has to answer at all; loading a
            model keeps it busy for as long as that takes.
        """
        spin_s = self._clock() - self._spun_s
        if busy_s > timeout_s:
            text = f'a frame has been in work for {busy_s:.1f} s, allowed are {timeout_s:g} s'
        elif active and spin_s > timeout_s:
            text = f'the executor has not come back for {spin_s:.1f} s'
        else:
            self._suspicions = 0
            return ''
        self._suspicions += 1
        return text if self._suspicions >= CONFIRMATIONS else ''
