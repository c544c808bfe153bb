"""Times of the network and of whole recognitions, on pictures given by the caller."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_ros.bench.timing import Timing, alternate, ratio
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.engine.base import Engine
from alexnet_ros.engine.select import open_engine
from alexnet_ros.errors import EngineUnavailableError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.records import Frame

Image = NDArray[np.uint8]
Row = dict[str, Any]
CAMERAS = (1, 2, 4, 8, 16)
FRAME_NS = 33_000_000


def rows_from(
    group: str, timings: Mapping[str, Timing], baseline: str, work: Mapping[str, int] | None = None
) -> list[Row]:
    """
    Turn timings into table rows, each with its ratio to one of them.

    :param baseline: name of the case that the others are compared with.
    :param work: how many frames one call of a case does; 1 if missing.
    """
    rows: list[Row] = []
    for name, timing in timings.items():
        share = (work or {}).get(name, 1) / (work or {}).get(baseline, 1)
        middle, low, high = (share * value for value in ratio(timings[baseline], timing))
        rows.append(
            {
                'group': group,
                'name': name,
                **timing.row(),
                'baseline': baseline,
                'faster': round(middle, 3),
                'faster_low': round(low, 3),
                'faster_high': round(high, 3),
            }
        )
    return rows


def engine_rows(package: ModelPackage, *, rounds: int) -> list[Row]:
    """Time the model in every backend that runs here, at batch 1, 4 and 8."""
    engines: dict[str, Engine] = {}
    for backend in ('tensorrt', 'tensorrt_rtx', 'cuda', 'cpu', 'openvino'):
        try:
            engines[backend] = open_engine(package, backend)
        except EngineUnavailableError:
            continue
    rows: list[Row] = []
    shape = (8, package.input.height, package.input.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for size in (1, 4, 8):
        cases = {
            f'{name}, batch {size}': _infer(engine, pixels[:size])
            for name, engine in engines.items()
        }
        rows += rows_from('engine', alternate(cases, rounds=rounds), f'cpu, batch {size}')
    for engine in engines.values():
        engine.close()
    return rows


def _infer(engine: Engine, batch: Image) -> Callable[[], object]:
    return lambda: engine.infer(batch)


class Clock:
    """Stamps that go on, so that trackers see a camera."""

    def __init__(self) -> None:
        self.now_ns = 0

    def frames(self, images: Sequence[Image]) -> list[Frame]:
        """Return one frame a camera, one period later than the last ones."""
        self.now_ns += FRAME_NS
        return [Frame(image, self.now_ns, f'camera{i}') for i, image in enumerate(images)]


def _together(recognizer: Recognizer, clock: Clock, images: Sequence[Image]) -> object:
    return recognizer.recognize(clock.frames(images))


def _one_by_one(recognizer: Recognizer, clock: Clock, images: Sequence[Image]) -> object:
    return [recognizer.recognize([frame]) for frame in clock.frames(images)]


def camera_rows(package: ModelPackage, image_rgb: Image, *, rounds: int) -> list[Row]:
    """Time one, two, four and eight cameras: one batch against one run for each."""
    with Recognizer.open(package) as recognizer:
        clock = Clock()
        cases: dict[str, Callable[[], object]] = {}
        work = {}
        for count in CAMERAS:
            images = [image_rgb] * count
            cases[f'{count} in one batch'] = partial(_together, recognizer, clock, images)
            cases[f'{count} one by one'] = partial(_one_by_one, recognizer, clock, images)
            work[f'{count} in one batch'] = work[f'{count} one by one'] = count
        timings = alternate(cases, rounds=rounds)
    rows: list[Row] = []
    for count in CAMERAS:
        pair = [f'{count} in one batch', f'{count} one by one']
        rows += rows_from('cameras', {name: timings[name] for name in pair}, pair[1], work)
    return rows


def stage_rows(
    package: ModelPackage, images_rgb: Mapping[str, Sequence[Image]], *, rounds: int
) -> list[Row]:
    """Time whole frames and sign mode at several named sizes, stage by stage."""
    rows: list[Row] = []
    for mode in ('frame', 'signs'):
        settings = settings_from_mapping(RecognizerSettings, {'regions': mode})
        with Recognizer.open(package, settings=settings) as recognizer:
            cases: dict[str, Callable[[], object]] = {}
            stages: dict[str, list[Mapping[str, float]]] = {}
            counts: dict[str, list[int]] = {}
            for name, images in images_rgb.items():
                label = f'{mode}, {name}'
                stages[label], counts[label] = [], []
                cases[label] = _turns(recognizer, images, stages[label], counts[label])
            timings = alternate(cases, rounds=rounds)
        first = next(iter(timings))
        for row in rows_from('recognizer', timings, first):
            seen = stages[row['name']]
            for stage in ('regions', 'preprocess', 'engine', 'postprocess', 'tracking'):
                values = [one.get(stage, 0.0) for one in seen]
                row[f'{stage}_ms'] = round(float(np.median(values)), 3)
            row['detections'] = round(float(np.mean(counts[row['name']])), 2)
            row['frames_per_s'] = round(1e3 / row['median_ms'], 1)
            rows.append(row)
    return rows


def _turns(
    recognizer: Recognizer,
    images: Sequence[Image],
    stages: list[Mapping[str, float]],
    counts: list[int],
) -> Callable[[], object]:
    """Return a call that recognises the next of the images, and notes its stages."""
    clock, at = Clock(), [0]

    def run() -> None:
        at[0] = (at[0] + 1) % len(images)
        result = recognizer.recognize(clock.frames([images[at[0]]]))[0]
        stages.append(result.stage_ms)
        counts.append(len(result.detections))

    return run
