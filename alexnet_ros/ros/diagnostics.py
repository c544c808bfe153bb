"""
The state of the node as ``diagnostic_msgs``, after REP-107.

Published from a thread of its own on the steady clock: it goes on while a
model loads, while simulated time stands still and while a frame hangs, and so
it is also what notices that a frame hangs.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from alexnet_ros.config import ClassifierSettings
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import EngineInfo
from alexnet_ros.ros.camera import CameraPort
from alexnet_ros.ros.clients.dds_check import active_profile, loss_remedy, profile_warning
from alexnet_ros.ros.clients.findings import ERROR, OK, STALE, WARN, Finding
from alexnet_ros.ros.clients.stamp_rate import NOTABLE_LOSS
from alexnet_ros.ros.stats import PERCENTILES, Samples

CONFIRMATIONS = 3  # looks in a row: a process that was stopped and goes on is no hang


def input_finding(port: CameraPort, settings: ClassifierSettings, paused: str) -> Finding:
    """Judge the images of one camera; ``paused`` says why none are wanted."""
    stats, matcher = port.stats, port.matcher
    silent_s = stats.silent_s()
    publishers, unfit = port.publishers()
    new_rejections = stats.new_rejections()
    rates, lost = stats.stamps.measure(stats.now_s()), stats.stamps.loss(stats.now_s())
    values: dict[str, Any] = {
        'topic': port.topic,
        'publishers': publishers,
        'publishers with too little RELIABILITY': unfit,
        'input rate (Hz)': stats.input_rate.hz(stats.now_s()),
        'result rate (Hz)': stats.result_rate.hz(stats.now_s()),
        'rate sent, by stamps (Hz)': 'unknown' if rates is None else rates[1],
        'lost before this node (%)': 'unknown' if rates is None else 100 * lost,
        'time since last image (ms)': silent_s * 1e3 if stats.last_image_s else 'none yet',
        'frames received': stats.received,
        'frames processed': stats.processed,
        'frames dropped for a newer one': stats.dropped,
        'frames skipped while nobody listened': stats.unwatched,
        'frames rejected': sum(stats.rejected.values()),
        'stamps that went back': stats.stamp_jumps,
        'incompatible QoS events': stats.incompatible_qos,
    }
    values |= {f'rejected: {key}': count for key, count in sorted(stats.rejected.items())}
    if matcher is not None:
        values['frames without boxes'] = matcher.frames.given_up
        values['boxes without a frame'] = matcher.boxes.given_up
    task = f'input {port.name}'.strip()
    if paused:
        return Finding(task, OK, paused, values)
    if unfit and unfit == publishers:
        text = 'incompatible RELIABILITY: the publisher offers best effort, reliable is asked for'
        return Finding(task, ERROR, text, values)
    if port.sends_other_type():
        return Finding(task, ERROR, port.missing(), values)
    silence = f'no image for {silent_s:.1f} s on {port.topic}'
    if silent_s >= min(settings.stale_after_s, settings.error_after_s):
        silence += f': {port.missing()}'
    if silent_s >= settings.error_after_s:
        return Finding(task, ERROR, silence, values)
    if silent_s >= settings.stale_after_s:
        return Finding(task, STALE, silence, values)
    if unfit:
        return Finding(task, WARN, f'{unfit} publishers offer too little RELIABILITY', values)
    if new_rejections:
        last = max(stats.rejected, key=lambda key: stats.rejected[key])
        return Finding(task, WARN, f'{new_rejections} images rejected, mostly {last}', values)
    if publishers > 1:
        return Finding(task, WARN, f'{publishers} publishers on one camera topic', values)
    if rates is not None and lost > NOTABLE_LOSS:
        text = (
            f'{rates[0]:.1f} of {rates[1]:.1f} images a second arrive: {loss_remedy(os.environ)}'
        )
        return Finding(task, WARN, text, values)
    if stats.last_image_s is None:
        return Finding(task, OK, f'waiting for images on {port.topic}: {port.missing()}', values)
    return Finding(task, OK, 'images arrive', values)


def latency_finding(samples: Samples, foreign_stamps: int, *, stale: bool) -> Finding:
    """
    Return the percentiles of every stage and of the age of results.

    :param foreign_stamps: results whose image has a stamp in the future or
        more than an hour old, thus of another clock; their age is not counted.
    :param stale: the values are of the past; no image comes.
    """
    values: dict[str, Any] = {}
    for name, numbers in samples.percentiles().items():
        for percent, number in zip(PERCENTILES, numbers, strict=True):
            values[f'{name} p{percent} (ms)'] = number
    values['results with a stamp of another clock'] = foreign_stamps
    median = values.get('age of result p50 (ms)', values.get('total p50 (ms)'))
    if median is None:
        return Finding('latency', OK, 'no result yet', values)
    return Finding('latency', OK, f'{"last " if stale else ""}median {median:.1f} ms', values)


def node_finding(*, active: bool, enabled: bool, error: str, progress: str) -> Finding:
    """Return whether the node works; ``error`` failed last and has not worked since."""
    values = {
        'active': active,
        'enabled': enabled,
        'last error': error or 'none',
        'process id': os.getpid(),
        'DDS profile': profile_warning(os.environ) or active_profile(os.environ) or 'none needed',
    }
    state = 'active' if active else 'not active'
    return Finding('node', ERROR if error else OK, error or progress or state, values)


def backend_finding(info: EngineInfo | None, errors: int, error: str) -> Finding:
    """Return what runs the network and why; ``errors`` counts the frames that failed in it."""
    if info is None:
        return Finding('backend', ERROR if error else OK, error or 'no model loaded', {})
    values = {
        'backend': info.backend,
        'device': info.device,
        'precision': info.precision,
        'reason': info.reason,
        'largest batch': info.max_batch,
        'inference errors': errors,
    }
    return Finding('backend', ERROR if error else OK, error or info.backend, values)


def model_finding(package: ModelPackage | None, info: EngineInfo | None) -> Finding:
    """Return which model is loaded."""
    if package is None or info is None:
        return Finding('model', OK, 'no model loaded', {})
    height, width = info.input_hw
    values = {
        'name': package.name,
        'version': package.version,
        'sha256': info.model_sha256,
        'folder': package.folder,
        'input (px)': f'{width}x{height}',
        'classes': len(package.labels),
    }
    return Finding('model', OK, package.name, values)


class Heartbeat:
    """Calls a function at a steady pace, ``period_s`` in seconds, in a thread of its own."""

    def __init__(
        self,
        period_s: Callable[[], float],
        beat: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._period_s = period_s
        self._beat = beat
        self._on_error = on_error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='heartbeat', daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when no call is under way any more."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.wait(self._period_s()):
            try:
                self._beat()
            except Exception as error:
                self._on_error(error)


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
