"""CSV in which no text can be taken for a formula by the spreadsheet that opens it."""

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = ('=', '+', '-', '@', '\t', '\r')
_NUMBER = re.compile(r'[-+]?[0-9]{0,40}\.?[0-9]{1,40}([eE][-+]?[0-9]{1,4})?\Z')


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]] = ()) -> str:
    """Return lines of CSV in which no text can be taken for a formula."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    for row in [columns, *rows]:
        writer.writerow([csv_cell(one) if isinstance(one, str) else one for one in row])
    return text.getvalue()


def csv_cell(text: str) -> str:
    """
    Return a text that no spreadsheet takes for a formula; numbers stay as they are.

    Source: OWASP, "CSV Injection": a quote goes before ``= + - @``, tab and return.
    """
    if not text.lstrip("'").startswith(_FORMULA) or _NUMBER.match(text):
        return text
    return f"'{text}"


def text_of_cell(cell: str) -> str:
    """Return the text that :func:`csv_cell` made safe."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(_FORMULA) else cell
