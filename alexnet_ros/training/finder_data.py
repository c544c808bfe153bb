"""What a finder learns from: annotated frames, backgrounds, objects to paste."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from alexnet_ros.errors import DatasetError
from alexnet_ros.geometry import crop
from alexnet_ros.training.finder_scenes import Cutout, Scene, SceneMaker
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
    tar_members,
)

GTSRB_OUTLINES = {
    **dict.fromkeys((11, *range(18, 32)), 'triangle'),
    12: 'diamond',
    13: 'inverted',
    14: 'octagon',
}


@dataclass(frozen=True)
class FinderData:
    """
    Where a finder's pictures come from; each may be missing but the frames.

    :param frames: ``annotations.json`` files, their frames beside them.
    :param crops: a CSV of crops with the object's box.
    :param drawings: a CSV of drawn objects.
    :param backgrounds: videos without objects.
    """

    frames: Sequence[Path]
    crops: Path | None = None
    drawings: Path | None = None
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
    classes: list[list[Cutout]] = []
    if data.crops:
        twins = {twin for path in data.frames for twin in twins_of_dev(path)}
        classes = _crop_cutouts(
            data.crops,
            hold_out_every=settings.hold_out_every,
            excluded=twins,
            gtsrb=settings.outlines == 'gtsrb',
        )
    crops = len(classes)
    if data.drawings:
        drawn = _drawing_cutouts(data.drawings, settings.drawings_found.split(','))
        share = settings.drawings_share if crops else 0.5
        times = max(1, round(share / (1 - share) * max(1, crops) / 4))
        classes += [g for g in (drawn[0],) * (3 * times) + (drawn[1],) * times if g]
    objects = sum(len(scene.boxes) for scene in scenes)
    groups = [g for g in (_frame_cutouts(scenes),) if g]
    classes += groups * max(1, len(classes) // 5)
    if not objects and not classes:
        raise DatasetError('expected annotated objects, crops or drawings, got none of them')
    report(
        f'{len(scenes)} frames with {objects} objects, {len(backgrounds)} backgrounds, '
        f'{crops} classes of crops, {len(classes) - crops} groups of drawings'
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


def twins_of_dev(annotations: Path) -> set[str]:
    """Return the crops (file names) that show what stands in the frames to measure on."""
    return {
        str(entry['twin']).rsplit(' ', 1)[-1]
        for name, entries in _read_annotations(annotations).items()
        if is_dev(name)
        for entry in entries
        if entry.get('twin')
    }


def _frame_cutouts(scenes: Sequence[Scene], smallest_px: float = 16.0) -> list[Cutout]:
    """Return the annotated objects of frames with a little around, to paste into others."""
    found = []
    for scene in scenes:
        for box in scene.boxes:
            left, top, right, bottom = box
            if min(right - left, bottom - top) < smallest_px:
                continue
            part, (x, y, _, _) = crop(scene.image, (left, top, right - left, bottom - top), 0.1)
            inner = (left - x, top - y, right - x, bottom - y)
            found.append(Cutout(part.copy(), inner, 'square'))
    return found


def _crop_cutouts(
    manifest: Path, *, hold_out_every: int, excluded: set[str], gtsrb: bool, each: int = 160
) -> list[list[Cutout]]:
    """
    Return crops with the object's box in them, by class.

    :param manifest: a CSV with ``file``, ``class_id``, ``roi_x1`` … ``roi_y2``
        (and ``track``); the files lie in tars or folders beside it.
    :param excluded: files whose whole track is left out.
    :param gtsrb: cut round the outlines that GTSRB's classes have, else ellipses.
    :param each: at most so many of a class, the largest of each track first.
    """
    rows = read_rows(manifest, ('file', 'class_id', 'roi_x1', 'roi_y1', 'roi_x2', 'roi_y2'))
    records = records_beside(manifest)
    held = held_out(records, hold_out_every)
    groups = {r.group for r, row in zip(records, rows, strict=True) if row['file'] in excluded}
    tracks: dict[int, dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for index, (record, row) in enumerate(zip(records, rows, strict=True)):
        if not held[index] and record.group not in groups:
            wide = float(row['roi_x2']) - float(row['roi_x1'])
            tracks[record.class_id][record.group].append((wide, index))
    classes = []
    for class_id, of_class in sorted(tracks.items()):
        share = max(1, each // len(of_class))
        chosen: list[Cutout] = []
        for members in of_class.values():
            for _, index in sorted(members, reverse=True)[:: max(1, len(members) // share)]:
                row = rows[index]
                box = tuple(float(row[n]) for n in ('roi_x1', 'roi_y1', 'roi_x2', 'roi_y2'))
                outline = GTSRB_OUTLINES.get(class_id, 'disc') if gtsrb else 'disc'
                chosen.append(Cutout(decode(records[index]), box, outline))  # type: ignore[arg-type]
        classes.append(chosen)
    return classes


def _drawing_cutouts(manifest: Path, found: Sequence[str]) -> tuple[list[Cutout], list[Cutout]]:
    """
    Return drawn objects: those that are to be found, and those that are not judged.

    :param manifest: a CSV with ``file``; pictures with an alpha channel, in tars beside it.
    :param found: starts of the names of those to be found; other names are not
        judged, nor is what is much wider than tall or the reverse.
    """
    chosen: list[Cutout] = []
    others: list[Cutout] = []
    members: dict[str, tuple[Path, int, int]] = {}
    for tar in sorted(manifest.parent.glob('*.tar')):
        members |= {n.rsplit('/', 1)[-1]: (tar, *at) for n, at in tar_members(tar).items()}
    for row in read_rows(manifest, ('file',)):
        name = row['file'].rsplit('/', 1)[-1]
        path, offset, size = members.get(name, (manifest.parent / row['file'], 0, 0))
        data = bytes_of(Record(path, 0, name, name, offset, size))
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3 or image.shape[2] != 4:
            raise DatasetError(f'{manifest}: {name} is no picture with an alpha channel')
        x, y, width, height = cv2.boundingRect(np.asarray(image[..., 3] > 128, np.uint8))
        box = (float(x), float(y), float(x + width), float(y + height))
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), np.uint8)
        alpha = np.ascontiguousarray(image[..., 3], np.uint8)
        counts = name.startswith(tuple(found)) and 0.7 < width / max(1, height) < 1.4
        (chosen if counts else others).append(Cutout(rgb, box, '', alpha, counts))
    return chosen, others
