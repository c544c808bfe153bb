"""Settings of the recognizer and of its parts: finder, tracker, TensorRT."""

import dataclasses
from dataclasses import dataclass

from alexnet_ros.config.declare import in_order, live, setting
from alexnet_ros.errors import ConfigError


@dataclass(frozen=True)
class FinderSettings:
    """How sign candidates are found in a frame."""

    min_size_px: int = live(20, 'Minimum candidate side, pixels.', 8, 400)
    max_size_px: int = live(480, 'Maximum candidate side, pixels.', 16, 4096)
    min_candidate_score: float = live(0.0, "Minimum candidate score; 0 = the finder's own.", 0, 1)
    max_regions: int = live(
        0,
        'Maximum regions per frame, best first; 0 = 16 given, 8 found (1 scored below 0.08).',
        0,
        64,
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the same sign is followed over frames."""

    confirm_hits: int = live(3, 'Agreeing frames that confirm a sign (k of n).', 1, 50)
    confirm_window: int = live(5, 'Window of frames for the agreement (n).', 1, 100)
    min_track_score: float = live(0.8, 'Minimum fused probability of a confirmed sign.', 0, 1)
    max_missed_s: float = live(
        0.5, 'Drop a track unseen for this long, s; confirmed: 4x.', 0.05, 10
    )


@dataclass(frozen=True)
class RecognizerSettings:
    """What is looked at in a frame, and what counts as known."""

    regions: str = setting(
        'frame', 'What to classify in a frame.', choices=('frame', 'signs', 'detections')
    )
    top_k: int = live(5, 'Hypotheses reported per region.', 1, 100)
    score_threshold: float = live(0.0, "Results below are unknown, beside the model's rule.", 0, 1)
    min_sign_score: float = live(0.8, 'Minimum probability (candidate x class) of a sign.', 0, 1)
    features: bool = setting(False, 'Also publish the 4096 fc7 features.')
    roi_xywh: list[int] = setting([0, 0, 0, 0], 'Region of interest: x, y, w, h, pixels; 0 = all.')
    finder: FinderSettings = dataclasses.field(default_factory=FinderSettings)
    tracker: TrackerSettings = dataclasses.field(default_factory=TrackerSettings)

    def __post_init__(self) -> None:
        """Check what one declaration cannot say."""
        finder, tracker, roi = self.finder, self.tracker, self.roi_xywh
        in_order('min_size_px', finder.min_size_px, 'max_size_px', finder.max_size_px)
        in_order('confirm_hits', tracker.confirm_hits, 'confirm_window', tracker.confirm_window)
        if len(roi) != 4 or min(roi) < 0:
            raise ConfigError(f'roi_xywh must be four numbers of at least 0, got {roi}')


@dataclass(frozen=True)
class TensorRtSettings:
    """How a network is compiled by TensorRT; other engines ignore these."""

    workspace_mb: int = setting(256, 'TensorRT workspace limit, MiB.', 16, 65536)
    optimization_level: int = setting(3, '0 = fastest build, 5 = fastest engine.', 0, 5)
    timing_cache: bool = setting(True, 'Keep kernel timings to speed up the next build.')
    dla_core: int = setting(-1, 'DLA core to use, with GPU fallback; -1 = none.', -1, 7)
    version_compatible: bool = setting(False, 'Later TensorRT can load the engine (slower).')
    build_limit_s: float = setting(1800.0, 'Maximum build time, seconds.', 1, 86400)
    tuned_batch: int = setting(4, 'Batch size to tune for; at most max_batch.', 1, 256)
    cuda_graph: bool = setting(True, 'Replay each batch size as one CUDA graph.')
