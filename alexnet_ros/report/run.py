"""
Everything that is known of one replay, gathered frame by frame.

The same class takes what the recognizer says offline and what running nodes
have published, so that both are scored and reported alike.
"""

import dataclasses
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.navigation.offline import NavigationLog
from alexnet_ros.pictures import jpeg_picture
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Recognition
from alexnet_ros.report.ground_truth import Truth
from alexnet_ros.report.page import CLOCK_SET_NS, now
from alexnet_ros.report.scoring import Scorer
from alexnet_ros.report.timeline import Timeline

Image = NDArray[np.uint8]

FORMAT = 1
SAME_CLOCK_NS = 60 * 10**9
BIN_EDGES_MS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)


class StageTimes:
    """The time that each stage took over a run: four bytes a frame, for exact percentiles."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}

    def add(self, stage_ms: Mapping[str, float]) -> None:
        """Take the times of one frame in, milliseconds."""
        for stage, value in stage_ms.items():
            self._values.setdefault(stage, array('f')).append(value)

    def as_json(self) -> dict[str, Any]:
        """Return percentiles in milliseconds and a histogram, by stage."""
        table = {}
        for stage, values in self._values.items():
            found = np.asarray(values)
            figures = [*np.percentile(found, [50, 95, 99]), found.mean(), found.max()]
            names = ('p50_ms', 'p95_ms', 'p99_ms', 'mean_ms', 'max_ms')
            row = {name: round(float(v), 4) for name, v in zip(names, figures, strict=True)}
            counts = np.histogram(found, [0, *BIN_EDGES_MS, np.inf])[0]
            table[stage] = {**row, 'histogram': counts.tolist()}
        return {'bin_edges_ms': list(BIN_EDGES_MS), 'stages': table}


@dataclass(slots=True)
class CameraCount:
    """What became of the frames of one camera."""

    read: int = 0
    processed: int = 0
    dropped: int = 0
    known: int = 0
    unknown: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the counts; ``known`` and ``unknown`` are regions."""
        return {**dataclasses.asdict(self), 'rejected': dict(sorted(self.rejected.items()))}


@dataclass
class Run:
    """
    One bag's results.

    :param names: of the classes, by their ids.
    :param identity: ``model``, ``engine`` and ``settings``, for the report.
    :param truth: to score against, if known.
    :param navigation: filled by a :class:`~alexnet_ros.navigation.offline.OfflineNavigator` or
        with what running nodes published.
    :param whole_frames: the model looks at whole frames.
    :param topics: the cameras'.
    :param account_lines: of topics without a loss.
    """

    bag: str
    names: dict[int, str]
    identity: Mapping[str, Any]
    truth: InitVar[Truth | None] = None
    navigation: NavigationLog | None = None
    whole_frames: InitVar[bool] = False
    topics: list[str] = field(default_factory=list)
    times: StageTimes = field(default_factory=StageTimes)
    cameras: dict[str, CameraCount] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    account: dict[str, Any] = field(default_factory=dict)
    account_lines: list[str] = field(default_factory=list)
    complete: bool = False
    start_ns: int = 0
    end_ns: int = 0
    seconds: float = 0.0
    picture: bytes = b''
    _offset_ns: int = 0  # of the navigation's clock, where it is another than the stamps'
    _picture_rank: tuple[int, float] = (0, 0.0)

    def __post_init__(self, truth: Truth | None, whole_frames: bool) -> None:
        """Begin to count."""
        self.scorer = None if truth is None else Scorer(truth)
        self.timeline = Timeline(whole_frames=whole_frames)
        self._began = time.perf_counter()

    def read_from(self, reader: BagReader) -> None:
        """Take what the bag's reader counted and could not read; call at the end."""
        self.losses = list(reader.losses)
        self.account = reader.account.as_json()
        losses = reader.account.lines(only_losses=True)
        self.losses += losses
        self.account_lines = [line for line in reader.account.lines() if line not in losses]

    def camera(self, name: str) -> CameraCount:
        """Return the counters of a camera."""
        return self.cameras.setdefault(name, CameraCount())

    def add(
        self, recognition: Recognition, image_rgb: Image | None, log_ns: int | None = None
    ) -> None:
        """
        Take the result of one frame in.

        :param image_rgb: the frame, for pictures; None where it is not at hand.
        :param log_ns: the bag's time of it, on which the navigation runs.
        """
        count = self.camera(recognition.camera)
        count.processed += 1
        unknown = sum(d.classification.unknown for d in recognition.detections)
        count.unknown += unknown
        count.known += len(recognition.detections) - unknown
        if not self.start_ns or self.start_ns < CLOCK_SET_NS <= recognition.stamp_ns:
            self.start_ns = recognition.stamp_ns
            late_ns = 0 if log_ns is None else log_ns - recognition.stamp_ns
            self._offset_ns = late_ns if abs(late_ns) > SAME_CLOCK_NS else 0
        self.end_ns = max(self.end_ns, recognition.stamp_ns)
        if recognition.stage_ms:
            self.times.add(recognition.stage_ms)
        if self.scorer is not None:
            self.scorer.add_frame(recognition, image_rgb)
        for entry, event in self.timeline.add(recognition, image_rgb):
            if self.scorer is not None:
                entry.right = self.scorer.add_event(event, image_rgb)
        if image_rgb is not None:
            self._consider_picture(recognition, image_rgb)

    def _consider_picture(self, recognition: Recognition, image_rgb: Image) -> None:
        """Keep the frame with the most, then the largest confirmed signs, annotated."""
        sizes = [
            d.bbox_xywh[2]
            for d in recognition.detections
            if d.track_id is not None and not d.classification.unknown
        ]
        rank = (len(sizes), max(sizes, default=0.0))
        longer = 1.3 * self._picture_rank[1]  # not every frame of an approach anew
        if not self.picture or (
            rank[0]
            and (
                rank[0] > self._picture_rank[0]
                or (rank[0] == self._picture_rank[0] and rank[1] > longer)
            )
        ):
            self._picture_rank = rank
            self.picture = jpeg_picture(overlay.draw(image_rgb, recognition), None, 960)

    def finish(self, *, complete: bool = True) -> None:
        """
        Close the books; call once.

        :param complete: false if the replay was stopped before the bag's end.
        """
        self.complete = complete
        self.seconds = time.perf_counter() - self._began
        self.timeline.finish()
        if self.scorer is not None:
            self.scorer.finish()

    @property
    def processed(self) -> int:
        """Frames of all cameras that gave a result."""
        return sum(count.processed for count in self.cameras.values())

    def as_json(self) -> dict[str, Any]:
        """
        Return the report; all but ``timing`` is the same for the same input.

        Times in it are seconds from the first image's stamp, ``start_ns``.
        """
        return {
            'format': FORMAT,
            'complete': self.complete,
            'bag': {
                'path': self.bag,
                'topics': self.topics,
                'losses': self.losses,
                'account': self.account,
                'start_ns': self.start_ns,
                'duration_s': round((self.end_ns - self.start_ns) / 1e9, 4),
            },
            **self.identity,
            'classes': {str(class_id): name for class_id, name in sorted(self.names.items())},
            'cameras': {name: count.as_json() for name, count in sorted(self.cameras.items())},
            'signs': [entry.as_json(self.start_ns) for entry in self.timeline.entries],
            'navigation': None
            if self.navigation is None
            else self.navigation.as_json(self.start_ns + self._offset_ns),
            'truth': None
            if self.scorer is None
            else self.scorer.as_json(self.names, self.start_ns),
            'timing': {
                'made': now(),
                'seconds': round(self.seconds, 3),
                'frames_per_s': round(self.processed / self.seconds, 2) if self.seconds else None,
                **self.times.as_json(),
            },
        }


def identity_of(recognizer: Recognizer) -> dict[str, Any]:
    """Return what a report says of the model, its engine and the settings."""
    package, info = recognizer.package, recognizer.engine.info
    return {
        'model': {
            'name': package.name,
            'version': package.version,
            'sha256': info.model_sha256,
            'precision': info.precision,
            'classes': info.classes,
        },
        'engine': {'backend': info.backend, 'device': info.device, 'reason': info.reason},
        'settings': dataclasses.asdict(recognizer.settings),
    }
