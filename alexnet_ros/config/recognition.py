"""Settings of the recognizer and of its parts: finder, tracker, TensorRT."""

import dataclasses
from dataclasses import dataclass

from alexnet_ros.config.declare import setting


@dataclass(frozen=True)
class FinderSettings:
    """How sign candidates are found in a frame."""

    min_size_px: int = setting(20, 'Smallest candidate side, pixels.', low=8, high=400, live=True)
    max_size_px: int = setting(
        480, 'Largest candidate side, pixels.', low=16, high=4096, live=True
    )
    min_candidate_score: float = setting(
        0.0,
        "Candidates scored below this are not classified; 0 = the finder's own limit.",
        low=0.0,
        high=1.0,
        live=True,
    )
    max_regions: int = setting(
        0,
        'Most regions classified in one frame, best first; 0 = 8 that were found, 16 given boxes.',
        low=0,
        high=64,
        live=True,
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the same sign is followed over frames."""

    confirm_hits: int = setting(
        3, 'Agreeing frames that confirm a sign (k of n).', low=1, high=50, live=True
    )
    confirm_window: int = setting(
        5, 'Frames looked back for agreement (n).', low=1, high=100, live=True
    )
    min_track_score: float = setting(
        0.8, 'Least accumulated probability of a confirmed sign.', low=0.0, high=1.0, live=True
    )
    max_missed_s: float = setting(
        0.5,
        'A track not seen for this long is forgotten, seconds.',
        low=0.05,
        high=10.0,
        live=True,
    )


@dataclass(frozen=True)
class RecognizerSettings:
    """What is looked at in a frame, and what counts as known."""

    regions: str = setting(
        'frame',
        'What is classified: frame, signs or detections.',
        choices=('frame', 'signs', 'detections'),
    )
    top_k: int = setting(5, 'Hypotheses reported for each region.', low=1, high=100, live=True)
    score_threshold: float = setting(
        0.0,
        "Results below this probability are unknown, beside the model's own rule.",
        low=0.0,
        high=1.0,
        live=True,
    )
    min_sign_score: float = setting(
        0.8,
        'Signs whose joint probability of candidate and class is below this are unknown.',
        low=0.0,
        high=1.0,
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

    workspace_mb: int = setting(256, 'Scratch memory TensorRT may use, MiB.', low=16, high=65536)
    optimization_level: int = setting(
        3, 'How hard the builder searches: 0 quick build, 5 fastest engine.', low=0, high=5
    )
    timing_cache: bool = setting(
        True, 'Keep measured kernel times so that the next build is quicker.'
    )
    dla_core: int = setting(
        -1, 'Deep-learning accelerator core to use, with GPU fallback; -1 = none.', low=-1, high=7
    )
    version_compatible: bool = setting(
        False, 'Build engines that later TensorRT versions can load; slower.'
    )
    build_limit_s: float = setting(
        1800.0, 'A build that takes longer is given up, seconds.', low=1.0, high=86400.0
    )
    tuned_batch: int = setting(
        4, 'Batch size the engine is tuned for; at most the largest batch.', low=1, high=256
    )
    cuda_graph: bool = setting(True, 'Replay each batch size as one CUDA graph.')
