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
        'Which file of the model package; auto takes what the runtime runs best.',
        choices=('auto', 'int8', 'fp16', 'fp32'),
    )
    threads: int = setting(0, 'CPU threads of the network; 0 = the engine chooses.', 0, 256)
    spinning: bool = setting(False, 'Busy-wait between operators: lower latency, more CPU time.')
    max_batch: int = setting(16, 'Most regions in one run of the network.', 1, 64)
    cache_dir: str = setting('', 'Where built engines are kept; empty for the user cache.')
    cameras: list[str] = setting(
        [''], 'Camera names; topics are NAME/image and ~/NAME/...; [""] is one without a name.'
    )
    image_transport: str = setting(
        'raw', 'Input topic and type: image, or image/compressed.', choices=('raw', 'compressed')
    )
    image_reliability: str = setting(
        'best_effort',
        'Reliability asked of the camera; best_effort takes any.',
        choices=('best_effort', 'reliable'),
    )
    max_rate_hz: float = setting(
        0.0, 'Most results a second and camera; 0 is no limit.', 0.0, 1000.0, live=True
    )
    batch_wait_ms: float = setting(
        5.0,
        'Longest wait for other cameras to share a batch, milliseconds.',
        0.0,
        1000.0,
        live=True,
    )
    detections_wait_ms: float = setting(
        200.0, 'Longest wait for the boxes of a frame, milliseconds.', 0.0, 5000.0, live=True
    )
    own_track_ids: bool = setting(
        False, 'With regions: detections, ids of confirmed signs replace those given.', live=True
    )
    lazy: bool = setting(True, 'Do no work while nobody listens to a result.', live=True)
    overlay_quality: int = setting(80, 'JPEG quality of the overlay, percent.', 1, 100, live=True)
    stale_after_s: float = setting(
        1.0, 'No image for this long makes the input stale, seconds.', 0.05, 3600.0, live=True
    )
    error_after_s: float = setting(
        5.0, 'No image for this long puts the input in error, seconds.', 0.05, 3600.0, live=True
    )
    inference_timeout_s: float = setting(
        10.0, 'Longest a frame may take before the process ends, seconds.', 0.1, 3600.0, live=True
    )
    diagnostics_period_s: float = setting(
        1.0, 'Time between diagnostics, on the steady clock, seconds.', 0.1, 60.0, live=True
    )
    hardware_id: str = setting('', 'Hardware id in the diagnostics; empty for the host name.')
    executor: str = setting(
        'auto', 'rclpy executor; auto: events if available.', choices=('auto', 'events', 'single')
    )
    autostart: bool = setting(False, 'Configure and activate without a lifecycle manager.')
    bond: bool = setting(False, "Keep a bond with Nav2's lifecycle manager (needs bondpy).")
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
            f'cameras must be [""] or different names of letters, digits and _, got {names}'
        )


@dataclass(frozen=True)
class NavigatorSettings:
    """How the navigator turns confirmed signs and classes into limits and locks."""

    actions: str = setting('sign_actions.yaml', 'Table of actions: a path or a file in config/.')
    max_speed_mps: float | None = setting(
        None,
        "Cap, metres a second: the controller's own maximum or less; without it no limit "
        'in m/s is sent.',
        0.01,
        100.0,
        live=True,
        kind=float,
    )
    max_age_s: float = setting(
        1.0, 'Images older than this do nothing, seconds.', 0.01, 60.0, live=True
    )
    max_skew_s: float = setting(
        0.05, 'How far ahead of the clock a stamp may be, seconds.', 0.0, 1.0, live=True
    )
    stale_after_s: float = setting(
        1.0, 'No good result for this long makes the input stale, seconds.', 0.05, 60.0, live=True
    )
    on_stale: str = setting(
        'hold', 'When stale: hold the last state, or stop.', choices=('hold', 'stop'), live=True
    )
    min_score: float = setting(
        0.5, 'Results below this probability do nothing.', 0.0, 1.0, live=True
    )
    near_height_px: float = setting(
        32.0, 'A sign this high is reached, pixels of the camera frame.', 0.0, 10000.0, live=True
    )
    passed_height_px: float = setting(
        20.0, 'A sign that was this high and is gone was passed, pixels.', 0.0, 10000.0, live=True
    )
    passed_after_s: float = setting(
        0.6, 'A sign unseen this long is gone; above max_missed_s, seconds.', 0.05, 20.0, live=True
    )
    same_place_s: float = setting(
        1.0,
        'Limit signs passed within this time: the lowest counts, seconds.',
        0.0,
        20.0,
        live=True,
    )
    limit_time_s: float = setting(
        0.0,
        'A limit expires after this, seconds; 0 = at an end sign only.',
        0.0,
        86400.0,
        live=True,
    )
    limit_distance_m: float = setting(
        0.0, 'A limit expires after this, metres; 0 = at an end sign only.', 0.0, 1e6, live=True
    )
    release_to: str = setting(
        'none',
        'With no limit left: none (0.0 once, no limit) or cap (max_speed_mps stays).',
        choices=('none', 'cap'),
        live=True,
    )
    stop_hold_s: float = setting(
        3.0,
        'How long a stop sign locks (from standstill if known), seconds.',
        0.1,
        600.0,
        live=True,
    )
    stop_again_s: float = setting(
        5.0, 'No other stop sign stops so soon after a stop, seconds.', 0.0, 600.0, live=True
    )
    yield_speed_mps: float = setting(
        2.8, 'Speed at a yield sign, metres a second.', 0.01, 100.0, live=True
    )
    yield_hold_s: float = setting(
        4.0, 'How long a yield sign slows after last being seen, seconds.', 0.1, 600.0, live=True
    )
    warn_hold_s: float = setting(
        5.0, 'How long a warning sign slows after last being seen, seconds.', 0.1, 600.0, live=True
    )
    engage_frames: int = setting(
        2, 'Frames in a row that make a whole-frame class stricter.', 1, 100, live=True
    )
    release_frames: int = setting(
        5, 'Frames in a row that make a whole-frame class less strict.', 1, 1000, live=True
    )
    heading_smoothing: float = setting(
        0.5, 'Share of the last heading kept in the next, 0 to 1.', 0.0, 0.99, live=True
    )
    velocity_source: str = setting(
        'none', 'Measured speed: none, twist or odom.', choices=('none', 'twist', 'odom')
    )
    require_label_info: bool = setting(
        False, "Do nothing before the model's label_info has confirmed the table."
    )
    cameras: list[str] = setting(
        [''], 'Camera names; topics are NAME/detections ...; [""] is one topic for all cameras.'
    )
    state_file: str = setting(
        '', 'What must survive a restart; empty: in $ROS_HOME/alexnet_ros, none: nothing survives.'
    )

    def __post_init__(self) -> None:
        """Refuse a limit by distance that no measured distance could end."""
        if self.limit_distance_m and self.velocity_source == 'none':
            raise ConfigError('limit_distance_m needs velocity_source twist or odom')
        _check_cameras(self.cameras)


@dataclass(frozen=True)
class GateSettings:
    """When the velocity gate lets commands pass."""

    stamped: bool = setting(False, 'Commands are TwistStamped (the default of Kilted), not Twist.')
    lock_timeout_s: float = setting(
        0.5, 'Closed while stop_lock has been silent for so long, seconds.', 0.15, 10.0
    )
    command_timeout_s: float = setting(
        0.5, 'Zeros where no command has come for so long, seconds.', 0.05, 10.0
    )
    period_s: float = setting(0.05, 'Time between two zeros, seconds.', 0.01, 0.5)
