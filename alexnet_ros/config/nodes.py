"""Settings of the nodes: each field is a ROS parameter."""

import dataclasses
import re
from dataclasses import dataclass

from alexnet_ros.config.declare import setting
from alexnet_ros.config.recognition import RecognizerSettings, TensorRtSettings
from alexnet_ros.errors import ConfigError


@dataclass(frozen=True)
class ClassifierSettings:
    """The parameters of the ``classifier`` node."""

    model: str = setting('signs', 'Model package: an installed name, or a path.')
    backend: str = setting(
        'auto',
        'Inference runtime; auto takes TensorRT where it works, else the faster CPU runtime.',
        choices=('auto', 'tensorrt', 'tensorrt_rtx', 'onnxruntime', 'cuda', 'cpu', 'openvino'),
    )
    precision: str = setting(
        'auto',
        'Model file to run; auto: the one this runtime runs fastest.',
        choices=('auto', 'int8', 'fp16', 'fp32'),
    )
    threads: int = setting(0, 'CPU threads for inference; 0 = chosen by the engine.', 0, 256)
    spinning: bool = setting(False, 'Busy-wait between operators: lower latency, more CPU time.')
    max_batch: int = setting(16, 'Maximum regions per inference batch.', 1, 64)
    cache_dir: str = setting('', 'Engine cache directory; empty = the user cache.')
    cameras: list[str] = setting(
        [''], 'Camera names; topics are NAME/image and ~/NAME/...; [""] is one without a name.'
    )
    image_transport: str = setting(
        'raw', 'Input topic and type: image, or image/compressed.', choices=('raw', 'compressed')
    )
    image_reliability: str = setting(
        'best_effort',
        'Reliability requested of the camera; best_effort accepts any.',
        choices=('best_effort', 'reliable'),
    )
    max_rate_hz: float = setting(
        0.0, 'Maximum result rate per camera, Hz; 0 = no limit.', 0.0, 1000.0, live=True
    )
    batch_wait_ms: float = setting(
        5.0, 'Maximum wait for other cameras to join a batch, ms.', 0.0, 1000.0, live=True
    )
    detections_wait_ms: float = setting(
        200.0, 'Maximum wait for the boxes of a frame, milliseconds.', 0.0, 5000.0, live=True
    )
    own_track_ids: bool = setting(
        False, 'With regions: detections, replace the given ids by own track ids.', live=True
    )
    lazy: bool = setting(True, 'Skip inference while no output has subscribers.', live=True)
    overlay_quality: int = setting(80, 'JPEG quality of the overlay, percent.', 1, 100, live=True)
    stale_after_s: float = setting(
        1.0,
        'The input is stale after this long without an image, seconds.',
        0.05,
        3600.0,
        live=True,
    )
    error_after_s: float = setting(
        5.0, 'The input is in error after this long without an image, s.', 0.05, 3600.0, live=True
    )
    inference_timeout_s: float = setting(
        10.0, 'Maximum time per frame; then the process exits, seconds.', 0.1, 3600.0, live=True
    )
    diagnostics_period_s: float = setting(
        1.0, 'Diagnostics period, seconds (monotonic clock).', 0.1, 60.0, live=True
    )
    hardware_id: str = setting('', 'hardware_id in the diagnostics; empty = the host name.')
    executor: str = setting(
        'auto', 'rclpy executor; auto: events if available.', choices=('auto', 'events', 'single')
    )
    autostart: bool = setting(False, 'Configure and activate without a lifecycle manager.')
    bond: bool = setting(False, "Hold a bond with Nav2's lifecycle manager (needs bondpy).")
    recognizer: RecognizerSettings = dataclasses.field(default_factory=RecognizerSettings)
    tensorrt: TensorRtSettings = dataclasses.field(default_factory=TensorRtSettings)

    def __post_init__(self) -> None:
        """Check what one declaration cannot say."""
        finder, tracker = self.recognizer.finder, self.recognizer.tracker
        for low, high, rule in (
            (finder.min_size_px, finder.max_size_px, 'min_size_px <= max_size_px'),
            (tracker.confirm_hits, tracker.confirm_window, 'confirm_hits <= confirm_window'),
            (self.stale_after_s, self.error_after_s, 'stale_after_s <= error_after_s'),
        ):
            if low > high:
                raise ConfigError(f'{rule} must hold, got {low} and {high}')
        roi = self.recognizer.roi_xywh
        if len(roi) != 4 or min(roi) < 0:
            raise ConfigError(f'roi_xywh must be four numbers of at least 0, got {roi}')
        _check_cameras(self.cameras)


def _check_cameras(names: list[str]) -> None:
    fit = all(re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name) for name in names)
    if not (names == [''] or (names and fit and len(set(names)) == len(names))):
        raise ConfigError(
            f'cameras must be [""] or distinct names of letters, digits and _, got {names}'
        )


@dataclass(frozen=True)
class NavigatorSettings:
    """How the navigator turns confirmed signs and classes into limits and locks."""

    actions: str = setting('sign_actions.yaml', 'Action table: a path, or a file in config/.')
    max_speed_mps: float | None = setting(
        None,
        "Speed cap, m/s: at most the controller's maximum; unset: no limit in m/s is sent.",
        0.01,
        100.0,
        live=True,
        kind=float,
    )
    max_age_s: float = setting(
        1.0, 'Results of older images are ignored, seconds.', 0.01, 60.0, live=True
    )
    max_skew_s: float = setting(
        0.05, 'Maximum lead of a stamp over the clock, seconds.', 0.0, 1.0, live=True
    )
    stale_after_s: float = setting(
        1.0, 'Stale after this long without a good result, seconds.', 0.05, 60.0, live=True
    )
    on_stale: str = setting(
        'hold', 'When stale: hold the last state, or stop.', choices=('hold', 'stop'), live=True
    )
    min_score: float = setting(
        0.5, 'Results below this probability are ignored.', 0.0, 1.0, live=True
    )
    near_height_px: float = setting(
        32.0, 'Image height at which a sign counts as reached, pixels.', 0.0, 10000.0, live=True
    )
    passed_height_px: float = setting(
        20.0, 'Minimum last height of a sign that was passed, pixels.', 0.0, 10000.0, live=True
    )
    passed_after_s: float = setting(
        0.6, 'A sign unseen for this long is gone, s; above max_missed_s.', 0.05, 20.0, live=True
    )
    same_place_s: float = setting(
        1.0, 'Of limit signs passed this close in time the lowest wins, s.', 0.0, 20.0, live=True
    )
    limit_time_s: float = setting(
        0.0, 'A limit expires after this, s; 0 = only at an end sign.', 0.0, 86400.0, live=True
    )
    limit_distance_m: float = setting(
        0.0, 'A limit expires after this, m; 0 = only at an end sign.', 0.0, 1e6, live=True
    )
    release_to: str = setting(
        'none',
        'With no limit left: none (0.0 once, no limit) or cap (max_speed_mps stays).',
        choices=('none', 'cap'),
        live=True,
    )
    stop_hold_s: float = setting(
        3.0, 'Stop duration, s; counted from standstill if speed is known.', 0.1, 600.0, live=True
    )
    stop_again_s: float = setting(
        5.0, 'Ignore further stop signs this long after a stop, seconds.', 0.0, 600.0, live=True
    )
    yield_speed_mps: float = setting(
        2.8, 'Speed limit at a yield sign, m/s.', 0.01, 100.0, live=True
    )
    yield_hold_s: float = setting(
        4.0, 'A yield sign slows this long after it was last seen, s.', 0.1, 600.0, live=True
    )
    warn_hold_s: float = setting(
        5.0, 'A warning sign slows this long after it was last seen, s.', 0.1, 600.0, live=True
    )
    engage_frames: int = setting(
        2, 'Consecutive frames before a stricter class takes effect.', 1, 100, live=True
    )
    release_frames: int = setting(
        5, 'Consecutive frames before a less strict class takes effect.', 1, 1000, live=True
    )
    heading_smoothing: float = setting(
        0.5, 'Weight of the previous heading in the next, 0 to 1.', 0.0, 0.99, live=True
    )
    velocity_source: str = setting(
        'none', 'Source of the measured speed.', choices=('none', 'twist', 'odom')
    )
    require_label_info: bool = setting(
        False, "Wait until the model's label_info has confirmed the table."
    )
    cameras: list[str] = setting(
        [''], 'Camera names; topics are NAME/detections ...; [""] is one topic for all cameras.'
    )
    state_file: str = setting(
        '', 'State kept over a restart; empty: in $ROS_HOME/alexnet_ros; none: not kept.'
    )

    def __post_init__(self) -> None:
        """Refuse a limit by distance that no measured distance could end."""
        if self.limit_distance_m and self.velocity_source == 'none':
            raise ConfigError('limit_distance_m needs velocity_source twist or odom')
        _check_cameras(self.cameras)


@dataclass(frozen=True)
class GateSettings:
    """When the velocity gate lets commands pass."""

    stamped: bool = setting(False, 'Commands are TwistStamped (default in Kilted), not Twist.')
    lock_timeout_s: float = setting(
        0.5, 'Close after this long without stop_lock, seconds.', 0.15, 10.0
    )
    command_timeout_s: float = setting(
        0.5, 'Send zeros after this long without a command, seconds.', 0.05, 10.0
    )
    period_s: float = setting(0.05, 'Period of the zero commands, seconds.', 0.01, 0.5)
