"""
Many bags: one task a bag, on this machine's cores or over a Ray cluster.

A bag that fails is reported and stops nothing.
"""

import contextlib
import dataclasses
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.dependencies import missing_package
from alexnet_ros.errors import AlexnetRosError, BagError
from alexnet_ros.files import make_folder, write_file
from alexnet_ros.parent import VARIABLE, end_with_parent
from alexnet_ros.recognizer import Recognizer
from alexnet_ros.replay.replay import ReplayOptions, no_frames, replay_bag
from alexnet_ros.report.page import index_page
from alexnet_ros.report.write import read_report

EVENTS = ('events_right', 'events_false', 'events_expected')


@dataclass(frozen=True)
class Task:
    """
    One bag to replay, as plain values that travel to another process.

    :param model: name or path of the model package.
    :param settings: flat names of :class:`RecognizerSettings`.
    :param engine: options of the engine, such as ``backend`` and ``threads``.
    """

    bag: str
    output: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    options: ReplayOptions = field(default_factory=ReplayOptions)


def run_task(task: Task) -> dict[str, Any]:
    """
    Replay one bag; never raises.

    :returns: ``bag``, ``output``, ``worker`` (host and process) and either
        ``error`` or the report's figures.
    """
    worker = f'{socket.gethostname()}:{os.getpid()}'
    base = {'bag': task.bag, 'output': task.output, 'worker': worker}
    try:
        settings = settings_from_mapping(RecognizerSettings, dict(task.settings))
        with Recognizer.open(task.model, settings=settings, **task.engine) as recognizer:
            run = replay_bag(task.bag, task.output, recognizer, task.options)
    except AlexnetRosError as error:
        return {**base, 'error': str(error)}
    except Exception as error:  # noqa: BLE001 - one bag must not end the others
        return {**base, 'error': f'{type(error).__name__}: {error}'}
    if not run.processed:
        return {**base, 'error': no_frames(run)}
    truth = None if run.scorer is None else run.scorer.as_json(run.names, run.start_ns)
    figures = (*EVENTS, 'event_precision', 'event_recall', 'frame_accuracy')
    return {
        **base,
        'complete': run.complete,
        'frames': run.processed,
        'signs': len(run.timeline.entries),
        'losses': run.losses,
        'account': run.account,
        'truth': None if truth is None else {key: truth[key] for key in figures},
    }


def run_local(tasks: Sequence[Task], jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the outcome of each task as it ends; ``jobs`` processes at a time."""
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(run_task, tasks)
        return
    share = max((os.cpu_count() or 1) // jobs, 1)
    shared = [dataclasses.replace(t, engine={'threads': share, **t.engine}) for t in tasks]
    os.environ[VARIABLE] = str(os.getpid())
    with ProcessPoolExecutor(
        jobs, mp_context=get_context('spawn'), initializer=end_with_parent
    ) as pool:
        waiting = {pool.submit(run_task, task): task for task in shared}
        for done in as_completed(waiting):
            yield _outcome(waiting[done], done.result)


def run_ray(tasks: Sequence[Task], address: str) -> Iterator[dict[str, Any]]:
    """
    Yield the outcome of each task as it ends, run by a Ray cluster.

    The bags, the model and the output folder must be where every worker finds
    them, such as on a shared disk.

    :param address: of the cluster, ``auto`` or ``local`` for one started here.
    :raises BagError: Ray is not installed or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise BagError(f'--ray {missing_package(error)}') from error
    try:
        with contextlib.redirect_stdout(None):
            ray.init(address=address, log_to_driver=False, logging_level='error')
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BagError(f'no Ray cluster at {address}: {error}') from error
    try:
        remote = ray.remote(num_cpus=1, max_retries=1)(run_task)
        shared = [dataclasses.replace(t, engine={'threads': 1, **t.engine}) for t in tasks]
        waiting = {remote.remote(task): task for task in shared}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            task = waiting.pop(done)
            yield _outcome(task, partial(ray.get, done))
    finally:
        ray.shutdown()


def _outcome(task: Task, result: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return result()
    except Exception as error:  # noqa: BLE001 - one bag must not end the others
        text = str(error).strip().splitlines() or ['']
        return {
            'bag': task.bag,
            'output': task.output,
            'error': f'the worker ended: {type(error).__name__}: {text[0]}',
        }


def merge(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the outcomes of many bags up."""
    good = [o for o in outcomes if 'error' not in o]
    truths = [o['truth'] for o in good if o['truth'] is not None]
    total = {key: sum(t[key] for t in truths) for key in EVENTS}
    right, expected = total['events_right'], total['events_expected']
    said = right + total['events_false']
    rates = {
        'event_precision': right / said if said else 1.0,
        'event_recall': right / expected if expected else 1.0,
    }
    return {
        'bags': len(outcomes),
        'failed': len(outcomes) - len(good),
        'frames': sum(o['frames'] for o in good),
        'signs': sum(o['signs'] for o in good),
        'truth': {**total, **rates} if truths else None,
        'runs': sorted(outcomes, key=lambda o: str(o['bag'])),
    }


def write_summary(folder: Path, merged: Mapping[str, Any]) -> None:
    """Write ``summary.json`` and ``index.html`` with links to the reports."""
    make_folder(folder)
    write_file(folder / 'summary.json', json.dumps(merged, indent=1) + '\n')
    write_file(folder / 'index.html', index_page(merged, folder))


def reports_of(outcomes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Read the reports of all bags that did not fail."""
    return [read_report(Path(o['output'])) for o in outcomes if 'error' not in o]
