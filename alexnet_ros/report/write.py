"""``report.json`` and the self-contained ``report.html``."""

import json
from pathlib import Path
from typing import Any

from alexnet_ros.errors import BagError
from alexnet_ros.files import one_line, read_file, write_file
from alexnet_ros.report.compare import compare
from alexnet_ros.report.page import page
from alexnet_ros.report.run import Run

MAX_REPORT_BYTES = 64 << 20


def write_report(folder: str | Path, run: Run, compared: dict[str, Any] | None = None) -> Path:
    """
    Write the report of a finished run.

    :param folder: must exist; gets ``report.json``, ``report.html`` and, where
        frames were at hand, ``picture.jpg``, an annotated one.
    :param compared: what :func:`alexnet_ros.report.compare.compare` says.
    :returns: the path of the HTML file.
    :raises FileWriteError: the folder cannot be written.
    """
    folder = Path(folder)
    report = run.as_json()
    if compared is not None:
        report['compared'] = compared
    write_file(folder / 'report.json', json.dumps(report, indent=1) + '\n')
    thumbs = [entry.thumb for entry in run.timeline.entries]
    errors = [] if run.scorer is None else [e.picture for e in run.scorer.errors]
    beside = [folder / 'results.mcap', folder / 'report.json', *sorted(folder.glob('video*.*'))]
    links = [path.name for path in beside if path.is_file()]
    write_file(folder / 'report.html', page(report, thumbs, errors, run.picture, links))
    if run.picture:
        write_file(folder / 'picture.jpg', run.picture)
    return folder / 'report.html'


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a ``report.json``, or that of a folder; BagError if it is none."""
    path = Path(path)
    path = path / 'report.json' if path.is_dir() else path
    try:
        report: Any = json.loads(read_file(path, MAX_REPORT_BYTES, BagError))
        compare(report, report, '')  # reads all that is relied on
    except (ValueError, RecursionError) as error:
        raise BagError(f'{path} cannot be read as a report: {one_line(error)}') from error
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise BagError(f'{path} is not a report of alexnet_ros replay') from error
    return dict(report)
