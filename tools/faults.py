"""
Run the whole fault suite; with ``--write`` renew ``docs/fault_cases.md``.

Beside ``tests/faults`` that is every test of ``tests/faults/elsewhere.py``.
Further arguments go to pytest. A page is written of a whole run in which
nothing failed, and of nothing else.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = 'docs/fault_cases.md'


def main() -> None:
    """Become pytest."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from tests.faults.elsewhere import FILES

    more = [word for word in sys.argv[1:] if word != '--write']
    page = ['--faults-table', PAGE] if '--write' in sys.argv[1:] else []
    words = [sys.executable, '-m', 'pytest', '-p', 'tests.faults.table', '-q', *page]
    words += ['tests/faults', *FILES, *more]
    os.execv(sys.executable, words)  # noqa: S606 - this Python, these words


if __name__ == '__main__':
    main()
