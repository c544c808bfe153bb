"""
Pictures to train a finder with: pieces of annotated frames with more objects pasted in.

Each picture depends on the seed and its number alone, so a resumed run sees
the pictures that it would have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.geometry import pairwise_iou, xywh_from_corners
from alexnet_ros.training.augment import relit_scene
from alexnet_ros.training.finder_network import CELL_PX
from alexnet_ros.training.settings import FinderTrainSettings

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Boxes = NDArray[np.float64]
Target = tuple[Image, Floats, Floats, Floats, Floats]

CENTRE_SPREAD = 0.09  # of the size: standard deviation of the heat round a centre
BOX_REACH = 0.12  # of the size: how far from the centre a cell learns the box
FAINT = 6.0  # grey levels: what differs less from what it hides is not judged
YELLOW_SHARE = 0.08  # of pasted signs get a yellow face, as in the north and at road works
OUTLINES = {
    'triangle': ((0.5, -0.02), (1.02, 1.0), (-0.02, 1.0)),
    'inverted': ((-0.02, 0.0), (1.02, 0.0), (0.5, 1.02)),
    'diamond': ((0.5, -0.02), (1.02, 0.5), (0.5, 1.02), (-0.02, 0.5)),
    'octagon': tuple(
        (0.5 + 0.55 * np.cos(a), 0.5 + 0.55 * np.sin(a)) for a in np.arange(8) * np.pi / 4 + 0.3927
    ),
    'square': ((0, 0), (1, 0), (1, 1), (0, 1)),
    'disc': tuple((0.5 + 0.5 * np.cos(a), 0.5 + 0.5 * np.sin(a)) for a in np.arange(24) * 0.2618),
}
"""Corners of what is pasted, in shares of the object's box."""


@dataclass(frozen=True)
class Scene:
    """
    A frame without, or with annotated, objects.

    :param image: (H, W, 3) uint8 RGB.
    :param boxes: (N, 4), left, top, right, bottom, pixels.
    :param ignored: (M, 4), where nothing is judged.
    """

    image: Image
    boxes: Boxes = field(default_factory=lambda: np.zeros((0, 4)))
    ignored: Boxes = field(default_factory=lambda: np.zeros((0, 4)))


@dataclass(frozen=True)
class Cutout:
    """
    An object to be pasted.

    :param image: (H, W, 3) uint8 RGB.
    :param box: left, top, right, bottom of the object in it, pixels.
    :param outline: a name of ``OUTLINES``; empty where ``alpha`` says.
    :param alpha: (H, W) uint8, or None.
    :param counts: whether it is to be found; otherwise its place is not judged.
    """

    image: Image
    box: tuple[float, float, float, float]
    outline: str = 'disc'
    alpha: Image | None = None
    counts: bool = True

    @property
    def size(self) -> float:
        """Longer side of the object, pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class SceneMaker:
    """
    Makes pictures and what is to be found in them.

    :param frames: annotated frames.
    :param backgrounds: frames without objects; may be empty.
    :param classes: cutouts by class; each class is pasted as often as any other.
    :param settings: sizes, how much is pasted, and the seed.
    """

    def __init__(
        self,
        frames: Sequence[Scene],
        backgrounds: Sequence[Scene],
        classes: Sequence[Sequence[Cutout]],
        settings: FinderTrainSettings,
    ) -> None:
        self.frames, self.backgrounds, self.classes = frames, backgrounds, classes
        self.settings = settings
        self.half: dict[int, Image] = {}

    def __len__(self) -> int:
        """Return a number of pictures that no run reaches."""
        return 1 << 40

    def __getitem__(self, number: int) -> Target:
        """Return picture, heat, counts, boxes and weights; see ``finder_loss``."""
        rng = np.random.default_rng([self.settings.seed, number])
        real = bool(self.frames) and (
            not self.backgrounds or rng.random() < self.settings.frame_share
        )
        scene = self._piece(rng, real=real)
        image, boxes, ignored = scene.image, list(scene.boxes), list(scene.ignored)
        for _ in range(rng.poisson(self.settings.decoys)):
            self._paste(image, self._decoy(rng), rng, boxes, ignored, counts=None)
        for _ in range(
            rng.poisson(self.settings.pasted * (0.6 if real else 1.6)) if self.classes else 0
        ):
            group = self.classes[int(rng.integers(len(self.classes)))]
            cutout = group[int(rng.integers(len(group)))]
            self._paste(image, cutout, rng, boxes, ignored, counts=cutout.counts)
        image = relit_scene(image, rng)
        return image, *targets(
            np.array(boxes).reshape(-1, 4), np.array(ignored).reshape(-1, 4), self.settings.side_px
        )

    def _size(self, rng: np.random.Generator, largest: float) -> float:
        low, high = self.settings.smallest_px, min(largest, self.settings.largest_px)
        return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low * 1.1)))))

    def _piece(self, rng: np.random.Generator, *, real: bool) -> Scene:
        """Return a piece of a frame at a random scale, with its boxes."""
        scenes = self.frames if real else self.backgrounds
        if not scenes:
            flat = rng.integers(0, 255, 3).astype(np.uint8)
            return Scene(
                np.full((self.settings.side_px, self.settings.side_px, 3), flat, np.uint8)
            )
        scene = scenes[int(rng.integers(len(scenes)))]
        side = self.settings.side_px
        height, width = scene.image.shape[:2]
        least = side / min(height, width)
        if real and len(scene.boxes) and rng.random() < 0.8:
            box = scene.boxes[int(rng.integers(len(scene.boxes)))]
            size = max(box[2] - box[0], box[3] - box[1])
            scale = max(self._size(rng, 2.5 * size) / size, least)
            x, y = (box[:2] + box[2:]) / 2 * scale - rng.uniform(0.1, 0.9, 2) * side
        else:
            scale = max(float(np.exp(rng.uniform(np.log(0.35), np.log(1.5)))), least)
            x, y = rng.uniform(0, 1, 2) * (scale * width - side, scale * height - side)
        x = np.clip(x, 0, max(0.0, scale * width - side))
        y = np.clip(y, 0, max(0.0, scale * height - side))
        source, own = scene.image, scale
        if scale < 0.7:
            key = id(scene)
            if key not in self.half:
                half = (width // 2, height // 2)
                smaller = cv2.resize(source, half, interpolation=cv2.INTER_AREA)
                self.half[key] = np.asarray(smaller, np.uint8)
            source, own = self.half[key], 2 * scale
        stretch = rng.uniform(0.92, 1.08)
        across, shift = (own * stretch, -x * stretch)
        matrix = np.array([[across, 0.0, shift], [0.0, own, -y]])
        boxes = [
            _scaled(b, scale * stretch, scale, shift, -y) for b in (scene.boxes, scene.ignored)
        ]
        if rng.random() < 0.5:
            matrix[0] = (-across, 0, side - shift)
            boxes = [
                np.stack([side - b[:, 2], b[:, 1], side - b[:, 0], b[:, 3]], 1) for b in boxes
            ]
        _to_pixel_centres(matrix)
        image = cv2.warpAffine(
            source, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return Scene(np.asarray(image, np.uint8), *boxes)

    def _decoy(self, rng: np.random.Generator) -> Cutout:
        """Return a piece of background, to be cut out and pasted like an object."""
        scenes = self.backgrounds or self.frames
        scene = scenes[int(rng.integers(len(scenes)))]
        height, width = scene.image.shape[:2]
        side = int(rng.integers(16, min(120, height - 1, width - 1)))
        x, y = int(rng.integers(width - side)), int(rng.integers(height - side))
        piece = np.zeros((side, side, 3), np.uint8) + rng.integers(0, 255, 3).astype(np.uint8)
        if not _touches(np.array([x, y, x + side, y + side]), scene.boxes):
            piece = scene.image[y : y + side, x : x + side]
        outline = list(OUTLINES)[int(rng.integers(len(OUTLINES)))]
        return Cutout(piece, (1, 1, side - 1, side - 1), outline)

    def _paste(
        self,
        image: Image,
        cutout: Cutout,
        rng: np.random.Generator,
        boxes: list[NDArray[np.float64]],
        ignored: list[NDArray[np.float64]],
        *,
        counts: bool | None,
    ) -> None:
        """Paste an object where it hides none; ``counts`` None: nothing to be found."""
        side = self.settings.side_px
        size = self._size(rng, max(40.0, 3.5 * cutout.size))
        scale = size / cutout.size
        source, alpha, box = cutout.image, cutout.alpha, np.array(cutout.box)
        if alpha is None:
            alpha = _mask(cutout, rng)
        if scale < 0.8:
            shape = tuple(max(3, round(side * scale)) for side in source.shape[1::-1])
            ratio = np.array([shape[0] / source.shape[1], shape[1] / source.shape[0]] * 2)
            source, alpha = (
                np.asarray(cv2.resize(plane, shape, interpolation=cv2.INTER_AREA), np.uint8)
                for plane in (source, alpha)
            )
            box, scale = box * ratio, 1.0
        turn, shear = rng.normal(0, 0.06), rng.normal(0, 0.04)
        linear = scale * np.array([[rng.uniform(0.8, 1.08), -turn + shear], [turn, 1.0]])
        corners = np.array(OUTLINES[cutout.outline or 'square'])
        corners = np.clip(corners, 0, 1) * (box[2:] - box[:2]) + box[:2]
        corners = corners @ linear.T
        low, high = corners.min(0), corners.max(0)
        middle = rng.uniform(0.02, 0.98, 2) * side
        move = middle - (low + high) / 2
        placed = np.concatenate([low + move, high + move])
        if _touches(placed, [*boxes, *ignored]):
            return
        matrix = np.concatenate([linear, move[:, None]], 1)
        x0, y0 = np.maximum(np.floor(placed[:2] - 0.3 * size), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(placed[2:] + 0.3 * size), side).astype(int)
        matrix[:, 2] -= (x0, y0)
        _to_pixel_centres(matrix)
        shape = (int(x1 - x0), int(y1 - y0))
        piece = cv2.warpAffine(
            source, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        cover = cv2.warpAffine(alpha, matrix, shape, flags=cv2.INTER_LINEAR).astype(np.float32)
        cover = cover[..., None] / np.float32(255)
        if not boxes and rng.random() < 0.4:
            half = max(1, round(size * rng.uniform(0.02, 0.05)))
            middle_x = int(middle[0])
            grey = int(rng.integers(40, 200))
            top = (middle_x - half, int(middle[1]))
            cv2.rectangle(image, top, (middle_x + half, side), (grey, grey, grey), -1)
        around = image[y0:y1, x0:x1].astype(np.float32)
        if counts and rng.random() < YELLOW_SHARE:
            _colour_yellow(piece, rng)
        piece *= float(np.exp(rng.normal(0, 0.35)))
        if rng.random() < 0.5:  # lit as its surroundings are
            light = (float(around.mean()) + 40) / (float(piece.mean()) + 40)
            piece *= np.clip(light, 0.3, 1.6)
        mixed = around + (np.minimum(piece, 255) - around) * cover
        image[y0:y1, x0:x1] = mixed.astype(np.uint8)
        if counts is not None:
            visible = (
                float(np.abs(mixed - around).mean()) > FAINT or float(piece.std()) > 2 * FAINT
            )
            (boxes if counts and visible else ignored).append(placed)


def _colour_yellow(piece: Floats, rng: np.random.Generator) -> None:
    """Make what is white or grey yellow, in place."""
    pale = np.clip(1.6 - (piece.max(2) - piece.min(2)) / 30, 0, 1)[..., None]
    face = np.array([1.0, rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.5)], np.float32)
    piece *= 1 + pale * (face - 1)


def _mask(cutout: Cutout, rng: np.random.Generator) -> Image:
    """Return how much of each pixel of a cutout is the object, with a soft edge."""
    height, width = cutout.image.shape[:2]
    alpha = np.zeros((height, width), np.uint8)
    box = np.array(cutout.box)
    corners = np.array(OUTLINES[cutout.outline])
    if rng.random() < 0.25:  # with some of what stood round it
        cv2.rectangle(alpha, (1, 1), (width - 2, height - 2), 255, -1)
    else:
        points = corners * (box[2:] - box[:2]) + box[:2]
        cv2.fillPoly(alpha, [np.round(points * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    soft = rng.uniform(0.3, 0.03 * cutout.size + 0.5)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft), np.uint8)


def _to_pixel_centres(matrix: NDArray[np.float64]) -> None:
    """Make a map of coordinates, where pixel 0 reaches from 0 to 1, one of pixel numbers."""
    matrix[:, 2] += 0.5 * matrix[:, :2].sum(1) - 0.5


def _scaled(boxes: Boxes, across: float, down: float, x: float, y: float) -> Boxes:
    return np.asarray(boxes * (across, down, across, down) + (x, y, x, y), np.float64)


def _touches(box: NDArray[np.generic], others: Sequence[NDArray[np.float64]] | Boxes) -> bool:
    corners = np.array([box, *others], np.float64)
    return bool(pairwise_iou(xywh_from_corners(corners[:1]), xywh_from_corners(corners[1:])).any())


def targets(boxes: Boxes, ignored: Boxes, side: int) -> tuple[Floats, Floats, Floats, Floats]:
    """
    Return heat, counts, boxes and weights; see ``finder_loss``.

    Objects whose middle lies outside, or that are cut by more than 45 % of
    their area, are not judged.

    :param boxes: (N, 4), left, top, right, bottom, pixels.
    """
    count = side // CELL_PX
    heat, weights = np.zeros((count, count), np.float32), np.zeros((count, count), np.float32)
    counts, wanted = np.ones((count, count), np.float32), np.zeros((count, count, 4), np.float32)
    boxes = boxes / CELL_PX
    wide, tall = (boxes[:, 2:] - boxes[:, :2]).T
    seen = (np.clip(boxes[:, 2:], 0, count) - np.clip(boxes[:, :2], 0, count)).clip(0).prod(1)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    judged = (seen > 0.55 * wide * tall) & ((middles > 0) & (middles < count)).all(1)
    axis = np.arange(count)
    order = np.argsort(-wide * tall)  # the smaller object speaks where two overlap
    for index in order[judged[order]].tolist():
        cell = np.floor(middles[index])
        x, y = ((axis - c) / s for c, s in zip(cell, (wide[index], tall[index]), strict=True))
        for spread, plane in ((CENTRE_SPREAD, heat), (BOX_REACH, weights)):
            sx, sy = (max(spread, 0.55 / s) for s in (wide[index], tall[index]))
            bump = np.exp(-0.5 * ((x / sx) ** 2)[None, :] - 0.5 * ((y / sy) ** 2)[:, None])
            if plane is heat:
                np.maximum(heat, bump, out=heat)
            else:
                near = bump > 0.3
                weights[near] = bump[near]
                wanted[near] = boxes[index]
    for box in (*(ignored / CELL_PX), *boxes[~judged]):
        x0, y0 = np.clip(np.floor(box[:2]), 0, count).astype(int)
        x1, y1 = np.clip(np.ceil(box[2:]), 0, count).astype(int)
        counts[y0:y1, x0:x1] = heat[y0:y1, x0:x1] >= 1
    return heat, counts, wanted, weights
