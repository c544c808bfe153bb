"""Settings of the nodes: each field is a ROS parameter."""

import dataclasses
import re
from dataclasses import dataclass

from alexnet_ros.config.declare import in_order, live, setting
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
    max_rate_hz: float = live(0.0, 'Maximum result rate per camera, Hz; 0 = no limit.', 0, 1000)
    batch_wait_ms: float = live(5.0, 'Maximum wait for other cameras of a batch, ms.', 0, 1000)
    detections_wait_ms: float = live(200.0, 'Maximum wait for the boxes of a frame, ms.', 0, 5000)
    own_track_ids: bool = live(False, 'With regions: detections, replace given ids by track ids.')
    lazy: bool = live(True, 'Skip inference while no output has subscribers.')
    overlay_quality: int = live(80, 'JPEG quality of the overlay, percent.', 1, 100)
    stale_after_s: float = live(1.0, 'Stale after this long without an image, s.', 0.05, 3600)
    error_after_s: float = live(5.0, 'In error after this long without an image, s.', 0.05, 3600)
    inference_timeout_s: float = live(10.0, 'Maximum time per frame, s; then it exits.', 0.1, 3600)
    diagnostics_period_s: float = live(1.0, 'Diagnostics period, s (monotonic clock).', 0.1, 60)
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
        in_order('stale_after_s', self.stale_after_s, 'error_after_s', self.error_after_s)
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
    max_speed_mps: float | None = live(
        None,
        "Speed cap, m/s: at most the controller's maximum; unset: no limit in m/s is sent.",
        0.01,
        100,
        kind=float,
    )
    max_age_s: float = live(1.0, 'Results of older images are ignored, seconds.', 0.01, 60)
    max_skew_s: float = live(0.05, 'Maximum lead of a stamp over the clock, seconds.', 0, 1)
    stale_after_s: float = live(1.0, 'Stale after this long without a good result, s.', 0.05, 60)
    on_stale: str = live('hold', 'When stale: hold the state, or stop.', choices=('hold', 'stop'))
    min_score: float = live(0.5, 'Results below this probability are ignored.', 0, 1)
    near_height_px: float = live(
        32.0, 'Height at which a sign counts as reached, pixels.', 0, 10000
    )
    passed_height_px: float = live(20.0, 'Minimum last height of a passed sign, pixels.', 0, 10000)
    passed_after_s: float = live(0.6, 'A sign unseen for this long is gone, s.', 0.05, 20)
    same_place_s: float = live(1.0, 'Of limits passed this close, s, the lowest wins.', 0, 20)
    limit_time_s: float = live(0.0, 'A limit ends after this, s; 0 = at an end sign.', 0, 86400)
    limit_distance_m: float = live(0.0, 'A limit ends after this, m; 0 = at an end sign.', 0, 1e6)
    release_to: str = live(
        'none',
        'With no limit left: none (0.0 once, no limit) or cap (max_speed_mps stays).',
        choices=('none', 'cap'),
    )
    stop_hold_s: float = live(
        3.0, 'Stop duration, s; from standstill if speed is known.', 0.1, 600
    )
    stop_again_s: float = live(5.0, 'Ignore stop signs this long after a stop, s.', 0, 600)
    yield_speed_mps: float = live(2.8, 'Speed limit at a yield sign, m/s.', 0.01, 100)
    yield_hold_s: float = live(
        4.0, 'A yield sign slows this long after its last sight, s.', 0.1, 600
    )
    warn_hold_s: float = live(5.0, 'A warning slows this long after its last sight, s.', 0.1, 600)
    engage_frames: int = live(2, 'Frames in a row before a stricter class takes effect.', 1, 100)
    release_frames: int = live(5, 'Frames in a row before a milder class takes effect.', 1, 1000)
    heading_smoothing: float = live(
        0.5, 'Weight of the last heading in the next, 0 to 1.', 0, 0.99
    )
    velocity_source: str = setting(
        'none', 'Source of the measured speed.', choices=('none', 'twist', 'odom')
    )
    require_label_info: bool = setting(False, 'Wait until label_info has confirmed the table.')
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
    lock_timeout_s: float = setting(0.5, 'Close after this long without stop_lock, s.', 0.15, 10)
    command_timeout_s: float = setting(
        0.5, 'Zeros after this long without a command, s.', 0.05, 10
    )
    period_s: float = setting(0.05, 'Period of the zero commands, seconds.', 0.01, 0.5)
