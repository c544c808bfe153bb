"""``alexnet_ros compare``: two reports as a table, with a gate for CI."""

import argparse
from pathlib import Path

from alexnet_ros.cli.options import fraction
from alexnet_ros.cli.output import print_error, print_json
from alexnet_ros.files import write_file
from alexnet_ros.report.compare import compare, drops
from alexnet_ros.report.page import render
from alexnet_ros.report.write import read_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('before', type=Path, metavar='A', help='report.json or its folder')
    parser.add_argument('after', type=Path, metavar='B', help='the report to judge')
    for what in ('recall', 'precision'):
        text = f'exit 1 if the event {what} fell by more than this'
        parser.add_argument(f'--max-{what}-drop', type=fraction, metavar='FRACTION', help=text)
    parser.add_argument('--html', type=Path, metavar='FILE', help='also write the table as a page')
    parser.add_argument('--json', action='store_true', help='print the table as one JSON object')


def run(args: argparse.Namespace) -> int:
    """Compare; 1 if a limit that was given does not hold."""
    before, after = read_report(args.before), read_report(args.after)
    found = compare(after, before, str(args.before))
    limits = {'recall': args.max_recall_drop, 'precision': args.max_precision_drop}
    given = {what: limit for what, limit in limits.items() if limit is not None}
    reasons = drops(found, given)
    if args.html:
        name = Path(after['bag']['path']).name
        write_file(args.html, render('compare.html', name=name, found=found, reasons=reasons))
    if args.json:
        print_json({**found, 'passed': not reasons, 'reasons': reasons})
    else:
        print(f'{"":<28} {"before":>10} {"now":>10}  change')
        for row in found['figures']:
            print(f'{row["what"]:<28} {row["before"]!s:>10} {row["now"]!s:>10}  {row["change"]}')
        for change in found['signs']:
            print(f'{change["kind"]}: {change["text"]}')
    for reason in reasons:
        print_error('compare', reason)
    return int(bool(reasons))
