"""
Where in a frame objects are, by the finder network of a model package.

Each frame is scaled onto one or two canvases of the network's fixed input, so
time and memory depend on the number of cameras alone, never on what a frame
shows or how large it is. The answer is decoded after Zhou, Wang and
Krähenbühl, "Objects as Points" (2019): a local maximum of the heat is an
object, and the cell of the maximum knows its box.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.closing import Closing
from alexnet_ros.config import FinderSettings
from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.geometry import clip_to_frame, pairwise_iou
from alexnet_ros.model_package import FinderPackage
from alexnet_ros.preprocess import scaled_into
from alexnet_ros.records import Region

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

CELL_PX = 4  # canvas pixels from one cell to the next
GREY = 128  # of the canvas beside a frame; the network's zero
MAX_CANVASES = 4  # of one run; more are run in parts
MAX_PEAKS = 64  # of one canvas: a bound on the work after the network
MAX_FOUND = 8  # unless set: the worst picture then costs twice what an ordinary one does
# Six of ten candidates on street frames are below 0.08, and one in fifty of those is named; the
# classifier's time for them was a third of the frame's (docs/signs.md).
DOUBTFUL = 0.08
MAX_DOUBTFUL = 1  # of a frame, unless max_regions is set
MAX_ENLARGED = 2.0  # small frames gain nothing beyond
MIN_FILLED = 0.4  # of a canvas; longer frames are cut in two
SHARED = 0.15  # of its length that the halves of a long frame share
SAME_IOU = 0.45  # boxes that overlap more show one object
LARGEST_LOG = 5.5  # of a side in cells: what a damaged network says stays finite


@dataclass(frozen=True)
class View:
    """A part of a frame on a canvas: its place in the frame, pixels, and its scale."""

    x: int
    y: int
    width: int
    height: int
    scale: float


def views_of(size_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> list[View]:
    """
    Return how a frame is laid onto canvases: whole, or a long one in two parts.

    >>> views_of((1920, 1080), (960, 544))
    [View(x=0, y=0, width=1920, height=1080, scale=0.5)]
    >>> len(views_of((1080, 1920), (960, 544)))
    2
    """
    width, height = size_wh
    scale = _scale(width, height, canvas_wh)
    filled = scale * scale * width * height / (canvas_wh[0] * canvas_wh[1])
    if filled >= MIN_FILLED or scale >= 1:
        return [View(0, 0, width, height, scale)]
    if width / canvas_wh[0] > height / canvas_wh[1]:
        part = math.ceil(width * (1 + SHARED) / 2)
        scale = _scale(part, height, canvas_wh)
        return [View(0, 0, part, height, scale), View(width - part, 0, part, height, scale)]
    part = math.ceil(height * (1 + SHARED) / 2)
    scale = _scale(width, part, canvas_wh)
    return [View(0, 0, width, part, scale), View(0, height - part, width, part, scale)]


def _scale(width: int, height: int, canvas_wh: tuple[int, int]) -> float:
    return min(canvas_wh[0] / width, canvas_wh[1] / height, MAX_ENLARGED)


def fill_canvas(image_rgb: Image, view: View, canvas: Image) -> None:
    """
    Scale a part of a frame into the top left corner of a canvas; the rest becomes grey.

    :param image_rgb: (H, W, 3) uint8; not modified.
    :param canvas: (h, w, 3) uint8; overwritten.
    """
    width = min(max(1, round(view.width * view.scale)), canvas.shape[1])
    height = min(max(1, round(view.height * view.scale)), canvas.shape[0])
    part = image_rgb[view.y : view.y + view.height, view.x : view.x + view.width]
    scaled_into(part, canvas[:height, :width])
    canvas[height:] = GREY
    canvas[:height, width:] = GREY


def decode(logits: Floats, min_heat: float) -> tuple[Floats, Floats]:
    """
    Return boxes and heat of the objects on one canvas, hottest first.

    :param logits: (20, H/8, W/8): of each place the 2x2 cells' heat, middle x
        and y (from the cell's middle, in box sizes), and the natural
        logarithms of width and height in cells.
    :param min_heat: a logit.
    :returns: (K, 4) xywh in canvas pixels, (K,) heat, logits; K <= ``MAX_PEAKS``.
    """
    numbers = logits.reshape(5, 2, 2, *logits.shape[1:])
    cells = numbers[0].transpose(2, 0, 3, 1).reshape(2 * logits.shape[1], -1)
    heat = np.ascontiguousarray(cells, np.float32)  # (H/4, W/4)
    highest = np.asarray(cv2.dilate(heat, np.ones((3, 3), np.uint8)))
    places = np.flatnonzero((heat >= highest) & (heat >= min_heat))
    peaks = heat.ravel()[places]
    order = np.argsort(-peaks, kind='stable')[:MAX_PEAKS]
    rows, columns = np.divmod(places[order], heat.shape[1])
    values = numbers[1:, rows % 2, columns % 2, rows // 2, columns // 2]  # (4, K)
    sizes = np.exp(np.clip(values[2:], -1, LARGEST_LOG))
    middles = np.stack([columns, rows]) + 0.5 + np.clip(values[:2], -1, 1) * sizes
    boxes = np.concatenate([middles - sizes / 2, sizes]).T * CELL_PX
    return boxes.astype(np.float32), peaks[order]


def regions_from_boxes(
    boxes_xywh: Floats, scores: Floats, size_wh: tuple[int, int], settings: FinderSettings
) -> list[Region]:
    """
    Return the boxes of one frame as regions, each object once, best first.

    :param boxes_xywh: (K, 4), pixels of the frame; may reach beyond it.
    :param scores: (K,), probabilities.
    :returns: at most ``max_regions``; where that is 0, at most ``MAX_FOUND``, of which
        ``MAX_DOUBTFUL`` less probable than ``DOUBTFUL``.
    """
    order = np.argsort(-scores, kind='stable')
    boxes_xywh, scores = boxes_xywh[order], scores[order]
    better = np.triu(pairwise_iou(boxes_xywh, boxes_xywh) > SAME_IOU, 1)
    regions = []
    for index in np.flatnonzero(~better.any(0)).tolist():
        x, y, width, height = boxes_xywh[index].tolist()
        box = clip_to_frame((x, y, width, height), size_wh)
        if (
            min(box[2:]) >= 1
            and settings.min_size_px <= max(box[2:])
            and min(box[2:]) <= settings.max_size_px
        ):
            regions.append(Region(box, float(scores[index]), 'sign'))
    likely = sum(region.score >= DOUBTFUL for region in regions)
    return regions[: settings.max_regions or min(likely + MAX_DOUBTFUL, MAX_FOUND)]


class SignFinder(Closing):
    """
    Finds boxes that may hold a traffic sign, or whatever the network was trained for.

    :param package: the finder of a model package.
    :param engine: runs it; closed with the finder.
    """

    def __init__(self, package: FinderPackage, engine: Engine) -> None:
        self.package, self.engine = package, engine
        self._canvases = np.empty((0, package.input.height, package.input.width, 3), np.uint8)

    @classmethod
    def open(cls, package: FinderPackage, backend: str = 'auto', **options: Any) -> 'SignFinder':
        """
        Load the finder and the engine that runs it.

        :param options: see :func:`alexnet_ros.engine.select.open_engine`;
            ``max_batch`` and ``precision`` are the finder's own.
        """
        options |= {'max_batch': MAX_CANVASES, 'precision': None}
        return cls(package, open_engine(package, backend, **options))

    def find(self, images_rgb: Sequence[Image], settings: FinderSettings) -> list[list[Region]]:
        """
        Return what may be objects in each frame, best first.

        :param images_rgb: frames (H, W, 3) uint8 of any sizes; not modified.
        :returns: for each at most ``max_regions`` tight boxes in its pixels,
            inside it.
        """
        spec = self.package.input
        views = [
            (index, view)
            for index, image in enumerate(images_rgb)
            for view in views_of((image.shape[1], image.shape[0]), (spec.width, spec.height))
        ]
        if len(views) > len(self._canvases):
            self._canvases = np.empty((len(views), spec.height, spec.width, 3), np.uint8)
        canvases = self._canvases[: len(views)]
        for (index, view), canvas in zip(views, canvases, strict=True):
            fill_canvas(images_rgb[index], view, canvas)
        answers = self.engine.infer(canvases).logits if views else ()
        package = self.package
        least = min(settings.min_candidate_score or package.scores.score or 0.5, 0.999)
        min_heat = (math.log(least / (1 - least)) - package.intercept) / package.slope
        boxes: list[list[Floats]] = [[] for _ in images_rgb]
        scores: list[list[Floats]] = [[] for _ in images_rgb]
        for (index, view), logits in zip(views, answers, strict=True):
            found, heat = decode(logits, min_heat)
            corner = np.array([view.x, view.y, 0, 0], np.float32)
            boxes[index].append(found / np.float32(view.scale) + corner)
            logit = np.clip(package.slope * heat + package.intercept, -50, 50)
            scores[index].append(1 / (1 + np.exp(-logit)))
        return [
            regions_from_boxes(
                np.concatenate(boxes[index]),
                np.concatenate(scores[index]),
                (image.shape[1], image.shape[0]),
                settings,
            )
            for index, image in enumerate(images_rgb)
        ]

    def warm_up(self) -> None:
        """Run once, so that no frame pays for a first time."""
        spec = self.package.input
        self.find([np.zeros((spec.height, spec.width, 3), np.uint8)], FinderSettings())

    def close(self) -> None:
        """Release the engine; calling again does nothing."""
        self.engine.close()
