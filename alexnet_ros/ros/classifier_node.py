"""
The ``classifier`` lifecycle node: images in, recognitions out.

It only wires: :mod:`camera` has the topics, :mod:`mailbox` the newest images,
:mod:`worker` the inference thread, :mod:`pipeline` what is done there, and
:mod:`diagnostics` what is said about it. ``docs/node.md`` is its manual.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from std_srvs.srv import SetBool

from alexnet_ros.config import ClassifierSettings
from alexnet_ros.engine.base import BuildProgress
from alexnet_ros.errors import ConfigError, EngineFatalError, EngineUnavailableError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.ros import diagnostics, qos
from alexnet_ros.ros.bond import NOTICE_S, ManagerBond
from alexnet_ros.ros.camera import CameraPort
from alexnet_ros.ros.clients.dds_check import profile_warning
from alexnet_ros.ros.clients.findings import ERROR, STALE, Finding, array_from_findings
from alexnet_ros.ros.diagnostics import Heartbeat, Watchdog
from alexnet_ros.ros.lifecycle import ManagedNode
from alexnet_ros.ros.mailbox import Mailbox
from alexnet_ros.ros.parameters import Parameters
from alexnet_ros.ros.pipeline import Pipeline
from alexnet_ros.ros.process import run_node
from alexnet_ros.ros.waiting import WaitingLog
from alexnet_ros.ros.worker import STOP_S, Worker

EXIT_FATAL = 70  # sysexits.h EX_SOFTWARE: this process must be replaced
TICK_S = 0.2
SPIN_MARK_S = 0.5
PROGRESS_LINE_S = 5.0


class ClassifierNode(ManagedNode):
    """
    Recognises what camera images show.

    :param kwargs: passed on to rclpy's node (``context``, ``namespace``,
        ``parameter_overrides`` and so on).
    :raises ConfigError: a parameter is of the wrong type or out of its range.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._ports: dict[str, CameraPort] = {}
        self._worker: Worker | None = None
        self._pipeline: Pipeline | None = None
        self._mailbox: Mailbox | None = None
        self._enabled = True
        self._latched_threshold: float | None = None
        self._progress = ''
        self._next_report_s = 0.0
        super().__init__('alexnet', **kwargs)
        try:
            self._settings = Parameters(
                self,
                ClassifierSettings,
                active=lambda: self.active,
                configured=lambda: self._worker is not None,
            )
        except ConfigError:
            self.destroy_node()
            raise
        self._settings.on_change = lambda _settings: self._latch_labels()
        self._bond = ManagerBond(self)
        self._watchdog = Watchdog()
        self._waiting = WaitingLog(self.get_logger().warning)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(SPIN_MARK_S, self._watchdog.mark_spin, clock=steady)
        self.create_service(SetBool, '~/enable', self._on_enable)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
            ),
            post_callback=lambda _jump: self._forget_tracks(),
        )
        self._heartbeat = Heartbeat(
            lambda: min(TICK_S, self.settings.diagnostics_period_s),
            self._beat,
            self._on_beat_error,
        )
        self._heartbeat.start()
        if self.settings.autostart:
            self.start_soon()

    @property
    def settings(self) -> ClassifierSettings:
        """Return the settings in force."""
        return self._settings.current

    @property
    def executor_choice(self) -> str:
        """Which executor the process is to use."""
        return self.settings.executor

    # Transitions

    def do_configure(self) -> None:
        """Load the model in its own thread, then make the topics."""
        settings = self.settings
        self._settings.reload_needed.clear()
        self._mailbox = Mailbox(settings.cameras)
        self._pipeline = Pipeline(
            self._ports,
            lambda: self.settings,
            self._open_gate,
            lambda: self.get_clock().now().nanoseconds,
            self.get_logger(),
        )
        self._worker = Worker(self._mailbox, self._pipeline, self._pace, self._on_worker_error)
        self._worker.load(
            lambda: self._open_recognizer(settings), self.stopping, self.answer_queries
        )
        recognizer = self._worker.recognizer
        if recognizer is None:
            raise EngineUnavailableError('the inference thread ended right after loading')
        for name in settings.cameras:
            port = CameraPort(self, name, self._mailbox, lambda: self.settings, self._open_gate)
            self._ports[name] = port
        self._latched_threshold = None
        self._latch_labels()
        warning = profile_warning(os.environ)
        if warning:
            self.get_logger().warning(warning)
        info = recognizer.engine.info
        self.get_logger().info(
            f'model {info.model_name} ({info.precision}) runs in {info.backend} on {info.device}'
        )

    def do_activate(self) -> None:
        """Begin with the next image; the model is loaded already."""
        if self._settings.reload_needed:
            names = ', '.join(sorted(self._settings.reload_needed))
            raise ConfigError(f'{names} changed since configure: clean up and configure again')
        self._fresh_start()
        if self.settings.bond:
            self._bond.start()

    def do_deactivate(self) -> None:
        """Stop taking images; what is in work is not published any more."""
        self._end_bond()
        if self._mailbox is not None:
            self._mailbox.clear()

    def release(self) -> None:
        """End the inference thread and destroy the topics."""
        self._end_bond()
        worker, self._worker = self._worker, None
        if worker is not None:
            patience_s = STOP_S if self.stopping.is_set() else self.settings.inference_timeout_s
            try:
                worker.stop(patience_s)
            except EngineUnavailableError as error:
                if self.stopping.is_set():  # the process ends anyhow
                    self.get_logger().warning(str(error))
                else:
                    self.request_exit(EXIT_FATAL, str(error))
        for port in self._ports.values():
            port.close()
        self._ports.clear()
        self._mailbox = self._pipeline = None
        self._progress = ''

    def destroy_node(self) -> None:
        """Stop the heartbeat and release everything first."""
        heartbeat = getattr(self, '_heartbeat', None)
        if heartbeat is not None:
            heartbeat.stop()
            self._jump.unregister()
            self.release()
            if self._bond.held:
                time.sleep(NOTICE_S)  # for what was said last, such as the transition
                self.withdraw()
                time.sleep(NOTICE_S)
                self._bond.stop()
        super().destroy_node()

    def _end_bond(self) -> None:
        """Break the bond, unless the process ends: then that comes last."""
        if not self.stopping.is_set():
            self._bond.stop()

    # Work

    def _open_gate(self) -> bool:
        return self.active and self._enabled

    def _pace(self) -> tuple[float, float]:
        settings = self.settings
        rate_hz = settings.max_rate_hz
        return settings.batch_wait_ms / 1000, 1.0 / rate_hz if rate_hz else 0.0

    def _open_recognizer(self, settings: ClassifierSettings) -> Recognizer:
        return Recognizer.open(
            settings.model,
            backend=settings.backend,
            settings=settings.recognizer,
            precision=None if settings.precision == 'auto' else settings.precision,
            max_batch=settings.max_batch,
            threads=settings.threads,
            spinning=settings.spinning,
            cache_dir=settings.cache_dir or None,
            progress=self._on_progress,
            cancelled=self.stopping.is_set,
            **vars(settings.tensorrt),
        )

    def _on_progress(self, progress: BuildProgress) -> None:
        self._progress = str(progress)
        self.get_logger().info(self._progress, throttle_duration_sec=PROGRESS_LINE_S)

    def _on_worker_error(self, error: Exception) -> None:
        if isinstance(error, EngineFatalError):
            self.request_exit(EXIT_FATAL, f'the device is lost, a new process must start: {error}')
        elif self._pipeline is not None:
            self._pipeline.count_error(error)

    def _fresh_start(self) -> None:
        """Forget images, tracks and measured times of before."""
        if self._mailbox is not None and self._pipeline is not None:
            self._mailbox.clear()
            self._pipeline.samples.clear()
        for port in self._ports.values():
            port.restart()
        self._watchdog.restart()
        self._forget_tracks()

    def _forget_tracks(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.reset_soon()

    def _on_enable(self, request: Any, response: Any) -> Any:
        if request.data and not self._enabled:
            self._fresh_start()
        self._enabled = request.data
        if not request.data and self._mailbox is not None:
            self._mailbox.clear()
        state = 'enabled' if request.data else 'disabled'
        response.success = True
        response.message = state if self.active else f'{state}; the node is not active'
        return response

    def _latch_labels(self) -> None:
        """Publish the class names with the threshold, unless they stand already."""
        worker = self._worker
        recognizer = None if worker is None else worker.recognizer
        threshold = self.settings.recognizer.score_threshold
        if recognizer is None or threshold == self._latched_threshold:
            return
        self._latched_threshold = threshold
        for port in self._ports.values():
            port.publish_labels(recognizer.package, threshold)

    # Health

    def _beat(self) -> None:
        """Look for hangs and publish the diagnostics when they are due."""
        worker, now_s = self._worker, time.monotonic()
        for port in list(self._ports.values()):
            port.expire()
        hang = self._watchdog.hang(
            0.0 if worker is None else worker.busy_for_s(now_s),
            self.settings.inference_timeout_s,
            active=self.active,
        )
        if hang:
            self.request_exit(EXIT_FATAL, hang)
        if hang or now_s >= self._next_report_s:
            self._next_report_s = now_s + self.settings.diagnostics_period_s - TICK_S / 2
            self._waiting.tell(self._ports.values(), wanted=self._open_gate())
            self._diagnostics.publish(
                array_from_findings(
                    self.get_clock().now().to_msg(),
                    self.get_fully_qualified_name().lstrip('/'),
                    self.settings.hardware_id,
                    self.findings(),
                )
            )

    def _on_beat_error(self, error: Exception) -> None:
        if self.context.ok() and not self.stopping.is_set():
            self.get_logger().error(f'diagnostics: {error}', throttle_duration_sec=1.0)

    def findings(self) -> list[Finding]:
        """Return the state of the node as diagnostics have it."""
        settings, pipeline, worker = self.settings, self._pipeline, self._worker
        recognizer = None if worker is None else worker.recognizer
        paused = '' if self.active else 'not active'
        if self.active and not self._enabled:
            paused = 'disabled by ~/enable'
        inputs = [
            diagnostics.input_finding(port, settings, paused)
            for port in list(self._ports.values())
        ]
        info = None if recognizer is None else recognizer.engine.info
        package = None if recognizer is None else recognizer.package
        error = self.last_error or ('' if pipeline is None else pipeline.last_error)
        found = [
            diagnostics.node_finding(
                active=self.active,
                enabled=self._enabled,
                error=error,
                progress=self._progress if info is None else '',
            ),
            *inputs,
            diagnostics.backend_finding(
                info, 0 if pipeline is None else pipeline.inference_errors, error
            ),
            diagnostics.model_finding(package, info),
        ]
        if pipeline is not None:
            stale = any(one.level in (STALE, ERROR) for one in inputs)
            found.append(
                diagnostics.latency_finding(pipeline.samples, pipeline.foreign_stamps, stale=stale)
            )
        return found


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end; returns the exit status."""
    return run_node(ClassifierNode, args)


if __name__ == '__main__':
    sys.exit(main())
