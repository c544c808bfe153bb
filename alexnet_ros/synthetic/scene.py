"""
A road seen from a car, rendered with NumPy and OpenCV.

A pinhole camera looks along a straight road: sky, hills, asphalt and grass
with textures that flow by, trees, and signs on poles. Everything follows from
the seed, so that two runs give the same pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.records import BBoxXYWH
from alexnet_ros.synthetic.signs import sign_extent, sign_texture

Layer = NDArray[np.float32]

FOCAL_PX = 620.0  # at 640 px width: 55 degrees across
CAMERA_HEIGHT_M = 1.35
HORIZON = 0.45  # share of the image's height above it
ROAD_M = (-5.45, 1.95)  # edges of the asphalt; the car's lane is centred on 0
LINES_M = ((-5.25, 0.0), (-1.75, 12.0), (1.75, 0.0))  # lateral place, dash period (0: solid)
FOG_M = 140.0
TREES_M = 100.0  # farther ones are not drawn


@dataclass(frozen=True, slots=True)
class PlacedSign:
    """
    One sign beside the road.

    :param at_m: distance along the road from the start.
    :param lateral_m: right of the lane's centre.
    :param height_m: of the sign's centre above the road.
    :param diameter_m: width of the sign.
    :param roll_deg: tilt in the image, clockwise.
    """

    class_id: int
    at_m: float
    lateral_m: float = 2.9
    height_m: float = 2.1
    diameter_m: float = 0.75
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera is: metres along and across the road, pitch in pixels."""

    along_m: float
    across_m: float = 0.0
    pitch_px: float = 0.0


def _noise(rng: np.random.Generator, size: int, scales: tuple[int, ...]) -> Layer:
    """Return tileable noise, shape (size, size), zero mean, about unit spread."""
    total = np.zeros((size, size), np.float32)
    for scale in scales:
        small = rng.standard_normal((scale, scale)).astype(np.float32)
        wrapped = np.tile(small, (3, 3))
        wide = cv2.resize(wrapped, (3 * size, 3 * size), interpolation=cv2.INTER_CUBIC)
        total += wide[size : 2 * size, size : 2 * size]
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def _tree(rng: np.random.Generator, size: int = 128) -> Layer:
    """Return a tree, shape (size, size, 4), float32, premultiplied R, G, B, A."""
    art = np.zeros((size, size, 4), np.float32)
    cv2.rectangle(
        art, (size // 2 - 4, size // 2), (size // 2 + 4, size - 1), (70, 54, 40, 255), -1
    )
    for _ in range(120):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.5
        x = size / 2 + np.cos(angle) * reach * size * 0.36
        y = size * 0.4 + np.sin(angle) * reach * size * 0.32
        shade = rng.uniform(0.55, 1.1) * (1.15 - y / size * 0.5)
        cv2.circle(
            art,
            (int(x), int(y)),
            int(rng.uniform(5, 12)),
            (58 * shade, 86 * shade, 38 * shade, 255),
            -1,
            cv2.LINE_AA,
        )
    return np.asarray(cv2.GaussianBlur(art, (0, 0), 0.8), np.float32)


def _pyramid(art: Layer) -> list[Layer]:
    """Halve an image until 8 px are left; index n is 2**n times smaller."""
    levels = [art]
    while levels[-1].shape[0] > 8:
        half = levels[-1].shape[0] // 2
        smaller = cv2.resize(levels[-1], (half, half), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(smaller, np.float32))
    return levels


def _blend(
    image: Layer, levels: list[Layer], box: BBoxXYWH, roll_deg: float, light: float
) -> None:
    """Draw premultiplied art into a box of the image, with subpixel placing."""
    x, y, width, height = box
    level = int(np.clip(np.log2(levels[0].shape[0] / max(width, height, 1.0)), 0, len(levels) - 1))
    art = levels[level]
    left, top = int(np.floor(x)) - 2, int(np.floor(y)) - 2
    right, bottom = int(np.ceil(x + width)) + 2, int(np.ceil(y + height)) + 2
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(right, image.shape[1]), min(bottom, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    matrix = cv2.getRotationMatrix2D((art.shape[1] / 2, art.shape[0] / 2), -roll_deg, 1.0)
    scale = np.diag([width / art.shape[1], height / art.shape[0]])
    matrix = scale @ matrix
    # Pixel centres stand at +0.5 in both pictures.
    matrix[:, 2] += np.array([x - x0, y - y0]) - 0.5 + matrix[:, :2] @ np.array([0.5, 0.5])
    patch = cv2.warpAffine(art, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    part = image[y0:y1, x0:x1]
    part *= 1 - patch[..., 3:] / 255
    part += patch[..., :3] * light


class Scene:
    """
    A road with trees and signs.

    :param signs: in any order.
    :param seed: of all that is random.
    """

    def __init__(
        self,
        signs: tuple[PlacedSign, ...],
        *,
        size_wh: tuple[int, int] = (640, 480),
        length_m: float = 400.0,
        seed: int = 7,
    ) -> None:
        self.signs = tuple(sorted(signs, key=lambda sign: -sign.at_m))
        self.size_wh = size_wh
        self._focal = FOCAL_PX * size_wh[0] / 640
        self._horizon = HORIZON * size_wh[1]
        rng = np.random.default_rng(seed)
        self._asphalt = _noise(rng, 512, (32, 128, 256))
        self._grass = _noise(rng, 512, (16, 64, 256))
        self._sky = self._make_sky(rng)
        self._tree_art = [_pyramid(_tree(rng)) for _ in range(4)]
        self._trees = [
            (along, side * rng.uniform(6.5, 15), rng.uniform(4, 8), int(rng.integers(4)))
            for along in np.arange(4, length_m + 120, 6.0)
            for side in (-1.5, 1.0)
        ]
        self._grain = [
            rng.standard_normal((size_wh[1], size_wh[0], 1)).astype(np.float32) * 1.6
            for _ in range(5)
        ]
        self._sign_art = {s.class_id: _pyramid(sign_texture(s.class_id)) for s in signs}

    def _make_sky(self, rng: np.random.Generator) -> Layer:
        """Return sky and hills, 40 px wider and higher than the image's upper part."""
        width, height = self.size_wh[0] + 40, int(self._horizon) + 40
        t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        sky = (1 - t) * np.array([122, 160, 204], np.float32) + t * np.array(
            [206, 216, 222], np.float32
        )
        clouds = cv2.resize(_noise(rng, 512, (4, 8, 16, 64)), (width, height))[..., None]
        sky = sky + np.clip(clouds, 0, 2) * 16 * (1.1 - t)
        columns = np.arange(width)
        for base, waves, colour in ((26, 3, (140, 156, 160)), (14, 5, (104, 124, 104))):
            phase = rng.uniform(0, 6, waves)
            ridge = base + sum(
                base / (2 + k) * np.sin(columns / width * 6 * (k + 1) + phase[k])
                for k in range(waves)
            )
            rows = np.arange(height)[:, None]
            cover = np.clip(rows - (height - 20 - ridge * self.size_wh[1] / 480), 0, 1)[..., None]
            sky = sky * (1 - cover) + np.array(colour, np.float32) * cover
        return np.asarray(sky, np.float32)

    def project(
        self, pose: Pose, along_m: float, lateral_m: float, height_m: float
    ) -> tuple[float, float, float]:
        """Return the pixel place of a point and the pixels a metre has there."""
        per_m = self._focal / (along_m - pose.along_m)
        x = self.size_wh[0] / 2 + (lateral_m - pose.across_m) * per_m
        y = self._horizon + pose.pitch_px + (CAMERA_HEIGHT_M - height_m) * per_m
        return x, y, per_m

    def sign_box(self, pose: Pose, sign: PlacedSign) -> BBoxXYWH | None:
        """Return a sign's tight box in pixels, or None behind or far away."""
        if not 2.0 < sign.at_m - pose.along_m < FOG_M:
            return None
        x, y, per_m = self.project(pose, sign.at_m, sign.lateral_m, sign.height_m)
        side = sign.diameter_m * per_m
        left, top, width, height = sign_extent(sign.class_id)
        return (x - side / 2 + left * side, y - side / 2 + top * side, width * side, height * side)

    @staticmethod
    def _textured(tile: Layer, across: Layer, ahead: Layer, along_m: float, per_m: float) -> Layer:
        """Look a tile up at places on the ground, ``per_m`` of its pixels a metre."""
        rows = np.broadcast_to(ahead * per_m + (along_m * per_m) % tile.shape[0], across.shape)
        return np.asarray(
            cv2.remap(
                tile,
                across * per_m,
                np.ascontiguousarray(rows, np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_WRAP,
            ),
            np.float32,
        )

    def _ground(self, image: Layer, pose: Pose) -> None:
        """Draw asphalt, lines and grass below the horizon."""
        width, height = self.size_wh
        start = int(np.ceil(self._horizon + pose.pitch_px)) + 1
        rows = np.arange(start, height, dtype=np.float32)[:, None]
        ahead = self._focal * CAMERA_HEIGHT_M / (rows + 0.5 - self._horizon - pose.pitch_px)
        per_m = self._focal / ahead
        across = (np.arange(width, dtype=np.float32)[None] + 0.5 - width / 2) / per_m
        across = across + np.float32(pose.across_m)
        fade = np.clip(9 / ahead, 0, 1)
        speckle = self._textured(self._asphalt, across, ahead, pose.along_m, 40.0) * fade
        blades = self._textured(self._grass, across, ahead, pose.along_m, 24.0) * fade
        road = np.clip((across - ROAD_M[0]) * per_m + 0.5, 0, 1) * np.clip(
            (ROAD_M[1] - across) * per_m + 0.5, 0, 1
        )
        tone = 92 + 7 * speckle
        for lateral, period in LINES_M:
            cover = np.clip((0.07 - np.abs(across - lateral)) * per_m + 0.5, 0, 1)
            if period:
                cover = cover * ((ahead + pose.along_m) % period < period / 3)
            tone = tone + (196 - tone) * cover * 0.9
        part = image[start:]
        for channel, (base, spread) in enumerate(((96, 15), (112, 17), (62, 12))):
            grass = base + spread * blades
            part[..., channel] = grass + (tone - grass) * road
        mist = (1 - np.exp(-ahead / FOG_M))[..., None]
        part += (np.array([168, 178, 178], np.float32) - part) * mist

    def render(self, pose: Pose, *, light: float = 1.0, index: int = 0) -> NDArray[np.uint8]:
        """
        Draw one frame.

        :param light: brightness of the whole picture, 1 for full day.
        :param index: frame number; chooses the sensor's noise.
        :returns: shape (H, W, 3), uint8, R, G, B.
        """
        width, height = self.size_wh
        image = np.empty((height, width, 3), np.float32)
        upper = int(np.ceil(self._horizon + pose.pitch_px)) + 1
        shift = int(np.clip(20 + pose.across_m * 4, 0, 40))
        lift = self._sky.shape[0] - 20 - upper + 1
        image[:upper] = self._sky[lift : lift + upper, shift : shift + width]
        self._ground(image, pose)
        things: list[tuple[float, PlacedSign | tuple[float, float, float, int]]] = [
            (tree[0], tree) for tree in self._trees if 3 < tree[0] - pose.along_m < TREES_M
        ]
        things += [(s.at_m, s) for s in self.signs if 2 < s.at_m - pose.along_m < FOG_M]
        for _, thing in sorted(things, key=lambda item: -item[0]):
            if isinstance(thing, PlacedSign):
                self._draw_sign(image, pose, thing)
            else:
                along, lateral, tall, kind = thing
                x, y, per_m = self.project(pose, along, lateral, tall / 2)
                side = tall * per_m
                if -side < x < width + side:
                    _blend(
                        image,
                        self._tree_art[kind],
                        (x - side / 2, y - side / 2, side, side),
                        0.0,
                        1.0,
                    )
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0.55), np.float32)
        image *= light
        image += self._grain[index % len(self._grain)]
        return np.asarray(np.clip(image, 0, 255), np.uint8)

    def _draw_sign(self, image: Layer, pose: Pose, sign: PlacedSign) -> None:
        """Draw one pole and its sign."""
        x, y, per_m = self.project(pose, sign.at_m, sign.lateral_m, sign.height_m)
        foot = self.project(pose, sign.at_m, sign.lateral_m, 0.0)[1]
        half, fixed = max(0.03 * per_m, 0.4), 16
        corners = np.array([(x - half, y), (x + half, y), (x + half, foot), (x - half, foot)])
        cv2.fillPoly(
            image, [np.rint(corners * fixed).astype(np.int32)], (128, 132, 134), cv2.LINE_AA, 4
        )
        side = sign.diameter_m * per_m
        _blend(
            image,
            self._sign_art[sign.class_id],
            (x - side / 2, y - side / 2, side, side),
            sign.roll_deg,
            0.97,
        )
