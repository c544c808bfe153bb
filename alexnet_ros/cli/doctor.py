"""``alexnet_ros doctor``: what of this machine works, and what to do about the rest."""

import argparse
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

from alexnet_ros.cli import checks
from alexnet_ros.cli.checks import Check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    text = 'check this model alone; may be given again (default: all that are found)'
    parser.add_argument('--model', action='append', default=[], metavar='M', help=text)


def gather(models: list[str]) -> list[Check]:
    """Run all checks on the models named, or all found; those that wait run side by side."""
    jobs = [
        checks.check_python,
        checks.check_ros,
        checks.check_environment,
        checks.check_dds_profile,
        checks.check_shared_memory,
        checks.check_graph,
        checks.check_engines,
        lambda: checks.check_models(models),
        checks.check_engine_cache,
    ]
    with ThreadPoolExecutor(max_workers=4) as pool:
        return [found for job in [pool.submit(job) for job in jobs] for found in job.result()]


def run(args: argparse.Namespace) -> int:
    """Print the checks; 1 if something that the nodes need is broken."""
    found = gather(args.model)
    if args.json:
        wanted = ('name', 'ok', 'detail', 'remedy')
        rows = [{key: dataclasses.asdict(check)[key] for key in wanted} for check in found]
        print(json.dumps({'checks': rows}))
    else:
        for check in found:
            mark = 'ok  ' if check.ok else 'FAIL' if check.needed else 'warn'
            print(f'{mark} {check.name}: {check.detail}')
            if check.remedy:
                print(f'     -> {check.remedy}')
    return int(any(check.needed and not check.ok for check in found))
