"""What remains of a demo: a bag with the results, a report, a picture."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from alexnet_ros import overlay
from alexnet_ros.cli.demo_input import DemoInput
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.records import Recognition
from alexnet_ros.replay.bagwriter import BagWriter
from alexnet_ros.replay.messages import DETECTIONS, recognition_from_detections
from alexnet_ros.replay.scoring import Confirmed, Scorer
from alexnet_ros.replay.truth import read_truth

Image = NDArray[np.uint8]


def write_results(
    folder: Path, source: DemoInput, package: ModelPackage, received: Sequence[Any]
) -> list[str]:
    """
    Write the results of a demo.

    :param folder: where ``results.mcap`` and ``picture.jpg`` go.
    :param received: messages as they came: topic, kind, received_ns, data, message.
    :returns: the lines to print.
    """
    bag = write_bag(folder, received)
    names = {label.class_id: label.name for label in package.labels}
    recognitions = list(recognitions_of(received, names))
    frames = Frames(source)
    lines = []
    if source.truth is not None:
        lines.append(score_line(source.truth, names, recognitions))
    best = most_telling(recognitions)
    written = [bag]
    if best is not None:
        picture = folder / 'picture.jpg'
        marked = overlay.draw(frames.at(best.stamp_ns), best)
        cv2.imwrite(str(picture), np.ascontiguousarray(marked[..., ::-1]))
        written.append(picture)
    return [*lines, 'wrote ' + ', '.join(str(path) for path in written)]


def write_bag(folder: Path, received: Sequence[Any]) -> Path:
    """Write the messages, as they were on the wire, to ``results.mcap``."""
    path, scratch = folder / 'results.mcap', folder / '.results'
    for part in sorted(scratch.rglob('*'), reverse=True):
        part.unlink() if part.is_file() else part.rmdir()
    if scratch.exists():
        scratch.rmdir()
    with BagWriter(scratch) as bag:
        for one in received:
            bag.write_raw(one.topic, one.kind, one.data, one.received_ns)
    next(scratch.glob('*.mcap')).replace(path)
    for part in scratch.iterdir():
        part.unlink()
    scratch.rmdir()
    return path


class Frames:
    """
    The input's images by their stamp.

    :param source: streamed anew, never held whole.
    """

    def __init__(self, source: DemoInput) -> None:
        self._source = source

    def at(self, stamp_ns: int) -> Image:
        """Return the image with this stamp."""
        for found, image in self.all([stamp_ns]):
            if found == stamp_ns:
                return image
        raise KeyError(stamp_ns)

    def all(self, stamps: Iterable[int]) -> Iterator[tuple[int, Image]]:
        """Yield those images that have one of the stamps."""
        wanted = set(stamps)
        for picture in self._source.pictures():
            if picture.stamp_ns in wanted:
                yield picture.stamp_ns, self._source.rgb(picture.data)


def recognitions_of(received: Sequence[Any], names: dict[int, str]) -> Iterator[Recognition]:
    """Yield what the detections topic said of each frame."""
    seen: set[tuple[str, str]] = set()
    for one in received:
        if one.kind == DETECTIONS:
            yield recognition_from_detections(one.message, '', (0, 0), names, seen)


def most_telling(recognitions: Sequence[Recognition]) -> Recognition | None:
    """Return the frame with the largest known sign, a confirmed one if there is any."""
    known = [(best, one) for one in recognitions if (best := one.foremost) is not None]
    if not known:
        return None
    return max(
        known, key=lambda k: (k[0].track_id is not None, k[0].bbox_xywh[2] * k[0].bbox_xywh[3])
    )[1]


def score_line(truth: Path, names: dict[int, str], found: Sequence[Recognition]) -> str:
    """Compare the confirmed signs with those that the input is known to show."""
    scorer = Scorer(read_truth(truth, names, 0))
    for recognition in found:
        scorer.add_frame(recognition, None)
        for one in recognition.detections:
            best = one.classification.best
            if one.newly_confirmed and one.track_id and best:
                scorer.add_event(
                    Confirmed('', one.track_id, best.class_id, recognition.stamp_ns,
                              one.bbox_xywh), None,
                )  # fmt: skip
    scorer.finish()
    figures = scorer.as_json(names, 0)
    return (
        f'{figures["events_right"]} of {figures["events_expected"]} signs were recognised, '
        f'{figures["events_false"]} wrong or again'
    )
