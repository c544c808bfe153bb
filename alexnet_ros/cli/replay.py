"""``alexnet_ros replay``: bags through the recognizer, scored and reported."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from alexnet_ros.bags.find import bags_in
from alexnet_ros.bags.reader import frames_of
from alexnet_ros.cli.options import (
    add_bag_options,
    add_model_options,
    add_number,
    engine_of,
    fraction,
    open_recognizer,
    settings_of,
    whole,
)
from alexnet_ros.cli.progress import Progress
from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.errors import BagError
from alexnet_ros.replay.many import Task, merge, reports_of, run_local, run_ray, write_summary
from alexnet_ros.replay.replay import ReplayOptions, no_frames, replay_bag, score_recording
from alexnet_ros.report.compare import gate
from alexnet_ros.report.write import read_report

STOPPED = 130  # as the shell says it after Ctrl-C


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``replay``."""
    text = 'bag folder, .mcap, .db3, a folder of bags or a pattern'
    parser.add_argument('bags', nargs='+', metavar='BAG', help=text)
    parser.add_argument('--output', required=True, type=Path, help='folder for the results')
    add_model_options(parser)
    add_bag_options(parser)
    text = "at the bag's own rate, dropping frames as the live node does"
    parser.add_argument('--realtime', action='store_true', help=text)
    parser.add_argument('--video', action='store_true', help='also write annotated video')
    parser.add_argument(
        '--truth', metavar='CSV', help='ground truth; a bare name is looked up in each bag'
    )
    parser.add_argument(
        '--results', metavar='BAG', help='score this recording instead of running the model'
    )
    text = 'add the differences from another report.json'
    parser.add_argument('--compare', metavar='REPORT', type=Path, help=text)
    text = 'exit 1 if fewer of the signs are confirmed'
    parser.add_argument('--min-recall', type=fraction, metavar='FRACTION', help=text)
    text = 'exit 1 if there are more false positives'
    parser.add_argument('--max-false', type=whole(0, math.inf), metavar='N', help=text)
    text = "the navigator's action table; 'none' for no navigation"
    parser.add_argument('--actions', default='sign_actions.yaml', metavar='TABLE', help=text)
    add_number(parser, '--jobs', whole(1, 256), 1, 'N', 'bags in parallel')
    parser.add_argument('--ray', metavar='ADDRESS', help='run the bags on a Ray cluster')
    parser.add_argument('--json', action='store_true', help='print the figures as one JSON line')


def _truth_of(args: argparse.Namespace, bag: Path) -> Path | None:
    """Return the truth of one bag: the file named, or one of that name in the bag."""
    if args.truth is None:
        return None
    named = Path(args.truth)
    inside = (bag if bag.is_dir() else bag.parent) / named
    if not named.exists() and not named.is_absolute() and inside.exists():
        return inside
    return named


def _options(args: argparse.Namespace, bag: Path) -> ReplayOptions:
    return ReplayOptions(
        topics=tuple(args.topic),
        realtime=args.realtime,
        video=args.video,
        truth=_truth_of(args, bag),
        compare=args.compare,
        actions='' if args.actions == 'none' else args.actions,
    )


def run(args: argparse.Namespace) -> int:
    """Replay one bag or many; judge by the truth."""
    bags = bags_in(args.bags)
    several = len(bags) > 1 or args.ray is not None
    if several and (args.results or args.compare):
        raise BagError(f'--results and --compare take one bag, not {len(bags)}')
    if several:
        return _run_many(args, bags)
    return _run_one(args, bags[0])


def _run_one(args: argparse.Namespace, bag: Path) -> int:
    settings = settings_of(args)
    if args.compare is not None:
        read_report(args.compare)  # before the work, not after it
    progress = Progress(frames_of(bag, tuple(args.topic)), bag.name)
    options = _options(args, bag)
    options = ReplayOptions(**{**vars(options), 'on_frame': progress.update})
    if args.results:
        found = score_recording(bag, args.output, args.results, options)
    else:
        checked = settings_from_mapping(RecognizerSettings, settings)
        with open_recognizer(args, checked) as recognizer:
            print(
                f'{recognizer.engine.info.backend} on {recognizer.engine.info.device}, '
                f'model {recognizer.package.name}',
                file=sys.stderr,
            )
            found = replay_bag(bag, args.output, recognizer, options)
    progress.close()
    for line in [*found.losses, *found.account_lines]:
        print(line, file=sys.stderr)
    report = read_report(args.output)
    _print_one(args, report)
    if not found.complete:
        print('stopped early; the report covers what was done', file=sys.stderr)
        return STOPPED
    if not found.processed:
        raise BagError(no_frames(found))
    return _judge(args, [report])


def _print_one(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """Print the figures of one report."""
    truth = report['truth']
    scores = {key: value for key, value in (truth or {}).items() if not isinstance(value, list)}
    frames = sum(c['processed'] for c in report['cameras'].values())
    if args.json:
        found = {
            'bag': report['bag']['path'],
            'output': str(args.output),
            'complete': report['complete'],
            'frames': frames,
            'signs': len(report['signs']),
            'account': report['bag']['account'],
            'losses': report['bag']['losses'],
        }
        print(json.dumps(found | scores))
        return
    for sign in report['signs']:
        print(
            f'{sign["confirmed_s"]:8.2f} s  {sign["class_name"]}  {sign["best_score"]:.2f}'
            + (f'  [{sign["camera"]}]' if sign['camera'] else '')
            + ('  WRONG' if sign['right'] is False else '')
        )
    if truth is not None:
        print(
            f'event precision {truth["event_precision"]:.3f}, recall '
            f'{truth["event_recall"]:.3f}; frame accuracy {truth["frame_accuracy"]:.3f}'
        )
    print(f'{frames} frames; {args.output / "report.html"}')


def _run_many(args: argparse.Namespace, bags: list[Path]) -> int:
    settings, engine = settings_of(args), engine_of(args)
    tasks = []
    for bag, name in zip(bags, _names(bags), strict=True):
        place, output = str(bag.resolve()), str((args.output / name).resolve())
        tasks.append(Task(place, output, args.model, settings, engine, _options(args, bag)))
    outcomes = []
    progress = Progress(len(tasks), 'replay', 'bags')
    for outcome in run_ray(tasks, args.ray) if args.ray else run_local(tasks, args.jobs):
        outcomes.append(outcome)
        progress.update()
        if 'error' in outcome:
            print(f'{outcome["bag"]}: {outcome["error"]}', file=sys.stderr)
    progress.close()
    merged = merge(outcomes)
    write_summary(args.output, merged)
    if args.json:
        print(json.dumps({key: value for key, value in merged.items() if key != 'runs'}))
    else:
        print(
            f'{merged["bags"]} bags, {merged["failed"]} failed, {merged["frames"]} frames, '
            f'{merged["signs"]} signs; {args.output / "index.html"}'
        )
    failed = 1 if merged['failed'] else 0
    return _judge(args, reports_of(outcomes)) or failed


def _names(bags: list[Path]) -> list[str]:
    """Return a folder name for each bag; the same name twice gets a number."""
    names: list[str] = []
    for bag in bags:
        name, number = bag.stem if bag.is_file() else bag.name, 2
        while name in names:
            name, number = f'{bag.stem}_{number}', number + 1
        names.append(name)
    return names


def _judge(args: argparse.Namespace, reports: list[dict[str, Any]]) -> int:
    """Return 1 and say why if the reports are not good enough."""
    reasons = gate(reports, args.min_recall, args.max_false)
    for reason in reasons:
        print(f'gate failed: {reason}', file=sys.stderr)
    return 1 if reasons else 0
