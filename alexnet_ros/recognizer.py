"""
Frames in, recognitions out: the one way that node, replay and commands share.

All regions of all cameras go through the network as one batch.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.config import RecognizerSettings, TrackerSettings
from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import ConfigError, ImageFormatError
from alexnet_ros.geometry import intersection_area
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.postprocess import classifications_from_logits
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.records import BBoxXYWH, Detection, Frame, Outputs, Recognition, Region
from alexnet_ros.regions import SignFinder
from alexnet_ros.signs.policy import sign_results
from alexnet_ros.tracking import Tracker

BBoxInts = tuple[int, int, int, int]
Floats = NDArray[np.float32]


class Recognizer:
    """
    Recognises what frames show.

    One thread at a time may call :meth:`recognize`; ``settings`` may be set
    from any thread and counts from the next call on.

    :param package: the model.
    :param engine: runs that model; closed with the recognizer.
    :param settings: what is looked at, and what counts as known.
    """

    def __init__(
        self, package: ModelPackage, engine: Engine, settings: RecognizerSettings | None = None
    ) -> None:
        self.package = package
        self.engine = engine
        self._settings = _checked(settings or RecognizerSettings())
        self._finder = SignFinder(self._settings.finder)
        self._trackers: dict[str, Tracker] = {}
        size = engine.info.max_batch
        self._batch = np.empty((size, package.input.height, package.input.width, 3), np.uint8)

    @classmethod
    def open(
        cls,
        model: str | Path | ModelPackage,
        *,
        backend: str = 'auto',
        settings: RecognizerSettings | None = None,
        **options: Any,
    ) -> 'Recognizer':
        """
        Load a model and the engine that runs it.

        :param model: name or folder of a model package, or a loaded one.
        :param backend: see :func:`alexnet_ros.engine.select.open_engine`.
        :param options: further options of the engine.
        :raises ModelPackageError: the model is missing or damaged.
        :raises EngineUnavailableError: the backend asked for cannot run here.
        """
        settings = _checked(settings or RecognizerSettings())
        package = model if isinstance(model, ModelPackage) else ModelPackage.load(model)
        return cls(package, open_engine(package, backend, **options), settings)

    @property
    def settings(self) -> RecognizerSettings:
        """The settings in force; set them to change them between two frames."""
        return self._settings

    @settings.setter
    def settings(self, settings: RecognizerSettings) -> None:
        self._settings = _checked(settings)

    def reset(self, camera: str | None = None) -> None:
        """Forget the tracks of one camera, of all for None; ids are not used again."""
        for name, tracker in self._trackers.items():
            if camera in {None, name}:
                tracker.reset()

    def recognize(
        self, frames: Sequence[Frame], boxes: Sequence[Sequence[Region]] | None = None
    ) -> list[Recognition]:
        """
        Recognise one frame of each of any number of cameras.

        :param frames: newest frame of each camera; not modified.
        :param boxes: regions to classify instead of looking for some, for each
            frame; those without any pixel of the frame are left out.
        :returns: one recognition a frame, in their order; the times of stages
            that all frames share are those of the whole batch.
        :raises ImageFormatError: a frame is no RGB image, or lies outside of
            ``roi_xywh``; nothing of this call is then tracked.
        :raises EngineRunError: the engine failed or gave NaN; likewise.
        """
        settings = self._settings
        if boxes is not None and len(boxes) != len(frames):
            raise ConfigError(f'expected boxes for {len(frames)} frames, got {len(boxes)}')
        if self._finder.settings is not settings.finder:
            self._finder = SignFinder(settings.finder)
        regions_ms: list[float] = []
        regions: list[list[Region]] = []
        for index, frame in enumerate(frames):
            start = perf_counter()
            regions.append(self._regions(frame, boxes[index] if boxes else None, settings))
            regions_ms.append((perf_counter() - start) * 1e3)
        start = perf_counter()
        items = [
            (frame.image_rgb, region)
            for frame, found in zip(frames, regions, strict=True)
            for region in found
        ]
        if len(items) > len(self._batch):
            self._batch = np.empty((len(items), *self._batch.shape[1:]), np.uint8)
        batch = batch_from_regions(items, self.package.input, self._batch)
        ready = perf_counter()
        outputs = self._infer(batch, features=settings.features)
        ran = perf_counter()
        found, log_probs = classifications_from_logits(
            outputs.logits,
            self.package.labels,
            self.package.scores,
            settings.top_k,
            settings.score_threshold,
        )
        detections = [
            Detection(region.bbox_xywh, result, region.score)
            for (_, region), result in zip(items, found, strict=True)
        ]
        done = perf_counter()
        shared_ms = {
            'preprocess': (ready - start) * 1e3,
            'engine': (ran - ready) * 1e3,
            'postprocess': (done - ran) * 1e3,
        }
        results = []
        first = 0
        for frame, own, own_ms in zip(frames, regions, regions_ms, strict=True):
            rows = slice(first, first + len(own))
            first += len(own)
            results.append(
                self._recognition(
                    frame,
                    settings,
                    detections=detections[rows],
                    log_probs=log_probs[rows],
                    features=None if outputs.features is None else outputs.features[rows],
                    stage_ms={'regions': own_ms, **shared_ms},
                )
            )
        return results

    def _regions(
        self, frame: Frame, given: Sequence[Region] | None, settings: RecognizerSettings
    ) -> list[Region]:
        """Return what of a frame is to be classified, in pixels of the frame."""
        image = frame.image_rgb
        if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != np.uint8:
            raise ImageFormatError(
                'bad_array', f'expected a frame (H, W, 3) uint8, got {image.shape} {image.dtype}'
            )
        left, top, width, height = _roi(image.shape[1], image.shape[0], settings.roi_xywh)
        if given is not None:
            part = (float(left), float(top), float(width), float(height))
            inside = [region for region in given if _overlap(region.bbox_xywh, part)]
            inside.sort(key=lambda region: -region.score)
            return inside[: settings.finder.max_regions]
        if settings.regions == 'frame':
            return [Region((float(left), float(top), float(width), float(height)))]
        if settings.regions == 'detections':
            return []
        view = image[top : top + height, left : left + width]
        found = self._finder.find(view)
        if not (left or top):
            return found
        return [_moved(region, left, top) for region in found]

    def _infer(self, batch: NDArray[np.uint8], *, features: bool) -> Outputs:
        """Run the batch; an empty one costs nothing."""
        if len(batch):
            return self.engine.infer(batch, features=features)
        empty = np.empty((0, len(self.package.labels)), np.float32)
        return Outputs(empty, np.empty((0, 4096), np.float32) if features else None)

    def _recognition(
        self,
        frame: Frame,
        settings: RecognizerSettings,
        *,
        detections: list[Detection],
        log_probs: Floats,
        features: Floats | None,
        stage_ms: dict[str, float],
    ) -> Recognition:
        """Drop what is nothing, follow the rest, and put one frame together."""
        start = perf_counter()
        height, width = frame.image_rgb.shape[:2]
        if settings.regions == 'signs':
            signs = sign_results(
                detections,
                log_probs,
                self.package.scores.unknown_class_id,
                settings.min_sign_score,
            )
            detections, log_probs = signs.detections, signs.log_probs
            features = None if features is None else features[signs.rows]
        final = tuple(detections)
        if settings.regions != 'frame':
            tracker = self._tracker(frame.camera, settings.tracker)
            final = tracker.update(frame.stamp_ns, (width, height), detections, log_probs)
        stage_ms['tracking'] = (perf_counter() - start) * 1e3
        times: Mapping[str, float] = MappingProxyType(stage_ms)
        return Recognition(frame.camera, frame.stamp_ns, (width, height), final, times, features)

    def _tracker(self, camera: str, settings: TrackerSettings) -> Tracker:
        """Return the camera's tracker; it starts again when its settings change."""
        tracker = self._trackers.get(camera)
        if tracker is None:
            tracker = self._trackers[camera] = Tracker(settings)
        if tracker.settings != settings:
            tracker.settings = settings
            tracker.reset()
        return tracker

    def close(self) -> None:
        """Close the engine and forget all tracks; calling again does nothing."""
        self.engine.close()
        self.reset()

    def __enter__(self) -> 'Recognizer':
        """Return the recognizer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recognizer."""
        self.close()


def _checked(settings: RecognizerSettings) -> RecognizerSettings:
    roi = settings.roi_xywh
    if len(roi) != 4 or min(roi) < 0:
        raise ConfigError(f'roi_xywh must be four numbers of at least 0, got {roi}')
    return settings


def _roi(frame_width: int, frame_height: int, roi_xywh: Sequence[int]) -> BBoxInts:
    """Return the part of a frame to look at, clipped to it."""
    left, top, width, height = roi_xywh
    right = min(left + width, frame_width) if width else frame_width
    bottom = min(top + height, frame_height) if height else frame_height
    if left >= right or top >= bottom:
        raise ImageFormatError(
            'outside_roi',
            f'roi_xywh {list(roi_xywh)} has no pixel of a frame of {frame_width}x{frame_height}',
        )
    return left, top, right - left, bottom - top


def _moved(region: Region, left: int, top: int) -> Region:
    """Return a region found in a part of a frame in pixels of the frame."""
    x, y, width, height = region.bbox_xywh
    return dataclasses.replace(region, bbox_xywh=(x + left, y + top, width, height))


def _overlap(box: BBoxXYWH, part: BBoxXYWH) -> bool:
    """Tell whether a box is finite and shares an area with a part of the frame."""
    whole = all(map(math.isfinite, box)) and box[2] > 0 and box[3] > 0
    return whole and intersection_area(box, part) > 0
