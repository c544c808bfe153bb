"""Settings of the recognizer and of its parts: finder, tracker, TensorRT."""

import dataclasses
from dataclasses import dataclass

from alexnet_ros.config.declare import setting


@dataclass(frozen=True)
class FinderSettings:
    """How sign candidates are found in a frame."""

    min_size_px: int = setting(20, 'Smallest candidate side, pixels.', 8, 400, live=True)
    max_size_px: int = setting(480, 'Largest candidate side, pixels.', 16, 4096, live=True)
    min_candidate_score: float = setting(
        0.0, "Lower-scored candidates are skipped; 0 = the finder's limit.", 0.0, 1.0, live=True
    )
    max_regions: int = setting(
        0, 'Most regions classified a frame, best first; 0 = 8 found, 16 given.', 0, 64, live=True
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the same sign is followed over frames."""

    confirm_hits: int = setting(
        3, 'Agreeing frames that confirm a sign (k of n).', 1, 50, live=True
    )
    confirm_window: int = setting(5, 'Frames looked back for agreement (n).', 1, 100, live=True)
    min_track_score: float = setting(
        0.8, 'Least accumulated probability of a confirmed sign.', 0.0, 1.0, live=True
    )
    max_missed_s: float = setting(
        0.5,
        'A track not seen for this long is forgotten (confirmed: four times), seconds.',
        0.05,
        10.0,
        live=True,
    )


@dataclass(frozen=True)
class RecognizerSettings:
    """What is looked at in a frame, and what counts as known."""

    regions: str = setting(
        'frame', 'What is classified in a frame.', choices=('frame', 'signs', 'detections')
    )
    top_k: int = setting(5, 'Hypotheses reported for each region.', 1, 100, live=True)
    score_threshold: float = setting(
        0.0, "Results below this are unknown, beside the model's own rule.", 0.0, 1.0, live=True
    )
    min_sign_score: float = setting(
        0.8,
        'Least joint probability of candidate and class for a known sign.',
        0.0,
        1.0,
        live=True,
    )
    features: bool = setting(False, 'Also give the 4096 values of fc7.')
    roi_xywh: list[int] = setting(
        [0, 0, 0, 0], 'Part of the frame to look at: x, y, width, height in pixels; 0 = all.'
    )
    finder: FinderSettings = dataclasses.field(default_factory=FinderSettings)
    tracker: TrackerSettings = dataclasses.field(default_factory=TrackerSettings)


@dataclass(frozen=True)
class TensorRtSettings:
    """How a network is compiled by TensorRT; other engines ignore these."""

    workspace_mb: int = setting(256, 'Scratch memory TensorRT may use, MiB.', 16, 65536)
    optimization_level: int = setting(
        3, 'How hard the builder searches: 0 quick build, 5 fastest engine.', 0, 5
    )
    timing_cache: bool = setting(
        True, 'Keep measured kernel times so that the next build is quicker.'
    )
    dla_core: int = setting(
        -1, 'Deep-learning accelerator core to use, with GPU fallback; -1 = none.', -1, 7
    )
    version_compatible: bool = setting(
        False, 'Build engines that later TensorRT versions can load; slower.'
    )
    build_limit_s: float = setting(
        1800.0, 'A build that takes longer is given up, seconds.', 1.0, 86400.0
    )
    tuned_batch: int = setting(
        4, 'Batch size the engine is tuned for; at most the largest batch.', 1, 256
    )
    cuda_graph: bool = setting(True, 'Replay each batch size as one CUDA graph.')
