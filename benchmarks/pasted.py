"""
Road scenes with known truth: held-out sign crops pasted into real frames.

The signs are photographs of GTSRB tracks that the training never sees (the
same split as the training's validation), cut out along their outline and put
into frames of drives that hold no sign of these classes.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.training.sources import bytes_of, held_out, records_from_manifest

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

TRIANGLES = (11, *range(18, 32))
OUTLINES = {13: (3, 90.0), 14: (8, 22.5), 12: (4, 0.0)} | dict.fromkeys(TRIANGLES, (3, -90.0))
"""Class: corners and direction of the first, degrees; all others are discs."""


@dataclass(frozen=True)
class Track:
    """One physical sign: its crops from far to near, each with its box xyxy."""

    class_id: int
    name: str
    crops: tuple[tuple[Image, Box], ...]

    def near(self, side_px: float) -> tuple[Image, Box]:
        """Return the crop whose sign is nearest to a size."""
        return min(self.crops, key=lambda crop: abs((crop[1][2] - crop[1][0]) - side_px))


def read_tracks(gtsrb: Path, *, held: bool = True, step: int = 1) -> list[Track]:
    """
    Read the tracks that training holds out, or the others.

    :param gtsrb: folder with ``train.csv`` and the shards.
    :param held: the held-out tracks.
    :param step: read every so many-th crop only.
    """
    manifest = gtsrb / 'train.csv'
    records = records_from_manifest(manifest, sorted(gtsrb.glob('train-*.tar')))
    with manifest.open(newline='') as file:
        rows = list(csv.DictReader(file))
    crops: dict[tuple[int, str], list[tuple[Image, Box]]] = defaultdict(list)
    for record, row, out in zip(records, rows, held_out(records), strict=True):
        if out != held or int(row['frame']) % step:
            continue
        coded = np.frombuffer(bytes_of(record), np.uint8)
        image = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        box = tuple(float(row[key]) for key in ('roi_x1', 'roi_y1', 'roi_x2', 'roi_y2'))
        crops[record.class_id, record.group].append((image, box))
    return [
        Track(class_id, group, tuple(items)) for (class_id, group), items in sorted(crops.items())
    ]


@dataclass(frozen=True)
class Look:
    """
    How a pasted sign is lit and blurred.

    :param bright: grey level that the brightest tenth of the crop is brought to
        (GTSRB's own exposure was not made for the frame's light).
    :param fade: 0 as is, 1 plain grey.
    :param blur_px: length of the motion blur, pixels.
    :param blur_deg: its direction.
    """

    bright: float = 200.0
    fade: float = 0.0
    blur_px: float = 0.0
    blur_deg: float = 0.0


def random_look(rng: np.random.Generator) -> Look:
    """Return light from dusk to overexposed and up to 2.5 pixels of motion."""
    return Look(
        float(np.exp(rng.uniform(np.log(60), np.log(330)))),
        float(rng.uniform(0, 0.25)),
        float(rng.uniform(0, 2.5)),
        float(rng.uniform(0, 180)),
    )


def _blurred(image: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
    """Average along a short line."""
    if look.blur_px < 0.5:
        return image
    size = 2 * int(np.ceil(look.blur_px)) + 1
    kernel = np.zeros((size, size), np.float32)
    reach = (
        look.blur_px
        / 2
        * np.array([np.cos(np.deg2rad(look.blur_deg)), np.sin(np.deg2rad(look.blur_deg))])
    )
    for share in np.linspace(-1, 1, 15):
        x, y = size // 2 + share * reach
        kernel[round(y), round(x)] += 1
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def paste(frame: Image, sign: tuple[Image, Box], class_id: int, bbox: Box, look: Look) -> None:
    """
    Put a sign into a frame, in place, clipped at the frame's sides.

    :param sign: crop and the sign's box in it, xyxy.
    :param bbox: where the sign's tight box comes to lie, xywh.
    """
    crop, (x1, y1, x2, y2) = sign
    corners, start = OUTLINES.get(class_id, (40, 0.0))
    angle = np.deg2rad(start + np.arange(corners) * 360 / corners)
    outline = np.stack([np.cos(angle), np.sin(angle)], 1)
    low, high = outline.min(0), outline.max(0)
    outline = (outline - low) / (high - low) * [x2 - x1, y2 - y1] + [x1, y1]
    mask = np.zeros(crop.shape[:2], np.uint8)
    sixteenth = np.round((outline - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [sixteenth], 255, cv2.LINE_AA, 4)
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    scale_x, scale_y = bbox[2] / (x2 - x1), bbox[3] / (y2 - y1)
    size = (max(2, round(crop.shape[1] * scale_x)), max(2, round(crop.shape[0] * scale_y)))
    way = cv2.INTER_AREA if scale_x < 1 else cv2.INTER_CUBIC
    patch = cv2.resize(crop, size, interpolation=way).astype(np.float32)
    alpha = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    grey = patch.mean(axis=2, keepdims=True)
    gain = look.bright / max(float(np.percentile(grey[alpha > 0.5], 90)), 12.0)
    patch = np.clip(((1 - look.fade) * patch + look.fade * grey) * gain, 0, 255)
    patch, alpha = _blurred(patch, look), _blurred(alpha, look)
    left, top = round(bbox[0] - x1 * scale_x), round(bbox[1] - y1 * scale_y)
    height, width = frame.shape[:2]
    x_from, y_from = max(left, 0), max(top, 0)
    x_to, y_to = min(left + size[0], width), min(top + size[1], height)
    if x_to <= x_from or y_to <= y_from:
        return
    inner = (slice(y_from - top, y_to - top), slice(x_from - left, x_to - left))
    part = frame[y_from:y_to, x_from:x_to]
    weight = alpha[inner][..., None]
    part[:] = np.round(part * (1 - weight) + patch[inner] * weight).astype(np.uint8)


@dataclass(frozen=True)
class Truth:
    """One sign of a scene: class, box xywh and the pasted track's number."""

    class_id: int
    bbox: Box
    sign: int = 0


def stills(
    tracks: list[Track],
    backgrounds: list[tuple[Image, list[Box]]],
    *,
    seed: int = 1,
    sides: tuple[float, float] = (32, 160),
    signs: int = 3,
    shares: Mapping[int, float] | None = None,
) -> Iterator[tuple[Image, list[Truth]]]:
    """
    Yield one scene a background, with signs at free places.

    :param backgrounds: frames, and boxes in them that stay uncovered.
    :param sides: smallest and largest sign width, pixels; log-uniform between.
    :param shares: how often a class comes relative to the others, 1 unless given.
    """
    rng = np.random.default_rng(seed)
    by_class: dict[int, list[Track]] = defaultdict(list)
    for track in tracks:
        by_class[track.class_id].append(track)
    classes = sorted(by_class)
    chances = np.array([(shares or {}).get(class_id, 1.0) for class_id in classes])
    for image, taken in backgrounds:
        frame = image.copy()
        height, width = frame.shape[:2]
        truth: list[Truth] = []
        used = list(taken)
        for _ in range(signs):
            class_id = int(rng.choice(classes, p=chances / chances.sum()))
            track = by_class[class_id][int(rng.integers(len(by_class[class_id])))]
            side = float(np.exp(rng.uniform(*np.log(sides))))
            crop = track.near(side)
            tall = side * (crop[1][3] - crop[1][1]) / (crop[1][2] - crop[1][0])
            for _ in range(30):
                x = float(rng.uniform(0, width - side))
                y = float(rng.uniform(0, 0.75 * height - tall))
                if all(
                    x + side < b[0] - 4
                    or b[0] + b[2] + 4 < x
                    or y + tall < b[1] - 4
                    or b[1] + b[3] + 4 < y
                    for b in used
                ):
                    box = (x, y, side, tall)
                    paste(frame, crop, class_id, box, random_look(rng))
                    used.append(box)
                    truth.append(Truth(class_id, box))
                    break
        yield frame, truth


def approach(
    frames: list[Image], signs: list[Track], seed: int = 1, fps: float = 25.0
) -> Iterator[tuple[int, Image, list[Truth]]]:
    """
    Yield a drive past signs: stamp in nanoseconds, frame, truth.

    Every sign stands at its own place beside the road; with speed v it comes
    nearer, so its size grows as one over the distance and it moves outwards
    from the vanishing point until it leaves the frame.

    :param frames: the drive, all of one size.
    :param signs: in the order they are passed.
    """
    rng = np.random.default_rng(seed)
    height, width = frames[0].shape[:2]
    focal = 1.1 * width
    speed = 14.0  # m/s
    vanish = np.array([width * 0.5, height * 0.58])
    gap = max(25.0, (len(frames) / fps * speed - 10) / max(len(signs), 1))
    places = [
        (
            float(rng.choice([1, 1, 1, -1]) * rng.uniform(2.5, 4.5)),
            float(rng.uniform(1.2, 2.2)),
            12 + index * gap + float(rng.uniform(0, 5)),
        )
        for index in range(len(signs))
    ]  # metres: beside, above the camera, ahead
    looks = [random_look(rng) for _ in signs]
    for number, image in enumerate(frames):
        frame = image.copy()
        truth = []
        ahead = number / fps * speed
        for index, (track, (beside, above, along)) in enumerate(zip(signs, places, strict=True)):
            distance = along - ahead
            if not 2.0 < distance < 60:
                continue
            side = 0.75 * focal / distance
            middle = vanish + focal / distance * np.array([beside, -above])
            crop = track.near(side)
            tall = side * (crop[1][3] - crop[1][1]) / (crop[1][2] - crop[1][0])
            box = (middle[0] - side / 2, middle[1] - tall / 2, side, tall)
            paste(frame, crop, track.class_id, box, looks[index])
            inside = min(box[0] + side, width) - max(box[0], 0)
            if inside > 0.6 * side and box[1] + tall > 0.4 * tall:
                truth.append(Truth(track.class_id, box, index))
        yield round(number / fps * 1e9), frame, truth
