"""From messages to published results, in the inference thread."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alexnet_ros import codec
from alexnet_ros.bags.messages import detections_message, message_class
from alexnet_ros.bags.typestore import stamp_ns_of
from alexnet_ros.codec.headers import header_of, kind_of
from alexnet_ros.config import ClassifierSettings
from alexnet_ros.errors import EngineFatalError, EngineRunError, ImageFormatError
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import BBoxXYWH, Detection, Frame, Recognition, Region
from alexnet_ros.ros import messages
from alexnet_ros.ros.camera import CameraPort
from alexnet_ros.ros.mailbox import Arrival
from alexnet_ros.ros.stats import Samples

LINE_S = 1.0  # between two lines on what failed; the diagnostics have the counts
COMPARABLE_MS = 3.6e6  # an age beyond an hour says that the clocks differ


@dataclass
class Job:
    """
    One image on its way.

    :param scale_xy: from pixels of the decoded to pixels of the sent image;
        JPEG may be decoded at a smaller size.
    :param boxes: index in the detector's array to the region given.
    """

    arrival: Arrival
    frame: Frame
    scale_xy: tuple[float, float] = (1.0, 1.0)
    boxes: Mapping[int, Region] = field(default_factory=dict)


@dataclass
class Pipeline:
    """
    Decodes, recognises and publishes what the mailbox gives.

    :param settings: gives those in force.
    :param open_gate: whether results may go out (active and enabled).
    :param now_ns: the node's clock, which image stamps are compared with.
    :param logger: the node's.
    """

    ports: Mapping[str, CameraPort]
    settings: Callable[[], ClassifierSettings]
    open_gate: Callable[[], bool]
    now_ns: Callable[[], int]
    logger: Any
    samples: Samples = field(default_factory=Samples)
    inference_errors: int = 0
    last_error: str = ''
    foreign_stamps: int = 0
    told: set[type] = field(default_factory=set)  # kinds of errors that the log has

    def __call__(self, recognizer: Recognizer, arrivals: list[Arrival]) -> None:
        """Handle one image a camera at most, in one batch; EngineFatalError ends the process."""
        settings = self.settings()
        if recognizer.settings != settings.recognizer:
            recognizer.settings = settings.recognizer
        taken_s = time.monotonic()
        jobs = []
        for arrival in arrivals:
            port = self.ports[arrival.camera]
            if settings.lazy and not port.watched():
                port.stats.unwatched += 1
                continue
            self.samples.add('wait', (taken_s - arrival.received_s) * 1e3)
            job = self._decoded(recognizer, settings, arrival)
            if job is not None:
                jobs.append(job)
        for job, recognition in self._recognized(recognizer, jobs):
            self._publish(settings, job, recognition)

    def _decoded(
        self, recognizer: Recognizer, settings: ClassifierSettings, arrival: Arrival
    ) -> Job | None:
        start_s = time.monotonic()
        message, port = arrival.message, self.ports[arrival.camera]
        try:
            if settings.image_transport == 'compressed':
                full = port.overlay_watched()
                smallest_wh = None if full else smallest_useful_wh(recognizer, settings)
                image_rgb = codec.rgb_from_compressed(message, smallest_wh)
            else:
                image_rgb, smallest_wh = codec.rgb_from_image(message), None
        except ImageFormatError as error:
            self._reject(port, error)
            return None
        job = Job(arrival, Frame(image_rgb, stamp_ns_of(message.header), arrival.camera))
        if smallest_wh is not None:
            data = memoryview(message.data)
            sent = header_of(data, kind_of(data))
            job.scale_xy = (sent.width / image_rgb.shape[1], sent.height / image_rgb.shape[0])
        if arrival.boxes is not None:
            usable = messages.regions_from_boxes(arrival.boxes)
            bad = len(arrival.boxes.detections) - len(usable)
            if bad:
                port.stats.rejected['bad_box'] += bad
            job.boxes = usable
        self.samples.add('decode', (time.monotonic() - start_s) * 1e3)
        return job

    def _recognized(
        self, recognizer: Recognizer, jobs: list[Job]
    ) -> list[tuple[Job, Recognition]]:
        """Recognise all in one batch; if that fails, each image by itself."""
        if not jobs:
            return []
        try:
            given = any(job.arrival.boxes is not None for job in jobs)
            boxes = [list(job.boxes.values()) for job in jobs] if given else None
            found = recognizer.recognize([job.frame for job in jobs], boxes)
            return list(zip(jobs, found, strict=True))
        except EngineFatalError:
            raise
        except (EngineRunError, ImageFormatError) as error:
            if len(jobs) > 1:
                return [pair for job in jobs for pair in self._recognized(recognizer, [job])]
            port = self.ports[jobs[0].arrival.camera]
            if isinstance(error, ImageFormatError):
                self._reject(port, error)
            else:
                self.count_error(error)
            return []

    def _publish(self, settings: ClassifierSettings, job: Job, recognition: Recognition) -> None:
        """Send the results of one image, unless the node was stopped meanwhile."""
        arrival, port = job.arrival, self.ports[job.arrival.camera]
        if not self.open_gate() or arrival.received_s < port.stats.since_s:
            return
        start_s = time.monotonic()
        header = messages.header_from(arrival.message.header)
        if arrival.boxes is not None:
            detections = messages.filled_detections(
                arrival.boxes,
                detections_by_index(job.boxes, recognition),
                own_track_ids=settings.own_track_ids,
            )
        else:
            detections = detections_message(header, recognition, message_class, job.scale_xy)
        port.publish(header, recognition, detections)
        port.stats.on_result()
        end_s = time.monotonic()
        self.last_error = ''
        add = self.samples.add
        for stage, value in recognition.stage_ms.items():
            add(stage, value)
        add('publish', (end_s - start_s) * 1e3)
        add('total', (end_s - arrival.received_s) * 1e3)
        age_ms = (self.now_ns() - job.frame.stamp_ns) / 1e6
        if 0 <= age_ms <= COMPARABLE_MS:
            add('age of result', age_ms)
        else:
            self.foreign_stamps += 1
        if port.overlay_watched():
            port.publish_overlay(header, job.frame.image_rgb, recognition)
            add('overlay', (time.monotonic() - end_s) * 1e3)

    def count_error(self, error: Exception) -> None:
        """Count a frame that failed in the engine; say so once a second and of each kind."""
        self.inference_errors += 1
        self.last_error = str(error) or type(error).__name__
        expected = isinstance(error, EngineRunError)
        trace = self.last_error if expected else ''.join(traceback.format_exception(error))
        text = f'no result: {trace}'
        if type(error) in self.told:
            self.logger.warning(text, throttle_duration_sec=LINE_S)
        else:  # the first of a kind must not be lost behind another line
            self.told.add(type(error))
            self.logger.warning(text)

    def _reject(self, port: CameraPort, error: ImageFormatError) -> None:
        port.stats.rejected[error.reason] += 1
        text = f'image on {port.topic} refused: {error}'
        self.logger.warning(text, throttle_duration_sec=LINE_S)


def detections_by_index(
    boxes: Mapping[int, Region], recognition: Recognition
) -> dict[int, Detection]:
    """
    Return which detection answers which box of the detector's array.

    The recognizer keeps the box of a region, but may leave some out and sorts
    them by score.
    """
    waiting: dict[BBoxXYWH, list[int]] = {}
    for index, region in boxes.items():
        waiting.setdefault(region.bbox_xywh, []).append(index)
    found = {}
    for detection in recognition.detections:
        indices = waiting.get(detection.bbox_xywh)
        if indices:
            found[indices.pop(0)] = detection
    return found


def smallest_useful_wh(
    recognizer: Recognizer, settings: ClassifierSettings
) -> tuple[int, int] | None:
    """
    Return the least decoded size that loses nothing, or None for full size.

    Only a whole frame is scaled down to the network's input; signs and boxes
    are looked for in full resolution.
    """
    asked = settings.recognizer
    if asked.regions != 'frame' or any(asked.roi_xywh):
        return None
    spec = recognizer.package.input
    if spec.resize == 'centre_crop':
        return spec.resize_px, spec.resize_px
    return spec.width, spec.height
