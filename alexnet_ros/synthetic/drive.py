"""
The rendered drive: half a minute past known signs, with its truth.

It is what the demo and the tests run on where there is no camera. The truth
says which sign is to be seen when and where, in the form that ``replay
--truth`` reads.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.files import write_file
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.records import BBoxXYWH
from alexnet_ros.synthetic.scene import PlacedSign, Pose, Scene
from alexnet_ros.synthetic.signs import SIGNS
from alexnet_ros.tables import csv_text

START_NS = 1_750_000_000 * 10**9
SPEED_M_S = 10.0
WEAVE_FRAMES, WEAVE_HZ = 180, 15.0
SEEN_FROM_PX = 20.0  # a sign narrower than this is not asked for; the finder names them from here

DEMO_SIGNS = (
    PlacedSign(2, 30, roll_deg=1.5),
    PlacedSign(12, 52, lateral_m=2.8),
    PlacedSign(18, 74, roll_deg=-2.0),
    PlacedSign(1, 96, lateral_m=3.0),
    PlacedSign(38, 118, height_m=1.7, roll_deg=1.0),
    PlacedSign(14, 140, roll_deg=-1.0),
    PlacedSign(35, 162, lateral_m=3.0),
    PlacedSign(5, 184, roll_deg=2.0),
    PlacedSign(6, 206, lateral_m=2.8),
    PlacedSign(13, 228, roll_deg=-1.5),
    PlacedSign(32, 250, lateral_m=3.0),
    PlacedSign(17, 272, roll_deg=1.0),
)


@dataclass(slots=True)
class SignTruth:
    """One sign of the drive: its class and the span in which it is to be seen."""

    class_id: int
    class_name: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class BoxTruth:
    """One sign in one frame, tight box in pixels."""

    stamp_ns: int
    class_id: int
    bbox_xywh: BBoxXYWH


@dataclass(slots=True)
class DriveTruth:
    """What a drive shows; boxes of every sign wholly visible and at least 20 px wide."""

    signs: list[SignTruth] = field(default_factory=list)
    boxes: list[BoxTruth] = field(default_factory=list)
    frames: int = 0
    camera: str = ''

    def write_csv(self, path: Path) -> None:
        """Write the spans as ``--truth`` reads them."""
        columns = ('start_ns', 'end_ns', 'camera', 'class_id', 'class_name')
        rows = (
            (sign.start_ns, sign.end_ns, self.camera, sign.class_id, sign.class_name)
            for sign in self.signs
        )
        write_file(path, csv_text(columns, rows))

    def write_boxes_csv(self, path: Path) -> None:
        """Write one line a sign and frame, also readable by ``--truth``."""
        columns = ('stamp_ns', 'camera', 'class_id', 'x', 'y', 'width', 'height')
        rows = (
            (box.stamp_ns, self.camera, box.class_id, *(f'{v:.2f}' for v in box.bbox_xywh))
            for box in self.boxes
        )
        write_file(path, csv_text(columns, rows))


@dataclass(frozen=True, slots=True)
class DriveFrame:
    """One rendered frame and the signs that it shows."""

    stamp_ns: int
    image_rgb: NDArray[np.uint8]
    boxes: tuple[BoxTruth, ...]


def _pose(seconds: float) -> Pose:
    """Return where the camera is: an even drive with sway and a bumpy road."""
    return Pose(
        along_m=SPEED_M_S * seconds + 0.8 * math.sin(0.5 * seconds),
        across_m=0.12 * math.sin(0.7 * seconds),
        pitch_px=1.4 * math.sin(8.1 * seconds) + 0.7 * math.sin(19 * seconds + 1),
    )


def _light(seconds: float) -> float:
    """Return the brightness: sun, passing clouds, a stretch of dusk."""
    dusk = math.tanh((seconds - 17) * 0.75) - math.tanh((seconds - 23) * 0.75)
    return 1.0 + 0.07 * math.sin(0.9 * seconds) - 0.11 * dusk


def frame_count(
    signs: tuple[PlacedSign, ...] = DEMO_SIGNS,
    rate_hz: float = 30.0,
    duration_s: float | None = None,
) -> int:
    """Return how many frames a drive has; see :func:`drive_frames`."""
    if duration_s is None:
        duration_s = (max(sign.at_m for sign in signs) + 5) / SPEED_M_S
    return int(duration_s * rate_hz)


def drive_frames(
    *,
    signs: tuple[PlacedSign, ...] = DEMO_SIGNS,
    size_wh: tuple[int, int] = (640, 480),
    rate_hz: float = 30.0,
    duration_s: float | None = None,
    seed: int = 7,
) -> Iterator[DriveFrame]:
    """
    Render a drive frame by frame.

    :param duration_s: seconds; None until the last sign is passed.
    :param seed: the same seed gives the same pixels.
    """
    last_m = max(sign.at_m for sign in signs)
    scene = Scene(signs, size_wh=size_wh, length_m=last_m, seed=seed)
    for index in range(frame_count(signs, rate_hz, duration_s)):
        seconds = index / rate_hz
        stamp_ns = START_NS + round(index * 1e9 / rate_hz)
        pose = _pose(seconds)
        boxes = []
        for sign in sorted(signs, key=lambda one: one.at_m):
            box = scene.sign_box(pose, sign)
            if box is None or box[2] < SEEN_FROM_PX or min(box[:2]) < 0:
                continue
            if box[0] + box[2] <= size_wh[0] and box[1] + box[3] <= size_wh[1]:
                boxes.append(BoxTruth(stamp_ns, sign.class_id, box))
        image = scene.render(pose, light=_light(seconds), index=index)
        yield DriveFrame(stamp_ns, image, tuple(boxes))


def weave_frames() -> Iterator[DriveFrame]:
    """
    Render a robot that weaves: its view swings from one side of the road to the other.

    The view is a square cut out of a wide frame, as ``tools/make_heading_set.py``
    cuts it; at the left edge of the wide frame the way goes on to the right.
    """
    duration_s = (WEAVE_FRAMES + 0.5) / WEAVE_HZ
    drive = drive_frames(size_wh=(640, 360), rate_hz=WEAVE_HZ, duration_s=duration_s, seed=51)
    for index, frame in enumerate(drive):
        swing = max(-1.0, min(1.0, 1.5 * math.sin(2 * math.pi * index / WEAVE_HZ / 6)))
        left = round((1 + swing) * 160)
        view = np.ascontiguousarray(frame.image_rgb[-320:, left : left + 320])
        yield DriveFrame(frame.stamp_ns, view, ())


def _merge(truth: DriveTruth, frame: DriveFrame, in_view: dict[int, SignTruth]) -> None:
    """Add a frame to the truth; a class seen without a break is one sign."""
    for class_id in set(in_view) - {box.class_id for box in frame.boxes}:
        del in_view[class_id]
    for class_id in (box.class_id for box in frame.boxes):
        if class_id not in in_view:
            in_view[class_id] = SignTruth(class_id, SIGNS[class_id], frame.stamp_ns, 0)
            truth.signs.append(in_view[class_id])
        in_view[class_id].end_ns = frame.stamp_ns
    truth.boxes.extend(frame.boxes)
    truth.frames += 1


def write_drive_bag(
    folder: str | Path,
    *,
    compressed: bool = False,
    frames: Iterator[DriveFrame] | None = None,
    storage: str = 'mcap',
    topic: str = '/camera/image',
    on_frame: Callable[[], object] | None = None,
    **drive: object,
) -> DriveTruth:
    """
    Render a drive into a bag, with ``truth.csv`` and ``boxes.csv`` in its folder.

    :param compressed: JPEG on ``TOPIC/compressed`` instead of raw images.
    :param storage: ``mcap`` or ``sqlite3``.
    :raises BagError: the folder exists or cannot be written.
    """
    truth, in_view = DriveTruth(), dict[int, SignTruth]()
    with BagWriter(folder, storage=storage) as bag:
        for frame in frames or drive_frames(**drive):  # type: ignore[arg-type]
            if compressed:
                jpeg = jpeg_from_rgb(frame.image_rgb, 90)
                bag.write_jpeg(f'{topic}/compressed', frame.stamp_ns, jpeg, frame_id='camera')
            else:
                bag.write_image(topic, frame.stamp_ns, frame.image_rgb, frame_id='camera')
            _merge(truth, frame, in_view)
            if on_frame is not None:
                on_frame()
    truth.write_csv(Path(folder) / 'truth.csv')
    truth.write_boxes_csv(Path(folder) / 'boxes.csv')
    return truth
