"""
Frames in, recognitions out: the one way that node, replay and commands share.

All regions of all cameras go through the network as one batch.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.closing import Closing
from alexnet_ros.config import RecognizerSettings, TrackerSettings
from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import ConfigError, ImageFormatError, ModelPackageError
from alexnet_ros.geometry import intersection_area
from alexnet_ros.model_package import FEATURES, FinderPackage, ModelPackage
from alexnet_ros.postprocess import classifications_from_logits
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.records import BBoxXYWH, Detection, Frame, Outputs, Recognition, Region
from alexnet_ros.signs.finder import SignFinder
from alexnet_ros.signs.policy import sign_results
from alexnet_ros.tracking import Tracker

MAX_GIVEN = 16  # boxes of a detector that are classified, unless set
BUNDLED = 'signs'  # the model whose finder serves those without
Floats = NDArray[np.float32]


class Recognizer(Closing):
    """
    Recognises what frames show.

    One thread at a time may call :meth:`recognize`; ``settings`` may be set
    from any thread and counts from the next call on.

    :param engine: runs that model; closed with the recognizer.
    :param finder: finds signs; closed with the recognizer. None opens the
        model's own on ONNX Runtime when it is first needed.
    """

    def __init__(
        self,
        package: ModelPackage,
        engine: Engine,
        settings: RecognizerSettings | None = None,
        finder: SignFinder | None = None,
    ) -> None:
        self.package = package
        self.engine = engine
        self.settings = settings or RecognizerSettings()
        self._finder = finder
        self._open_finder = partial(SignFinder.open, backend='cpu')
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
        :param options: further options of the engine.
        :raises ModelPackageError: the model is missing or damaged.
        :raises EngineUnavailableError: the backend asked for cannot run here.
        """
        settings = settings or RecognizerSettings()
        package = model if isinstance(model, ModelPackage) else ModelPackage.load(model)
        recognizer = cls(package, open_engine(package, backend, **options), settings)
        recognizer._open_finder = partial(SignFinder.open, backend=backend, **options)
        try:
            if settings.regions == 'signs':
                recognizer.finder.warm_up()
        except BaseException:
            recognizer.close()
            raise
        return recognizer

    @property
    def finder(self) -> SignFinder:
        """
        Return what finds signs; opened when it is first asked for.

        A model that has no finder of its own borrows the bundled one.

        :raises ConfigError: there is none.
        """
        if self._finder is None:
            self._finder = self._open_finder(_finder_package(self.package))
        return self._finder

    def with_new_tracks(self) -> 'Recognizer':
        """Return another that shares model and engines, and has seen nothing yet."""
        finder = self.finder if self.settings.regions == 'signs' else None
        return Recognizer(self.package, self.engine, self.settings, finder)

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
        settings = self.settings
        if boxes is not None and len(boxes) != len(frames):
            raise ConfigError(f'expected boxes for {len(frames)} frames, got {len(boxes)}')
        began = perf_counter()
        regions = self._regions(frames, boxes, settings)
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
        if len(batch):
            outputs = self.engine.infer(batch, features=settings.features)
        else:  # an empty one costs nothing
            features = np.empty((0, FEATURES), np.float32) if settings.features else None
            outputs = Outputs(np.empty((0, len(self.package.labels)), np.float32), features)
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
            'regions': (start - began) * 1e3,
            'preprocess': (ready - start) * 1e3,
            'engine': (ran - ready) * 1e3,
            'postprocess': (done - ran) * 1e3,
        }
        results = []
        first = 0
        for frame, own in zip(frames, regions, strict=True):
            rows = slice(first, first + len(own))
            first += len(own)
            results.append(
                self._recognition(
                    frame,
                    settings,
                    detections=detections[rows],
                    log_probs=log_probs[rows],
                    features=None if outputs.features is None else outputs.features[rows],
                    stage_ms=dict(shared_ms),
                )
            )
        return results

    def _regions(
        self,
        frames: Sequence[Frame],
        given: Sequence[Sequence[Region]] | None,
        settings: RecognizerSettings,
    ) -> list[list[Region]]:
        """Return what of each frame is to be classified, in its pixels."""
        parts = [_part_of(frame, settings.roi_xywh) for frame in frames]
        if given is not None:
            return [
                _inside(boxes, part, settings.finder.max_regions or MAX_GIVEN)
                for boxes, part in zip(given, parts, strict=True)
            ]
        if settings.regions == 'frame':
            return [[Region(part)] for part in parts]
        if settings.regions == 'detections':
            return [[] for _ in frames]
        views = []
        for frame, part in zip(frames, parts, strict=True):
            left, top, width, height = map(int, part)
            views.append(frame.image_rgb[top : top + height, left : left + width])
        found = self.finder.find(views, settings.finder)
        return [
            [_moved(region, part) for region in regions]
            for regions, part in zip(found, parts, strict=True)
        ]

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
        if self._finder is not None:
            self._finder.close()
        self.reset()


def _finder_package(package: ModelPackage) -> FinderPackage:
    finder = package.finder
    if finder is None:
        with contextlib.suppress(ModelPackageError):
            finder = ModelPackage.load(BUNDLED).finder
    if finder is None:
        raise ConfigError(
            f'regions: signs needs a finder, and {package.folder} has none; train one '
            '(docs/training.md), or set regions to frame or detections'
        )
    return finder


def _part_of(frame: Frame, roi_xywh: Sequence[int]) -> BBoxXYWH:
    """Return the part of a frame to look at, whole pixels, after checking the frame."""
    image = frame.image_rgb
    if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != np.uint8:
        raise ImageFormatError(
            'bad_array', f'expected a frame (H, W, 3) uint8, got {image.shape} {image.dtype}'
        )
    frame_height, frame_width = image.shape[:2]
    left, top, width, height = roi_xywh
    right = min(left + width, frame_width) if width else frame_width
    bottom = min(top + height, frame_height) if height else frame_height
    if left >= right or top >= bottom:
        raise ImageFormatError(
            'outside_roi',
            f'roi_xywh {list(roi_xywh)} has no pixel of a frame of {frame_width}x{frame_height}',
        )
    return float(left), float(top), float(right - left), float(bottom - top)


def _inside(boxes: Sequence[Region], part: BBoxXYWH, most: int) -> list[Region]:
    """Return the best of the given boxes that are finite and have a pixel of a part."""
    inside = [
        region
        for region in boxes
        if all(map(math.isfinite, region.bbox_xywh))
        and min(region.bbox_xywh[2:]) > 0
        and intersection_area(region.bbox_xywh, part) > 0
    ]
    return sorted(inside, key=lambda region: -region.score)[:most]


def _moved(region: Region, part: BBoxXYWH) -> Region:
    """Return a region found in a part of a frame in pixels of the frame."""
    x, y, width, height = region.bbox_xywh
    return dataclasses.replace(region, bbox_xywh=(x + part[0], y + part[1], width, height))
