"""
The crops that teach the bundled model what is none of its signs.

    python -m tools.open_world ../shared build/signs/world [--mined boxes.json]…

Writes ``crops.tar`` and ``crops.csv`` (file, class_id, weight, kind) for
``alexnet_ros train --added-data``. Class 43 is the background: pieces of real
road, what the finder took for signs there, the world's other signs pasted into
it, and look-alikes made of photographed signs. Known signs come along, boxed as
the finder boxes them, pasted and made in the same way. ``--held-out`` makes the
same kinds from the other frames, tracks and fonts, to measure with.
"""

import argparse
import csv
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.training.negatives import video_frames
from alexnet_ros.training.sources import ImageBank, is_dev, tar_members
from tools import lookalikes, sign_text
from tools.altered import Altered
from tools.emblems import BLUE, Emblems, emblem_of
from tools.find_candidates import found_in
from tools.lamps import lit_lamp
from tools.lookalikes import Limit, Lookalikes
from tools.sign_text import Image
from tools.training_split import split_rows

BACKGROUND = 43
ROUND = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 32, 41, 42)
TRIANGLES = tuple(range(18, 32))
YIELD = 13
BASES = (*ROUND, *TRIANGLES, *BLUE, YIELD)
HELD_FONTS = ('STIXGeneral', 'cmss10', 'DejaVuSerif')
KNOWN_DRAWN = Path(__file__).parents[1] / 'config/recipes/drawn_known.csv'
Box = tuple[float, float, float, float]

MIX = {  # kind: (share of the added crops, how many are made)
    'mined': (0.16, 0),
    'boxed': (0.12, 0),
    'road': (0.12, 8000),
    'pasted': (0.20, 24000),
    'pasted_known': (0.07, 8000),
    'other_limit': (0.07, 7000),
    'plate': (0.05, 5000),
    'known_limit': (0.06, 5000),
    'unit': (0.08, 7000),
    'unit_less': (0.06, 5000),
    'end_of': (0.10, 10000),
    'end_of_80': (0.015, 1200),
    'yellow': (0.02, 2400),
    'yellow_known': (0.025, 2400),
    'slashed': (0.015, 1200),
    'triangle': (0.04, 5000),
    'triangle_known': (0.02, 2400),
    'prohibition': (0.04, 5000),
    'blue': (0.02, 3000),
    'turned': (0.015, 1500),
    'zone': (0.025, 3000),
    'lamp': (0.02, 3000),
    'altered': (0.033, 1000),
    'drawn': (0.044, 1500),
    'drawn_known': (0.061, 1000),
}
NEVER_HELD = ('altered', 'drawn', 'drawn_known')  # they know no fonts or drawings to keep apart


def read_rgb(path: Path) -> Image:
    """Read a picture, (H, W, 3)."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)


def cut(frame: Image, box: Box, margin: float = 0.1) -> Image:
    """Return a box with the margin that the node gives it; edges repeat beyond the frame."""
    x, y, w, h = box
    left, top = round(x - margin * w), round(y - margin * h)
    wide, high = max(4, round(w * (1 + 2 * margin))), max(4, round(h * (1 + 2 * margin)))
    columns = np.clip(np.arange(left, left + wide), 0, frame.shape[1] - 1)
    rows = np.clip(np.arange(top, top + high), 0, frame.shape[0] - 1)
    piece = frame[rows[:, None], columns[None, :]]
    most = max(piece.shape[:2])
    if most > 112:
        size = (max(8, wide * 112 // most), max(8, high * 112 // most))
        piece = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
    return np.asarray(piece, np.uint8)


def overlap(box: Box, other: Box) -> float:
    """Return the share of the smaller box that both cover."""
    across = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    down = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / min(box[2] * box[3], other[2] * other[3])


class World:
    """
    The material of one side of the split.

    :param data: folder with gtsrb/, gtsdb/, drive/ and sign_drawings/.
    :param held: make it from what training never sees.
    """

    def __init__(self, data: Path, held: bool, seed: int) -> None:
        self.data, self.held = data, held
        self.rng = np.random.default_rng([seed, int(held)])
        self.boxes = {
            name: items
            for name, items in json.loads((data / 'gtsdb/annotations.json').read_text()).items()
            if is_dev(name) == held
        }
        self.frames = {name: read_rgb(data / 'gtsdb' / name) for name in self.boxes}
        share = (0.6667, 1.0) if held else (0.0, 0.6667)
        clip = video_frames(data / 'drive/solidWhiteRight.mp4', *share, step=3)
        self.frames |= {f'drive {number}': frame for number, frame in enumerate(clip)}
        self.signs = self._signs()
        triangles: list[tuple[Image, int]] = []
        rounds: list[Image] = []
        self.drawn = []
        for name, drawing, class_id in self._drawings():
            self.drawn.append((drawing, class_id))
            emblem = emblem_of(drawing)
            if emblem is None:
                continue
            if name.startswith('warning') and class_id in (BACKGROUND, *TRIANGLES):
                triangles.append((emblem, -1 if class_id == BACKGROUND else class_id))
            elif name.startswith('regulatory--no-') and class_id == BACKGROUND:
                rounds.append(emblem)
        self.lookalikes = Lookalikes(self.signs, self.rng)
        self.emblems = Emblems(self.lookalikes, triangles, rounds)
        self.altered = Altered(self.signs, self.road, self.rng)

    def _signs(self) -> dict[int, list[Limit]]:
        """Return GTSRB's crops of this side by class."""
        records, rows = split_rows(self.data)
        bank = ImageBank(records)
        signs: dict[int, list[Limit]] = {}
        for index, row in enumerate(rows):
            class_id = records[index].class_id
            if row['split'] != ('val' if self.held else 'train') or class_id not in BASES:
                continue
            x1, y1, x2, y2 = (int(row[f'roi_{key}']) for key in ('x1', 'y1', 'x2', 'y2'))
            if y2 - y1 >= 20 and int(row['frame']) % 2 == 0:
                signs.setdefault(class_id, []).append(Limit(bank[index], (x1, y1, x2, y2)))
        return signs

    def _drawings(self) -> Iterator[tuple[str, NDArray[np.uint8], int]]:
        """Yield name, RGBA and class of drawings; every twelfth unknown one is held out."""
        folder = self.data / 'sign_drawings'
        with KNOWN_DRAWN.open(newline='') as file:
            known = {row['file']: row['class_id'] for row in csv.DictReader(file)}
        members = tar_members(folder / 'images.tar')
        for name, (offset, size) in sorted(members.items()):
            class_text = known.get(Path(name).name, str(BACKGROUND))
            out = zlib.crc32(Path(name).name.encode()) % 12 == 0
            if class_text == '' or (class_text == str(BACKGROUND) and out != self.held):
                continue
            with (folder / 'images.tar').open('rb') as file:
                file.seek(offset)
                data = np.frombuffer(file.read(size), np.uint8)
            drawing = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
            yield Path(name).name, np.asarray(drawing, np.uint8), int(class_text)

    def road(self) -> Image:
        """Return a piece of road without a box."""
        names = list(self.frames)
        name = names[int(self.rng.integers(len(names)))]
        frame, rng = self.frames[name], self.rng
        while True:
            side = float(np.exp(rng.uniform(np.log(18), np.log(260))))
            w, h = side * rng.uniform(0.8, 1.25), side * rng.uniform(0.8, 1.25)
            x, y = rng.uniform(0, frame.shape[1] - w), rng.uniform(0, frame.shape[0] - h)
            box = (float(x), float(y), float(w), float(h))
            if all(overlap(box, item['bbox']) < 0.05 for item in self.boxes.get(name, ())):
                return cut(frame, box, 0.0)

    def pasted(self, known: bool) -> tuple[Image, int]:
        """Return a drawing before real road, lit as the road is."""
        rng = self.rng
        fitting = [item for item in self.drawn if (item[1] != BACKGROUND) == known]
        drawing, class_id = fitting[int(rng.integers(len(fitting)))]
        if (drawing[..., 3] > 0).mean() > 0.88 and rng.random() < 0.6:  # fewer plain plates
            drawing, class_id = fitting[int(rng.integers(len(fitting)))]
        side = int(np.exp(rng.uniform(np.log(24), np.log(112))))
        ground = cv2.resize(self.road(), (side, side), interpolation=cv2.INTER_AREA)
        height, width = drawing.shape[:2]
        size = side / (1.2 * float(rng.uniform(0.9, 1.15)))
        fit = np.array([size / max(width, height)] * 2)  # boxes of tall plates are tall: stretch
        if rng.random() < 0.7:
            fit = np.array([size / width, size / height])
        off = side / 2 - fit * (width, height) / 2 + rng.normal(0, 0.03 * side, 2)
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        target = source * fit + off + rng.normal(0, 0.02 * side, (4, 2))
        matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32))
        soft = cv2.GaussianBlur(drawing, (0, 0), max(0.3, 0.35 / float(fit.mean())))
        layer = cv2.warpPerspective(soft, matrix, (side, side), flags=cv2.INTER_LINEAR)
        colours = layer[..., :3].astype(np.float32) / 255
        if class_id in (*TRIANGLES, YIELD) and known and rng.random() < 0.2:
            pale = np.clip(1.6 - (colours.max(2) - colours.min(2)) * 8, 0, 1)[..., None]
            colours = colours * (1 + pale * (np.array([1, 0.82, rng.uniform(0.1, 0.5)]) - 1))
        grey = colours.mean(2, keepdims=True)
        colours = grey + (colours - grey) * float(rng.uniform(0.45, 1.05))  # sun-bleached
        black, white = float(rng.uniform(0.02, 0.3)), float(rng.uniform(0.6, 1.0))
        light = float(ground.mean()) / 255 * float(np.exp(rng.normal(0.35, 0.5)))
        light = min(max(light, 0.12), 1.0)
        ramp = 1 + float(rng.uniform(-0.25, 0.25)) * np.linspace(-1, 1, side)[:, None, None]
        cast = rng.normal(1, 0.06, 3)
        colours = (black + (white - black) * colours) * light * ramp * cast
        alpha = layer[..., 3:].astype(np.float32) / 255
        mixed = ground * (1 - alpha) + np.clip(255 * colours, 0, 255) * alpha
        return mixed.astype(np.uint8), class_id

    def yellow(self, known: bool) -> tuple[Image, int]:
        """Return a warning sign with a yellow face; with a dark rim it is none."""
        rng = self.rng
        class_id = YIELD if known and rng.random() < 0.4 else int(rng.choice(TRIANGLES))
        sign = self.signs[class_id][int(rng.integers(len(self.signs[class_id])))]
        colours = sign.canvas().astype(np.float32)
        red = np.clip((colours[..., 0] - colours[..., 1:].max(2)) / 45, 0, 1)[..., None]
        pale = np.clip(1.6 - (colours.max(2) - colours.min(2)) / 30, 0, 1)[..., None]
        y, x = np.mgrid[0 : len(colours), 0 : len(colours)]
        lower = (-0.2 if class_id == YIELD else 0.15) * sign.radius
        near = np.hypot(x - sign.middle[0], y - sign.middle[1] - lower)
        inside = (near < 0.62 * sign.radius)[..., None]
        face = np.array([1.0, rng.uniform(0.72, 0.9), rng.uniform(0.08, 0.45)], np.float32)
        colours = colours * (1 + pale * inside * (face - 1))
        if not known:
            rim = colours.max(2, keepdims=True) * face
            if rng.random() < 0.65:
                rim = rim * float(rng.uniform(0.1, 0.5)) * (1 / face)
            colours = colours * (1 - red) + rim * red
        return np.clip(colours, 0, 255).astype(np.uint8), class_id if known else BACKGROUND

    def made(self, kind: str) -> tuple[Image, int]:
        """Return one crop of a kind and its class."""
        make, rng = self.lookalikes, self.rng
        if kind == 'road':
            return self.road(), BACKGROUND
        if kind.startswith('unit'):
            crop, class_id = make.squeezed(str(rng.choice(['t', 't', 'm'])) * (kind == 'unit'))
            return crop, BACKGROUND if kind == 'unit' else class_id
        if kind.startswith('pasted'):
            return self.pasted(kind == 'pasted_known')
        if kind.startswith('yellow'):
            return self.yellow(kind == 'yellow_known')
        if kind.startswith('triangle'):
            crop, class_id = self.emblems.triangle(kind == 'triangle_known')
            return crop, BACKGROUND if class_id < 0 else class_id
        if kind in ('prohibition', 'blue', 'turned', 'zone'):
            return getattr(self.emblems, kind)(), BACKGROUND
        if kind == 'altered':
            return self.altered.altered(), BACKGROUND
        if kind.startswith('drawn'):
            crop, class_id = self.altered.drawn(kind == 'drawn_known')
            return crop, BACKGROUND if class_id < 0 else class_id
        if kind == 'lamp':
            return lit_lamp(self.road(), rng), BACKGROUND
        if kind == 'slashed':
            return make.slashed((0, 1, 2, 3, 4, 5, 9, 10, 15, 16)), BACKGROUND
        if kind == 'end_of_80':
            return make.end_of('80'), 6
        if kind == 'end_of':
            values = (*lookalikes.LIMITS, *lookalikes.OTHER_LIMITS)
            return make.end_of(str(rng.choice([v for v in values if v != '80']))), BACKGROUND
        if kind == 'known_limit':
            text = str(rng.choice(list(lookalikes.LIMITS)))
            return make.number(text), lookalikes.LIMITS[text]
        words = lookalikes.PLATES if kind == 'plate' else lookalikes.OTHER_LIMITS
        return make.number(str(rng.choice(words))), BACKGROUND

    def boxed(self) -> Iterator[tuple[Image, int]]:
        """Yield the annotated signs, their boxes moved as the finder's are."""
        for name, items in self.boxes.items():
            for item in items:
                x, y, w, h = item['bbox']
                if item['ignore'] or min(w, h) < 14:
                    continue
                for _ in range(1 if self.held else 12):
                    sx, sy = np.exp(self.rng.normal(0, 0.09, 2)) if not self.held else (1, 1)
                    dx, dy = self.rng.normal(0, 0.06, 2) * (w, h) * (not self.held)
                    box = (x + w / 2 * (1 - sx) + dx, y + h / 2 * (1 - sy) + dy, w * sx, h * sy)
                    yield cut(self.frames[name], box), item['gtsrb']

    def mined(self, files: list[Path]) -> Iterator[tuple[Image, int]]:
        """Yield candidates without a sign, those that nearly passed for one moved and repeated."""
        for path in files:
            for name, boxes in json.loads(path.read_text()).items():
                for *box, score in boxes if name in self.frames else ():
                    x, y, w, h = box
                    near = [
                        item
                        for item in self.boxes.get(name, ())
                        if overlap((x, y, w, h), item['bbox']) > 0.25
                    ]
                    class_id, times = BACKGROUND, 1 + round(4 * score)
                    if near:  # the finder's own box of a sign, or a piece of one
                        area, wide, high = w * h, *near[0]['bbox'][2:]
                        if near[0]['ignore'] or not 0.5 < area / (wide * high) < 2:
                            continue
                        if overlap((x, y, w, h), near[0]['bbox']) < 0.75:
                            continue
                        class_id, times = near[0]['gtsrb'], 3
                    for turn in range(times):
                        dx, dy = self.rng.normal(0, 0.06, 2) * (w, h) * (turn > 0)
                        yield cut(self.frames[name], (x + dx, y + dy, w, h)), class_id


def main() -> None:
    """Make the crops."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('data', type=Path)
    parser.add_argument('output', type=Path)
    parser.add_argument('--mined', type=Path, action='append', default=[])
    parser.add_argument('--held-out', action='store_true')
    parser.add_argument('--find', metavar='MODEL', help='write only what its finder gives, JSON')
    parser.add_argument('--find-least', type=float, default=0.03, help='candidate score')
    parser.add_argument('--kinds', nargs='+', choices=MIX)
    parser.add_argument('--scale', type=float, default=1.0, help='of how many are made')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    if args.held_out:
        sign_text.FONTS, sign_text.HERSHEY = HELD_FONTS, (cv2.FONT_HERSHEY_TRIPLEX,)
    world = World(args.data, args.held_out, args.seed)
    if args.find:
        args.output.write_text(json.dumps(found_in(world.frames, args.find, args.find_least)))
        return
    args.output.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, int, str]] = []
    with tarfile.open(args.output / 'crops.tar', 'w') as tar:
        for kind in args.kinds or [k for k in MIX if k not in NEVER_HELD or not args.held_out]:
            count = MIX[kind][1]
            if kind in ('mined', 'boxed'):
                items = list(world.mined(args.mined) if kind == 'mined' else world.boxed())
            else:
                items = [world.made(kind) for _ in range(round(count * args.scale))]
            for crop, class_id in items:
                name = f'{kind}/{len(rows):06}.jpg'
                bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
                sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
                _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 94, *sampling])
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data.tobytes()))
                rows.append((name, class_id, kind))
            print(f'{kind}: {len(items)}', flush=True)
    counts = {kind: sum(row[2] == kind for row in rows) for kind in MIX}
    with (args.output / 'crops.csv').open('w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(('file', 'class_id', 'weight', 'kind'))
        for name, class_id, kind in rows:
            writer.writerow((name, class_id, round(1000 * MIX[kind][0] / counts[kind], 6), kind))


if __name__ == '__main__':
    main()
