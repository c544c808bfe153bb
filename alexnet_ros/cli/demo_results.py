"""What remains of a demo: a bag with the results, a report, an annotated picture."""

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from alexnet_ros import overlay
from alexnet_ros.bags.messages import annotations_message
from alexnet_ros.bags.typestore import stamp_ns_from_cdr
from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.cli.demo_input import DemoInput
from alexnet_ros.cli.play import keep
from alexnet_ros.cli.progress import Progress
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.pictures import jpeg_from_rgb
from alexnet_ros.records import Recognition
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.report.ground_truth import read_truth
from alexnet_ros.report.run import Run
from alexnet_ros.report.write import write_report
from alexnet_ros.video import VideoWriter

VIDEO_HZ = 10.0  # enough to look at; encoding every frame would double the demo's time
ENGINE_KEYS = ('backend', 'device', 'reason')


def write_results(
    folder: Path, source: DemoInput, package: ModelPackage, received: Sequence[Any]
) -> list[str]:
    """
    Write the results of a demo.

    :param folder: gets ``results.mcap``, ``report.html``, ``report.json``, the annotated
        video and, if anything was seen, ``picture.jpg``.
    :param received: messages as they came: topic, kind, received_ns (in the bag's time),
        data, message.
    :returns: the lines to print.
    """
    with _results_bag(folder) as bag:
        for one in received:
            keep(bag, one)
    recorded = Recorded(folder / 'results.mcap')
    run = Run(
        source.text,
        recorded.names,
        identity(package, received),
        navigation=recorded.navigation,
        truth=None if source.truth is None else read_truth(source.truth, recorded.names, 0),
    )
    run.topics = [source.topic]
    _take_pictures(folder, source, recorded, run, received)
    run.losses = list(source.losses)
    run.finish()
    report = write_report(folder, run)
    figures = run.as_json()
    lines = [f'{len(figures["signs"])} signs were confirmed']
    if (truth := figures['truth']) is not None:
        shown, right, wrong = (truth[f'events_{key}'] for key in ('expected', 'right', 'false'))
        false = f'{wrong} false positives or repeats' if wrong else 'no false positives or repeats'
        lines = [f'{right} of {shown} signs were recognised, {false}']
    return [
        *lines,
        f'report  {report.resolve().as_uri()}  (open it in a browser)',
        f'bag     {folder / "results.mcap"}  (for Foxglove, with config/foxglove_layout.json)',
    ]


def _take_pictures(
    folder: Path, source: DemoInput, recorded: Recorded, run: Run, received: Sequence[Any]
) -> None:
    """Score every frame; keep images, overlay and annotations with what was received."""
    count, times = run.camera(''), [picture.log_ns for picture in source.pictures()]
    seconds = (times[-1] - times[0]) / 1e9 if times else 0.0
    stride = max(round((len(times) - 1) / seconds / VIDEO_HZ), 1) if seconds > 0 else 1
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(len(times), 'writing the report'))
        video = stack.enter_context(closing(VideoWriter(folder, VIDEO_HZ)))
        bag = stack.enter_context(_results_bag(folder))
        waiting = deque(sorted(received, key=lambda one: int(one.received_ns)))
        for picture in source.pictures():
            while waiting and waiting[0].received_ns < picture.log_ns:
                keep(bag, waiting.popleft())
            bag.write_raw(picture.topic, picture.kind, picture.data, picture.log_ns)
            progress.update()
            count.read += 1
            stamp_ns = stamp_ns_from_cdr(picture.data)
            try:
                image_rgb = source.rgb(picture.data)
            except ImageFormatError as error:
                count.rejected[error.reason] += 1
                continue
            height, width = image_rgb.shape[:2]
            found = recorded.recognition('', stamp_ns, (width, height))
            if count.read % stride == 0:  # of a dropped frame the bare picture: the time is right
                empty = Recognition('', stamp_ns, (width, height), ())
                video.write(found or empty, image_rgb)
            if found is None:
                count.dropped += 1
                continue
            run.add(found, image_rgb)
            bag.write('/alexnet/annotations', annotations_message(found), picture.log_ns)
            jpeg = jpeg_from_rgb(overlay.draw(image_rgb, found))
            bag.write_jpeg('/alexnet/overlay/compressed', stamp_ns, jpeg)
        for one in waiting:
            keep(bag, one)


@contextmanager
def _results_bag(folder: Path) -> Iterator[BagWriter]:
    """Write a bag that becomes ``results.mcap`` once it is whole."""
    scratch = folder / '.results'
    shutil.rmtree(scratch, ignore_errors=True)
    with BagWriter(scratch) as bag:
        yield bag
    next(scratch.glob('*.mcap')).replace(folder / 'results.mcap')
    shutil.rmtree(scratch)


def identity(package: ModelPackage, received: Sequence[Any]) -> dict[str, Any]:
    """Return what the report says of the model and, by its diagnostics, of the engine."""
    values: dict[str, str] = {}
    for one in received:
        if one.kind.endswith('DiagnosticArray'):
            for status in one.message.status:
                values |= {pair.key.lower(): pair.value for pair in status.values}
    return {
        'model': {
            'name': package.name,
            'version': package.version,
            'sha256': package.sha256(),
            'precision': package.default_precision,
            'classes': len(package.labels),
        },
        'engine': {key: values.get(key, '') for key in ENGINE_KEYS},
        'settings': {},
    }
