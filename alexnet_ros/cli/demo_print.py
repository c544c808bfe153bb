"""Prints what the nodes publish, as it comes."""

from collections.abc import Mapping
from typing import Any

from alexnet_ros.bags.pace import is_gap
from alexnet_ros.cli.progress import Progress


class Printer:
    """One line for each new sign, speed limit and stop lock, timed from ``first_ns``."""

    def __init__(self, first_ns: int, names: Mapping[int, str]) -> None:
        self._first_ns, self._names = first_ns, names
        self._now_ns = first_ns
        self._tracks: set[str] = set()
        self._limit: tuple[bool, float] | None = None
        self._lock: bool | None = None
        self._side = ''

    def heading(self) -> None:
        """Print the names of the columns."""
        print(f'\n{"time":>9}  {"what":<12} {"":<34} {"score":>6}', flush=True)

    def show(self, received: Any) -> None:
        """
        Take one received message in.

        :param received: with ``kind`` and ``message``.
        """
        kind = received.kind.rpartition('/')[2]
        if kind == 'Detection2DArray':
            self._detections(received.message)
        elif kind == 'SpeedLimit':
            self._speed_limit(received.message)
        elif kind == 'Bool':
            self._stop_lock(received.message)
        elif kind == 'Classification':
            self._tick(received.message)
        elif kind == 'Float32':
            self._steer(received.message.data)

    def _line(self, what: str, text: str, score: str = '') -> None:
        seconds = (self._now_ns - self._first_ns) / 1e9
        Progress.say(f'{seconds:7.2f} s  {what:<12} {text:<34} {score:>6}'.rstrip())

    def _steer(self, value: float) -> None:
        """Print a heading when it changes side."""
        side = 'left' if value < -0.33 else 'right' if value > 0.33 else 'straight'
        if side != self._side:
            self._side = side
            self._line('heading', f'{value:+.2f} ({side})')

    def _tick(self, message: Any) -> None:
        """Follow the stamps of the results."""
        now_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        if is_gap(now_ns - self._now_ns):  # it was skipped, or the clock was set
            self._first_ns += now_ns - self._now_ns
        self._now_ns = now_ns

    def _detections(self, message: Any) -> None:
        self._tick(message)
        for detection in message.detections:
            if detection.id and detection.id not in self._tracks and detection.results:
                self._tracks.add(detection.id)
                best = detection.results[0].hypothesis
                name = self._names.get(int(best.class_id), best.class_id)
                self._line('sign', name, f'{best.score:.3f}')

    def _speed_limit(self, message: Any) -> None:
        limit = (message.percentage, message.speed_limit)
        if limit == self._limit:
            return
        self._limit = limit
        if message.speed_limit == 0.0:
            text = 'none'
        elif message.percentage:
            text = f'{message.speed_limit:g} % of the maximum'
        else:
            text = f'{message.speed_limit:.2f} m/s ({message.speed_limit * 3.6:.0f} km/h)'
        self._line('speed limit', text)

    def _stop_lock(self, message: Any) -> None:
        if message.data != self._lock:
            if self._lock is not None or message.data:
                self._line('stop lock', 'on' if message.data else 'off')
            self._lock = message.data
