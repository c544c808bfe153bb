"""Choosing from a bag what is worth labelling."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bags.find import camera_names
from alexnet_ros.bags.frames import BagFrame, every_frame
from alexnet_ros.bags.reader import BagReader
from alexnet_ros.dataset.collection import Collection, Item
from alexnet_ros.geometry import crop
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Detection, Recognition

Image = NDArray[np.uint8]

HOW = ('rate', 'change', 'uncertain')
CHANGE_SIDE = 24  # pixels of the picture that changes are told on
MARK_EVERY = 100  # frames between two notes of how far it has come
SCENE_NS = 10_000_000_000  # whole frames of so long a time stay on one side of a split
UNSURE_GAP_NS = 200_000_000  # between two uncertain crops of one place


@dataclass(frozen=True)
class CollectOptions:
    """
    What is taken from a bag.

    :param how: ``rate``, ``change`` or ``uncertain``.
    :param crops: regions of the recognizer rather than whole frames.
    :param classes: own classes, for whose folders somebody sorts the images.
    :param rate_hz: most images a second and camera, or track, for ``rate``.
    :param change: least mean difference to the last one taken, 0 to 1.
    :param below: a best probability under this is uncertain.
    :param limit: stop after so many new images; 0 for no limit.
    """

    how: str = 'uncertain'
    crops: bool = True
    classes: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    rate_hz: float = 1.0
    change: float = 0.06
    below: float = 0.9
    limit: int = 0
    on_frame: Callable[[], None] | None = None


def collect_bag(
    bag: str | Path,
    folder: str | Path,
    recognizer: Recognizer | None,
    options: CollectOptions | None = None,
) -> Collection:
    """
    Go through a bag, from where an earlier run stopped, and keep images.

    :param recognizer: proposes the labels, and says what it is unsure of; None
        takes whole frames without a label.
    :returns: the collection; its manifest is written.
    """
    options = options or CollectOptions()
    names = dict(enumerate(options.classes))
    if recognizer is not None:
        names = {label.class_id: label.name for label in recognizer.package.labels}
        recognizer.reset()
    collection = Collection(folder, names)
    collection.make_folders(options.classes)
    margin = 0.0 if recognizer is None else recognizer.package.input.margin
    chooser = _Chooser(options, margin, Path(bag).name)
    key, last_ns = str(Path(bag).resolve()), -1
    done_ns = collection.done_until(key)
    try:
        with BagReader(bag) as reader:
            cameras = camera_names(options.topics or reader.image_topics())
            for number, (one,) in enumerate(every_frame(reader, cameras)):
                if options.on_frame:
                    options.on_frame()
                if one.frame is None or one.image.log_ns <= done_ns:
                    continue
                frame = replace(one.frame, stamp_ns=one.image.time_ns)
                if recognizer is None:
                    height, width = frame.image_rgb.shape[:2]
                    recognition = Recognition(frame.camera, frame.stamp_ns, (width, height), ())
                else:
                    (recognition,) = recognizer.recognize([frame])
                for item, image_rgb in chooser.choose(one, recognition):
                    collection.add(item, image_rgb)
                last_ns = one.image.log_ns
                if options.limit and collection.added >= options.limit:
                    break
                if number % MARK_EVERY == 0:
                    collection.mark(key, last_ns)
    finally:
        if last_ns >= 0:
            collection.mark(key, last_ns)
        collection.write_manifest()
    return collection


class _Chooser:
    """Decides frame by frame; holds what was taken last."""

    def __init__(self, options: CollectOptions, margin: float, bag: str) -> None:
        self._options, self._margin, self._bag = options, margin, bag
        self._last_ns: dict[str, int] = {}
        self._last_small: dict[str, Image] = {}

    def choose(self, one: BagFrame, recognition: Recognition) -> Iterator[tuple[Item, Image]]:
        """Yield what of this frame is to be kept."""
        if one.frame is None:
            return
        image_rgb = one.frame.image_rgb
        regions = [(d, self._reason(d)) for d in recognition.detections]
        if not self._options.crops:
            best = recognition.foremost
            reason = next((r for _, r in regions if r), 'nothing found' if not regions else '')
            if self._wanted(one.camera, recognition.stamp_ns, image_rgb, reason):
                yield self._item(recognition, best, reason, 0, None), image_rgb
            return
        for number, (detection, reason) in enumerate(regions):
            place = f'{one.camera}/{detection.track_id or _cell(detection)}'
            cut, box = crop(image_rgb, detection.bbox_xywh, self._margin)
            if cut.size and self._wanted(place, recognition.stamp_ns, cut, reason):
                yield self._item(recognition, detection, reason, number, box), cut

    def _reason(self, detection: Detection) -> str:
        """Say why a region is uncertain; empty if it is not."""
        result = detection.classification
        if result.unknown:
            return 'unknown'
        if not result.results or result.results[0].score < self._options.below:
            return 'low score'
        return '' if detection.track_id is not None else 'not confirmed'

    def _wanted(self, place: str, stamp_ns: int, image_rgb: Image, reason: str) -> bool:
        """Tell whether a picture is taken, and remember it if so."""
        options = self._options
        last_ns = self._last_ns.get(place)
        gone_ns = None if last_ns is None else abs(stamp_ns - last_ns)
        if options.how == 'rate':
            wanted = gone_ns is None or gone_ns >= 1e9 / options.rate_hz
        elif options.how == 'uncertain':
            wanted = bool(reason) and (gone_ns is None or gone_ns >= UNSURE_GAP_NS)
        else:
            small = _small(image_rgb)
            last = self._last_small.get(place)
            wanted = last is None or (
                float(np.abs(small.astype(np.int16) - last).mean()) / 255 >= options.change
            )
            if wanted:
                self._last_small[place] = small
        if wanted:
            self._last_ns[place] = stamp_ns
        return wanted

    def _item(
        self,
        recognition: Recognition,
        detection: Detection | None,
        reason: str,
        number: int,
        box: tuple[float, float, float, float] | None,
    ) -> Item:
        """Describe an image and propose its label."""
        best = None if detection is None else detection.classification.best
        track = '' if detection is None else detection.track_id or ''
        parts = [self._bag.replace('.', '_'), recognition.camera]
        parts += [str(recognition.stamp_ns), str(number)]
        stem = '_'.join(filter(None, parts))
        scene = f'scene {recognition.stamp_ns // SCENE_NS}' if box is None else stem
        where = box or (0.0, 0.0, float(recognition.size_wh[0]), float(recognition.size_wh[1]))
        return Item(
            f'{stem}.jpg',
            None if best is None else best.class_id,
            0.0 if best is None else best.score,
            reason or self._options.how,
            self._bag,
            recognition.camera,
            recognition.stamp_ns,
            f'{self._bag}/{recognition.camera}/{track or scene}',
            where,
        )


def _small(image_rgb: Image) -> Image:
    side = (CHANGE_SIDE, CHANGE_SIDE)
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, side, interpolation=cv2.INTER_AREA), np.uint8)


def _cell(detection: Detection) -> str:
    """Name the place of a region coarsely, so that it counts as one over frames."""
    x, y, width, height = detection.bbox_xywh
    return f'{int(x + width / 2) // 64},{int(y + height / 2) // 64}'
