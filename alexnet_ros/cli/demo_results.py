"""What remains of a demo: a bag with the results, a report, an annotated picture."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet_ros.bags.writer import BagWriter
from alexnet_ros.cli.demo_input import DemoInput
from alexnet_ros.errors import ImageFormatError
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.replay.recorded import Recorded
from alexnet_ros.report.ground_truth import read_truth
from alexnet_ros.report.run import Run
from alexnet_ros.report.write import write_report

ENGINE_KEYS = ('backend', 'device', 'reason')


def write_results(
    folder: Path, source: DemoInput, package: ModelPackage, received: Sequence[Any]
) -> list[str]:
    """
    Write the results of a demo.

    :param folder: gets ``results.mcap``, ``report.html``, ``report.json`` and,
        if anything was seen, ``picture.jpg``.
    :param received: messages as they came: topic, kind, received_ns, data, message.
    :returns: the lines to print.
    """
    bag = write_bag(folder, received)
    recorded = Recorded(bag)
    run = Run(
        source.text,
        recorded.names,
        identity(package, received),
        navigation=recorded.navigation,
        truth=None if source.truth is None else read_truth(source.truth, recorded.names, 0),
    )
    run.topics = [source.topic]
    count = run.camera('')
    for picture in source.pictures():
        count.read += 1
        try:
            image_rgb = source.rgb(picture.data)
        except ImageFormatError as error:
            count.rejected[error.reason] += 1
            continue
        height, width = image_rgb.shape[:2]
        found = recorded.recognition('', picture.stamp_ns, (width, height))
        if found is None:
            count.dropped += 1
        else:
            run.add(found, image_rgb)
    run.losses = list(source.losses)
    run.finish()
    report = write_report(folder, run)
    figures = run.as_json()
    lines = [f'{len(figures["signs"])} signs were confirmed']
    if (truth := figures['truth']) is not None:
        shown, right, wrong = (truth[f'events_{key}'] for key in ('expected', 'right', 'false'))
        lines = [f'{right} of {shown} signs were recognised, {wrong} wrong or again']
    written = [bag, report, *([folder / 'picture.jpg'] if run.picture else [])]
    return [*lines, 'wrote ' + ', '.join(str(path) for path in written)]


def write_bag(folder: Path, received: Sequence[Any]) -> Path:
    """Write the messages, as they were on the wire, to ``results.mcap``."""
    path, scratch = folder / 'results.mcap', folder / '.results'
    shutil.rmtree(scratch, ignore_errors=True)
    with BagWriter(scratch) as bag:
        for one in received:
            bag.write_raw(one.topic, one.kind, one.data, one.received_ns)
    next(scratch.glob('*.mcap')).replace(path)
    shutil.rmtree(scratch)
    return path


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
