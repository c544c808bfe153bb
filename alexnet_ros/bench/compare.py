"""
What moved between two benchmark files, and tables of one.

Only ratios taken within one run are compared: absolute times say more about
the machine and its neighbours than about the code.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TOLERANCE = 0.25  # a ratio may move so far by noise on a shared machine


def moved(
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
    tolerance: float = TOLERANCE,
) -> list[str]:
    """Say which ratios moved by more than a fraction, and which rows came or went."""
    before = {(row['group'], row['name']): row for row in old if 'faster' in row}
    after = {(row['group'], row['name']): row for row in new if 'faster' in row}
    lines = []
    for key, row in after.items():
        if key not in before:
            lines.append(f'new: {key[0]}: {key[1]}')
            continue
        was, now = float(before[key]['faster']), float(row['faster'])
        if was > 0 and abs(now / was - 1) > tolerance:
            word = 'slower' if now < was else 'faster'
            lines.append(
                f'{word}: {key[0]}: {key[1]}: {was:.2f} to {now:.2f} times {row["baseline"]}'
            )
    lines += [f'gone: {key[0]}: {key[1]}' for key in before if key not in after]
    return lines


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """
    Return a Markdown table.

    :param columns: key of a row to the heading of its column; rows that lack a
        key leave the cell empty.
    """
    lines = [f'| {" | ".join(columns.values())} |', '|' + '---|' * len(columns)]
    lines += [f'| {" | ".join(_cell(row.get(key)) for key in columns)} |' for row in rows]
    return '\n'.join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ''
    if isinstance(value, float):
        return f'{value:.3g}' if abs(value) < 100 else f'{value:.0f}'
    return str(value)
