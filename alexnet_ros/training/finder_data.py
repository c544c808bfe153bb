"""What a finder learns from: annotated frames, backgrounds, objects to paste."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from alexnet_ros.errors import DatasetError
from alexnet_ros.geometry import crop
from alexnet_ros.training.finder_scenes import OUTLINES, Cutout, Scene, SceneMaker
from alexnet_ros.training.negatives import video_frames
from alexnet_ros.training.settings import FinderTrainSettings
from alexnet_ros.training.sources import (
    Record,
    bytes_of,
    decode,
    held_out,
    is_dev,
    read_rows,
    records_beside,
)

MIN_CUTOUT_PX = 16.0  # side of an object taken out of a frame
MOST_OF_A_CLASS = 160  # cutouts kept in memory
ROI = ('roi_x1', 'roi_y1', 'roi_x2', 'roi_y2')


@dataclass(frozen=True)
class FinderData:
    """
    Where a finder's pictures come from; each may be missing but the frames.

    :param frames: ``annotations.json`` files, their frames beside them.
    :param crops: CSVs of objects to paste; see :func:`_cutouts_from`.
    :param backgrounds: videos without objects.
    """

    frames: Sequence[Path]
    crops: Sequence[Path] = ()
    backgrounds: Sequence[Path] = ()


def maker_for(
    settings: FinderTrainSettings, data: FinderData, report: Callable[[str], None]
) -> SceneMaker:
    """
    Read everything and return what makes the pictures.

    :raises DatasetError: nothing to find in the data, or unreadable.
    """
    scenes = [s for path in data.frames for s in scenes_from(path, dev=False).values()]
    backgrounds = [
        Scene(frame)
        for path in data.backgrounds
        for frame in video_frames(path, 0.0, settings.background_until, step=3)
    ]
    classes = [g for path in data.crops for g in _cutouts_from(path, settings.hold_out_every)]
    given = len(classes)
    objects = sum(len(scene.boxes) for scene in scenes)
    if own := _frame_cutouts(scenes):
        classes += [own] * max(1, given // 5)
    if not objects and not classes:
        raise DatasetError('expected annotated objects or crops, got none of them')
    report(
        f'{len(scenes)} frames with {objects} objects, {len(backgrounds)} backgrounds, '
        f'{given} classes of crops'
    )
    return SceneMaker(scenes, backgrounds, classes, settings)


def _scene_from(path: Path, entries: Sequence[dict[str, object]]) -> Scene:
    """Return one annotated frame; its entries have ``bbox`` [x, y, width, height], ``ignore``."""
    image = decode(Record(path, 0, path.name))
    boxes: dict[bool, list[list[float]]] = {False: [], True: []}
    for entry in entries:
        try:
            x, y, width, height = (float(v) for v in entry['bbox'])  # type: ignore[attr-defined]
        except (KeyError, TypeError, ValueError):
            raise DatasetError(
                f'{path}: expected a bbox [x, y, width, height], got {entry.get("bbox")!r}'
            ) from None
        boxes[bool(entry.get('ignore'))].append([x, y, x + width, y + height])
    return Scene(image, *(np.array(boxes[key]).reshape(-1, 4) for key in (False, True)))


def _read_annotations(path: Path) -> dict[str, list[dict[str, object]]]:
    """Return file name to entries of an ``annotations.json``."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f'cannot read the annotations {path}: {error}') from error
    if not isinstance(values, dict) or not all(isinstance(v, list) for v in values.values()):
        raise DatasetError(f'{path}: expected file names, each with a list of boxes')
    return values


def scenes_from(annotations: Path, *, dev: bool) -> dict[str, Scene]:
    """
    Return the frames to train on, or those kept to measure on, by name.

    :param annotations: a JSON file; its frames lie beside it.
    :raises DatasetError: unreadable, or of another form.
    """
    chosen = {n: e for n, e in _read_annotations(annotations).items() if is_dev(n) == dev}
    return {name: _scene_from(annotations.parent / name, e) for name, e in chosen.items()}


def _frame_cutouts(scenes: Sequence[Scene]) -> list[Cutout]:
    """Return the annotated objects of frames with a little around, to paste into others."""
    found = []
    for scene in scenes:
        for box in scene.boxes:
            left, top, right, bottom = box
            if min(right - left, bottom - top) < MIN_CUTOUT_PX:
                continue
            part, (x, y, _, _) = crop(scene.image, (left, top, right - left, bottom - top), 0.1)
            inner = (left - x, top - y, right - x, bottom - y)
            found.append(Cutout(part.copy(), inner, 'square'))
    return found


def _cutouts_from(manifest: Path, hold_out_every: int) -> list[list[Cutout]]:
    """
    Return objects to paste, by class; the largest pictures of each track first.

    :param manifest: a CSV with ``file`` and ``class_id``; the files lie in tars or folders
        beside it. ``roi_x1`` to ``roi_y2`` give the object's box and ``outline`` its shape;
        without them the picture's alpha channel does. Where ``ignore`` is 1 nothing is judged.
        Where ``split`` names parts, ``train`` alone is taken.
    """
    rows = read_rows(manifest, ('file', 'class_id'))
    records = records_beside(manifest)
    left_out = [record.part not in ('', 'train') for record in records]
    if not any(record.part for record in records):
        left_out = held_out(records, hold_out_every)
    tracks: dict[int, dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for index, (record, row) in enumerate(zip(records, rows, strict=True)):
        if not left_out[index]:
            wide = float(row.get('roi_x2') or 0) - float(row.get('roi_x1') or 0)
            tracks[record.class_id][record.group].append((wide, index))
    classes = []
    for _, of_class in sorted(tracks.items()):
        share = max(1, MOST_OF_A_CLASS // len(of_class))
        chosen = [
            _cutout(records[index], rows[index])
            for members in of_class.values()
            for _, index in sorted(members, reverse=True)[:: max(1, len(members) // share)]
        ]
        classes.append(chosen)
    return classes


def _cutout(record: Record, row: Mapping[str, str]) -> Cutout:
    """Return one object; its row may have the columns that :func:`_cutouts_from` knows."""
    counts = row.get('ignore', '') in ('', '0')
    if row.get('roi_x1'):
        outline = row.get('outline') or 'disc'
        if outline not in OUTLINES:
            raise DatasetError(
                f'{record.name}: expected an outline of {", ".join(OUTLINES)}, got {outline!r}'
            )
        left, top, right, bottom = (float(row[name]) for name in ROI)
        return Cutout(decode(record), (left, top, right, bottom), outline, counts=counts)
    image = cv2.imdecode(np.frombuffer(bytes_of(record), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise DatasetError(f'{record.name} has neither roi_x1 to roi_y2 nor an alpha channel')
    x, y, width, height = cv2.boundingRect(np.asarray(image[..., 3] > 128, np.uint8))
    box = (float(x), float(y), float(x + width), float(y + height))
    rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), np.uint8)
    return Cutout(rgb, box, '', np.ascontiguousarray(image[..., 3], np.uint8), counts)
