"""Settings of the recognizer and of its parts: finder, tracker, TensorRT."""

import dataclasses
from dataclasses import dataclass

from alexnet_ros.config.declare import setting


@dataclass(frozen=True)
class FinderSettings:
    """How sign candidates are found in a frame."""

    min_size_px: int = setting(20, 'Minimum candidate side, pixels.', 8, 400, live=True)
    max_size_px: int = setting(480, 'Maximum candidate side, pixels.', 16, 4096, live=True)
    min_candidate_score: float = setting(
        0.0, "Minimum candidate score; 0 = the finder's own threshold.", 0.0, 1.0, live=True
    )
    max_regions: int = setting(
        0,
        'Maximum regions per frame, best first; 0 = 16 given, 8 found (1 scored below 0.08).',
        0,
        64,
        live=True,
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the same sign is followed over frames."""

    confirm_hits: int = setting(
        3, 'Agreeing frames that confirm a sign (k of n).', 1, 50, live=True
    )
    confirm_window: int = setting(5, 'Window of frames for the agreement (n).', 1, 100, live=True)
    min_track_score: float = setting(
        0.8, 'Minimum fused probability of a confirmed sign.', 0.0, 1.0, live=True
    )
    max_missed_s: float = setting(
        0.5,
        'Drop a track after this long unseen (confirmed: 4 times it), s.',
        0.05,
        10.0,
        live=True,
    )


@dataclass(frozen=True)
class RecognizerSettings:
    """What is looked at in a frame, and what counts as known."""

    regions: str = setting(
        'frame', 'What to classify in a frame.', choices=('frame', 'signs', 'detections')
    )
    top_k: int = setting(5, 'Hypotheses reported per region.', 1, 100, live=True)
    score_threshold: float = setting(
        0.0, "Results below this are unknown, on top of the model's rule.", 0.0, 1.0, live=True
    )
    min_sign_score: float = setting(
        0.8, 'Minimum probability (candidate x class) of a known sign.', 0.0, 1.0, live=True
    )
    features: bool = setting(False, 'Also publish the 4096 fc7 features.')
    roi_xywh: list[int] = setting(
        [0, 0, 0, 0], 'Region of interest: x, y, width, height, pixels; 0 = all.'
    )
    finder: FinderSettings = dataclasses.field(default_factory=FinderSettings)
    tracker: TrackerSettings = dataclasses.field(default_factory=TrackerSettings)


@dataclass(frozen=True)
class TensorRtSettings:
    """How a network is compiled by TensorRT; other engines ignore these."""

    workspace_mb: int = setting(256, 'TensorRT workspace limit, MiB.', 16, 65536)
    optimization_level: int = setting(
        3, 'Builder effort: 0 = fastest build, 5 = fastest engine.', 0, 5
    )
    timing_cache: bool = setting(True, 'Keep kernel timings to speed up the next build.')
    dla_core: int = setting(-1, 'DLA core to use, with GPU fallback; -1 = none.', -1, 7)
    version_compatible: bool = setting(
        False, 'Build engines that later TensorRT versions can load (slower).'
    )
    build_limit_s: float = setting(1800.0, 'Maximum build time, seconds.', 1.0, 86400.0)
    tuned_batch: int = setting(4, 'Batch size to tune for; at most max_batch.', 1, 256)
    cuda_graph: bool = setting(True, 'Replay each batch size as one CUDA graph.')
